# Each validation refuses something.
mock_provider "google" {}

variables {
  project_id = "my-project"
  region     = "europe-west4"
  functions  = { chat = "chat-completions", models = "models" }
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

run "a_name_with_a_slash" {
  command = plan
  variables {
    name = "team/chromagent"
  }
  expect_failures = [var.name]
}

run "a_function_by_its_path" {
  command = plan
  variables {
    functions = { chat = "projects/p/locations/l/functions/chat", models = "models" }
  }
  expect_failures = [var.functions]
}

run "no_instances" {
  command = plan
  variables {
    max_instances = 0
  }
  expect_failures = [var.max_instances]
}

run "a_host_with_its_scheme" {
  command = plan
  variables {
    base_url_host = "https://llm.example.com"
  }
  expect_failures = [var.base_url_host]
}

run "a_check_every_second" {
  command = plan
  variables {
    uptime_period_seconds = 1
  }
  expect_failures = [var.uptime_period_seconds]
}

run "an_address_without_a_domain" {
  command = plan
  variables {
    notification_emails = ["ops"]
  }
  expect_failures = [var.notification_emails]
}

run "a_ratio_in_percent" {
  command = plan
  variables {
    alerts = { error_ratio = 5 }
  }
  expect_failures = [var.alerts]
}

run "no_patience_for_the_first_chunk" {
  command = plan
  variables {
    alerts = { first_chunk_p95_seconds = 0 }
  }
  expect_failures = [var.alerts]
}

run "a_window_shorter_than_the_delay_of_metrics" {
  command = plan
  variables {
    alerts = { window_minutes = 1 }
  }
  expect_failures = [var.alerts]
}

run "a_billing_account_by_its_name" {
  command = plan
  variables {
    budget = { billing_account = "My Billing Account", monthly_amount = 100 }
  }
  expect_failures = [var.budget]
}

run "a_budget_of_nothing" {
  command = plan
  variables {
    budget = { billing_account = "012345-ABCDEF-678901", monthly_amount = 0 }
  }
  expect_failures = [var.budget]
}

run "a_currency_by_its_sign" {
  command = plan
  variables {
    budget = { billing_account = "012345-ABCDEF-678901", monthly_amount = 100, currency = "€" }
  }
  expect_failures = [var.budget]
}

run "a_label_in_capitals" {
  command = plan
  variables {
    labels = { Team = "a" }
  }
  expect_failures = [var.labels]
}
