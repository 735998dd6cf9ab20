mock_provider "google" {
  mock_resource "google_storage_bucket" {
    defaults = { project_number = 42 }
  }
  mock_resource "google_service_account" {
    defaults = {
      id     = "projects/my-project/serviceAccounts/chromagent-mock@my-project.iam.gserviceaccount.com"
      name   = "projects/my-project/serviceAccounts/chromagent-mock@my-project.iam.gserviceaccount.com"
      email  = "chromagent-mock@my-project.iam.gserviceaccount.com"
      member = "serviceAccount:chromagent-mock@my-project.iam.gserviceaccount.com"
    }
  }
}

override_resource {
  target = google_service_account.builder["test"]
  values = {
    id     = "projects/my-project/serviceAccounts/chromagent-test@my-project.iam.gserviceaccount.com"
    email  = "chromagent-test@my-project.iam.gserviceaccount.com"
    member = "serviceAccount:chromagent-test@my-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.builder["plan"]
  values = {
    id     = "projects/my-project/serviceAccounts/chromagent-plan@my-project.iam.gserviceaccount.com"
    email  = "chromagent-plan@my-project.iam.gserviceaccount.com"
    member = "serviceAccount:chromagent-plan@my-project.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.builder["apply"]
  values = {
    id     = "projects/my-project/serviceAccounts/chromagent-apply@my-project.iam.gserviceaccount.com"
    email  = "chromagent-apply@my-project.iam.gserviceaccount.com"
    member = "serviceAccount:chromagent-apply@my-project.iam.gserviceaccount.com"
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

run "who_tests_has_no_right_but_to_write_its_log" {
  assert {
    condition = [for grant in concat(
      values(google_project_iam_member.apply), values(google_project_iam_member.log),
      [google_project_iam_member.plan, google_project_iam_member.plan_archive],
      [google_project_iam_member.apply_make, google_project_iam_member.apply_secrets, google_project_iam_member.apply_archive],
    ) : grant.role if grant.member == google_service_account.builder["test"].member] == ["roles/logging.logWriter"]
    error_message = "it runs what anybody pushed"
  }
  assert {
    condition = alltrue([for grant in [
      google_storage_bucket_iam_member.plan_state, google_storage_bucket_iam_member.plan_keeps, google_storage_bucket_iam_member.plan_reads,
      google_storage_bucket_iam_member.apply_state, google_storage_bucket_iam_member.apply_plans,
    ] : grant.member != google_service_account.builder["test"].member])
    error_message = "neither state nor plans are its concern"
  }
}

run "no_build_may_grant_a_role_on_the_project_or_be_somebody_else" {
  command = plan
  assert {
    condition = length(setintersection(keys(google_project_iam_member.apply), [
      "roles/owner", "roles/editor", "roles/viewer", "roles/iam.securityAdmin", "roles/iam.serviceAccountAdmin", "roles/iam.serviceAccountTokenCreator",
      "roles/iam.serviceAccountUser", "roles/resourcemanager.projectIamAdmin", "roles/run.admin", "roles/secretmanager.admin", "roles/storage.admin",
    ])) == 0
    error_message = "a build must not make itself owner, nor use what belongs to others"
  }
  assert {
    condition     = length([for permission in google_project_iam_custom_role.make.permissions : permission if can(regex("setIamPolicy|actAs|versions|roles|objects", permission)) && permission != "run.services.setIamPolicy"]) == 0
    error_message = "what holds for the whole project makes things, and no more"
  }
}

run "who_applies_uses_three_accounts" {
  assert {
    condition     = { for name, use in google_service_account_iam_member.apply_uses : name => "${use.role} ${use.service_account_id == module.runtime.ids[name]}" } == { for name in ["function", "build", "gateway"] : name => "roles/iam.serviceAccountUser true" }
    error_message = "those of the deployment, and no others of the project"
  }
}

run "what_is_limited_to_names_is_limited_to_this_deployments" {
  assert {
    condition     = google_project_iam_member.apply_secrets.condition[0].expression == "resource.name.startsWith('projects/42/secrets/chromagent-')"
    error_message = "other secrets of the project stay closed"
  }
  assert {
    condition     = google_project_iam_member.apply_archive.condition[0].expression == "resource.name == 'projects/_/buckets/my-project-chromagent-source' || resource.name.startsWith('projects/_/buckets/my-project-chromagent-source/')"
    error_message = "without the closing slash a bucket of a longer name would be open too"
  }
  assert {
    condition     = google_project_iam_member.plan_archive.condition[0].expression == "resource.name.startsWith('projects/_/buckets/my-project-chromagent-source/')"
    error_message = "the same for who plans"
  }
  assert {
    condition     = length([for permission in google_project_iam_custom_role.secrets.permissions : permission if strcontains(permission, "versions")]) == 0
    error_message = "no value of a secret is read or written"
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
  assert {
    condition     = toset(keys(google_service_account_iam_member.apply_uses)) == toset(["build", "function"])
    error_message = "without API Gateway it has no account"
  }
  assert {
    condition     = contains(google_project_iam_custom_role.plan.permissions, "redis.instances.get") && !contains(google_project_iam_custom_role.plan.permissions, "apigateway.apis.get")
    error_message = "who plans reads what there is"
  }
}

run "who_plans_changes_nothing" {
  command = plan
  variables {
    parts = ["dns", "gateway", "load_balancer", "observability", "redis", "rotation"]
  }
  assert {
    condition     = alltrue([for permission in google_project_iam_custom_role.plan.permissions : can(regex("[.](get|list|getIamPolicy)$", permission)) && !can(regex("versions|objects|logEntries", permission))])
    error_message = "it reads settings and policies, no values and no logs"
  }
  assert {
    condition     = google_storage_bucket_iam_member.plan_state.role == "roles/storage.objectViewer" && google_storage_bucket_iam_member.plan_keeps.role == "roles/storage.objectCreator" && google_storage_bucket_iam_member.plan_reads.role == "roles/storage.objectViewer"
    error_message = "it reads the state, and adds plans that it cannot change"
  }
}

run "without_a_repository_nothing_is_built_by_itself" {
  command = plan
  assert {
    condition     = length(google_cloudbuild_trigger.pushed) == 0
    error_message = "only plans that somebody names can be applied"
  }
}

run "what_is_pushed_is_tested_and_planned_and_never_applied" {
  variables {
    trigger = {
      repository = "projects/my-project/locations/europe-west4/connections/github/repositories/chromagent"
      var_file   = "production.tfvars"
    }
  }
  assert {
    condition     = { for name, trigger in google_cloudbuild_trigger.pushed : name => "${trigger.filename} ${trigger.service_account == google_service_account.builder[name].id}" } == { test = "cloudbuild.yaml true", plan = "cloudbuild.plan.yaml true" }
    error_message = "each has an identity of its own"
  }
  assert {
    condition     = google_cloudbuild_trigger.pushed["plan"].substitutions["_STATE_BUCKET"] == "my-project-chromagent-state" && google_cloudbuild_trigger.pushed["plan"].substitutions["_VAR_FILE"] == "production.tfvars" && google_cloudbuild_trigger.pushed["plan"].substitutions["_PLAN_BUCKET"] == "my-project-chromagent-plans"
    error_message = "it plans over the state of the deployment"
  }
  assert {
    condition     = alltrue([for trigger in google_cloudbuild_trigger.pushed : trigger.repository_event_config[0].push[0].branch == "^main$"])
    error_message = "both build the same branch"
  }
}

run "what_is_applied_is_approved_and_runs_nothing_of_the_repository" {
  assert {
    condition     = google_cloudbuild_trigger.apply.approval_config[0].approval_required && google_cloudbuild_trigger.apply.service_account == google_service_account.builder["apply"].id
    error_message = "somebody approves it"
  }
  assert {
    condition     = google_cloudbuild_trigger.apply.filename == null && length(google_cloudbuild_trigger.apply.repository_event_config) == 0 && length(google_cloudbuild_trigger.apply.source_to_build) == 0
    error_message = "its steps stand here, so that no commit changes them"
  }
  assert {
    condition     = [for step in google_cloudbuild_trigger.apply.build[0].step : step.id] == ["terraform", "fetch", "apply"] && google_cloudbuild_trigger.apply.build[0].step[1].env == tolist(["PLAN=$_PLAN", "PLAN_BUCKET=my-project-chromagent-plans"])
    error_message = "it fetches the plan that was named, and applies it"
  }
}

run "the_shortest_name_of_a_deployment" {
  command = plan
  variables {
    name = "abc"
  }
  assert {
    condition     = google_service_account.builder["plan"].account_id == "abc-plan"
    error_message = "a name that the root module takes"
  }
}

run "the_longest_name_of_a_deployment" {
  command = plan
  variables {
    name = "abcdefghijklmnopqrstuvw"
  }
  assert {
    condition     = length(google_service_account.builder["apply"].account_id) <= 30
    error_message = "an account has at most 30 characters"
  }
}
