# What must be there before Terraform can keep its state and Cloud Build can apply it. Applied once, by a person, with local state.

locals {
  services = ["cloudbuild", "cloudresourcemanager", "iam", "logging", "serviceusage", "storage"]

  # The root module makes the last one, under this name.
  bucket        = "${var.project_id}-${var.name}-state"
  plans_bucket  = "${var.project_id}-${var.name}-plans"
  source_bucket = "${var.project_id}-${var.name}-source"
}

resource "google_project_service" "this" {
  for_each           = toset(local.services)
  project            = var.project_id
  service            = "${each.value}.googleapis.com"
  disable_on_destroy = false
}

resource "google_storage_bucket" "state" {
  #checkov:skip=CKV_GCP_62:Who reads and writes it is in Cloud Audit Logs, where they are switched on; only builds and owners may.
  #checkov:skip=CKV_GCP_63:The same: it has no log of access.
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

# Plans that wait for an approval, each under its digest. One that is older than the state that it was made from would be refused anyway.
resource "google_storage_bucket" "plans" {
  #checkov:skip=CKV_GCP_62:Who reads and writes it is in Cloud Audit Logs, where they are switched on; only builds and owners may.
  #checkov:skip=CKV_GCP_63:The same: it has no log of access.
  #checkov:skip=CKV_GCP_78:Nobody who adds an object may replace it, and an object is named by its digest.
  project                     = var.project_id
  name                        = local.plans_bucket
  location                    = var.region
  labels                      = var.labels
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = 14
    }
  }
  depends_on = [google_project_service.this]
}
