# What mirrors the application's own configuration has the type any: an object type would drop a misspelt limit without a word. The names
# are checked here, the values in modules/settings.
locals {
  fields = jsondecode(file("${path.module}/modules/settings/fields.json"))
}

variable "project_id" {
  description = "Google Cloud project that everything is made in."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "A project id has 6 to 30 lower-case letters, digits and hyphens, begins with a letter and does not end with a hyphen."
  }
}

variable "region" {
  description = "Region of the functions and of everything beside them."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "A region is such as europe-west1."
  }
}

variable "name" {
  description = "What the names of everything begin with. Another name makes another deployment in the same project."
  type        = string
  default     = "chromagent"
  nullable    = false
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,21}[a-z0-9]$", var.name))
    error_message = "A name has 3 to 23 lower-case letters, digits and hyphens, begins with a letter and does not end with a hyphen."
  }
}

variable "labels" {
  description = "Labels of everything that can have some, beside app = name."
  type        = map(string)
  default     = {}
  nullable    = false
  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "Labels have lower-case letters, digits, hyphens and underscores, at most 63 of them; a key begins with a letter."
  }
}

variable "create_identities" {
  description = "Whether the service accounts, the functions' role and their grants on the project are made here. False where `bootstrap` has made them: then whoever applies this needs no right to grant roles on the project."
  type        = bool
  default     = true
  nullable    = false
}

# ---- how clients reach it

variable "stream_path" {
  description = <<-EOT
    How streamed answers reach the client:
    `direct`: the chat function has a public URL that streams; beside it API Gateway with quotas for each route, which holds answers back until they are complete.
    `gateway_preview`: only API Gateway, and it streams. A Preview of Google's: gcloud with its alpha component makes the gateway.
    `load_balancer`: an external load balancer with Cloud Armor under `domain`; the functions take requests from it only. API Gateway is not built:
    it is not an internal source, so it could not reach the functions, and its own URL would go round Cloud Armor.
    `iam`: no public URL; `invokers` call with their Google identity and a client key. API Gateway, which is public, is not built.
  EOT
  type        = string
  default     = "direct"
  nullable    = false
  validation {
    condition     = contains(["direct", "gateway_preview", "load_balancer", "iam"], var.stream_path)
    error_message = "stream_path is direct, gateway_preview, load_balancer or iam."
  }
}

variable "gateway_region" {
  description = "Region of API Gateway, which is in fewer regions than functions are; by default that of the functions."
  type        = string
  default     = null
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", coalesce(var.gateway_region, "europe-west1")))
    error_message = "A region is such as europe-west1."
  }
}

variable "domain" {
  description = "Host name that the load balancer answers to, such as llm.example.com. Only with stream_path load_balancer."
  type        = string
  default     = null
  validation {
    condition     = (var.domain != null) == (var.stream_path == "load_balancer")
    error_message = "A domain is given with stream_path load_balancer, and only then."
  }
  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", coalesce(var.domain, "llm.example.com")))
    error_message = "A domain is a host name such as llm.example.com."
  }
}

variable "edge" {
  description = "The load balancer: per_ip is the requests that Cloud Armor lets through in an interval, every address counted apart (keys are counted by rate_limit.per_key); certificate is one of your own (Google makes one without); dns_zone is the Cloud DNS zone that gets the domain's A record. Only with stream_path load_balancer."
  type = object({
    per_ip = optional(object({
      requests         = optional(number, 600)
      interval_seconds = optional(number, 60)
    }), {})
    certificate = optional(string)
    dns_zone    = optional(string)
  })
  default  = {}
  nullable = false
  validation {
    condition = (
      var.edge.per_ip.requests >= 1 && floor(var.edge.per_ip.requests) == var.edge.per_ip.requests &&
      contains([10, 30, 60, 120, 180, 240, 300, 600, 900, 1200, 1800, 2700, 3600], var.edge.per_ip.interval_seconds)
    )
    error_message = "requests is a whole number of at least 1; interval_seconds is 10, 30, 60, 120, 180, 240, 300, 600, 900, 1200, 1800, 2700 or 3600."
  }
}

variable "invokers" {
  description = "Who may call, such as group:team@example.com or serviceAccount:app@project.iam.gserviceaccount.com. Only with stream_path iam."
  type        = list(string)
  default     = []
  nullable    = false
  validation {
    condition     = (length(var.invokers) > 0) == (var.stream_path == "iam")
    error_message = "Invokers are given with stream_path iam, and only then."
  }
  validation {
    condition     = alltrue([for member in var.invokers : can(regex("^(user|group|serviceAccount|domain|principal|principalSet):\\S+$", member))])
    error_message = "An invoker is a member with its kind, such as group:team@example.com; who wants everybody takes another stream_path."
  }
}

