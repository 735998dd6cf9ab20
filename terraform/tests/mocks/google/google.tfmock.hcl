# What a mock cannot make up, because others check its form.
mock_resource "google_service_account" {
  defaults = {
    name   = "projects/example-project/serviceAccounts/mock@example-project.iam.gserviceaccount.com"
    email  = "mock@example-project.iam.gserviceaccount.com"
    member = "serviceAccount:mock@example-project.iam.gserviceaccount.com"
  }
}

mock_resource "google_storage_bucket" {
  defaults = { project_number = 42 }
}

mock_resource "google_cloudfunctions2_function" {
  defaults = {
    service_config = {
      uri     = "https://chromagent-mock-abc-ew.a.run.app"
      service = "projects/example-project/locations/europe-west1/services/chromagent-mock"
    }
  }
}
