# Every variable is wrong in its own way, and each must be refused for itself.
mock_provider "google" {}

mock_provider "google-beta" {}

run "names_and_words_that_cannot_be" {
  command = plan
  variables {
    project_id      = "Example"
    project_number  = "example-project"
    region          = "europe"
    function_region = "eu"
    name            = "c"
    document        = "openapi: 3.0.4"
    document_id     = "latest"
    services        = { chat = "chromagent-chat" }
    service_account = "chromagent-gw"
    labels          = { team = "A" }
  }
  expect_failures = [
    var.project_id,
    var.project_number,
    var.region,
    var.function_region,
    var.name,
    var.document,
    var.document_id,
    var.services,
    var.service_account,
    var.labels,
  ]
}
