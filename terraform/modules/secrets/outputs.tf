output "references" {
  description = "References to the latest versions, by short name, as the functions' configuration takes them."
  value       = { for name, secret in var.secrets : name => "projects/${var.project_id}/secrets/${var.name}-${name}/versions/latest" }
}

output "ids" {
  description = "Ids of the secrets in their project, by short name."
  value       = { for name, secret in google_secret_manager_secret.this : name => secret.secret_id }
}

output "rotation_subscription" {
  description = "Pub/Sub subscription where reminders wait for seven days; null without rotation."
  value       = one(google_pubsub_subscription.rotation[*].id)
}
