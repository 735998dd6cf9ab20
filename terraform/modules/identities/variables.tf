variable "project_id" {
  description = "Project of the deployment."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "A project id has 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "project_number" {
  description = "Number of the project: it is part of the name of the platform's bucket of sources."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "A project number has digits only."
  }
}

variable "region" {
  description = "Region of the functions."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "A region is such as europe-west1."
  }
}

variable "name" {
  description = "Name of the deployment: the accounts' names begin with it."
  type        = string
  default     = "chromagent"
  nullable    = false
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,21}[a-z0-9]$", var.name))
    error_message = "A name has 3 to 23 lower-case letters, digits and hyphens, begins with a letter and does not end with a hyphen."
  }
}

variable "source_bucket" {
  description = "Bucket of the functions' archive, which builds may read."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$", var.source_bucket))
    error_message = "Expected the name of a bucket, without gs://."
  }
}

variable "gateway" {
  description = "Whether API Gateway needs an account."
  type        = bool
  default     = true
  nullable    = false
}
