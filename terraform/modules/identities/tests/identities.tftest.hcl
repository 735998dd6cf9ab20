mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = {
      name   = "projects/my-project/serviceAccounts/mock@my-project.iam.gserviceaccount.com"
      email  = "mock@my-project.iam.gserviceaccount.com"
      member = "serviceAccount:mock@my-project.iam.gserviceaccount.com"
    }
  }
}

variables {
  project_id     = "my-project"
  project_number = "123456789012"
  region         = "europe-west4"
  source_bucket  = "my-project-chromagent-source"
}

run "functions_may_call_models_and_nothing_else" {
  command = plan
  assert {
    condition     = google_project_iam_custom_role.function.permissions == toset(["aiplatform.cachedContents.get", "aiplatform.endpoints.predict"])
    error_message = "calling, counting and using a cache need no more"
  }
  assert {
    condition     = google_project_iam_member.function.role == "projects/my-project/roles/chromagent_functions"
    error_message = "it is that role that the functions have"
  }
}

run "builds_read_what_functions_are_built_from" {
  command = plan
  assert {
    condition     = google_project_iam_member.build_source.condition[0].expression == "resource.name.startsWith('projects/_/buckets/my-project-chromagent-source/') || resource.name.startsWith('projects/_/buckets/gcf-v2-sources-123456789012-europe-west4/')"
    error_message = "without the closing slash a bucket of a longer name would be open too"
  }
  assert {
    condition     = toset(keys(google_project_iam_member.build)) == toset(["roles/artifactregistry.writer", "roles/logging.logWriter"])
    error_message = "they write images and a log"
  }
}

run "without_api_gateway_it_has_no_account" {
  command = plan
  variables {
    gateway = false
    name    = "my-llm"
  }
  assert {
    condition     = { for name, account in google_service_account.this : name => account.account_id } == { function = "my-llm-fn", build = "my-llm-build" }
    error_message = "nobody uses it"
  }
  assert {
    condition     = google_project_iam_custom_role.function.role_id == "my_llm_functions"
    error_message = "an id of a role has no hyphen"
  }
}