variable "limits" {
  description = "Quotas of API Gateway for each route: requests a minute of one consumer project, and what one request counts as. While a quota is on, its route asks for a Google API key in x-api-key; without a key there is nobody to count."
  type = object({
    chat = optional(object({
      enabled             = optional(bool, true)
      requests_per_minute = optional(number, 600)
      cost                = optional(number, 1)
    }), {})
    models = optional(object({
      enabled             = optional(bool, true)
      requests_per_minute = optional(number, 600)
      cost                = optional(number, 1)
    }), {})
  })
  default  = {}
  nullable = false
  validation {
    condition = alltrue([
      for limit in values(var.limits) : floor(limit.cost) == limit.cost && floor(limit.requests_per_minute) == limit.requests_per_minute &&
      limit.cost >= 1 && limit.cost <= limit.requests_per_minute && limit.requests_per_minute <= 10000000
    ])
    error_message = "cost and requests_per_minute are whole numbers of at least 1, and cost is not more than requests_per_minute; to have no quota, set enabled to false."
  }
}

variable "deadlines" {
  description = "Seconds that API Gateway waits for a whole answer. That of chat is by default the longest possible: 600, or 3600 with stream_path gateway_preview."
  type = object({
    chat   = optional(number)
    models = optional(number, 60)
  })
  default  = {}
  nullable = false
  validation {
    condition = alltrue([
      for deadline in values(var.deadlines) : deadline == null ? true : floor(deadline) == deadline && deadline >= 1 && deadline <= (var.stream_path == "gateway_preview" ? 3600 : 600)
    ])
    error_message = "A deadline is a whole number of seconds from 1 to 600, to 3600 only with stream_path gateway_preview."
  }
}

# ---- what the functions do: docs/configuration.md tells each field

variable "backends" {
  description = <<-EOT
    Upstreams by name: provider, enabled, project, locations, base_url, auth, api_key, credentials, additional_headers, model_mapping, allowed_resources, timeout, max_retries.
    `vertex-gemini` and `vertex-anthropic` exist unless disabled. api_key and credentials name an entry of provider_keys, or a secret's reference;
    model_mapping gives each public id a list of routes. Such as: { vertex-gemini = { locations = ["eu", "global"], model_mapping = { fast = ["gemini-3.8-flash"] } } }
  EOT
  type        = any
  default     = {}
  nullable    = false
  validation {
    condition     = can(keys(var.backends)) && alltrue([for backend in try(values(var.backends), []) : try(length(setsubtract(keys(backend), local.fields.backend)) == 0, false)])
    error_message = "backends is an object of objects; a backend has ${join(", ", local.fields.backend)}, and nothing else."
  }
}

variable "backend_options" {
  description = "Switches of the wire format by backend, as docs/options.md lists them, such as { vertex-gemini = { stream_tool_args = true } }."
  type        = any
  default     = {}
  nullable    = false
  validation {
    condition = can(keys(var.backend_options)) && alltrue([
      for name, options in try(merge(var.backend_options), {}) :
      try(length(setsubtract(keys(options), keys(local.fields.options[coalesce(try(var.backends[name].provider, null), name)]))) == 0, false)
    ])
    error_message = "backend_options is an object by backend, and has only the switches of docs/options.md."
  }
}

variable "provider_keys" {
  description = "Short names of secrets for keys of providers. They are made empty, and readable by the functions only; backends name them in api_key or credentials."
  type        = set(string)
  default     = []
  nullable    = false
  validation {
    condition     = alltrue([for name in var.provider_keys : can(regex("^[a-z][a-z0-9-]{0,62}$", name)) && name != "client-keys"])
    error_message = "A short name has lower-case letters, digits and hyphens and begins with a letter; client-keys is taken. The keys themselves do not belong here."
  }
}

variable "rate_limit" {
  description = "The gateway's own limits: per_ip, per_key, tokens_per_key (such as 600/minute), reserve, concurrent_per_key, weights, when_away, storage, trusted_hops. What is left out is not limited. In memory they count for each instance apart; `redis` makes them exact."
  type        = any
  default     = {}
  nullable    = false
  validation {
    condition     = try(length(setsubtract(keys(var.rate_limit), local.fields.rate_limit)) == 0, false)
    error_message = "rate_limit is an object with ${join(", ", local.fields.rate_limit)}, and nothing else."
  }
}

variable "cors" {
  description = "Pages of other origins that may call: origins, credentials."
  type        = any
  default     = {}
  nullable    = false
  validation {
    condition     = try(length(setsubtract(keys(var.cors), local.fields.cors)) == 0, false)
    error_message = "cors is an object with ${join(", ", local.fields.cors)}, and nothing else."
  }
}

variable "cache" {
  description = "The response cache: enabled, ttl (seconds), max_bytes (of one instance)."
  type        = any
  default     = {}
  nullable    = false
  validation {
    condition     = try(length(setsubtract(keys(var.cache), local.fields.cache)) == 0, false)
    error_message = "cache is an object with ${join(", ", local.fields.cache)}, and nothing else."
  }
}

