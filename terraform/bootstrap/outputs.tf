output "state_bucket" {
  description = "Name of the bucket for the root module's state."
  value       = google_storage_bucket.state.name
}

output "init_command" {
  description = "Moves the root module's state into the bucket. Run it in the terraform folder."
  value       = "terraform init -backend-config=bucket=${google_storage_bucket.state.name} -backend-config=prefix=${var.name}"
}

output "service_accounts" {
  description = "E-mail addresses of the identities of builds: `test` has no rights, `plan` reads, `apply` changes."
  value       = { for name, account in google_service_account.builder : name => account.email }
}

output "submit_command" {
  description = "Plans from a clone, without a trigger. Run it in the root of the repository."
  value       = "gcloud builds submit --project=${var.project_id} --region=${var.region} --config=cloudbuild.plan.yaml --gcs-source-staging-dir=gs://${google_storage_bucket.plans.name}/clones --substitutions=_NAME=${var.name},_PLAN_BUCKET=${google_storage_bucket.plans.name},_REGION=${var.region},_SERVICE_ACCOUNT=${google_service_account.builder["plan"].email},_STATE_BUCKET=${google_storage_bucket.state.name}"
}

output "apply_command" {
  description = "Asks for an approval of a plan, by the digest that the build which planned it has told."
  value       = "gcloud builds triggers run ${google_cloudbuild_trigger.apply.name} --project=${var.project_id} --region=${var.region} --substitutions=_PLAN=DIGEST"
}
