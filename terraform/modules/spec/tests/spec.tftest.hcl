variables {
  addresses = { chat = "https://chat.example.com", models = "https://models.example.com" }
}

run "the_document_is_one_that_yaml_reads" {
  assert {
    condition     = yamldecode(output.document).swagger == "2.0"
    error_message = "not OpenAPI 2.0"
  }
  assert {
    condition     = length(yamldecode(output.document).paths) == 8
    error_message = "chat, models, one model and health, each with and without /v1"
  }
  assert {
    condition     = length(output.id) == 12
    error_message = "the id is twelve digits"
  }
}

run "each_route_goes_to_its_function_with_its_path" {
  assert {
    condition = yamldecode(output.document).paths["/v1/chat/completions"].post["x-google-backend"] == {
      address          = "https://chat.example.com"
      path_translation = "APPEND_PATH_TO_ADDRESS"
      protocol         = "h2"
      deadline         = 600
    }
    error_message = "chat"
  }
  assert {
    condition     = yamldecode(output.document).paths["/v1/models/{model=**}"].get["x-google-backend"].address == "https://models.example.com"
    error_message = "one model"
  }
}

run "quotas_ask_for_a_key_and_count_the_cost" {
  variables {
    limits = { chat = { requests_per_minute = 60, cost = 3 } }
  }
  assert {
    condition     = yamldecode(output.document).paths["/v1/chat/completions"].post.security[0].api_key == []
    error_message = "no key is asked for"
  }
  assert {
    condition     = yamldecode(output.document).paths["/v1/chat/completions"].post["x-google-quota"].metricCosts == { chat-requests = 3 }
    error_message = "wrong cost"
  }
  assert {
    condition     = [for limit in yamldecode(output.document)["x-google-management"].quota.limits : limit.values.STANDARD] == [60, 600]
    error_message = "wrong limits"
  }
}

run "a_route_without_quota_asks_for_no_key" {
  variables {
    limits = { models = { enabled = false } }
  }
  assert {
    condition     = alltrue([for name in ["security", "x-google-quota"] : !contains(keys(yamldecode(output.document).paths["/v1/models"].get), name)])
    error_message = "a key is asked for, or counted against"
  }
  assert {
    condition     = contains(keys(yamldecode(output.document).paths["/v1/chat/completions"].post), "security")
    error_message = "the quota of chat is still on"
  }
}

run "preflights_and_health_never_ask_for_a_key" {
  assert {
    condition = alltrue(flatten([
      for path, operations in yamldecode(output.document).paths : [
        for method, operation in operations : !contains(keys(operation), "security") if method == "options" || endswith(path, "/health")
      ]
    ]))
    error_message = "a browser's preflight carries no key"
  }
}

run "another_document_has_another_id" {
  variables {
    deadlines = { models = 61 }
  }
  assert {
    condition     = output.id != run.the_document_is_one_that_yaml_reads.id
    error_message = "the config would not be replaced"
  }
}

run "a_gateway_that_streams_waits_an_hour" {
  variables {
    streaming = true
  }
  assert {
    condition     = yamldecode(output.document).paths["/v1/chat/completions"].post["x-google-backend"].deadline == 3600
    error_message = "wrong deadline"
  }
}
