# What modules/signals says, as resources. That one needs no provider: tests hold it against lines that the app really writes.

module "signals" {
  source        = "../signals"
  name          = var.name
  functions     = var.functions
  max_instances = var.max_instances
  alerts        = var.alerts
}

resource "google_logging_metric" "this" {
  for_each         = module.signals.metrics
  project          = var.project_id
  name             = each.value.name
  description      = each.value.description
  filter           = each.value.filter
  label_extractors = each.value.extractors
  value_extractor  = each.value.value
  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = each.value.value_type
    unit        = each.value.unit
    dynamic "labels" {
      for_each = each.value.extractors
      content {
        key        = labels.key
        value_type = "STRING"
      }
    }
  }
  dynamic "bucket_options" {
    for_each = each.value.buckets == null ? [] : [each.value.buckets]
    content {
      exponential_buckets {
        scale              = bucket_options.value.scale
        growth_factor      = bucket_options.value.growth_factor
        num_finite_buckets = bucket_options.value.num_finite_buckets
      }
    }
  }
}

resource "google_monitoring_dashboard" "this" {
  project        = var.project_id
  dashboard_json = jsonencode(module.signals.dashboard)
}

resource "google_monitoring_notification_channel" "this" {
  for_each     = toset(var.notification_emails)
  project      = var.project_id
  display_name = "${var.name}: ${each.key}"
  type         = "email"
  labels       = { email_address = each.key }
  user_labels  = var.labels
}

resource "google_monitoring_alert_policy" "this" {
  for_each              = module.signals.alerts
  project               = var.project_id
  display_name          = "${var.name}: ${each.value.title}"
  severity              = each.value.severity
  combiner              = "OR"
  notification_channels = local.channels
  user_labels           = var.labels
  conditions {
    display_name = each.value.title
    condition_prometheus_query_language {
      query                     = each.value.query
      duration                  = "0s" # the query looks over its own window
      evaluation_interval       = "60s"
      disable_metric_validation = true # a metric of the log exists only after its first line
    }
  }
  alert_strategy {
    auto_close = "3600s"
  }
  documentation {
    content   = each.value.advice
    mime_type = "text/markdown"
  }
  depends_on = [google_logging_metric.this]
}

module "budget" {
  count           = var.budget == null ? 0 : 1
  source          = "../budget"
  billing_account = var.budget.billing_account
  project_id      = var.project_id
  name            = "${var.name} ${var.project_id}"
  monthly_amount  = var.budget.monthly_amount
  currency        = var.budget.currency
  channels        = slice(local.channels, 0, min(5, length(local.channels))) # more are refused
}

locals {
  channels = [for address in sort(var.notification_emails) : google_monitoring_notification_channel.this[address].id]
}
