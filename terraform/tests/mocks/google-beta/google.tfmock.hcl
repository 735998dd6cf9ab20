mock_resource "google_api_gateway_api" {
  defaults = { managed_service = "chromagent-0a.apigateway.example-project.cloud.goog" }
}

mock_resource "google_api_gateway_gateway" {
  defaults = { default_hostname = "chromagent-abc.ew.gateway.dev" }
}

mock_resource "google_project_service_identity" {
  defaults = { member = "serviceAccount:service-42@gcp-sa-secretmanager.iam.gserviceaccount.com" }
}
