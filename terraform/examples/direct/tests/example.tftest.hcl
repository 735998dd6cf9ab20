mock_provider "google" {
  source = "../../tests/mocks/google"
}

mock_provider "google-beta" {
  source = "../../tests/mocks/google-beta"
}

variables {
  project_id = "example-project"
}

run "one_front_streams_and_one_has_quotas" {
  command = plan
  assert {
    condition     = { for name, front in output.base_urls : name => front.streams } == { direct = true, gateway = false }
    error_message = "wrong fronts"
  }
  assert {
    condition     = strcontains(output.first_key_command, "--store projects/example-project/secrets/chromagent-client-keys/versions/latest")
    error_message = "wrong store"
  }
}
