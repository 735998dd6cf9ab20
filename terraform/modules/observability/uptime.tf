# Asks from outside, the way a client comes: certificate, DNS and load balancer or gateway included.

locals {
  watched = var.base_url_host == null ? [] : ["health"]
}

resource "google_monitoring_uptime_check_config" "this" {
  for_each     = toset(local.watched)
  project      = var.project_id
  display_name = "${var.name}: /health"
  timeout      = "10s" # a cold start fits into it
  period       = "${var.uptime_period_seconds}s"
  user_labels  = var.labels
  http_check {
    path         = "/health"
    port         = 443
    use_ssl      = true
    validate_ssl = true
    accepted_response_status_codes {
      status_value = 200
    }
  }
  content_matchers {
    content = "\"status\":\"ok\""
    matcher = "CONTAINS_STRING"
  }
  monitored_resource {
    type = "uptime_url"
    labels = {
      project_id = var.project_id
      host       = var.base_url_host
    }
  }
}

resource "google_monitoring_alert_policy" "uptime" {
  for_each              = google_monitoring_uptime_check_config.this
  project               = var.project_id
  display_name          = "${var.name}: /health does not answer"
  severity              = "CRITICAL"
  combiner              = "OR"
  notification_channels = local.channels
  user_labels           = var.labels
  conditions {
    display_name = "/health fails from two places or more"
    condition_threshold {
      filter          = "metric.type=\"monitoring.googleapis.com/uptime_check/check_passed\" AND resource.type=\"uptime_url\" AND metric.labels.check_id=\"${each.value.uptime_check_id}\""
      comparison      = "COMPARISON_GT"
      threshold_value = 1
      duration        = "${var.uptime_period_seconds}s"
      aggregations {
        alignment_period     = "${4 * var.uptime_period_seconds}s"
        per_series_aligner   = "ALIGN_NEXT_OLDER"
        cross_series_reducer = "REDUCE_COUNT_FALSE"
        group_by_fields      = ["resource.label.host"]
      }
    }
  }
  alert_strategy {
    auto_close = "3600s"
  }
  documentation {
    content   = "Nobody may be reaching the gateway. Try `curl https://${var.base_url_host}/health`; then look at the functions' log, at DNS and at the certificate."
    mime_type = "text/markdown"
  }
}
