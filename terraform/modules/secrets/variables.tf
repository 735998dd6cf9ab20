variable "project_id" {
  description = "Project that holds the secrets."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "A project id has 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "name" {
  description = "What the names of the secrets begin with."
  type        = string
  default     = "chromagent"
  nullable    = false
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,21}[a-z0-9]$", var.name))
    error_message = "A name has 2 to 23 lower-case letters, digits and hyphens, begins with a letter and does not end with a hyphen."
  }
}

variable "secrets" {
  description = "Secrets by short name. With rotation_days, Secret Manager sends a reminder to a Pub/Sub topic each time so many days have passed."
  type = map(object({
    rotation_days = optional(number)
  }))
  nullable = false
  validation {
    condition     = alltrue([for name in keys(var.secrets) : can(regex("^[a-z][a-z0-9-]{0,62}$", name))])
    error_message = "The short name of a secret has lower-case letters, digits and hyphens and begins with a letter."
  }
  validation {
    condition = alltrue([
      for secret in values(var.secrets) : secret.rotation_days == null ? true : secret.rotation_days >= 1 && secret.rotation_days <= 3650 && floor(secret.rotation_days) == secret.rotation_days
    ])
    error_message = "rotation_days is a whole number from 1 to 3650."
  }
}

variable "accessor" {
  description = "Identity that may read the values, such as serviceAccount:NAME@PROJECT.iam.gserviceaccount.com: that of the functions, and no other."
  type        = string
  nullable    = false
  validation {
    condition     = startswith(var.accessor, "serviceAccount:")
    error_message = "Only a service account reads these secrets: serviceAccount:NAME@PROJECT.iam.gserviceaccount.com."
  }
}

variable "location" {
  description = "Region where the values are kept; null lets Google choose."
  type        = string
  default     = null
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", coalesce(var.location, "europe-west1")))
    error_message = "A location is a region such as europe-west1."
  }
}

variable "destroy_after_days" {
  description = "Days for which a destroyed version can still be brought back."
  type        = number
  default     = 7
  nullable    = false
  validation {
    condition     = contains(range(1, 366), var.destroy_after_days)
    error_message = "destroy_after_days is a whole number from 1 to 365."
  }
}

variable "labels" {
  description = "Labels of everything that can have some."
  type        = map(string)
  default     = {}
  nullable    = false
  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "Labels have lower-case letters, digits, hyphens and underscores, at most 63 of them; a key begins with a letter."
  }
}
