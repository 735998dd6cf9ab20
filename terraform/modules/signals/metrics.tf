# Metrics out of the log: each is a filter over lines that chromagent/telemetry.py writes, and what is taken from them.
# Cloud Run's agent lifts `severity`, `httpRequest`, `time` and the trace out of a line; all else stays in jsonPayload.
#
# Labels stay few: key ids, configured backends and locations, and models that answered. The model that a client asked for is any text.

locals {
  services = join(" OR ", [for service in sort(values(var.functions)) : "\"${service}\""])
  source   = ["resource.type=\"cloud_run_revision\"", "resource.labels.service_name=(${local.services})"]
  request  = concat(local.source, ["jsonPayload.message=\"chat completion\""])
  served   = concat(local.request, ["NOT jsonPayload.cache=\"hit\""])

  paths = {
    backend = "REGEXP_EXTRACT(jsonPayload.route, \"^([^/]+)/\")"
    cache   = "EXTRACT(jsonPayload.cache)"
    caller  = "EXTRACT(jsonPayload.caller)"
    code    = "EXTRACT(jsonPayload.error.code)"
    model   = "EXTRACT(jsonPayload.gen_ai.response.model)"
    status  = "EXTRACT(httpRequest.status)"
    stream  = "EXTRACT(jsonPayload.gen_ai.request.stream)"
    # Not "location": that is the function's own, a label of the resource.
    upstream_location = "REGEXP_EXTRACT(jsonPayload.route, \"@([^@]+)$\")"
  }

  # A quarter more with each bucket, from 50 ms to 24 minutes; twice as many with each, from 1 token to 4 million.
  seconds = { scale = 0.05, growth_factor = 1.25, num_finite_buckets = 46 }
  tokens  = { scale = 1, growth_factor = 2, num_finite_buckets = 22 }

  # What tells that the gateway cannot get at something secret: a provider's key, the document of client keys, its own token.
  secret_messages = [
    "a secret cannot be read",
    "the client keys cannot be read",
    "the client keys cannot be read, and nobody is let in",
    "no token for the model provider could be fetched",
  ]

  counters = {
    requests = {
      description = "Chat requests that were finished, well or not"
      filter      = local.request
      labels      = ["status", "caller", "backend", "upstream_location", "stream", "cache"]
    }
    errors = {
      description = "Chat requests that ended in an error, also within a stream whose status was 200"
      filter      = concat(local.request, ["jsonPayload.error.status>=400"])
      labels      = ["status", "code", "caller", "backend"]
    }
    retries = {
      description = "Chat requests that took more than one attempt upstream"
      filter      = concat(local.request, ["jsonPayload.attempts>1"])
      labels      = ["backend", "upstream_location"]
    }
    downgrades = {
      description = "Chat requests for which something weaker was sent than the client asked for"
      filter      = concat(local.request, ["jsonPayload.downgraded=~\".\""])
      labels      = ["backend", "caller"]
    }
    secret_failures = {
      description = "Secrets, client keys or tokens that could not be got; an older value may have served"
      filter      = concat(local.source, ["jsonPayload.message=(${join(" OR ", formatlist("\"%s\"", local.secret_messages))})"])
      labels      = []
    }
    limiter_failures = {
      description = "The storage of rate limits was away; an instance says so every ten seconds at most"
      filter      = concat(local.source, ["jsonPayload.message:\"the storage of rate limits is away\""])
      labels      = []
    }
  }

  distributions = {
    duration = {
      description = "Whole time of chat requests that succeeded"
      unit        = "s"
      buckets     = local.seconds
      filter      = concat(local.served, ["jsonPayload.duration_seconds>=0", "httpRequest.status<400"])
      value       = "jsonPayload.duration_seconds"
      labels      = ["model", "upstream_location", "stream"]
    }
    time_to_first_chunk = {
      description = "Time until the first chunk of a stream"
      unit        = "s"
      buckets     = local.seconds
      filter      = concat(local.served, ["jsonPayload.gen_ai.response.time_to_first_chunk>=0"])
      value       = "jsonPayload.gen_ai.response.time_to_first_chunk"
      labels      = ["model", "upstream_location"]
    }
    input_tokens = {
      description = "Tokens that went in, those from the model's cache included"
      unit        = "1"
      buckets     = local.tokens
      filter      = concat(local.served, ["jsonPayload.gen_ai.usage.input_tokens>0"])
      value       = "jsonPayload.gen_ai.usage.input_tokens"
      labels      = ["model", "caller"]
    }
    cached_tokens = {
      description = "Tokens that went in from the model's cache, at a lower price"
      unit        = "1"
      buckets     = local.tokens
      filter      = concat(local.served, ["jsonPayload.gen_ai.usage.cache_read.input_tokens>0"])
      value       = "jsonPayload.gen_ai.usage.cache_read.input_tokens"
      labels      = ["model", "caller"]
    }
    output_tokens = {
      description = "Tokens that came out, those of reasoning included"
      unit        = "1"
      buckets     = local.tokens
      filter      = concat(local.served, ["jsonPayload.gen_ai.usage.output_tokens>0"])
      value       = "jsonPayload.gen_ai.usage.output_tokens"
      labels      = ["model", "caller"]
    }
    reasoning_tokens = {
      description = "Tokens of reasoning that came out"
      unit        = "1"
      buckets     = local.tokens
      filter      = concat(local.served, ["jsonPayload.gen_ai.usage.reasoning.output_tokens>0"])
      value       = "jsonPayload.gen_ai.usage.reasoning.output_tokens"
      labels      = ["model", "caller"]
    }
  }

  metrics = merge(
    {
      for key, metric in local.counters : key => {
        name        = "${var.name}/${key}"
        description = metric.description
        filter      = join(" AND ", metric.filter)
        value_type  = "INT64"
        unit        = "1"
        extractors  = { for label in metric.labels : label => local.paths[label] }
        value       = null
        buckets     = null
      }
    },
    {
      for key, metric in local.distributions : key => {
        name        = "${var.name}/${key}"
        description = metric.description
        filter      = join(" AND ", metric.filter)
        value_type  = "DISTRIBUTION"
        unit        = metric.unit
        extractors  = { for label in metric.labels : label => local.paths[label] }
        value       = "EXTRACT(${metric.value})"
        buckets     = metric.buckets
      }
    },
  )
}
