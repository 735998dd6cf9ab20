variable "project_id" {
  description = "Project that holds the load balancer and the functions."
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
  description = "Prefix of everything made here."
  type        = string
  default     = "chromagent"
  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$", var.name))
    error_message = "A name has 1 to 40 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "domain" {
  description = "Host name that clients call. Its A record must point to the output `address`; `dns_zone` does that."
  type        = string
  validation {
    condition     = length(var.domain) <= 64 && can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", var.domain))
    error_message = "Expected a host name in lower case without a final point, such as llm.example.com, of at most 64 characters."
  }
}

variable "service_names" {
  description = "Cloud Run services behind the two functions."
  type = object({
    chat   = string
    models = string
  })
  validation {
    condition     = alltrue([for service in values(var.service_names) : can(regex("^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", service))])
    error_message = "Expected names of Cloud Run services, without a path."
  }
}

variable "limits" {
  description = "`per_ip`: requests that Cloud Armor lets through in each interval, every address counted apart, whatever key its requests carry."
  type = object({
    per_ip = optional(object({
      requests         = optional(number, 600)
      interval_seconds = optional(number, 60)
    }), {})
  })
  default  = {}
  nullable = false
  validation {
    condition     = var.limits.per_ip.requests >= 1 && var.limits.per_ip.requests <= 1000000 && floor(var.limits.per_ip.requests) == var.limits.per_ip.requests
    error_message = "requests must be a whole number from 1 to 1,000,000."
  }
  validation {
    condition     = contains([10, 30, 60, 120, 180, 240, 300, 600, 900, 1200, 1800, 2700, 3600], var.limits.per_ip.interval_seconds)
    error_message = "Cloud Armor counts in intervals of 10, 30, 60, 120, 180, 240, 300, 600, 900, 1200, 1800, 2700 or 3600 seconds."
  }
}

variable "certificate" {
  description = "Self link of an SSL certificate of your own. Null makes one that Google issues and renews."
  type        = string
  default     = null
  validation {
    condition     = var.certificate == null || can(regex("projects/[^/]+/global/sslCertificates/[^/]+$", var.certificate))
    error_message = "Expected projects/P/global/sslCertificates/NAME, with or without the API's address before it."
  }
}

variable "ssl_policy" {
  description = "Self link of an SSL policy of your own (oldest TLS version, ciphers). Null makes one: TLS 1.2 or newer, profile RESTRICTED."
  type        = string
  default     = null
  validation {
    condition     = var.ssl_policy == null || can(regex("projects/[^/]+/global/sslPolicies/[^/]+$", var.ssl_policy))
    error_message = "Expected projects/P/global/sslPolicies/NAME, with or without the API's address before it."
  }
}

variable "dns_zone" {
  description = "Name of a Cloud DNS zone in this project that gets the A record of `domain`. Null makes no record."
  type        = string
  default     = null
  validation {
    condition     = var.dns_zone == null || can(regex("^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", var.dns_zone))
    error_message = "Expected the name of a managed zone, such as example-com."
  }
}

variable "log_sample_rate" {
  description = "Share of requests that the load balancer logs, from 0 to 1. The functions log each request they see in any case."
  type        = number
  default     = 1
  validation {
    condition     = var.log_sample_rate >= 0 && var.log_sample_rate <= 1
    error_message = "Expected a number from 0 to 1."
  }
}

variable "labels" {
  description = "Labels on what can bear them."
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
