output "state_bucket" {
  description = "Name of the bucket for the root module's state."
  value       = google_storage_bucket.state.name
}

output "init_command" {
  description = "Moves the root module's state into the bucket. Run it in the terraform folder."
  value       = "terraform init -backend-config=bucket=${google_storage_bucket.state.name} -backend-config=prefix=${var.name}"
}

output "service_accounts" {
  description = "E-mail addresses of the identities of builds: `plan` looks, `apply` changes."
  value       = { apply = google_service_account.apply.email, plan = google_service_account.plan.email }
}

output "submit_command" {
  description = "Plans from a clone, without a trigger. Run it in the root of the repository."
  value       = "gcloud builds submit --project=${var.project_id} --region=${var.region} --substitutions=_STATE_BUCKET=${google_storage_bucket.state.name},_STATE_PREFIX=${var.name},_REGION=${var.region},_SERVICE_ACCOUNT=${google_service_account.plan.email}"
}
