# What must be there before Terraform can keep its state and Cloud Build can apply it. Applied once, by a person, with local state.

locals {
  services = ["cloudbuild", "cloudresourcemanager", "iam", "logging", "serviceusage", "storage"]
  bucket   = "${var.project_id}-${var.name}-state"
}

resource "google_project_service" "this" {
  for_each           = toset(local.services)
  project            = var.project_id
  service            = "${each.value}.googleapis.com"
  disable_on_destroy = false
}

resource "google_storage_bucket" "state" {
  project                     = var.project_id
  name                        = local.bucket
  location                    = var.region
  labels                      = var.labels
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false
  versioning {
    enabled = true
  }
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      num_newer_versions         = 20
      days_since_noncurrent_time = 90
    }
  }
  depends_on = [google_project_service.this]
}
