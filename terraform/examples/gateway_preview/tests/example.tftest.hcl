mock_provider "google" {
  source = "../../tests/mocks/google"
}

mock_provider "google-beta" {
  source = "../../tests/mocks/google-beta"
}

variables {
  project_id = "example-project"
}

# Only planned: an apply would run gcloud.
run "its_only_front_is_a_gateway_that_streams" {
  command = plan
  assert {
    condition     = keys(output.base_urls) == ["gateway"]
    error_message = "there is another way in"
  }
}
