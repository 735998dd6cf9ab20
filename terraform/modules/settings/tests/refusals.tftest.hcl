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

run "neither_an_estimate_nor_full" {
  command = plan
  variables {
    rate_limit = { reserve = "half" }
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

run "a_rate_of_nothing" {
  command = plan
  variables {
    rate_limit = { per_ip = "0/minute" }
  }
  expect_failures = [var.rate_limit]
}

run "no_word_for_a_storage_away" {
  command = plan
  variables {
    rate_limit = { when_away = "" }
  }
  expect_failures = [var.rate_limit]
}

run "no_word_for_a_storage" {
  command = plan
  variables {
    rate_limit = { storage = "" }
  }
  expect_failures = [var.rate_limit]
}

run "a_weight_without_a_number" {
  command = plan
  variables {
    rate_limit = { weights = { chat = null } }
  }
  expect_failures = [var.rate_limit]
}

run "no_word_for_the_way_to_authenticate" {
  command = plan
  variables {
    backends = { vertex-gemini = { auth = "" } }
  }
  expect_failures = [var.backends]
}

run "an_empty_project" {
  command = plan
  variables {
    backends = { vertex-gemini = { project = "" } }
  }
  expect_failures = [var.backends]
}

run "an_empty_base_url" {
  command = plan
  variables {
    backends = { vertex-gemini = { base_url = "" } }
  }
  expect_failures = [var.backends]
}

run "a_base_url_of_a_port_alone" {
  command = plan
  variables {
    backends = { vertex-gemini = { base_url = "https://:80" } }
  }
  expect_failures = [var.backends]
}

run "a_header_with_an_umlaut" {
  command = plan
  variables {
    backends = { vertex-gemini = { additional_headers = { x-team = "Äpfel" } } }
  }
  expect_failures = [var.backends]
}

run "a_header_without_a_value" {
  command = plan
  variables {
    backends = { vertex-gemini = { additional_headers = { x-team = null } } }
  }
  expect_failures = [var.backends]
}

run "a_model_without_routes" {
  command = plan
  variables {
    backends = { vertex-gemini = { model_mapping = { fast = null } } }
  }
  expect_failures = [var.backends]
}

run "an_empty_route" {
  command = plan
  variables {
    backends = { vertex-gemini = { model_mapping = { fast = [""] } } }
  }
  expect_failures = [var.backends]
}

run "an_origin_of_a_port_alone" {
  command = plan
  variables {
    cors = { origins = ["https://:80"] }
  }
  expect_failures = [var.cors]
}

run "a_number_in_words" {
  command = plan
  variables {
    backend_options = { vertex-gemini = { retry_empty = "many" } }
  }
  expect_failures = [var.backend_options]
}

run "half_a_retry" {
  command = plan
  variables {
    backend_options = { vertex-gemini = { retry_empty = 0.5 } }
  }
  expect_failures = [var.backend_options]
}

run "a_switch_that_is_nothing" {
  command = plan
  variables {
    backend_options = { vertex-gemini = { stream_tool_args = null } }
  }
  expect_failures = [var.backend_options]
}

run "a_word_that_the_switch_does_not_know" {
  command = plan
  variables {
    backend_options = { vertex-gemini = { surface = "studio" } }
  }
  expect_failures = [var.backend_options]
}

run "a_word_where_a_list_is_due" {
  command = plan
  variables {
    backend_options = { vertex-anthropic = { allowed_betas = "b" } }
  }
  expect_failures = [var.backend_options]
}

run "a_word_where_a_table_is_due" {
  command = plan
  variables {
    backend_options = { vertex-gemini = { voices = "Puck" } }
  }
  expect_failures = [var.backend_options]
}

run "a_switch_that_nobody_knows" {
  command = plan
  variables {
    backend_options = { vertex-gemini = { retry_emtpy = 1 } }
  }
  expect_failures = [var.backend_options]
}

run "a_default_backend_that_is_none" {
  command = plan
  variables {
    settings = { default_backend = "second" }
  }
  expect_failures = [var.settings]
}

run "no_time_at_all" {
  command = plan
  variables {
    settings = { timeout = 0 }
  }
  expect_failures = [var.settings]
}

run "half_a_try" {
  command = plan
  variables {
    settings = { max_retries = 0.5 }
  }
  expect_failures = [var.settings]
}

run "ids_of_an_unknown_kind" {
  command = plan
  variables {
    settings = { tool_call_ids = "short" }
  }
  expect_failures = [var.settings]
}

run "a_reasoning_cache_of_less_than_nothing" {
  command = plan
  variables {
    settings = { reasoning_cache_bytes = -1 }
  }
  expect_failures = [var.settings]
}

run "a_body_that_is_too_large" {
  command = plan
  variables {
    settings = { max_body_bytes = 33554433 }
  }
  expect_failures = [var.settings]
}

run "memory_for_less_than_one_large_body_of_each_of_two_keys" {
  command = plan
  variables {
    settings = { max_body_bytes = 33554432 }
  }
  expect_failures = [var.settings]
}

run "no_request_at_all_of_a_key" {
  command = plan
  variables {
    rate_limit = { concurrent_per_key = 0 }
  }
  expect_failures = [var.rate_limit]
}

run "files_without_a_byte" {
  command = plan
  variables {
    settings = { remote_media = { max_bytes = 0 } }
  }
  expect_failures = [var.settings]
}

run "a_resource_that_is_a_pattern" {
  command = plan
  variables {
    backends = { vertex-gemini = { allowed_resources = ["cachedContents/*"] } }
  }
  expect_failures = [var.backends]
}

run "a_bucket_without_a_name" {
  command = plan
  variables {
    settings = { gcs_buckets = [null] }
  }
  expect_failures = [var.settings]
}

run "more_than_a_minute_for_a_file" {
  command = plan
  variables {
    settings = { remote_media = { timeout = 61 } }
  }
  expect_failures = [var.settings]
}

run "comments_without_a_pause" {
  command = plan
  variables {
    settings = { stream = { keepalive = 0 } }
  }
  expect_failures = [var.settings]
}

run "a_loud_log" {
  command = plan
  variables {
    settings = { log = { level = "loud" } }
  }
  expect_failures = [var.settings]
}

run "a_log_of_an_empty_project" {
  command = plan
  variables {
    settings = { log = { project = "" } }
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
