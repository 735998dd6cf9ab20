output "host" {
  description = "Host name of the gateway. That of a streaming gateway is put together by the rule that Google documents for the preview."
  value       = var.streaming ? "${var.name}-streaming-${var.project_number}.${var.region}.gateway.dev" : google_api_gateway_gateway.this[0].default_hostname
}

output "managed_service" {
  description = "Name of the API as a service: what API keys are restricted to, and what other consumer projects have to enable."
  value       = google_api_gateway_api.this.managed_service
}

output "config_id" {
  description = "Name of the API config that is served."
  value       = google_api_gateway_api_config.this.api_config_id
}
