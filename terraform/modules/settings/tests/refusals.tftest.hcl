variables {
  client_keys = "projects/p/secrets/s/versions/latest"
}

run "a_key_instead_of_its_reference" {
  command = plan
  variables {
    client_keys = "sk-cg-123"
  }
  expect_failures = [var.client_keys]
}

run "a_provider_key_instead_of_its_reference" {
  command = plan
  variables {
    provider_keys = { gemini = "AIza123" }
  }
  expect_failures = [var.provider_keys]
}

run "a_backend_of_no_provider" {
  command = plan
  variables {
    backends = { openai = {} }
  }
  expect_failures = [var.backends]
}

run "an_unknown_way_to_authenticate" {
  command = plan
  variables {
    backends = { vertex-gemini = { auth = "oauth" } }
  }
  expect_failures = [var.backends]
}

run "auth_by_key_without_a_key" {
  command = plan
  variables {
    backends = { vertex-gemini = { auth = "api_key" } }
  }
  expect_failures = [var.backends]
}

run "a_key_of_no_secret" {
  command = plan
  variables {
    backends = { vertex-gemini = { auth = "api_key", api_key = "gemini" } }
  }
  expect_failures = [var.backends]
}

run "a_backend_without_locations" {
  command = plan
  variables {
    backends = { vertex-gemini = { locations = [] } }
  }
  expect_failures = [var.backends]
}

run "a_location_in_capitals" {
  command = plan
  variables {
    backends = { vertex-gemini = { locations = ["EU"] } }
  }
  expect_failures = [var.backends]
}

run "a_project_with_a_space" {
  command = plan
  variables {
    backends = { vertex-gemini = { project = "my project" } }
  }
  expect_failures = [var.backends]
}

run "a_base_url_with_a_query" {
  command = plan
  variables {
    backends = { vertex-gemini = { base_url = "https://vertex.example.com?x=1" } }
  }
  expect_failures = [var.backends]
}

run "a_backend_that_waits_for_nothing" {
  command = plan
  variables {
    backends = { vertex-gemini = { timeout = 0 } }
  }
  expect_failures = [var.backends]
}

run "a_backend_that_never_gives_up" {
  command = plan
  variables {
    backends = { vertex-gemini = { max_retries = 11 } }
  }
  expect_failures = [var.backends]
}

run "options_of_no_backend" {
  command = plan
  variables {
    backend_options = { vertex-gemni = { retry_empty = 2 } }
  }
  expect_failures = [var.backend_options]
}

run "a_rate_without_a_unit" {
  command = plan
  variables {
    rate_limit = { per_key = "600" }
  }
  expect_failures = [var.rate_limit]
}

run "a_weight_of_no_route" {
  command = plan
  variables {
    rate_limit = { weights = { health = 1 } }
  }
  expect_failures = [var.rate_limit]
}

run "neither_open_nor_closed" {
  command = plan
  variables {
    rate_limit = { when_away = "ajar" }
  }
  expect_failures = [var.rate_limit]
}

run "a_storage_that_is_no_redis" {
  command = plan
  variables {
    rate_limit = { storage = "memcached://h" }
  }
  expect_failures = [var.rate_limit]
}

run "half_a_hop" {
  command = plan
  variables {
    rate_limit = { trusted_hops = 0.5 }
  }
  expect_failures = [var.rate_limit]
}

run "more_hops_than_there_can_be" {
  command = plan
  variables {
    trusted_hops = 11
  }
  expect_failures = [var.trusted_hops]
}

run "a_redis_without_its_scheme" {
  command = plan
  variables {
    redis_url = "10.0.0.3:6379"
  }
  expect_failures = [var.redis_url]
}

run "an_origin_with_a_path" {
  command = plan
  variables {
    cors = { origins = ["https://app.example.com/"] }
  }
  expect_failures = [var.cors]
}

run "credentials_for_everybody" {
  command = plan
  variables {
    cors = { origins = ["*"], credentials = true }
  }
  expect_failures = [var.cors]
}

run "a_cache_that_forgets_at_once" {
  command = plan
  variables {
    cache = { ttl = 0 }
  }
  expect_failures = [var.cache]
}

run "what_has_a_variable_of_its_own" {
  command = plan
  variables {
    settings = { cors = {} }
  }
  expect_failures = [var.settings]
}

run "settings_that_are_no_object" {
  command = plan
  variables {
    settings = "strict"
  }
  expect_failures = [var.settings]
}

run "a_project_with_spaces" {
  command = plan
  variables {
    project_id = "my project"
  }
  expect_failures = [var.project_id]
}
