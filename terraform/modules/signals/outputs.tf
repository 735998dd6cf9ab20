output "metrics" {
  description = "Log-based metrics: name, filter, extractors, buckets."
  value       = local.metrics
}

output "dashboard" {
  description = "The dashboard, as Cloud Monitoring's API spells it."
  value       = local.dashboard
}

output "alerts" {
  description = "Conditions of the alerts in PromQL, with a title and advice each."
  value       = local.conditions
}
