# Two identities for builds: one that looks and one that changes. Code that nobody approved runs as the first only.

locals {
  # Why each is needed stands beside it. "admin" roles are there where no smaller predefined role makes the thing and says who may use it.
  roles_of_parts = {
    always = {
      "roles/artifactregistry.admin"         = "the repository of the functions' images"
      "roles/cloudfunctions.developer"       = "the functions"
      "roles/iam.serviceAccountAdmin"        = "the identities of functions, their builds and the gateway"
      "roles/iam.serviceAccountUser"         = "functions, builds and the gateway run as those identities"
      "roles/logging.logWriter"              = "the log of the build itself"
      "roles/run.admin"                      = "who may invoke the functions"
      "roles/secretmanager.admin"            = "secrets, and who may read them"
      "roles/serviceusage.serviceUsageAdmin" = "the services of Google that are used"
      "roles/storage.admin"                  = "the bucket of the functions' archive"
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
      "roles/compute.securityAdmin"     = "the policy of Cloud Armor"
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
  apply_roles = toset(concat(
    keys(local.roles_of_parts.always),
    flatten([for part in var.parts : keys(local.roles_of_parts[part])]),
    tolist(var.extra_roles),
  ))

  # What the root module grants on the project. Whoever applies may grant these and nothing else, also not to itself.
  grantable_roles = [
    "roles/aiplatform.user",
    "roles/artifactregistry.writer",
    "roles/logging.logWriter",
    "roles/storage.objectViewer",
  ]

  plan_roles = {
    "roles/iam.securityReviewer" = "reads who may do what"
    "roles/logging.logWriter"    = "the log of the build itself"
    "roles/storage.bucketViewer" = "reads the settings of buckets"
    "roles/viewer"               = "reads everything else, but no secret's value"
  }
}

resource "google_service_account" "apply" {
  project      = var.project_id
  account_id   = "${var.name}-apply"
  display_name = "${var.name}: builds that apply"
  description  = "Applies Terraform after an approval."
  depends_on   = [google_project_service.this]
}

resource "google_project_iam_member" "apply" {
  for_each = local.apply_roles
  project  = var.project_id
  role     = each.value
  member   = google_service_account.apply.member
}

resource "google_project_iam_member" "grants" {
  project = var.project_id
  role    = "roles/resourcemanager.projectIamAdmin"
  member  = google_service_account.apply.member
  condition {
    title       = "only-what-the-deployment-grants"
    description = "May grant and withdraw only the roles that the root module grants."
    expression  = "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly([${join(", ", formatlist("'%s'", local.grantable_roles))}])"
  }
}

resource "google_service_account" "plan" {
  project      = var.project_id
  account_id   = "${var.name}-plan"
  display_name = "${var.name}: builds that plan"
  description  = "Reads what there is, to say what would change."
  depends_on   = [google_project_service.this]
}

resource "google_project_iam_member" "plan" {
  for_each = local.plan_roles
  project  = var.project_id
  role     = each.key
  member   = google_service_account.plan.member
}

# The state, and the archive that the deployment last made: objects of other buckets stay closed.
resource "google_project_iam_member" "plan_objects" {
  project = var.project_id
  role    = "roles/storage.objectViewer"
  member  = google_service_account.plan.member
  condition {
    title       = "only-buckets-of-the-deployment"
    description = "State and source archive."
    expression  = "resource.name.startsWith('projects/_/buckets/${var.project_id}-${var.name}-')"
  }
}
