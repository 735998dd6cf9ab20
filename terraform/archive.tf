# What is deployed, made by Terraform itself from a clone of the repository: main.py at the root, the package without what serves one's own
# machine, and the pinned requirements. tools/bundle.py makes the same archive.

locals {
  root    = "${path.module}/.."
  package = [for file in fileset("${local.root}/chromagent", "**/*.py") : "chromagent/${file}" if !startswith(file, "local/")]
  sources = merge(
    { "main.py" = "functions/main.py", "requirements.txt" = "functions/requirements.txt" },
    { for file in local.package : file => file },
  )

  source_bucket = "${replace(var.project_id, "/[.:]/", "-")}-${var.name}-source"
  repository    = "projects/${var.project_id}/locations/${var.region}/repositories/${var.name}"
}

data "archive_file" "source" {
  type             = "zip"
  output_path      = "${path.root}/.terraform/${var.name}.zip"
  output_file_mode = "0644"

  dynamic "source" {
    for_each = local.sources
    content {
      filename = source.key
      content  = file("${local.root}/${source.value}")
    }
  }
}

resource "google_storage_bucket" "source" {
  #checkov:skip=CKV_GCP_62:It holds nothing but source code of this repository; Cloud Audit Logs tell who read it, where they are switched on.
  #checkov:skip=CKV_GCP_63:The same: it has no log of access.
  #checkov:skip=CKV_GCP_78:An object is named by its hash and can be made again from the repository.
  project                     = var.project_id
  name                        = local.source_bucket
  location                    = var.region
  labels                      = local.labels
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true

  # What can be made again from the repository need not be paid for after it is gone.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  depends_on = [google_project_service.this]
}

# Its name has the hash of the archive: a changed archive is another object, and that makes the functions build anew.
resource "google_storage_bucket_object" "source" {
  bucket = google_storage_bucket.source.name
  name   = "chromagent-${data.archive_file.source.output_sha256}.zip"
  source = data.archive_file.source.output_path
}

resource "google_artifact_registry_repository" "images" {
  #checkov:skip=CKV_GCP_84:The images hold source code of this repository and its dependencies, no secret: Google's own encryption is enough.
  project       = var.project_id
  location      = var.region
  repository_id = var.name
  format        = "DOCKER"
  description   = "Images of the functions of ${var.name}"
  labels        = local.labels

  cleanup_policies {
    id     = "keep-recent"
    action = "KEEP"
    most_recent_versions {
      keep_count = 3
    }
  }
  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      older_than = "2592000s"
    }
  }

  depends_on = [google_project_service.this]
}
