# One Cloud Run function (2nd gen) and who may invoke it.

resource "google_cloudfunctions2_function" "this" {
  #checkov:skip=CKV_GCP_124:Callers come from the internet; who may invoke is decided by IAM and client keys. With a load balancer the ingress takes its traffic only.
  project     = var.project_id
  location    = var.region
  name        = var.name
  description = var.description
  labels      = var.labels

  build_config {
    runtime           = var.runtime
    entry_point       = var.entry_point
    docker_repository = var.build.repository
    service_account   = var.build.service_account
    source {
      storage_source {
        bucket = var.source_archive.bucket
        object = var.source_archive.object
      }
    }
  }

  service_config {
    available_memory                 = var.scaling.memory
    available_cpu                    = tostring(var.scaling.cpu)
    max_instance_request_concurrency = var.scaling.concurrency
    min_instance_count               = var.scaling.min_instances
    max_instance_count               = var.scaling.max_instances
    timeout_seconds                  = var.scaling.timeout_seconds
    ingress_settings                 = var.ingress
    all_traffic_on_latest_revision   = true
    service_account_email            = var.service_account
    environment_variables            = var.environment
    direct_vpc_egress                = var.vpc == null ? null : "VPC_EGRESS_PRIVATE_RANGES_ONLY"

    dynamic "direct_vpc_network_interface" {
      for_each = var.vpc == null ? [] : [var.vpc]
      content {
        network    = direct_vpc_network_interface.value.network
        subnetwork = direct_vpc_network_interface.value.subnetwork
      }
    }
  }
}

# HTTP is let in by the Cloud Run service behind the function, not by the function.
resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = toset(var.invokers)
  project  = var.project_id
  location = var.region
  name     = local.service
  role     = "roles/run.invoker"
  member   = each.value
}

locals {
  # Read from the function and not from the variable: a new function has none of the old one's invokers.
  service = basename(google_cloudfunctions2_function.this.service_config[0].service)
}
