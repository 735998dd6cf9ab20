# Every variable is wrong in its own way, and each must be refused for itself.
mock_provider "google" {}

mock_provider "google-beta" {}

run "names_and_numbers_that_cannot_be" {
  command = plan
  variables {
    project_id         = "42"
    name               = "Chromagent"
    secrets            = { "client/keys" = {} }
    accessor           = "allUsers"
    location           = "Europe"
    destroy_after_days = 0
    labels             = { Team = "x" }
  }
  expect_failures = [
    var.project_id,
    var.name,
    var.secrets,
    var.accessor,
    var.location,
    var.destroy_after_days,
    var.labels,
  ]
}

run "rotation_every_half_day" {
  command = plan
  variables {
    project_id = "example-project"
    accessor   = "serviceAccount:chromagent-fn@example-project.iam.gserviceaccount.com"
    secrets    = { client-keys = { rotation_days = 0.5 } }
  }
  expect_failures = [var.secrets]
}
