# Each validation refuses something.
variables {
  functions = { chat = "chat-completions", models = "models" }
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
