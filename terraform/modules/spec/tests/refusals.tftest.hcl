variables {
  addresses = { chat = "https://chat.example.com", models = "https://models.example.com" }
}

run "an_address_with_a_path" {
  command = plan
  variables {
    addresses = { chat = "https://chat.example.com/v1", models = "https://models.example.com" }
  }
  expect_failures = [var.addresses]
}

run "a_quota_of_nothing" {
  command = plan
  variables {
    limits = { chat = { requests_per_minute = 0 } }
  }
  expect_failures = [var.limits]
}

run "half_a_request" {
  command = plan
  variables {
    limits = { models = { cost = 0.5 } }
  }
  expect_failures = [var.limits]
}

run "a_cost_beyond_the_quota" {
  command = plan
  variables {
    limits = { chat = { requests_per_minute = 10, cost = 11 } }
  }
  expect_failures = [var.limits]
}

run "an_hour_on_a_gateway_that_buffers" {
  command = plan
  variables {
    deadlines = { chat = 601 }
  }
  expect_failures = [var.deadlines]
}

run "more_than_an_hour_on_one_that_streams" {
  command = plan
  variables {
    streaming = true
    deadlines = { chat = 3601 }
  }
  expect_failures = [var.deadlines]
}

run "half_a_second" {
  command = plan
  variables {
    deadlines = { chat = 1.5 }
  }
  expect_failures = [var.deadlines]
}
