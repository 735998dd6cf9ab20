# Alerts in PromQL: one condition each, and no wait for a metric's first point, without which other kinds of condition cannot be made.

locals {
  enough = "and sum(increase(${local.ours.requests}{${local.from}}${local.window})) >= ${var.alerts.fewest_requests}"

  our_error_ratio = "sum(rate(${local.ours.errors}{${local.from},status=~\"5..\"}${local.window})) / sum(rate(${local.ours.requests}{${local.from}}${local.window}))"
  # An instance that dies writes no line: the platform counts its requests.
  its_error_ratio = "sum(rate(run_googleapis_com:request_count{${local.platform},response_code_class=\"5xx\"}${local.window})) / sum(rate(run_googleapis_com:request_count{${local.platform}}${local.window}))"
  its_enough      = "and sum(increase(run_googleapis_com:request_count{${local.platform}}${local.window})) >= ${var.alerts.fewest_requests}"

  conditions = {
    errors = {
      title    = "server errors"
      severity = "CRITICAL"
      query    = "(${local.our_error_ratio} > ${var.alerts.error_ratio} ${local.enough}) or (${local.its_error_ratio} > ${var.alerts.error_ratio} ${local.its_enough})"
      advice   = "Look at \"Errors a minute by code\". Codes that begin with `upstream_` are the model provider's; `gateway_misconfigured` is a secret or a setting; `internal_error` is a defect, and the log has its stack."
    }
    first_chunk = {
      title    = "slow first chunks"
      severity = "WARNING"
      query    = "histogram_quantile(0.95, sum by (le) (rate(${local.ours.time_to_first_chunk}_bucket{${local.from}}${local.window}))) > ${var.alerts.first_chunk_p95_seconds} and sum(increase(${local.ours.time_to_first_chunk}_count{${local.from}}${local.window})) >= ${var.alerts.fewest_requests}"
      advice   = "Look at the chart by model: one model is the provider's, all models are ours (instances, cold starts). More locations for the backend spread the load."
    }
    rate_limited = {
      title    = "many requests refused with 429"
      severity = "WARNING"
      query    = "sum(rate(${local.ours.errors}{${local.from},status=\"429\"}${local.window})) * 60 > ${var.alerts.rate_limited_per_minute}"
      advice   = "Look at \"429 a minute by caller and code\". One caller: its key's limits. `rate_limit_exceeded` for all callers with several attempts: the provider's quota, so ask for more or add locations."
    }
    instances = {
      title    = "instances near their maximum"
      severity = "WARNING"
      query    = "max by (service_name) (sum by (service_name) (avg_over_time(run_googleapis_com:container_instance_count{${local.platform}}[5m]))) > ${var.alerts.instances_ratio * var.max_instances}"
      advice   = "At ${var.max_instances} instances, further requests wait and then fail. Raise the maximum of the function, or lower the limits."
    }
    secrets = {
      title    = "secrets cannot be read"
      severity = "CRITICAL"
      query    = "sum(increase(${local.ours.secret_failures}{${local.from}}${local.window})) > 0"
      advice   = "The log line says which secret and why. Until it can be read, an older value serves where there is one, and new or disabled keys are not noticed. Client keys serve for the seconds that the line tells (`client_keys_max_stale`; five minutes once the secret is missing or denied); after that, and in a fresh instance, everybody is refused."
    }
    limiter = {
      title    = "the storage of rate limits is away"
      severity = "WARNING"
      query    = "sum(increase(${local.ours.limiter_failures}{${local.from}}${local.window})) > 0"
      advice   = "The log line says whether callers are let in or refused meanwhile (`rate_limit.when_away`). Look at the Redis instance and at the functions' VPC egress."
    }
    defects = {
      title    = "a defect of the gateway"
      severity = "ERROR"
      query    = "sum(increase(${local.ours.errors}{${local.from},code=\"internal_error\"}${local.window})) > 0"
      advice   = "A request failed inside the gateway. The log has the stack beside the request id, without anything that was said."
    }
  }
}
