# Each validation refuses something.
mock_provider "google" {}

variables {
  project_id    = "my-project"
  region        = "europe-west4"
  domain        = "llm.example.com"
  service_names = { chat = "chat-completions", models = "models" }
}

run "a_project_number" {
  command = plan
  variables {
    project_id = "123456789"
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

run "a_name_that_ends_in_a_hyphen" {
  command = plan
  variables {
    name = "chromagent-"
  }
  expect_failures = [var.name]
}

run "a_domain_that_is_a_url" {
  command = plan
  variables {
    domain = "https://llm.example.com"
  }
  expect_failures = [var.domain]
}

run "a_service_with_its_path" {
  command = plan
  variables {
    service_names = { chat = "projects/p/locations/l/services/chat", models = "models" }
  }
  expect_failures = [var.service_names]
}

run "a_limit_of_nothing" {
  command = plan
  variables {
    limits = { per_ip = { requests = 0 } }
  }
  expect_failures = [var.limits]
}

run "an_interval_that_cloud_armor_lacks" {
  command = plan
  variables {
    limits = { per_ip = { interval_seconds = 45 } }
  }
  expect_failures = [var.limits]
}

run "a_certificate_by_its_name" {
  command = plan
  variables {
    certificate = "mine"
  }
  expect_failures = [var.certificate]
}

run "a_policy_by_its_name" {
  command = plan
  variables {
    ssl_policy = "modern"
  }
  expect_failures = [var.ssl_policy]
}

run "a_zone_by_its_domain" {
  command = plan
  variables {
    dns_zone = "example.com"
  }
  expect_failures = [var.dns_zone]
}

run "a_rate_in_percent" {
  command = plan
  variables {
    log_sample_rate = 50
  }
  expect_failures = [var.log_sample_rate]
}

run "a_label_in_capitals" {
  command = plan
  variables {
    labels = { Team = "a" }
  }
  expect_failures = [var.labels]
}