variable "settings" {
  description = "Everything else of docs/configuration.md, in the words of that page, such as { strict = true, stream = { keepalive = 5 } }."
  type        = any
  default     = {}
  nullable    = false
  validation {
    condition     = try(length(setsubtract(keys(var.settings), local.fields.settings)) == 0, false)
    error_message = "settings is an object with ${join(", ", local.fields.settings)}, and nothing else."
  }
  validation {
    condition = alltrue([
      for section in ["remote_media", "stream", "log"] : try(length(setsubtract(keys(var.settings[section]), local.fields[section])) == 0, !can(var.settings[section]))
    ])
    error_message = "remote_media has ${join(", ", local.fields.remote_media)}; stream ${join(", ", local.fields.stream)}; log ${join(", ", local.fields.log)}; and nothing else."
  }
}

# ---- size, rotation, and what stands beside

variable "functions" {
  description = "Size and number of instances of each function. min_instances above 0 keeps that many warm, and costs while nobody calls. The memory of chat holds settings.max_request_memory (256 MiB by default) and 256 MiB more."
  type = object({
    chat = optional(object({
      memory          = optional(string, "512M")
      cpu             = optional(number, 1)
      concurrency     = optional(number, 80)
      min_instances   = optional(number, 0)
      max_instances   = optional(number, 20)
      timeout_seconds = optional(number, 3600)
    }), {})
    models = optional(object({
      memory          = optional(string, "256M")
      cpu             = optional(number, 1)
      concurrency     = optional(number, 80)
      min_instances   = optional(number, 0)
      max_instances   = optional(number, 20)
      timeout_seconds = optional(number, 60)
    }), {})
  })
  default  = {}
  nullable = false
  validation {
    condition = alltrue([
      for size in values(var.functions) : can(regex("^[0-9]+(M|Mi|G|Gi)$", size.memory)) && size.cpu > 0 && size.cpu <= 8 && size.concurrency >= 1 && size.concurrency <= 1000 &&
      (size.concurrency == 1 || size.cpu >= 1) && size.min_instances >= 0 && size.max_instances >= max(size.min_instances, 1) && size.timeout_seconds >= 1 && size.timeout_seconds <= 3600
    ])
    error_message = "memory is such as 512M; cpu up to 8, at least 1 for more than one request at a time; concurrency 1 to 1000; max_instances at least 1 and not below min_instances; timeout_seconds 1 to 3600."
  }
  validation {
    condition     = try(tonumber(regex("^[0-9]+", var.functions.chat.memory)) * (strcontains(var.functions.chat.memory, "G") ? 1024 : 1) * 1048576 >= try(var.settings.max_request_memory, 268435456) + 268435456, false)
    error_message = "The memory of chat must hold settings.max_request_memory (256 MiB where it is not given) and 256 MiB more: give the function more, or requests less."
  }
}

variable "runtime" {
  description = "Runtime of the functions."
  type        = string
  default     = "python313"
  nullable    = false
  validation {
    condition     = can(regex("^python3(11|12|13|14)$", var.runtime))
    error_message = "chromagent runs on python311 to python314."
  }
}

variable "rotation_days" {
  description = "Days between reminders to rotate the client keys, sent to a Pub/Sub topic; null for none. Secret Manager reminds only: docs/rotation.md tells what to do then."
  type        = number
  default     = null
  validation {
    condition     = contains(range(1, 366), coalesce(var.rotation_days, 90))
    error_message = "rotation_days is a whole number from 1 to 365."
  }
}

variable "redis" {
  description = "Memorystore for Redis, which makes the limits of rate_limit exact across instances; null for none. It costs by the hour. network and subnetwork: of your own, else they are made."
  type = object({
    memory_gb  = optional(number, 1)
    tier       = optional(string, "BASIC")
    network    = optional(string)
    subnetwork = optional(string)
  })
  default = null
  validation {
    condition     = var.redis == null ? true : var.redis.memory_gb >= 1 && var.redis.memory_gb <= 300 && contains(["BASIC", "STANDARD_HA"], var.redis.tier)
    error_message = "memory_gb is from 1 to 300, tier BASIC or STANDARD_HA."
  }
}

variable "observability" {
  description = "Dashboard, metrics, alerts and uptime check; null for none. Alerts go to notification_emails; modules/observability tells their thresholds; budget warns and stops nothing."
  type = object({
    notification_emails = optional(list(string), [])
    alerts = optional(object({
      error_ratio             = optional(number)
      first_chunk_p95_seconds = optional(number)
      rate_limited_per_minute = optional(number)
      instances_ratio         = optional(number)
      fewest_requests         = optional(number)
      window_minutes          = optional(number)
    }), {})
    budget = optional(object({
      billing_account = string
      monthly_amount  = number
      currency        = optional(string, "USD")
    }))
  })
  default = {}
  validation {
    condition     = alltrue([for address in try(var.observability.notification_emails, []) : can(regex("^[^@\\s,]+@[^@\\s,]+\\.[^@\\s,]+$", address))])
    error_message = "notification_emails has addresses such as ops@example.com."
  }
}
