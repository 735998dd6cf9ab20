# Three identities for builds, each of which can do what its step needs and nothing else:
#   test   runs what anybody pushed, and every package that it installs: no right but to write its log
#   plan   runs Terraform over what was pushed: reads the deployment, writes its plan
#   apply  runs a plan that somebody approved, and no code of the repository
# The accounts that the functions run as, and their grants on the project, are made here too: no build may grant a role on the project.

module "runtime" {
  source         = "../modules/identities"
  project_id     = var.project_id
  project_number = google_storage_bucket.state.project_number
  region         = var.region
  name           = var.name
  source_bucket  = local.source_bucket
  gateway        = contains(var.parts, "gateway")
  depends_on     = [google_project_service.this]
}

locals {
  prefix  = replace(var.name, "-", "_")
  secrets = "projects/${google_storage_bucket.state.project_number}/secrets/${var.name}-"
  builders = {
    test  = "Runs tests and installs packages. Has no right but to write its log."
    plan  = "Reads what there is, to say what would change, and keeps the plan."
    apply = "Applies a plan that was approved."
  }
}

resource "google_service_account" "builder" {
  for_each     = local.builders
  project      = var.project_id
  account_id   = "${var.name}-${each.key}"
  display_name = "${var.name}: builds that ${each.key}"
  description  = each.value
  depends_on   = [google_project_service.this]
}

resource "google_project_iam_member" "log" {
  for_each = local.builders
  project  = var.project_id
  role     = "roles/logging.logWriter"
  member   = google_service_account.builder[each.key].member
}

# ---- plan

locals {
  # What a refresh of the state reads: settings and policies, of no secret the value, of no bucket the objects.
  plan_permissions = {
    always = [
      "artifactregistry.repositories.get", "cloudfunctions.functions.get", "iam.roles.get", "iam.serviceAccounts.get",
      "resourcemanager.projects.get", "run.services.get", "run.services.getIamPolicy", "secretmanager.secrets.get",
      "secretmanager.secrets.getIamPolicy", "serviceusage.services.get", "serviceusage.services.list", "storage.buckets.get",
    ]
    dns     = ["dns.managedZones.get", "dns.resourceRecordSets.get", "dns.resourceRecordSets.list"]
    gateway = ["apigateway.apiconfigs.get", "apigateway.apis.get", "apigateway.gateways.get", "servicemanagement.services.get"]
    load_balancer = [
      "compute.backendServices.get", "compute.globalAddresses.get", "compute.globalForwardingRules.get",
      "compute.regionNetworkEndpointGroups.get", "compute.securityPolicies.get", "compute.sslCertificates.get", "compute.sslPolicies.get",
      "compute.targetHttpProxies.get", "compute.targetHttpsProxies.get", "compute.urlMaps.get",
    ]
    observability = [
      "logging.logMetrics.get", "monitoring.alertPolicies.get", "monitoring.dashboards.get", "monitoring.notificationChannels.get",
      "monitoring.uptimeCheckConfigs.get",
    ]
    redis    = ["compute.networks.get", "compute.subnetworks.get", "redis.instances.get"]
    rotation = ["pubsub.subscriptions.get", "pubsub.topics.get", "pubsub.topics.getIamPolicy"]
  }
}

resource "google_project_iam_custom_role" "plan" {
  project     = var.project_id
  role_id     = "${local.prefix}_plan"
  title       = "${var.name}: builds that plan"
  description = "Reads the settings of what the deployment has."
  permissions = concat(local.plan_permissions.always, flatten([for part in var.parts : local.plan_permissions[part]]))
}

resource "google_project_iam_member" "plan" {
  project = var.project_id
  role    = "projects/${var.project_id}/roles/${google_project_iam_custom_role.plan.role_id}"
  member  = google_service_account.builder["plan"].member
}

resource "google_project_iam_member" "plan_archive" {
  project = var.project_id
  role    = "roles/storage.objectViewer"
  member  = google_service_account.builder["plan"].member
  condition {
    title       = "only-the-archive"
    description = "What the functions were last built from."
    expression  = "resource.name.startsWith('projects/_/buckets/${local.source_bucket}/')"
  }
}

resource "google_storage_bucket_iam_member" "plan_state" {
  bucket = google_storage_bucket.state.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.builder["plan"].member
}

# It can add a plan but not change one: whoever holds the digest of a plan holds that plan.
resource "google_storage_bucket_iam_member" "plan_keeps" {
  bucket = google_storage_bucket.plans.name
  role   = "roles/storage.objectCreator"
  member = google_service_account.builder["plan"].member
}

# gcloud looks before it writes, and `submit_command` puts a clone there.
resource "google_storage_bucket_iam_member" "plan_reads" {
  bucket = google_storage_bucket.plans.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.builder["plan"].member
}

# ---- apply

