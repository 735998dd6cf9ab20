# Every variable is wrong in its own way, and each must be refused for itself.
mock_provider "google" {}

variables {
  project_id      = "example-project"
  region          = "europe-west1"
  name            = "chromagent-chat"
  entry_point     = "chat_completions"
  service_account = "chromagent-fn@example-project.iam.gserviceaccount.com"
  source_archive  = { bucket = "example-project-chromagent-source", object = "chromagent-0123.zip" }
}

run "names_and_words_that_cannot_be" {
  command = plan
  variables {
    project_id      = "Example"
    region          = "europe"
    name            = "chat_completions"
    entry_point     = "main.chat"
    service_account = "chromagent-fn"
    source_archive  = { bucket = "b_", object = "chromagent.tar.gz" }
    build           = { repository = "images" }
    vpc             = { network = "n", subnetwork = "" }
    description     = join("", [for _ in range(257) : "x"])
    runtime         = "nodejs22"
    environment     = { PORT = "80" }
    scaling         = { memory = "lots" }
    ingress         = "EVERYBODY"
    invokers        = ["team@example.com"]
    labels          = { team = "A" }
  }
  expect_failures = [
    var.project_id,
    var.region,
    var.name,
    var.entry_point,
    var.service_account,
    var.source_archive,
    var.build,
    var.vpc,
    var.description,
    var.runtime,
    var.environment,
    var.scaling,
    var.ingress,
    var.invokers,
    var.labels,
  ]
}

run "nine_processors" {
  command = plan
  variables {
    scaling = { cpu = 9 }
  }
  expect_failures = [var.scaling]
}

run "no_request_at_all" {
  command = plan
  variables {
    scaling = { concurrency = 0 }
  }
  expect_failures = [var.scaling]
}

run "eighty_requests_on_half_a_processor" {
  command = plan
  variables {
    scaling = { cpu = 0.5 }
  }
  expect_failures = [var.scaling]
}

run "a_minimum_above_the_maximum" {
  command = plan
  variables {
    scaling = { min_instances = 3, max_instances = 2 }
  }
  expect_failures = [var.scaling]
}

run "more_than_an_hour" {
  command = plan
  variables {
    scaling = { timeout_seconds = 3601 }
  }
  expect_failures = [var.scaling]
}

run "too_little_memory_for_any_function" {
  command = plan
  variables {
    scaling = { memory = "64M" }
  }
  expect_failures = [var.scaling]
}

run "more_memory_than_one_cpu_may_have" {
  command = plan
  variables {
    scaling = { memory = "8Gi" }
  }
  expect_failures = [var.scaling]
}

run "half_an_instance" {
  command = plan
  variables {
    scaling = { min_instances = 0.5 }
  }
  expect_failures = [var.scaling]
}

run "half_a_second" {
  command = plan
  variables {
    scaling = { timeout_seconds = 1.5 }
  }
  expect_failures = [var.scaling]
}

run "three_cpus" {
  command = plan
  variables {
    scaling = { cpu = 3 }
  }
  expect_failures = [var.scaling]
}
