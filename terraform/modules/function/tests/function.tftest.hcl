mock_provider "google" {
  mock_resource "google_cloudfunctions2_function" {
    defaults = {
      service_config = {
        uri     = "https://chromagent-chat-abc-ew.a.run.app"
        service = "projects/example-project/locations/europe-west1/services/chromagent-chat"
      }
    }
  }
}

variables {
  project_id      = "example-project"
  region          = "europe-west1"
  name            = "chromagent-chat"
  entry_point     = "chat_completions"
  service_account = "chromagent-fn@example-project.iam.gserviceaccount.com"
  source_archive  = { bucket = "example-project-chromagent-source", object = "chromagent-0123.zip" }
}

run "it_scales_to_zero_and_takes_many_streams_at_once" {
  assert {
    condition = alltrue([
      google_cloudfunctions2_function.this.build_config[0].runtime == "python313",
      google_cloudfunctions2_function.this.service_config[0].min_instance_count == 0,
      google_cloudfunctions2_function.this.service_config[0].max_instance_count == 20,
      google_cloudfunctions2_function.this.service_config[0].max_instance_request_concurrency == 80,
      google_cloudfunctions2_function.this.service_config[0].available_cpu == "1",
      google_cloudfunctions2_function.this.service_config[0].timeout_seconds == 3600,
    ])
    error_message = "wrong size"
  }
  assert {
    condition     = length(google_cloud_run_v2_service_iam_member.invoker) == 0
    error_message = "nobody may invoke it by default"
  }
}

run "invokers_are_bound_to_the_service_behind_it" {
  variables {
    invokers = ["allUsers"]
  }
  assert {
    condition     = google_cloud_run_v2_service_iam_member.invoker["allUsers"].role == "roles/run.invoker"
    error_message = "wrong role"
  }
  assert {
    condition     = output.uri == "https://chromagent-chat-abc-ew.a.run.app" && output.service == "chromagent-chat"
    error_message = "wrong service: ${output.uri} ${output.service}"
  }
}

run "a_network_is_for_private_addresses_only" {
  command = plan
  variables {
    vpc = { network = "projects/p/global/networks/n", subnetwork = "projects/p/regions/europe-west1/subnetworks/s" }
  }
  assert {
    condition     = google_cloudfunctions2_function.this.service_config[0].direct_vpc_egress == "VPC_EGRESS_PRIVATE_RANGES_ONLY"
    error_message = "traffic to Vertex AI must not take the detour"
  }
}
