variables {
  client_keys = "projects/p/secrets/s/versions/latest"
}

run "by_default_only_what_the_application_cannot_know" {
  assert {
    condition     = output.json == jsonencode({ client_keys = "projects/p/secrets/s/versions/latest", rate_limit = { trusted_hops = 1 } })
    error_message = "something else is set: ${output.json}"
  }
}

run "short_names_of_keys_become_references" {
  variables {
    provider_keys = { gemini = "projects/p/secrets/g/versions/latest" }
    backends = {
      vertex-gemini    = { auth = "api_key", api_key = "gemini" }
      vertex-anthropic = { credentials = "projects/q/secrets/c/versions/3" }
    }
  }
  assert {
    condition     = jsondecode(output.json).backends.vertex-gemini == { auth = "api_key", api_key = "projects/p/secrets/g/versions/latest" }
    error_message = "wrong key"
  }
  assert {
    condition     = jsondecode(output.json).backends.vertex-anthropic == { credentials = "projects/q/secrets/c/versions/3" }
    error_message = "wrong credentials"
  }
}

run "options_join_their_backends" {
  variables {
    backends        = { vertex-gemini = { locations = ["eu"] } }
    backend_options = { vertex-gemini = { stream_tool_args = true }, vertex-anthropic = { max_n = 4 } }
  }
  assert {
    condition = jsondecode(output.json).backends == {
      vertex-gemini    = { locations = ["eu"], options = { stream_tool_args = true } }
      vertex-anthropic = { options = { max_n = 4 } }
    }
    error_message = "wrong backends"
  }
}

run "redis_takes_the_place_of_memory" {
  variables {
    rate_limit = { per_key = "600/minute", storage = "memory://", trusted_hops = 3 }
    redis_url  = "redis://10.0.0.3:6379/0"
  }
  assert {
    condition     = jsondecode(output.json).rate_limit == { per_key = "600/minute", storage = "redis://10.0.0.3:6379/0", trusted_hops = 3 }
    error_message = "wrong limits"
  }
}

run "log_lines_name_their_project" {
  variables {
    project_id = "my-project"
    settings   = { log = { level = "debug" } }
  }
  assert {
    condition     = jsondecode(output.json).log == { level = "debug", project = "my-project" }
    error_message = "wrong log: ${output.json}"
  }
}

run "settings_are_merged_in" {
  variables {
    cors     = { origins = ["https://app.example.com"], credentials = true }
    cache    = { enabled = true }
    settings = { strict = true, stream = { keepalive = 5 } }
  }
  assert {
    condition = jsondecode(output.json) == {
      client_keys = "projects/p/secrets/s/versions/latest"
      rate_limit  = { trusted_hops = 1 }
      cors        = { origins = ["https://app.example.com"], credentials = true }
      cache       = { enabled = true }
      strict      = true
      stream      = { keepalive = 5 }
    }
    error_message = "wrong document: ${output.json}"
  }
}

run "what_is_null_is_left_out" {
  variables {
    cors     = { origins = null }
    settings = { strict = null, timeout = 30, remote_media = { hosts = null }, stream = null, log = { level = null } }
  }
  assert {
    condition     = output.json == jsonencode({ client_keys = "projects/p/secrets/s/versions/latest", rate_limit = { trusted_hops = 1 }, timeout = 30 })
    error_message = "wrong document: ${output.json}"
  }
}
