mock_provider "google" {
  source = "../../tests/mocks/google"
}

mock_provider "google-beta" {
  source = "../../tests/mocks/google-beta"
}

variables {
  project_id = "example-project"
}

run "it_makes_a_function_that_streams_and_a_gateway_that_does_not" {
  assert {
    condition = jsonencode(output.base_urls) == jsonencode({
      direct  = { headers = [], streams = true, url = "https://chromagent-mock-abc-ew.a.run.app/v1" }
      gateway = { headers = ["x-api-key: $GOOGLE_API_KEY"], streams = false, url = "https://chromagent-abc.ew.gateway.dev/v1" }
    })
    error_message = "wrong base URLs"
  }
  assert {
    condition     = strcontains(output.first_key_command, "--store projects/example-project/secrets/chromagent-client-keys/versions/latest")
    error_message = "wrong store"
  }
  assert {
    condition     = startswith(output.curl_example, "curl -N https://chromagent-mock-abc-ew.a.run.app/v1/chat/completions ") && !strcontains(output.curl_example, "x-api-key")
    error_message = "wrong request: ${output.curl_example}"
  }
}

run "names_that_cannot_be" {
  command = plan
  variables {
    project_id = "Example"
    region     = "europe"
  }
  expect_failures = [var.project_id, var.region]
}