locals {
  # Why each is needed stands beside it. These services know no condition on names: a project of its own for the gateway is the limit there.
  apply_roles = {
    always = {
      "roles/artifactregistry.admin"         = "the repository of the functions' images"
      "roles/cloudfunctions.developer"       = "the functions"
      "roles/serviceusage.serviceUsageAdmin" = "the services of Google that are used"
    }
    dns = {
      "roles/dns.admin" = "the A record of the domain"
    }
    gateway = {
      "roles/apigateway.admin"                  = "API, config and gateway"
      "roles/servicemanagement.serviceConsumer" = "the API is enabled for keys of this project"
    }
    load_balancer = {
      "roles/compute.loadBalancerAdmin" = "address, certificate, URL map, backends"
      "roles/compute.securityAdmin"     = "the policies of Cloud Armor and of TLS"
    }
    observability = {
      "roles/logging.configWriter" = "metrics out of the log"
      "roles/monitoring.editor"    = "dashboard, alerts, channels, uptime check"
    }
    redis = {
      "roles/compute.networkAdmin" = "the network of functions and Redis"
      "roles/redis.admin"          = "the instance"
    }
    rotation = {
      "roles/pubsub.admin" = "the topic that tells of a rotation, and who may publish to it"
    }
  }

  # To make something is asked of the project, which has no name of the deployment's. Cloud Run knows no condition on names.
  make_permissions = {
    "iam.serviceAccounts.get"      = "the accounts of the functions, which it only uses"
    "resourcemanager.projects.get" = "the project"
    "run.services.get"             = "the service behind each function"
    "run.services.getIamPolicy"    = "who may invoke it"
    "run.services.setIamPolicy"    = "who may invoke it"
    "secretmanager.secrets.create" = "secrets, empty"
    "storage.buckets.create"       = "the bucket of the functions' archive"
  }

  # No permission on versions: it never reads or writes the value of a secret.
  secret_permissions = [for verb in ["delete", "get", "getIamPolicy", "setIamPolicy", "update"] : "secretmanager.secrets.${verb}"]
}

resource "google_project_iam_member" "apply" {
  #checkov:skip=CKV_GCP_42:These services have no smaller role that makes the thing; each has its reason in apply_roles, and who applies runs approved plans only.
  for_each = toset(concat(
    keys(local.apply_roles.always),
    flatten([for part in var.parts : keys(local.apply_roles[part])]),
    tolist(var.extra_roles),
  ))
  project = var.project_id
  role    = each.value
  member  = google_service_account.builder["apply"].member
}

resource "google_project_iam_custom_role" "make" {
  project     = var.project_id
  role_id     = "${local.prefix}_make"
  title       = "${var.name}: makes what it deploys"
  description = "Makes secrets and buckets, and says who may invoke services."
  permissions = keys(local.make_permissions)
}

resource "google_project_iam_member" "apply_make" {
  project = var.project_id
  role    = "projects/${var.project_id}/roles/${google_project_iam_custom_role.make.role_id}"
  member  = google_service_account.builder["apply"].member
}

resource "google_project_iam_custom_role" "secrets" {
  project     = var.project_id
  role_id     = "${local.prefix}_secrets"
  title       = "${var.name}: looks after its secrets"
  description = "Changes secrets and who may read them, but reads no value."
  permissions = local.secret_permissions
}

resource "google_project_iam_member" "apply_secrets" {
  project = var.project_id
  role    = "projects/${var.project_id}/roles/${google_project_iam_custom_role.secrets.role_id}"
  member  = google_service_account.builder["apply"].member
  condition {
    title       = "only-secrets-of-the-deployment"
    description = "Those whose names begin with the deployment's."
    expression  = "resource.name.startsWith('${local.secrets}')"
  }
}

resource "google_project_iam_member" "apply_archive" {
  #checkov:skip=CKV_GCP_42:A condition limits it to the one bucket that the deployment makes.
  project = var.project_id
  role    = "roles/storage.admin"
  member  = google_service_account.builder["apply"].member
  condition {
    title       = "only-the-bucket-of-the-archive"
    description = "The bucket itself, and what is in it."
    expression  = "resource.name == 'projects/_/buckets/${local.source_bucket}' || resource.name.startsWith('projects/_/buckets/${local.source_bucket}/')"
  }
}

resource "google_storage_bucket_iam_member" "apply_state" {
  bucket = google_storage_bucket.state.name
  role   = "roles/storage.objectUser"
  member = google_service_account.builder["apply"].member
}

resource "google_storage_bucket_iam_member" "apply_plans" {
  bucket = google_storage_bucket.plans.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.builder["apply"].member
}

# Functions, their builds and API Gateway run as these three, and as nothing else of the project.
resource "google_service_account_iam_member" "apply_uses" {
  for_each           = contains(var.parts, "gateway") ? toset(["function", "build", "gateway"]) : toset(["function", "build"])
  service_account_id = module.runtime.ids[each.key]
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.builder["apply"].member
}

moved {
  from = google_service_account.apply
  to   = google_service_account.builder["apply"]
}

moved {
  from = google_service_account.plan
  to   = google_service_account.builder["plan"]
}
