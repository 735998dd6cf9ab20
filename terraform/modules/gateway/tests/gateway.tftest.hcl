mock_provider "google" {}

mock_provider "google-beta" {
  mock_resource "google_api_gateway_api" {
    defaults = { managed_service = "chromagent-0a.apigateway.example-project.cloud.goog" }
  }
  mock_resource "google_api_gateway_gateway" {
    defaults = { default_hostname = "chromagent-abc.ew.gateway.dev" }
  }
}

variables {
  project_id      = "example-project"
  project_number  = "42"
  region          = "europe-west1"
  function_region = "europe-west4"
  document        = "swagger: '2.0'"
  document_id     = "0123456789ab"
  services        = { chat = "chromagent-chat", models = "chromagent-models" }
  service_account = "chromagent-gw@example-project.iam.gserviceaccount.com"
}

run "the_gateway_invokes_both_functions_as_itself" {
  assert {
    condition = alltrue([
      for invoker in google_cloud_run_v2_service_iam_member.invoker :
      invoker.role == "roles/run.invoker" && invoker.member == "serviceAccount:${var.service_account}" && invoker.location == "europe-west4"
    ])
    error_message = "wrong invoker"
  }
  assert {
    condition     = google_api_gateway_api_config.this.gateway_config[0].backend_config[0].google_service_account == var.service_account
    error_message = "the gateway calls as somebody else"
  }
  assert {
    condition     = output.host == "chromagent-abc.ew.gateway.dev"
    error_message = "wrong host"
  }
}

run "the_config_is_named_by_its_document" {
  assert {
    condition     = google_api_gateway_api_config.this.api_config_id == "chromagent-0123456789ab"
    error_message = "a changed document would keep the config's name"
  }
  assert {
    condition     = base64decode(google_api_gateway_api_config.this.openapi_documents[0].document[0].contents) == "swagger: '2.0'"
    error_message = "wrong document"
  }
}

# Only planned: an apply would run gcloud.
run "a_streaming_gateway_is_made_by_gcloud" {
  command = plan
  variables {
    streaming = true
  }
  assert {
    condition     = length(google_api_gateway_gateway.this) == 0
    error_message = "the buffering gateway is still there"
  }
  assert {
    condition     = terraform_data.streaming_gateway[0].input.gateway == "chromagent-streaming"
    error_message = "wrong name"
  }
  assert {
    condition     = output.host == "chromagent-streaming-42.europe-west1.gateway.dev"
    error_message = "wrong host"
  }
}
