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

run "a_name_too_long_for_its_accounts" {
  command = plan
  variables {
    name = "a-name-that-is-rather-too-long"
  }
  expect_failures = [var.name]
}

run "a_part_that_does_not_exist" {
  command = plan
  variables {
    parts = ["kubernetes"]
  }
  expect_failures = [var.parts]
}

run "a_role_by_its_title" {
  command = plan
  variables {
    extra_roles = ["Pub/Sub Admin"]
  }
  expect_failures = [var.extra_roles]
}

run "a_role_that_grants_anything" {
  command = plan
  variables {
    extra_roles = ["roles/owner"]
  }
  expect_failures = [var.extra_roles]
}

run "a_repository_by_its_url" {
  command = plan
  variables {
    trigger = { repository = "https://github.com/o/chromagent" }
  }
  expect_failures = [var.trigger]
}

run "a_branch_that_is_no_expression" {
  command = plan
  variables {
    trigger = { repository = "projects/p/locations/l/connections/c/repositories/r", branch = "(main" }
  }
  expect_failures = [var.trigger]
}

run "a_var_file_outside_of_the_repository" {
  command = plan
  variables {
    trigger = { repository = "projects/p/locations/l/connections/c/repositories/r", var_file = "/etc/production.tfvars" }
  }
  expect_failures = [var.trigger]
}

run "a_label_in_capitals" {
  command = plan
  variables {
    labels = { Team = "a" }
  }
  expect_failures = [var.labels]
}
