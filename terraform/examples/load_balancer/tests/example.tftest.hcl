mock_provider "google" {
  source = "../../tests/mocks/google"
}

mock_provider "google-beta" {
  source = "../../tests/mocks/google-beta"
}

variables {
  project_id = "example-project"
  domain     = "llm.example.com"
}

run "its_only_front_is_the_load_balancer" {
  command = plan
  assert {
    condition     = jsonencode(output.base_urls) == jsonencode({ load_balancer = { headers = [], streams = true, url = "https://llm.example.com/v1" } })
    error_message = "there is another way in"
  }
}
