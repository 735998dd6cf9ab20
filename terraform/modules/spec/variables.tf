variable "addresses" {
  description = "URLs of the two functions, without a path. They are also the audience of the gateway's identity tokens."
  type = object({
    chat   = string
    models = string
  })
  nullable = false
  validation {
    condition     = alltrue([for address in values(var.addresses) : can(regex("^https?://[^/?#\\s]+$", address))])
    error_message = "An address is https:// and a host, without a path or a slash at the end."
  }
}

variable "limits" {
  description = "Quota of each route: requests a minute of one consumer project, and what one request counts as. Listing and looking up models share one quota. A route whose quota is off asks for no x-api-key."
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
      for limit in values(var.limits) : limit.requests_per_minute >= 1 && limit.requests_per_minute <= 10000000 && floor(limit.requests_per_minute) == limit.requests_per_minute
    ])
    error_message = "requests_per_minute is a whole number from 1 to 10000000; to have no quota, set enabled to false."
  }
  validation {
    condition     = alltrue([for limit in values(var.limits) : limit.cost >= 1 && floor(limit.cost) == limit.cost])
    error_message = "cost is a whole number of at least 1."
  }
  validation {
    condition     = alltrue([for limit in values(var.limits) : limit.cost <= limit.requests_per_minute])
    error_message = "cost is more than requests_per_minute: no request would ever pass."
  }
}

variable "deadlines" {
  description = "Seconds that the gateway waits for the whole answer, streams included. The deadline of chat is by default the longest that the gateway takes: 600, or 3600 when it streams. That of models holds for all other routes."
  type = object({
    chat   = optional(number)
    models = optional(number, 60)
  })
  default  = {}
  nullable = false
  validation {
    condition = alltrue([
      for deadline in values(var.deadlines) : deadline == null ? true : floor(deadline) == deadline && deadline >= 1 && deadline <= (var.streaming ? 3600 : 600)
    ])
    error_message = "A deadline is a whole number of seconds from 1 to 600, to 3600 only on a gateway that streams."
  }
}

variable "streaming" {
  description = "Whether the gateway streams (Preview) instead of holding answers back until they are complete."
  type        = bool
  default     = false
  nullable    = false
}
