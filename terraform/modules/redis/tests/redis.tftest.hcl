mock_provider "google" {
  mock_resource "google_redis_instance" {
    defaults = { host = "10.8.1.3", port = 6379 }
  }
}

variables {
  project_id = "my-project"
  region     = "europe-west4"
}

run "a_network_is_made_with_nothing_else_in_it" {
  assert {
    condition     = google_redis_instance.this.authorized_network == google_compute_network.this[0].id && output.network == google_compute_network.this[0].id
    error_message = "the instance and the functions meet in it"
  }
  assert {
    condition     = google_compute_network.this[0].auto_create_subnetworks == false && output.subnetwork == google_compute_subnetwork.this[0].id
    error_message = "it has one subnetwork, in the region of the functions"
  }
  assert {
    condition     = google_compute_subnetwork.this[0].region == "europe-west4" && google_redis_instance.this.region == "europe-west4"
    error_message = "all in one region"
  }
  assert {
    condition     = output.url == "redis://10.8.1.3:6379/0"
    error_message = "the URL is what rate_limit.storage takes"
  }
}

run "nothing_secret_gets_into_the_state" {
  command = plan
  assert {
    condition     = google_redis_instance.this.auth_enabled == false
    error_message = "the AUTH string would be in the state"
  }
}

run "full_means_that_the_oldest_counters_go" {
  command = plan
  assert {
    condition     = google_redis_instance.this.redis_configs["maxmemory-policy"] == "volatile-ttl"
    error_message = "a full instance must go on counting"
  }
}

run "in_a_network_of_ones_own" {
  command = plan
  variables {
    network    = "projects/my-project/global/networks/shared"
    subnetwork = "projects/my-project/regions/europe-west4/subnetworks/functions"
    tier       = "STANDARD_HA"
    memory_gb  = 5
  }
  assert {
    condition     = length(google_compute_network.this) == 0 && length(google_compute_subnetwork.this) == 0
    error_message = "none is made"
  }
  assert {
    condition     = google_redis_instance.this.authorized_network == var.network && output.subnetwork == var.subnetwork
    error_message = "the given ones are used"
  }
  assert {
    condition     = google_redis_instance.this.tier == "STANDARD_HA" && google_redis_instance.this.memory_size_gb == 5
    error_message = "size and tier are as asked"
  }
}

run "a_subnetwork_is_made_in_a_network_of_ones_own" {
  command = plan
  variables {
    network  = "projects/my-project/global/networks/shared"
    ip_range = "10.20.0.0/26"
  }
  assert {
    condition     = length(google_compute_network.this) == 0 && google_compute_subnetwork.this[0].network == "projects/my-project/global/networks/shared"
    error_message = "only the subnetwork is new"
  }
  assert {
    condition     = google_compute_subnetwork.this[0].ip_cidr_range == "10.20.0.0/26"
    error_message = "it has the given range"
  }
}
