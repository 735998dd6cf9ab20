output "service" {
  description = "Name of the Cloud Run service behind the function."
  value       = local.service
}

output "uri" {
  description = "The function's own URL, without a path."
  value       = google_cloudfunctions2_function.this.service_config[0].uri
}
