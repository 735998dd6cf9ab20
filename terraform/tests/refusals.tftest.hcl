# Where several variables are wrong in one run, each must be refused for itself.
mock_provider "google" {}

mock_provider "google-beta" {}

variables {
  project_id = "example-project"
  region     = "europe-west1"
}

run "names_and_words_that_cannot_be" {
  command = plan
  variables {
    project_id     = "42"
    region         = "europe"
    name           = "c"
    labels         = { Team = "x" }
    stream_path    = "websocket"
    gateway_region = "eu"
    edge           = { per_ip = { interval_seconds = 59 } }
    limits         = { chat = { requests_per_minute = 10, cost = 11 } }
    backends       = { vertex-gemini = { location = "eu" } }
    provider_keys  = ["AIzaSy_Example"]
    rate_limit     = { per_kye = "600/minute" }
    cors           = { origin = "*" }
    cache          = { enable = true }
    settings       = { stict = true }
    runtime        = "python39"
    rotation_days  = 0
    redis          = { tier = "GOLD" }
    observability  = { notification_emails = ["ops"] }
  }
  expect_failures = [
    var.project_id,
    var.region,
    var.name,
    var.labels,
    var.stream_path,
    var.gateway_region,
    var.edge,
    var.limits,
    var.backends,
    var.provider_keys,
    var.rate_limit,
    var.cors,
    var.cache,
    var.settings,
    var.runtime,
    var.rotation_days,
    var.redis,
    var.observability,
  ]
}

run "a_share_of_a_cpu_for_many_requests_at_once" {
  command = plan
  variables {
    functions = { chat = { cpu = 0.5 } }
  }
  expect_failures = [var.functions]
}

run "less_memory_than_the_requests_may_take" {
  command = plan
  variables {
    settings  = { max_body_bytes = 33554432, max_request_memory = 536870912 }
    functions = { chat = { memory = "512M" } }
  }
  expect_failures = [var.functions]
}

run "what_depends_on_a_load_balancer" {
  command = plan
  variables {
    stream_path     = "load_balancer"
    domain          = "https://llm.example.com"
    invokers        = ["group:team@example.com"]
    deadlines       = { chat = 601 }
    backend_options = { vertex-gemini = { retry_emptty = 2 } }
    settings        = { stream = { keep_alive = 5 } }
  }
  expect_failures = [var.domain, var.invokers, var.deadlines, var.backend_options, var.settings]
}

run "everybody_as_an_invoker_and_a_domain_without_its_load_balancer" {
  command = plan
  variables {
    stream_path = "iam"
    invokers    = ["allUsers"]
    domain      = "llm.example.com"
  }
  expect_failures = [var.invokers, var.domain]
}
