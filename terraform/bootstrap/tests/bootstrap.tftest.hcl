mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = {
      id     = "projects/my-project/serviceAccounts/mock@my-project.iam.gserviceaccount.com"
      name   = "projects/my-project/serviceAccounts/mock@my-project.iam.gserviceaccount.com"
      email  = "mock@my-project.iam.gserviceaccount.com"
      member = "serviceAccount:mock@my-project.iam.gserviceaccount.com"
    }
  }
}

variables {
  project_id = "my-project"
  region     = "europe-west4"
}

run "the_state_is_kept_and_closed" {
  command = plan
  assert {
    condition     = google_storage_bucket.state.versioning[0].enabled && google_storage_bucket.state.uniform_bucket_level_access && google_storage_bucket.state.public_access_prevention == "enforced" && !google_storage_bucket.state.force_destroy
    error_message = "older states are kept, nothing is public, a full bucket is not removed"
  }
  assert {
    condition     = output.state_bucket == "my-project-chromagent-state"
    error_message = "its name is the project's"
  }
}

run "who_applies_grants_only_what_the_deployment_needs" {
  command = plan
  assert {
    condition     = google_project_iam_member.grants.condition[0].expression == "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(['roles/aiplatform.user', 'roles/artifactregistry.writer', 'roles/logging.logWriter', 'roles/storage.objectViewer'])"
    error_message = "a build must not make itself owner"
  }
  assert {
    condition     = length(setintersection(keys(google_project_iam_member.apply), ["roles/owner", "roles/editor", "roles/iam.securityAdmin", "roles/resourcemanager.projectIamAdmin"])) == 0
    error_message = "no role that contains that right without the condition"
  }
}

run "roles_come_with_their_parts" {
  command = plan
  variables {
    parts       = ["redis", "load_balancer"]
    extra_roles = ["roles/bigquery.dataOwner"]
  }
  assert {
    condition     = length(setsubtract(["roles/redis.admin", "roles/compute.networkAdmin", "roles/compute.loadBalancerAdmin", "roles/compute.securityAdmin", "roles/bigquery.dataOwner"], keys(google_project_iam_member.apply))) == 0
    error_message = "what was asked for is there"
  }
  assert {
    condition     = length(setintersection(["roles/apigateway.admin", "roles/pubsub.admin", "roles/dns.admin", "roles/monitoring.editor"], keys(google_project_iam_member.apply))) == 0
    error_message = "what was not asked for is not"
  }
}

run "who_plans_changes_nothing" {
  command = plan
  assert {
    condition     = toset(keys(google_project_iam_member.plan)) == toset(["roles/iam.securityReviewer", "roles/logging.logWriter", "roles/storage.bucketViewer", "roles/viewer"])
    error_message = "it reads"
  }
  assert {
    condition     = google_project_iam_member.plan_objects.condition[0].expression == "resource.name.startsWith('projects/_/buckets/my-project-chromagent-')"
    error_message = "objects of the deployment only"
  }
}

run "no_trigger_without_a_repository" {
  command = plan
  assert {
    condition     = length(google_cloudbuild_trigger.this) == 0
    error_message = "none is made"
  }
}

run "a_deployment_waits_for_an_approval" {
  variables {
    trigger = {
      repository = "projects/my-project/locations/europe-west4/connections/github/repositories/chromagent"
      var_file   = "production.tfvars"
      key_secret = "smoke-key"
    }
  }
  assert {
    condition     = google_cloudbuild_trigger.this["deploy"].approval_config[0].approval_required && google_cloudbuild_trigger.this["deploy"].substitutions["_APPLY"] == "true"
    error_message = "what applies is approved first"
  }
  assert {
    condition     = google_cloudbuild_trigger.this["plan"].substitutions["_APPLY"] == "false" && !google_cloudbuild_trigger.this["plan"].approval_config[0].approval_required
    error_message = "what was not approved only plans"
  }
  assert {
    condition     = alltrue([for trigger in google_cloudbuild_trigger.this : trigger.repository_event_config[0].push[0].branch == "^main$" && trigger.substitutions["_STATE_BUCKET"] == "my-project-chromagent-state" && trigger.substitutions["_VAR_FILE"] == "production.tfvars"])
    error_message = "both build the same branch over the same state"
  }
}

run "the_shortest_name_of_a_deployment" {
  command = plan
  variables {
    name = "abc"
  }
  assert {
    condition     = google_service_account.plan.account_id == "abc-plan"
    error_message = "a name that the root module takes"
  }
}

run "the_longest_name_of_a_deployment" {
  command = plan
  variables {
    name = "abcdefghijklmnopqrstuvw"
  }
  assert {
    condition     = length(google_service_account.apply.account_id) <= 30
    error_message = "an account has at most 30 characters"
  }
}
