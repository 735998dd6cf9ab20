# Every push is planned by the identity that looks. The deployment is the same build with another identity, and begins once somebody approved it.

locals {
  triggers = var.trigger == null ? {} : {
    plan   = { account = google_service_account.plan, apply = false, description = "Tests, and says what would change" }
    deploy = { account = google_service_account.apply, apply = true, description = "Tests, applies and tries it, after an approval" }
  }
}

resource "google_cloudbuild_trigger" "this" {
  for_each           = local.triggers
  project            = var.project_id
  location           = var.region
  name               = "${var.name}-${each.key}"
  description        = each.value.description
  filename           = "cloudbuild.yaml"
  service_account    = each.value.account.id
  include_build_logs = "INCLUDE_BUILD_LOGS_WITH_STATUS"
  repository_event_config {
    repository = var.trigger.repository
    push {
      branch = var.trigger.branch
    }
  }
  approval_config {
    approval_required = each.value.apply
  }
  substitutions = {
    _APPLY           = tostring(each.value.apply)
    _REGION          = var.region
    _SERVICE_ACCOUNT = each.value.account.email
    _SMOKE_SECRET    = var.trigger.key_secret
    _STATE_BUCKET    = google_storage_bucket.state.name
    _STATE_PREFIX    = var.name
    _VAR_FILE        = var.trigger.var_file
  }
  depends_on = [google_project_iam_member.apply, google_project_iam_member.plan]
}
