# Each validation refuses something.
variables {
  billing_account = "012345-ABCDEF-678901"
  project_id      = "my-project"
  name            = "chromagent"
  monthly_amount  = 100
}

run "a_billing_account_by_its_name" {
  command = plan
  variables {
    billing_account = "My Billing Account"
  }
  expect_failures = [var.billing_account]
}

run "a_project_in_capitals" {
  command = plan
  variables {
    project_id = "My-Project"
  }
  expect_failures = [var.project_id]
}

run "a_name_that_is_code" {
  command = plan
  variables {
    name = "$(id)"
  }
  expect_failures = [var.name]
}

run "a_budget_of_nothing" {
  command = plan
  variables {
    monthly_amount = 0
  }
  expect_failures = [var.monthly_amount]
}

run "a_currency_by_its_sign" {
  command = plan
  variables {
    currency = "€"
  }
  expect_failures = [var.currency]
}

run "too_many_channels" {
  command = plan
  variables {
    channels = ["1", "2", "3", "4", "5", "6"]
  }
  expect_failures = [var.channels]
}
