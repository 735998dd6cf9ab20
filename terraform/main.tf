# The whole deployment, told top to bottom: services, identities, secrets, functions, the gateway in front of them, and what watches it.

locals {
  labels = merge({ app = var.name }, var.labels)

  # Which front each way of streaming needs.
  has_gateway       = contains(["direct", "gateway_preview"], var.stream_path)
  has_load_balancer = var.stream_path == "load_balancer"
  is_public         = contains(["direct", "load_balancer"], var.stream_path)

  functions = {
    chat   = { entry_point = "chat_completions", description = "OpenAI-compatible chat completions, and every other route" }
    models = { entry_point = "models", description = "The list of models, and health" }
  }

  # Who may invoke each function, apart from API Gateway's own identity. A load balancer has none: the ingress keeps others out.
  invokers = {
    chat   = var.stream_path == "iam" ? var.invokers : local.is_public ? ["allUsers"] : []
    models = var.stream_path == "iam" ? var.invokers : local.has_load_balancer ? ["allUsers"] : []
  }

  # Google's front end writes the client's address last into X-Forwarded-For, a gateway or load balancer of ours one place before it.
  trusted_hops = {
    chat   = contains(["direct", "iam"], var.stream_path) ? 1 : 2
    models = var.stream_path == "iam" ? 1 : 2
  }
}

# ---- services

locals {
  services = toset(concat(
    [
      "aiplatform", "artifactregistry", "cloudbuild", "cloudfunctions", "cloudresourcemanager", "iam", "logging", "monitoring", "run",
      "secretmanager", "storage",
    ],
    local.has_gateway ? ["apigateway", "apikeys", "servicecontrol", "servicemanagement"] : [],
    local.has_load_balancer || var.redis != null ? ["compute"] : [],
    var.redis != null ? ["redis"] : [],
    var.rotation_days != null ? ["pubsub"] : [],
    try(var.observability.budget, null) != null ? ["billingbudgets"] : [],
  ))
}

resource "google_project_service" "this" {
  for_each           = local.services
  project            = var.project_id
  service            = "${each.value}.googleapis.com"
  disable_on_destroy = false
}

# ---- secrets: made empty, so that no value is ever in the state

module "secrets" {
  source     = "./modules/secrets"
  project_id = var.project_id
  name       = var.name
  accessor   = "serviceAccount:${local.accounts.function}"
  labels     = local.labels
  secrets = merge(
    { client-keys = { rotation_days = var.rotation_days } },
    { for name in var.provider_keys : name => {} },
  )
  depends_on = [google_project_service.this]
}

# ---- functions

module "settings" {
  source          = "./modules/settings"
  for_each        = local.functions
  project_id      = var.project_id
  client_keys     = module.secrets.references.client-keys
  provider_keys   = { for name in var.provider_keys : name => module.secrets.references[name] }
  backends        = var.backends
  backend_options = var.backend_options
  rate_limit      = var.rate_limit
  redis_url       = one(module.redis[*].url)
  trusted_hops    = local.trusted_hops[each.key]
  cors            = var.cors
  cache           = var.cache
  settings        = var.settings
}

module "function" {
  source          = "./modules/function"
  for_each        = local.functions
  project_id      = var.project_id
  region          = var.region
  name            = "${var.name}-${each.key}"
  description     = each.value.description
  runtime         = var.runtime
  entry_point     = each.value.entry_point
  service_account = local.accounts.function
  source_archive  = { bucket = google_storage_bucket.source.name, object = google_storage_bucket_object.source.name }
  build           = { service_account = "projects/${var.project_id}/serviceAccounts/${local.accounts.build}", repository = local.repository }
  environment     = { CHROMAGENT_CONFIG_JSON = module.settings[each.key].json }
  scaling         = var.functions[each.key]
  ingress         = local.has_load_balancer ? "ALLOW_INTERNAL_AND_GCLB" : "ALLOW_ALL"
  invokers        = local.invokers[each.key]
  vpc             = one([for redis in module.redis : { network = redis.network, subnetwork = redis.subnetwork }])
  labels          = local.labels

  # A build or a start without its rights fails; so the rights come first.
  depends_on = [
    google_artifact_registry_repository.images,
    module.identities,
    module.secrets,
  ]
}

module "redis" {
  source     = "./modules/redis"
  count      = var.redis == null ? 0 : 1
  project_id = var.project_id
  region     = var.region
  name       = var.name
  network    = var.redis.network
  subnetwork = var.redis.subnetwork
  memory_gb  = var.redis.memory_gb
  tier       = var.redis.tier
  labels     = local.labels
  depends_on = [google_project_service.this]
}

# ---- what stands in front

module "spec" {
  source    = "./modules/spec"
  count     = local.has_gateway ? 1 : 0
  addresses = { for name, function in module.function : name => function.uri }
  limits    = var.limits
  deadlines = var.deadlines
  streaming = var.stream_path == "gateway_preview"
}

module "gateway" {
  source          = "./modules/gateway"
  count           = local.has_gateway ? 1 : 0
  project_id      = var.project_id
  project_number  = google_storage_bucket.source.project_number
  region          = coalesce(var.gateway_region, var.region)
  function_region = var.region
  name            = var.name
  document        = module.spec[0].document
  document_id     = module.spec[0].id
  services        = { for name, function in module.function : name => function.service }
  service_account = local.accounts.gateway
  streaming       = var.stream_path == "gateway_preview"
  labels          = local.labels
  depends_on      = [google_project_service.this]
}

module "edge" {
  source        = "./modules/edge"
  count         = local.has_load_balancer ? 1 : 0
  project_id    = var.project_id
  region        = var.region
  name          = var.name
  domain        = var.domain
  service_names = { for name, function in module.function : name => function.service }
  limits        = { per_ip = var.edge.per_ip }
  certificate   = var.edge.certificate
  dns_zone      = var.edge.dns_zone
  labels        = local.labels
  depends_on    = [google_project_service.this]
}

# ---- what watches it

module "observability" {
  source              = "./modules/observability"
  count               = var.observability == null ? 0 : 1
  project_id          = var.project_id
  region              = var.region
  name                = var.name
  functions           = { for name, function in module.function : name => function.service }
  base_url_host       = var.stream_path == "iam" ? null : local.host
  notification_emails = var.observability.notification_emails
  alerts              = var.observability.alerts
  budget              = var.observability.budget
  max_instances       = var.functions.chat.max_instances
  labels              = local.labels
  depends_on          = [google_project_service.this]
}
