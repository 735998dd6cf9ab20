variable "client_keys" {
  description = "Reference to the secret with the document of client keys: projects/P/secrets/S/versions/V."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^projects/[^/]+/secrets/[^/]+/versions/[^/]+$", var.client_keys))
    error_message = "client_keys is a reference such as projects/P/secrets/S/versions/latest, never the keys themselves."
  }
}

variable "project_id" {
  description = "Google Cloud project whose traces the log lines belong to; the functions cannot tell it by themselves."
  type        = string
  default     = null
  validation {
    condition     = can(regex("^[a-z0-9.:_-]{1,100}$", coalesce(var.project_id, "p")))
    error_message = "A project is named by its id or number."
  }
}

variable "provider_keys" {
  description = "References to the secrets that backends may name in api_key and credentials, by their short names."
  type        = map(string)
  default     = {}
  nullable    = false
  validation {
    condition     = alltrue([for reference in values(var.provider_keys) : can(regex("^projects/[^/]+/secrets/[^/]+/versions/[^/]+$", reference))])
    error_message = "A provider key is a reference such as projects/P/secrets/S/versions/latest, never the key itself."
  }
}

variable "backends" {
  description = "Upstreams by name. One that is named after its provider need not repeat it; vertex-gemini and vertex-anthropic exist unless disabled. api_key and credentials name an entry of provider_keys, or a reference. model_mapping holds routes in order: `backend/upstream id`, or an id of this backend."
  type = map(object({
    provider           = optional(string)
    enabled            = optional(bool)
    project            = optional(string)
    locations          = optional(list(string))
    base_url           = optional(string)
    auth               = optional(string)
    api_key            = optional(string)
    credentials        = optional(string)
    additional_headers = optional(map(string))
    model_mapping      = optional(map(list(string)))
    allowed_resources  = optional(list(string))
    timeout            = optional(number)
    max_retries        = optional(number)
  }))
  default  = {}
  nullable = false
  validation {
    condition = alltrue([
      for name, backend in var.backends : contains(["vertex-gemini", "vertex-anthropic"], backend.provider == null ? name : backend.provider)
    ])
    error_message = "The provider of a backend is vertex-gemini or vertex-anthropic; it may be left out only where the backend has that name."
  }
  validation {
    condition     = alltrue([for backend in values(var.backends) : contains(["adc", "api_key", "none"], backend.auth) if backend.auth != null])
    error_message = "auth is adc, api_key or none."
  }
  validation {
    condition     = alltrue([for backend in values(var.backends) : backend.auth != "api_key" || backend.api_key != null])
    error_message = "A backend with auth api_key names the secret with the key in api_key."
  }
  validation {
    condition = alltrue(flatten([
      for backend in values(var.backends) : [
        for secret in [backend.api_key, backend.credentials] :
        contains(keys(var.provider_keys), secret) || can(regex("^projects/[^/]+/secrets/[^/]+/versions/[^/]+$", secret)) if secret != null
      ]
    ]))
    error_message = "api_key and credentials name an entry of provider_keys or a reference such as projects/P/secrets/S/versions/latest, never the secret itself."
  }
  validation {
    condition     = alltrue([for backend in values(var.backends) : backend.locations == null ? true : length(backend.locations) > 0])
    error_message = "locations names at least one location."
  }
  validation {
    condition = alltrue(flatten([
      for backend in values(var.backends) : [for location in coalesce(backend.locations, []) : can(regex("^[a-z][a-z0-9-]{0,62}$", location))]
    ]))
    error_message = "A location is global, us, eu or a region such as europe-west4."
  }
  validation {
    condition     = alltrue([for backend in values(var.backends) : can(regex("^[a-z0-9.:_-]{1,100}$", backend.project)) if backend.project != null])
    error_message = "The project of a backend is a Google Cloud project id or number."
  }
  validation {
    condition     = alltrue([for backend in values(var.backends) : can(regex("^https?://(\\[[0-9a-f:.]+\\]|[^]/?#@:\\s[]+)(:[0-9]{1,5})?(/[^?#\\s]*)?$", backend.base_url)) if backend.base_url != null])
    error_message = "base_url is an http(s) URL with a host, an optional path prefix and nothing else."
  }
  validation {
    condition     = alltrue([for backend in values(var.backends) : coalesce(backend.timeout, 1) > 0 && coalesce(backend.timeout, 1) <= 3600])
    error_message = "The timeout of a backend is more than 0 and at most 3600 seconds."
  }
  validation {
    condition     = alltrue([for backend in values(var.backends) : contains(range(11), coalesce(backend.max_retries, 0))])
    error_message = "max_retries of a backend is a whole number from 0 to 10."
  }
  validation {
    condition     = alltrue(flatten([for backend in values(var.backends) : [for value in values(coalesce(backend.additional_headers, {})) : can(regex("^[\\t -~]*$", value))]]))
    error_message = "additional_headers are of printable ASCII."
  }
  validation {
    condition     = alltrue(flatten([for backend in values(var.backends) : [for prefix in coalesce(backend.allowed_resources, []) : can(regex("^[A-Za-z0-9][A-Za-z0-9._:-]*(/[A-Za-z0-9][A-Za-z0-9._:-]*)*/?$", prefix))]]))
    error_message = "allowed_resources are resource names or their first segments, such as cachedContents or projects/P/locations/L/ragCorpora/123."
  }
  validation {
    condition     = alltrue(flatten([for backend in values(var.backends) : [for routes in values(coalesce(backend.model_mapping, {})) : try(length(compact(routes)) == length(routes), false)]]))
    error_message = "model_mapping gives each public id a list of routes, such as { fast = [\"gemini-3.8-flash\"] }."
  }
}

