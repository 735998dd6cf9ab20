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

run "callers_show_who_they_are_and_their_client_key" {
  assert {
    condition = jsonencode(output.base_urls) == jsonencode({ iam = {
      headers = ["X-Serverless-Authorization: Bearer $(gcloud auth print-identity-token)"]
      streams = true
      url     = "https://chromagent-mock-abc-ew.a.run.app/v1"
    } })
    error_message = "wrong base URLs"
  }
  assert {
    condition     = strcontains(output.curl_example, "-H \"X-Serverless-Authorization: Bearer $(gcloud auth print-identity-token)\"") && strcontains(output.curl_example, "-H \"Authorization: Bearer $CHROMAGENT_KEY\"")
    error_message = "wrong request: ${output.curl_example}"
  }
}

run "nobody_may_call" {
  command = plan
  variables {
    project_id = "Example"
    region     = "europe"
    invokers   = []
  }
  expect_failures = [var.project_id, var.region, var.invokers]
}
