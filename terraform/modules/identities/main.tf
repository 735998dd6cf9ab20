# Who runs, who builds and who invokes, and the least that each needs. Made by whoever may grant roles: the root, or bootstrap where builds
# apply the root, so that no build needs the right to grant anything on the project.

locals {
  accounts = merge(
    {
      function = { id = "fn", title = "functions", description = "What the functions run as: calls Vertex AI and reads the deployment's own secrets." }
      build    = { id = "build", title = "builds", description = "What the images of the functions are built as." }
    },
    var.gateway ? {
      gateway = { id = "gw", title = "API Gateway", description = "Invokes the functions for those whom API Gateway let in. Has no other right." }
    } : {},
  )

  # Everything that a request or `chromagent check` can ask of Vertex AI. roles/aiplatform.user may also make, change and delete endpoints, jobs,
  # caches and corpora, and read what others of the project have there.
  function_permissions = {
    "aiplatform.cachedContents.get" = "answers with a cache that a request names, where the settings allow that"
    "aiplatform.endpoints.predict"  = "calls models, counts tokens"
  }

  build_roles = {
    "roles/artifactregistry.writer" = "stores the image"
    "roles/logging.logWriter"       = "writes the build's log"
  }

  # The archive is read from the deployment's bucket, and from the platform's own, which exists only after the first deployment.
  source_buckets = [var.source_bucket, "gcf-v2-sources-${var.project_number}-${var.region}"]
}

resource "google_service_account" "this" {
  for_each     = local.accounts
  project      = var.project_id
  account_id   = "${var.name}-${each.value.id}"
  display_name = "${var.name}: ${each.value.title}"
  description  = each.value.description
}

resource "google_project_iam_custom_role" "function" {
  project     = var.project_id
  role_id     = "${replace(var.name, "-", "_")}_functions"
  title       = "${var.name}: functions"
  description = "Calls models on Vertex AI, and nothing else."
  permissions = keys(local.function_permissions)
}

resource "google_project_iam_member" "function" {
  project = var.project_id
  role    = "projects/${var.project_id}/roles/${google_project_iam_custom_role.function.role_id}"
  member  = google_service_account.this["function"].member
}

resource "google_project_iam_member" "build" {
  for_each = local.build_roles
  project  = var.project_id
  role     = each.key
  member   = google_service_account.this["build"].member
}

resource "google_project_iam_member" "build_source" {
  project = var.project_id
  role    = "roles/storage.objectViewer"
  member  = google_service_account.this["build"].member
  condition {
    title       = "sources-of-functions"
    description = "Only what functions are built from."
    expression  = join(" || ", [for bucket in local.source_buckets : "resource.name.startsWith('projects/_/buckets/${bucket}/')"])
  }
}