variable "backend_options" {
  description = "Switches of the wire format by backend, as docs/options.md lists them."
  type        = any
  default     = {}
  nullable    = false
  validation {
    condition     = alltrue([for name in try(keys(var.backend_options), [""]) : contains(["vertex-gemini", "vertex-anthropic"], name) || contains(keys(var.backends), name)])
    error_message = "backend_options is an object whose names are those of backends."
  }
  validation {
    condition = alltrue(flatten([
      for name, options in try(merge(var.backend_options), {}) : [
        for option, value in try(merge(options), {}) : value != null && try(
          contains(local.options[coalesce(try(var.backends[name].provider, null), name)][option], value),
          {
            string  = can(tostring(value))
            boolean = can(tobool(value))
            integer = try(floor(value) == value, false)
            array   = !can(keys(value)) && try(alltrue([for entry in value : can(tostring(entry)) && entry != null]), false)
            object  = can(keys(value))
          }[local.options[coalesce(try(var.backends[name].provider, null), name)][option]],
          false,
        )
      ]
    ]))
    error_message = "A switch is missing in docs/options.md, or has a value that is not of its kind or not one of its words."
  }
}

variable "rate_limit" {
  description = "The gateway's own limits, in words such as 600/minute; what is left out is not limited. trusted_hops counts the proxies in front, from the right of X-Forwarded-For."
  type = object({
    per_ip             = optional(string)
    per_key            = optional(string)
    tokens_per_key     = optional(string)
    reserve            = optional(string)
    weights            = optional(map(number))
    when_away          = optional(string)
    storage            = optional(string)
    trusted_hops       = optional(number)
    concurrent_per_key = optional(number)
  })
  default  = {}
  nullable = false
  validation {
    condition = alltrue(flatten([
      for rate in [var.rate_limit.per_ip, var.rate_limit.per_key, var.rate_limit.tokens_per_key] : [
        for part in split(";", replace(rate, "/[,|]/", ";")) :
        can(regex("^[1-9][0-9]{0,14} ?(/|per) ?([1-9][0-9]{0,6} ?)?(second|minute|hour|day|month|year)s?$", trimspace(part)))
      ] if rate != null
    ]))
    error_message = "A rate is written 600/minute or 10 per 5 seconds; several are joined by a semicolon."
  }
  validation {
    condition     = contains(range(1, 1001), coalesce(var.rate_limit.concurrent_per_key, 1))
    error_message = "concurrent_per_key is a whole number from 1 to 1000."
  }
  validation {
    condition     = alltrue([for route, weight in coalesce(var.rate_limit.weights, {}) : contains(["chat", "models"], route) && try(contains(range(1001), weight), false)])
    error_message = "weights gives chat and models whole numbers from 0 to 1000."
  }
  validation {
    condition     = var.rate_limit.reserve == null ? true : contains(["estimate", "full"], var.rate_limit.reserve)
    error_message = "reserve is estimate or full."
  }
  validation {
    condition     = var.rate_limit.when_away == null ? true : contains(["open", "closed"], var.rate_limit.when_away)
    error_message = "when_away is open or closed."
  }
  validation {
    condition     = var.rate_limit.storage == null || can(regex("^(memory://|rediss?://.+)$", var.rate_limit.storage))
    error_message = "storage is memory://, redis://… or rediss://…."
  }
  validation {
    condition     = contains(range(11), coalesce(var.rate_limit.trusted_hops, 0))
    error_message = "trusted_hops is a whole number from 0 to 10."
  }
}

