# Who runs and who builds, and the least that each needs. The identity of API Gateway is the gateway module's.

locals {
  function_roles = {
    "roles/aiplatform.user" = "calls the models"
  }

  build_roles = {
    "roles/artifactregistry.writer" = "stores the image"
    "roles/logging.logWriter"       = "writes the build's log"
  }
}

resource "google_service_account" "function" {
  project      = var.project_id
  account_id   = "${var.name}-fn"
  display_name = "${var.name}: functions"
  description  = "What the functions run as: calls Vertex AI and reads the deployment's own secrets."
  depends_on   = [google_project_service.this]
}

resource "google_project_iam_member" "function" {
  for_each = local.function_roles
  project  = var.project_id
  role     = each.key
  member   = google_service_account.function.member
}

resource "google_service_account" "build" {
  project      = var.project_id
  account_id   = "${var.name}-build"
  display_name = "${var.name}: builds"
  description  = "What the images of the functions are built as."
  depends_on   = [google_project_service.this]
}

resource "google_project_iam_member" "build" {
  for_each = local.build_roles
  project  = var.project_id
  role     = each.key
  member   = google_service_account.build.member
}

# The archive is read from our bucket, and from the platform's own, which exists only after the first deployment.
resource "google_project_iam_member" "build_source" {
  project = var.project_id
  role    = "roles/storage.objectViewer"
  member  = google_service_account.build.member
  condition {
    title       = "sources-of-functions"
    description = "Only what functions are built from."
    expression  = "resource.name.startsWith('projects/_/buckets/${local.source_bucket}') || resource.name.startsWith('projects/_/buckets/gcf-v2-')"
  }
}
