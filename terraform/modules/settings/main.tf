# The configuration of the functions, as the one JSON document that CHROMAGENT_CONFIG_JSON takes. No provider: it is rendered and
# tested anywhere. What is left out here has the application's own default.

locals {
  options = jsondecode(file("${path.module}/fields.json")).options

  backends = {
    for name, backend in var.backends : name => merge(
      { for field, value in backend : field => value if value != null },
      { for field, value in { api_key = backend.api_key, credentials = backend.credentials } : field => lookup(var.provider_keys, value, value) if value != null },
      { for field, value in { options = lookup(var.backend_options, name, {}) } : field => value if length(value) > 0 },
    )
  }

  optioned_only = {
    for name, options in var.backend_options : name => { options = options } if !contains(keys(var.backends), name) && length(options) > 0
  }

  rate_limit = merge(
    { for field, value in var.rate_limit : field => value if value != null },
    { for field, value in { storage = var.redis_url, trusted_hops = var.rate_limit.trusted_hops == null ? var.trusted_hops : null } : field => value if value != null },
  )

  plain = { for field, value in var.settings : field => value if value != null && !contains(["remote_media", "stream", "log"], field) }

  document = merge(local.plain, { client_keys = var.client_keys }, {
    for section, content in {
      backends     = merge(local.backends, local.optioned_only)
      rate_limit   = local.rate_limit
      cors         = { for field, value in var.cors : field => value if value != null }
      cache        = { for field, value in var.cache : field => value if value != null }
      remote_media = { for field, value in var.settings.remote_media : field => value if value != null }
      stream       = { for field, value in var.settings.stream : field => value if value != null }
      log          = { for field, value in merge({ project = var.project_id }, { for field, value in var.settings.log : field => value if value != null }) : field => value if value != null }
    } : section => content if length(content) > 0
  })
}