variable "redis_url" {
  description = "Address of the Redis that counts the limits; it takes the place of rate_limit.storage."
  type        = string
  default     = null
  validation {
    condition     = can(regex("^rediss?://.+$", coalesce(var.redis_url, "redis://h")))
    error_message = "redis_url is redis://… or rediss://…."
  }
}

variable "trusted_hops" {
  description = "Proxies in front where rate_limit does not say: the client's address is that many entries from the right of X-Forwarded-For."
  type        = number
  default     = 1
  nullable    = false
  validation {
    condition     = contains(range(11), var.trusted_hops)
    error_message = "trusted_hops is a whole number from 0 to 10."
  }
}

variable "cors" {
  description = "Pages of other origins that may call the gateway."
  type = object({
    origins     = optional(list(string))
    credentials = optional(bool)
  })
  default  = {}
  nullable = false
  validation {
    condition     = alltrue([for origin in coalesce(var.cors.origins, []) : origin == "*" || can(regex("^https?://(\\[[0-9a-f:.]+\\]|[^]/?#@:\\s[]+)(:[0-9]{1,5})?$", origin))])
    error_message = "An origin is * or such as https://app.example.com, without a path or a slash at the end."
  }
  validation {
    condition     = !(coalesce(var.cors.credentials, false) && contains(coalesce(var.cors.origins, []), "*"))
    error_message = "Credentials cannot be allowed for every origin: list the origins."
  }
}

variable "cache" {
  description = "The response cache: off unless enabled, ttl in seconds, max_bytes of one instance's memory."
  type = object({
    enabled   = optional(bool)
    ttl       = optional(number)
    max_bytes = optional(number)
  })
  default  = {}
  nullable = false
  validation {
    condition     = coalesce(var.cache.ttl, 300) > 0 && coalesce(var.cache.max_bytes, 1) >= 1 && floor(coalesce(var.cache.max_bytes, 1)) == coalesce(var.cache.max_bytes, 1)
    error_message = "ttl is more than 0 seconds, max_bytes a whole number of at least 1."
  }
}

