mock_provider "google" {
  source = "../../tests/mocks/google"
}

mock_provider "google-beta" {
  source = "../../tests/mocks/google-beta"
}

variables {
  project_id = "example-project"
  invokers   = ["group:team@example.com"]
}

run "callers_show_who_they_are" {
  command = plan
  assert {
    condition     = { for name, front in output.base_urls : name => front.headers[0] } == { iam = "X-Serverless-Authorization: Bearer $(gcloud auth print-identity-token)" }
    error_message = "wrong fronts"
  }
}
