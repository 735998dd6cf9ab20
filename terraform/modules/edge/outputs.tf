output "base_url" {
  description = "What OpenAI clients take as base_url. It answers when DNS points to `address` and the certificate is active."
  value       = "https://${var.domain}/v1"
}

output "address" {
  description = "IPv4 address of the load balancer, for the A record of the domain."
  value       = google_compute_global_address.this.address
}

output "security_policy" {
  description = "Id of the Cloud Armor policy."
  value       = google_compute_security_policy.this.id
}
