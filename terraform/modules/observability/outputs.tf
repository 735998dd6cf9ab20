output "dashboard_id" {
  description = "Resource name of the dashboard."
  value       = google_monitoring_dashboard.this.id
}

output "metrics" {
  description = "Types of the log-based metrics, by their short names."
  value       = { for key, metric in google_logging_metric.this : key => "logging.googleapis.com/user/${metric.name}" }
}
