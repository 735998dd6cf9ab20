# Every variable is wrong in its own way, and each must be refused for itself.
mock_provider "google" {}

run "names_and_numbers_that_cannot_be" {
  command = plan
  variables {
    project_id     = "Example"
    project_number = "my-project"
    region         = "europe"
    name           = "a"
    source_bucket  = "gs://bucket"
  }
  expect_failures = [var.project_id, var.project_number, var.region, var.name, var.source_bucket]
}
