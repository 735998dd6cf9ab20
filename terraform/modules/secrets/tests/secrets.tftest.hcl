mock_provider "google" {
  mock_resource "google_pubsub_topic" {
    defaults = { id = "projects/example-project/topics/chromagent-secret-rotation" }
  }
}

mock_provider "google-beta" {
  mock_resource "google_project_service_identity" {
    defaults = { member = "serviceAccount:service-42@gcp-sa-secretmanager.iam.gserviceaccount.com" }
  }
}

variables {
  project_id = "example-project"
  accessor   = "serviceAccount:chromagent-fn@example-project.iam.gserviceaccount.com"
  secrets    = { client-keys = {}, gemini = {} }
}

run "secrets_have_no_values_and_one_reader" {
  assert {
    condition     = output.references.client-keys == "projects/example-project/secrets/chromagent-client-keys/versions/latest"
    error_message = "wrong reference"
  }
  assert {
    condition     = alltrue([for member in google_secret_manager_secret_iam_member.accessor : member.role == "roles/secretmanager.secretAccessor" && member.member == var.accessor])
    error_message = "somebody else may read"
  }
  assert {
    condition     = google_secret_manager_secret.this["gemini"].version_destroy_ttl == "604800s"
    error_message = "a destroyed version is gone at once"
  }
  assert {
    condition     = output.rotation_subscription == null && length(google_project_service_identity.secret_manager) == 0
    error_message = "rotation was not asked for"
  }
}

run "a_rotated_secret_has_a_schedule_and_a_topic_that_may_be_published_to" {
  variables {
    secrets = { client-keys = { rotation_days = 90 }, gemini = {} }
  }
  assert {
    condition     = google_secret_manager_secret.this["client-keys"].rotation[0].rotation_period == "7776000s"
    error_message = "wrong period"
  }
  assert {
    condition     = timecmp(google_secret_manager_secret.this["client-keys"].rotation[0].next_rotation_time, timeadd(plantimestamp(), "2159h")) > 0
    error_message = "the first reminder comes after the first period"
  }
  assert {
    condition     = google_secret_manager_secret.this["client-keys"].topics[0].name == google_pubsub_topic.rotation[0].id
    error_message = "no topic"
  }
  assert {
    condition     = length(google_secret_manager_secret.this["gemini"].rotation) == 0
    error_message = "the other secret has no schedule"
  }
  assert {
    condition     = google_pubsub_topic_iam_member.publisher[0].member == "serviceAccount:service-42@gcp-sa-secretmanager.iam.gserviceaccount.com"
    error_message = "Secret Manager may not publish"
  }
}

run "values_can_stay_in_one_region" {
  command = plan
  variables {
    location = "europe-west1"
  }
  assert {
    condition     = google_secret_manager_secret.this["gemini"].replication[0].user_managed[0].replicas[0].location == "europe-west1"
    error_message = "kept elsewhere"
  }
}
