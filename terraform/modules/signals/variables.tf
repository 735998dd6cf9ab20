variable "name" {
  description = "Name of the dashboard and prefix of the metrics."
  type        = string
  default     = "chromagent"
  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,26}[a-z0-9])?$", var.name))
    error_message = "A name has 1 to 28 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "functions" {
  description = "Cloud Run services behind the functions."
  type = object({
    chat   = string
    models = string
  })
  validation {
    condition     = alltrue([for service in values(var.functions) : can(regex("^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", service))])
    error_message = "Expected names of Cloud Run services, without a path."
  }
}

variable "max_instances" {
  description = "Most instances of a function, as it is configured: the alert on instances measures against it."
  type        = number
  default     = 20
  validation {
    condition     = var.max_instances >= 1 && floor(var.max_instances) == var.max_instances
    error_message = "Expected a whole number of at least 1."
  }
}

variable "alerts" {
  description = <<-EOT
    Thresholds. `error_ratio`: share of requests that end in a 5xx; `first_chunk_p95_seconds`; `rate_limited_per_minute`: requests refused with 429;
    `instances_ratio`: share of `max_instances`. Ratios and percentiles count only where a window has at least `fewest_requests`.
  EOT
  type = object({
    error_ratio             = optional(number, 0.05)
    first_chunk_p95_seconds = optional(number, 10)
    rate_limited_per_minute = optional(number, 60)
    instances_ratio         = optional(number, 0.8)
    fewest_requests         = optional(number, 20)
    window_minutes          = optional(number, 10)
  })
  default  = {}
  nullable = false
  validation {
    condition     = alltrue([for ratio in [var.alerts.error_ratio, var.alerts.instances_ratio] : ratio > 0 && ratio < 1])
    error_message = "error_ratio and instances_ratio are shares: more than 0, less than 1."
  }
  validation {
    condition     = var.alerts.first_chunk_p95_seconds > 0 && var.alerts.rate_limited_per_minute > 0 && var.alerts.fewest_requests >= 1
    error_message = "first_chunk_p95_seconds and rate_limited_per_minute are more than 0, fewest_requests is at least 1."
  }
  validation {
    condition     = var.alerts.window_minutes >= 5 && var.alerts.window_minutes <= 60 && floor(var.alerts.window_minutes) == var.alerts.window_minutes
    error_message = "window_minutes is a whole number from 5 to 60: metrics of the log come late and once a minute."
  }
}
