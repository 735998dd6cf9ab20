variable "project_id" {
  description = "Project that holds the functions, their log and their metrics."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "A project id has 6 to 30 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "region" {
  description = "Region of the functions."
  type        = string
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "Expected a region such as europe-west4."
  }
}

variable "name" {
  description = "Name of the dashboard and prefix of metrics and alerts."
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

variable "base_url_host" {
  description = "Host that the uptime check asks for /health, without scheme and path. Null makes no uptime check: nothing outside may call then."
  type        = string
  default     = null
  validation {
    condition     = var.base_url_host == null || can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.base_url_host))
    error_message = "Expected a host such as llm.example.com, without https:// and without a path."
  }
}

variable "uptime_period_seconds" {
  description = "Seconds between two checks from each of six places. Every check is a request that the function bills."
  type        = number
  default     = 300
  validation {
    condition     = contains([60, 300, 600, 900], var.uptime_period_seconds)
    error_message = "Expected 60, 300, 600 or 900."
  }
}

variable "notification_emails" {
  description = "Addresses that alerts are sent to. Without any, alerts only show in the console."
  type        = list(string)
  default     = []
  nullable    = false
  validation {
    condition     = alltrue([for address in var.notification_emails : can(regex("^[^@\\s,]+@[^@\\s,]+\\.[^@\\s,]+$", address))])
    error_message = "Expected addresses such as ops@example.com."
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

variable "budget" {
  description = "Budget for the whole project, which warns at 50, 90 and 100 % and where 100 % is foreseen; it stops nothing. gcloud makes it, with the rights of whoever applies on the billing account."
  type = object({
    billing_account = string
    monthly_amount  = number
    currency        = optional(string, "USD")
  })
  default = null
  validation {
    condition     = var.budget == null || can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.budget.billing_account))
    error_message = "A billing account is written 000000-AAAAAA-FFFFFF."
  }
  validation {
    condition     = var.budget == null || try(var.budget.monthly_amount > 0, false)
    error_message = "monthly_amount must be more than 0."
  }
  validation {
    condition     = var.budget == null || can(regex("^[A-Z]{3}$", var.budget.currency))
    error_message = "Expected the currency of the billing account, such as USD or EUR."
  }
}

variable "labels" {
  description = "Labels on alerts, channels and the uptime check."
  type        = map(string)
  default     = {}
  nullable    = false
  validation {
    condition = alltrue([
      for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))
    ])
    error_message = "Labels are lower-case letters, digits, hyphens and underscores; keys begin with a letter."
  }
}
