# The OpenAPI document of API Gateway. No provider: it is rendered and tested anywhere.

locals {
  metrics = { chat = "chat-requests", models = "model-requests" }

  # Where a quota is off, its routes ask for no API key, and nothing is charged to the metric that stays declared.
  admissions = {
    for route, limit in var.limits : route => limit.enabled ? join("\n      ", [
      "security: [{api_key: []}]",
      "x-google-quota: {metricCosts: {${local.metrics[route]}: ${limit.cost}}}",
    ]) : ""
  }

  longest = var.streaming ? 3600 : 600

  document = templatefile("${path.module}/openapi.yaml.tftpl", {
    chat_address      = var.addresses.chat
    models_address    = var.addresses.models
    chat_deadline     = coalesce(var.deadlines.chat, local.longest)
    models_deadline   = var.deadlines.models
    chat_per_minute   = var.limits.chat.requests_per_minute
    models_per_minute = var.limits.models.requests_per_minute
    chat_admission    = local.admissions.chat
    models_admission  = local.admissions.models
  })
}
