# Planned only: applying would call gcloud.
variables {
  billing_account = "012345-ABCDEF-678901"
  project_id      = "my-project"
  name            = "chromagent my-project"
  monthly_amount  = 250.5
  currency        = "EUR"
  channels        = ["projects/my-project/notificationChannels/1", "projects/my-project/notificationChannels/2"]
}

run "the_commands_get_everything_from_the_input" {
  command = plan
  assert {
    condition = output.budget == {
      account  = "012345-ABCDEF-678901"
      amount   = "250.5EUR"
      channels = "projects/my-project/notificationChannels/1,projects/my-project/notificationChannels/2"
      name     = "chromagent my-project"
      project  = "my-project"
    }
    error_message = "what is destroyed later is found by what was applied"
  }
}
