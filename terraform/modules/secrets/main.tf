# Secrets without values: versions are added from outside, so that none is ever in the state.

locals {
  rotated = { for name, secret in var.secrets : name => secret.rotation_days if secret.rotation_days != null }
}

resource "google_secret_manager_secret" "this" {
  for_each            = var.secrets
  project             = var.project_id
  secret_id           = "${var.name}-${each.key}"
  labels              = var.labels
  version_destroy_ttl = "${var.destroy_after_days * 24 * 3600}s"

  replication {
    dynamic "auto" {
      for_each = var.location == null ? [true] : []
      content {}
    }
    dynamic "user_managed" {
      for_each = var.location == null ? [] : [var.location]
      content {
        replicas {
          location = user_managed.value
        }
      }
    }
  }

  dynamic "topics" {
    for_each = each.value.rotation_days == null ? [] : [true]
    content {
      name = google_pubsub_topic.rotation[0].id
    }
  }

  dynamic "rotation" {
    for_each = each.value.rotation_days == null ? [] : [each.value.rotation_days]
    content {
      rotation_period    = "${rotation.value * 24 * 3600}s"
      next_rotation_time = timeadd(plantimestamp(), "${rotation.value * 24}h")
    }
  }

  lifecycle {
    # Secret Manager moves it on by itself.
    ignore_changes = [rotation[0].next_rotation_time]
  }

  # Secret Manager refuses a topic that it may not publish to.
  depends_on = [google_pubsub_topic_iam_member.publisher]
}

resource "google_secret_manager_secret_iam_member" "accessor" {
  for_each  = var.secrets
  project   = var.project_id
  secret_id = google_secret_manager_secret.this[each.key].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = var.accessor
}

# ---- rotation: Secret Manager only says that it is time; the runbook changes the value

resource "google_pubsub_topic" "rotation" {
  count   = length(local.rotated) > 0 ? 1 : 0
  project = var.project_id
  name    = "${var.name}-secret-rotation"
  labels  = var.labels
}

resource "google_pubsub_subscription" "rotation" {
  count                      = length(local.rotated) > 0 ? 1 : 0
  project                    = var.project_id
  name                       = "${var.name}-secret-rotation"
  topic                      = google_pubsub_topic.rotation[0].id
  labels                     = var.labels
  message_retention_duration = "604800s"

  # A reminder that is read once a quarter must not expire for lack of readers.
  expiration_policy {
    ttl = ""
  }
}

resource "google_project_service_identity" "secret_manager" {
  count    = length(local.rotated) > 0 ? 1 : 0
  provider = google-beta
  project  = var.project_id
  service  = "secretmanager.googleapis.com"
}

resource "google_pubsub_topic_iam_member" "publisher" {
  count   = length(local.rotated) > 0 ? 1 : 0
  project = var.project_id
  topic   = google_pubsub_topic.rotation[0].name
  role    = "roles/pubsub.publisher"
  member  = google_project_service_identity.secret_manager[0].member
}