variable "settings" {
  description = "Everything else of docs/configuration.md, in the words of that page, such as { strict = true, stream = { keepalive = 5 } }."
  type = object({
    client_keys_max_stale = optional(number)
    allowed_hosts         = optional(list(string))
    default_backend       = optional(string)
    timeout               = optional(number)
    max_retries           = optional(number)
    strict                = optional(bool)
    tool_call_ids         = optional(string)
    reasoning_cache_bytes = optional(number)
    max_body_bytes        = optional(number)
    gcs_buckets           = optional(list(string))
    max_request_memory    = optional(number)
    remote_media = optional(object({
      enabled   = optional(bool)
      hosts     = optional(list(string))
      max_bytes = optional(number)
      timeout   = optional(number)
    }), {})
    stream = optional(object({
      prime_timeout = optional(number)
      keepalive     = optional(number)
      error_done    = optional(bool)
    }), {})
    log = optional(object({
      level   = optional(string)
      project = optional(string)
    }), {})
  })
  default  = {}
  nullable = false
  validation {
    condition     = var.settings.default_backend == null ? true : contains(concat(["vertex-gemini", "vertex-anthropic"], [for name in keys(var.backends) : replace(name, "_", "-")]), var.settings.default_backend)
    error_message = "default_backend names one of the backends."
  }
  validation {
    condition     = coalesce(var.settings.timeout, 1) > 0 && coalesce(var.settings.timeout, 1) <= 3600 && contains(range(11), coalesce(var.settings.max_retries, 0))
    error_message = "timeout is more than 0 and at most 3600 seconds, max_retries a whole number from 0 to 10."
  }
  validation {
    condition     = coalesce(var.settings.client_keys_max_stale, 1) > 0 && coalesce(var.settings.client_keys_max_stale, 1) <= 86400
    error_message = "client_keys_max_stale is more than 0 and at most 86400 seconds."
  }
  validation {
    condition     = alltrue([for host in coalesce(var.settings.allowed_hosts, []) : can(regex("^[^\\s/?#@]+$", host))])
    error_message = "allowed_hosts are values of the Host header, such as api.example.com or localhost:8080."
  }
  validation {
    condition     = var.settings.tool_call_ids == null ? true : contains(["plain", "sealed"], var.settings.tool_call_ids)
    error_message = "tool_call_ids is plain or sealed."
  }
  validation {
    condition     = var.settings.reasoning_cache_bytes == null ? true : floor(var.settings.reasoning_cache_bytes) == var.settings.reasoning_cache_bytes && var.settings.reasoning_cache_bytes >= 0 && var.settings.reasoning_cache_bytes <= 1073741824
    error_message = "reasoning_cache_bytes must be a whole number from 0 to 1073741824."
  }
  validation {
    condition     = alltrue([for bytes in [var.settings.max_body_bytes, var.settings.remote_media.max_bytes] : bytes >= 1 && floor(bytes) == bytes if bytes != null]) && coalesce(var.settings.max_body_bytes, 1) <= 33554432
    error_message = "max_body_bytes is a whole number from 1 to 33554432, max_bytes of remote_media one of at least 1."
  }
  validation {
    condition     = try(floor(coalesce(var.settings.max_request_memory, 268435456)) == coalesce(var.settings.max_request_memory, 268435456) && coalesce(var.settings.max_request_memory, 268435456) >= 16 * coalesce(var.settings.max_body_bytes, 10485760), false)
    error_message = "max_request_memory is a whole number of bytes, at least 16 times max_body_bytes; it is 268435456 where it is not given."
  }
  validation {
    condition     = alltrue([for text in concat(coalesce(var.settings.gcs_buckets, []), coalesce(var.settings.remote_media.hosts, [])) : text != null])
    error_message = "gcs_buckets and hosts of remote_media are lists of names."
  }
  validation {
    condition     = coalesce(var.settings.remote_media.timeout, 1) > 0 && coalesce(var.settings.remote_media.timeout, 1) <= 60
    error_message = "timeout of remote_media is more than 0 and at most 60 seconds."
  }
  validation {
    condition     = coalesce(var.settings.stream.prime_timeout, 0) >= 0 && coalesce(var.settings.stream.prime_timeout, 0) <= 300 && coalesce(var.settings.stream.keepalive, 1) > 0 && coalesce(var.settings.stream.keepalive, 1) <= 300
    error_message = "prime_timeout of stream is from 0 to 300 seconds, keepalive more than 0 and at most 300."
  }
  validation {
    condition     = var.settings.log.level == null ? true : contains(["debug", "info", "warning", "error"], var.settings.log.level)
    error_message = "level of log is debug, info, warning or error."
  }
  validation {
    condition     = var.settings.log.project == null || can(regex("^[a-z0-9.:_-]{1,100}$", var.settings.log.project))
    error_message = "project of log is a Google Cloud project id or number."
  }
}
