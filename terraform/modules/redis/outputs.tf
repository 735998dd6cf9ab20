output "url" {
  description = "What the gateway's `rate_limit.storage` takes. It holds no secret."
  value       = "redis://${google_redis_instance.this.host}:${google_redis_instance.this.port}/0"
}

output "network" {
  description = "Network for the functions' direct VPC egress."
  value       = local.network
}

output "subnetwork" {
  description = "Subnetwork for the functions' direct VPC egress."
  value       = local.subnetwork
}
