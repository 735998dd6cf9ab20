# API Gateway in front of the two functions, which it invokes as an account that has no other right.

locals {
  # The name has the hash of the document: another document is another config, made before the old one goes.
  config_id = "${var.name}-${var.document_id}"
  streaming = var.streaming ? 1 : 0
}

resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = var.services
  project  = var.project_id
  location = var.function_region
  name     = each.value
  role     = "roles/run.invoker"
  member   = "serviceAccount:${var.service_account}"
}

resource "google_api_gateway_api" "this" {
  provider     = google-beta
  project      = var.project_id
  api_id       = var.name
  display_name = var.name
  labels       = var.labels
}

resource "google_api_gateway_api_config" "this" {
  provider      = google-beta
  project       = var.project_id
  api           = google_api_gateway_api.this.api_id
  api_config_id = local.config_id
  display_name  = local.config_id
  labels        = var.labels

  openapi_documents {
    document {
      path     = "openapi.yaml"
      contents = base64encode(var.document)
    }
  }

  gateway_config {
    backend_config {
      google_service_account = var.service_account
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_api_gateway_gateway" "this" {
  count        = var.streaming ? 0 : 1
  provider     = google-beta
  project      = var.project_id
  region       = var.region
  gateway_id   = var.name
  display_name = var.name
  api_config   = google_api_gateway_api_config.this.id
  labels       = var.labels
}

# Keys of this project are refused until the API counts as one of its services. A service without a config cannot be enabled.
resource "google_project_service" "consumer" {
  project            = var.project_id
  service            = google_api_gateway_api.this.managed_service
  disable_on_destroy = false
  depends_on         = [google_api_gateway_api_config.this]
}
