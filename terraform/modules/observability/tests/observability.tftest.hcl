mock_provider "google" {
  mock_resource "google_monitoring_notification_channel" {
    defaults = { id = "projects/my-project/notificationChannels/1" }
  }
}

variables {
  project_id = "my-project"
  region     = "europe-west4"
  functions  = { chat = "chat-completions", models = "models" }
}

run "metrics_count_the_lines_of_both_functions_only" {
  command = plan
  assert {
    condition     = alltrue([for metric in google_logging_metric.this : startswith(metric.filter, "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=(\"chat-completions\" OR \"models\") AND ")])
    error_message = "other services of the project have logs too"
  }
  assert {
    condition     = alltrue([for metric in google_logging_metric.this : join(" ", sort([for label in one(metric.metric_descriptor).labels : label.key])) == join(" ", sort(keys(metric.label_extractors)))])
    error_message = "every label is declared and extracted"
  }
  assert {
    condition     = alltrue([for metric in google_logging_metric.this : (one(metric.metric_descriptor).value_type == "DISTRIBUTION") == (metric.value_extractor != null) && (metric.value_extractor != null) == (length(metric.bucket_options) == 1)])
    error_message = "distributions take a value into buckets, counters do not"
  }
  assert {
    condition     = output.metrics["input_tokens"] == "logging.googleapis.com/user/chromagent/input_tokens"
    error_message = "the outputs are metric types"
  }
}

run "alerts_wait_for_no_metric" {
  command = plan
  assert {
    condition     = toset(keys(google_monitoring_alert_policy.this)) == toset(["errors", "first_chunk", "rate_limited", "instances", "secrets", "limiter", "defects"])
    error_message = "one policy for each"
  }
  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.this : length(policy.conditions) == 1 && policy.conditions[0].condition_prometheus_query_language[0].disable_metric_validation])
    error_message = "a metric of the log has no type before its first line, and PromQL policies have one condition"
  }
  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.this : length(policy.notification_channels) == 0])
    error_message = "nobody is written to who was not named"
  }
}

run "thresholds_reach_their_queries" {
  command = plan
  variables {
    max_instances = 40
    alerts        = { error_ratio = 0.25, first_chunk_p95_seconds = 7, rate_limited_per_minute = 99, instances_ratio = 0.5, window_minutes = 15 }
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.this["errors"].conditions[0].condition_prometheus_query_language[0].query, "[15m])) > 0.25 and sum(increase(")
    error_message = "the ratio and the window of errors"
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.this["first_chunk"].conditions[0].condition_prometheus_query_language[0].query, " > 7 and ")
    error_message = "the seconds of the first chunk"
  }
  assert {
    condition     = endswith(google_monitoring_alert_policy.this["rate_limited"].conditions[0].condition_prometheus_query_language[0].query, " * 60 > 99")
    error_message = "the 429 a minute"
  }
  assert {
    condition     = endswith(google_monitoring_alert_policy.this["instances"].conditions[0].condition_prometheus_query_language[0].query, " > 20")
    error_message = "half of forty instances"
  }
}

run "people_are_written_to" {
  variables {
    base_url_host       = "llm.example.com"
    notification_emails = ["ops@example.com"]
    labels              = { team = "platform" }
  }
  assert {
    condition     = google_monitoring_notification_channel.this["ops@example.com"].labels["email_address"] == "ops@example.com"
    error_message = "a channel for each address"
  }
  assert {
    condition     = alltrue([for policy in values(google_monitoring_alert_policy.this) : policy.notification_channels == tolist([google_monitoring_notification_channel.this["ops@example.com"].id]) && policy.user_labels["team"] == "platform"])
    error_message = "every alert goes there"
  }
  assert {
    condition     = length(google_monitoring_alert_policy.uptime["health"].notification_channels) == 1
    error_message = "the uptime alert too"
  }
}

run "health_is_asked_from_outside" {
  variables {
    base_url_host         = "llm.example.com"
    uptime_period_seconds = 60
  }
  assert {
    condition     = google_monitoring_uptime_check_config.this["health"].http_check[0].path == "/health" && google_monitoring_uptime_check_config.this["health"].http_check[0].validate_ssl
    error_message = "over TLS, the certificate checked"
  }
  assert {
    condition     = google_monitoring_uptime_check_config.this["health"].monitored_resource[0].labels["host"] == "llm.example.com"
    error_message = "at the given host"
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.uptime["health"].conditions[0].condition_threshold[0].filter, "check_id=\"${google_monitoring_uptime_check_config.this["health"].uptime_check_id}\"")
    error_message = "its alert watches this check"
  }
}

run "nothing_is_asked_where_nobody_may_call" {
  command = plan
  assert {
    condition     = length(google_monitoring_uptime_check_config.this) == 0 && length(google_monitoring_alert_policy.uptime) == 0
    error_message = "no host, no check"
  }
}

run "a_budget_is_gclouds" {
  command = plan
  variables {
    budget = { billing_account = "012345-ABCDEF-678901", monthly_amount = 250.5, currency = "EUR" }
  }
  assert {
    condition     = module.budget[0].budget == { account = "012345-ABCDEF-678901", amount = "250.5EUR", channels = "", name = "chromagent my-project", project = "my-project" }
    error_message = "the command gets account, amount and project"
  }
}
