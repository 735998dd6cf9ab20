# What is pushed is tested and planned, each by an identity that cannot change anything. What is applied is a plan that was kept, named by its
# digest: the steps that apply it stand here, so no commit can change them, and they run nothing of the repository.

locals {
  terraform_image = "hashicorp/terraform:1.11.4@sha256:5820b87995595425074f881500a037b0ccd41158d0d9b44d78f5f120612f2d3d"
  gcloud_image    = "gcr.io/google.com/cloudsdktool/google-cloud-cli:slim@sha256:87eaf69da735ab8dfc1c640df1e85a467a4feedf2256d35dad368f970d9cd35f"

  pushed = var.trigger == null ? {} : {
    test = {
      description   = "Tests what was pushed"
      filename      = "cloudbuild.yaml"
      substitutions = { _SERVICE_ACCOUNT = google_service_account.builder["test"].email }
    }
    plan = {
      description = "Says what would change, and keeps the plan"
      filename    = "cloudbuild.plan.yaml"
      substitutions = {
        _NAME            = var.name
        _PLAN_BUCKET     = google_storage_bucket.plans.name
        _REGION          = var.region
        _SERVICE_ACCOUNT = google_service_account.builder["plan"].email
        _STATE_BUCKET    = google_storage_bucket.state.name
        _VAR_FILE        = var.trigger.var_file
      }
    }
  }
}

resource "google_cloudbuild_trigger" "pushed" {
  for_each           = local.pushed
  project            = var.project_id
  location           = var.region
  name               = "${var.name}-${each.key}"
  description        = each.value.description
  filename           = each.value.filename
  service_account    = google_service_account.builder[each.key].id
  include_build_logs = "INCLUDE_BUILD_LOGS_WITH_STATUS"
  repository_event_config {
    repository = var.trigger.repository
    push {
      branch = var.trigger.branch
    }
  }
  substitutions = each.value.substitutions
  depends_on    = [google_project_iam_member.log, google_project_iam_member.plan]
}

resource "google_cloudbuild_trigger" "apply" {
  project         = var.project_id
  location        = var.region
  name            = "${var.name}-apply"
  description     = "Applies the plan of the digest _PLAN, after an approval"
  service_account = google_service_account.builder["apply"].id
  substitutions   = { _PLAN = "none" }
  approval_config {
    approval_required = true
  }
  build {
    timeout = "5400s"
    options {
      logging = "CLOUD_LOGGING_ONLY" # needed with an identity of one's own
    }
    step {
      id         = "terraform"
      name       = local.terraform_image
      entrypoint = "cp"
      args       = ["/bin/terraform", "/workspace/terraform-binary"]
    }
    step {
      id     = "fetch"
      name   = local.gcloud_image
      script = file("${path.module}/steps/fetch.sh")
      env    = ["PLAN=$_PLAN", "PLAN_BUCKET=${google_storage_bucket.plans.name}"]
    }
    # With gcloud, which makes what Terraform's providers cannot.
    step {
      id      = "apply"
      name    = local.gcloud_image
      script  = file("${path.module}/steps/apply.sh")
      env     = ["CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "TF_INPUT=0", "NAME=${var.name}", "STATE_BUCKET=${google_storage_bucket.state.name}"]
      timeout = "3600s"
    }
  }
  depends_on = [google_project_iam_member.apply, google_service_account_iam_member.apply_uses]
}
