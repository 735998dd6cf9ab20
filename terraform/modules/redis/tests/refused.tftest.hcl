# Each validation refuses something.
mock_provider "google" {}

variables {
  project_id = "my-project"
  region     = "europe-west4"
}

run "a_project_in_capitals" {
  command = plan
  variables {
    project_id = "My-Project"
  }
  expect_failures = [var.project_id]
}

run "a_zone" {
  command = plan
  variables {
    region = "europe-west4-a"
  }
  expect_failures = [var.region]
}

run "a_name_with_an_underscore" {
  command = plan
  variables {
    name = "my_redis"
  }
  expect_failures = [var.name]
}

run "a_network_by_its_name" {
  command = plan
  variables {
    network    = "default"
    subnetwork = "projects/my-project/regions/europe-west4/subnetworks/functions"
  }
  expect_failures = [var.network]
}

run "a_subnetwork_by_its_name" {
  command = plan
  variables {
    network    = "projects/my-project/global/networks/shared"
    subnetwork = "functions"
  }
  expect_failures = [var.subnetwork]
}

run "a_subnetwork_without_its_network" {
  command = plan
  variables {
    subnetwork = "projects/my-project/regions/europe-west4/subnetworks/functions"
  }
  expect_failures = [var.subnetwork]
}

run "a_range_that_is_too_small" {
  command = plan
  variables {
    ip_range = "10.8.0.0/28"
  }
  expect_failures = [var.ip_range]
}

run "half_a_gibibyte" {
  command = plan
  variables {
    memory_gb = 0.5
  }
  expect_failures = [var.memory_gb]
}

run "a_tier_of_another_product" {
  command = plan
  variables {
    tier = "ENTERPRISE"
  }
  expect_failures = [var.tier]
}

run "a_label_in_capitals" {
  command = plan
  variables {
    labels = { Team = "a" }
  }
  expect_failures = [var.labels]
}
