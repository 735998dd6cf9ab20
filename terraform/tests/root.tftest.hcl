mock_provider "google" {
  source = "./tests/mocks/google"
}

mock_provider "google-beta" {
  source = "./tests/mocks/google-beta"
}

variables {
  project_id = "example-project"
  region     = "europe-west1"
}

run "two_variables_are_enough" {
  assert {
    condition     = output.base_url == "https://chromagent-mock-abc-ew.a.run.app/v1"
    error_message = "the base URL that streams is that of the chat function"
  }
  assert {
    condition = jsonencode(output.base_urls) == jsonencode({
      direct  = { headers = [], streams = true, url = "https://chromagent-mock-abc-ew.a.run.app/v1" }
      gateway = { headers = ["x-api-key: $GOOGLE_API_KEY"], streams = false, url = "https://chromagent-abc.ew.gateway.dev/v1" }
    })
    error_message = "wrong base URLs"
  }
  assert {
    condition     = startswith(output.curl_example, "curl -N https://chromagent-mock-abc-ew.a.run.app/v1/chat/completions ") && !strcontains(output.curl_example, "x-api-key")
    error_message = "wrong request: ${output.curl_example}"
  }
  assert {
    condition     = google_storage_bucket_object.source.name == "chromagent-${output.archive.sha256}.zip"
    error_message = "a changed archive would not be deployed"
  }
  assert {
    condition     = output.api_key_command == "gcloud services api-keys create --project=example-project --display-name=chromagent --api-target=service=chromagent-0a.apigateway.example-project.cloud.goog"
    error_message = "wrong command: ${output.api_key_command}"
  }
  assert {
    condition     = jsondecode(module.settings["chat"].json).client_keys == output.client_keys
    error_message = "the functions look for their keys elsewhere"
  }
}

run "a_second_deployment_with_a_key_of_a_provider_and_no_quotas" {
  command = plan
  variables {
    name          = "staging"
    limits        = { chat = { enabled = false }, models = { enabled = false } }
    provider_keys = ["gemini"]
    backends      = { vertex-gemini = { auth = "api_key", api_key = "gemini" } }
  }
  assert {
    condition     = local.account_ids.function == "staging-fn" && google_storage_bucket.source.name == "example-project-staging-source"
    error_message = "it would meet the first one"
  }
  assert {
    condition     = jsondecode(module.settings["models"].json).backends.vertex-gemini.api_key == "projects/example-project/secrets/staging-gemini/versions/latest"
    error_message = "wrong reference"
  }
  assert {
    condition     = output.api_key_command == null
    error_message = "a Google API key that nothing asks for"
  }
}
