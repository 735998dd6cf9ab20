variable "project_id" {
  description = "Project of the function."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "A project id has 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "region" {
  description = "Region of the function."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "A region is such as europe-west1."
  }
}

variable "name" {
  description = "Name of the function and of the Cloud Run service behind it."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,47}[a-z0-9]$", var.name))
    error_message = "The name of a function has 2 to 49 lower-case letters, digits and hyphens, begins with a letter and does not end with a hyphen."
  }
}

variable "description" {
  description = "What the function does, for those who find it in the console."
  type        = string
  default     = null
  validation {
    condition     = length(coalesce(var.description, "-")) <= 256
    error_message = "A description has at most 256 characters."
  }
}

variable "entry_point" {
  description = "Function of main.py that is served."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^[a-z_][a-z0-9_]*$", var.entry_point))
    error_message = "An entry point is the name of a Python function."
  }
}

variable "runtime" {
  description = "Runtime of the function: the Python for which the requirements are pinned."
  type        = string
  default     = "python313"
  nullable    = false
  validation {
    condition     = can(regex("^python3(11|12|13|14)$", var.runtime))
    error_message = "chromagent runs on python311 to python314."
  }
}

variable "source_archive" {
  description = "Bucket and object of the zip archive with main.py and requirements.txt at its root. A changed archive needs another object."
  type = object({
    bucket = string
    object = string
  })
  nullable = false
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9._-]+[a-z0-9]$", var.source_archive.bucket)) && endswith(var.source_archive.object, ".zip")
    error_message = "source_archive names a bucket and an object that ends in .zip."
  }
}

variable "build" {
  description = "Service account that builds (projects/P/serviceAccounts/EMAIL), and the Docker repository for what it built (projects/P/locations/R/repositories/N); null takes the platform's own."
  type = object({
    service_account = optional(string)
    repository      = optional(string)
  })
  default  = {}
  nullable = false
  validation {
    condition     = can(regex("^projects/[^/]+/serviceAccounts/[^/]+$", coalesce(var.build.service_account, "projects/p/serviceAccounts/s"))) && can(regex("^projects/[^/]+/locations/[^/]+/repositories/[^/]+$", coalesce(var.build.repository, "projects/p/locations/l/repositories/r")))
    error_message = "The account is projects/P/serviceAccounts/EMAIL, the repository projects/P/locations/R/repositories/N."
  }
}

variable "service_account" {
  description = "E-mail address of the identity that the function runs as."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+\\.gserviceaccount\\.com$", var.service_account))
    error_message = "service_account is the e-mail address of a service account."
  }
}

variable "environment" {
  description = "Environment variables. Everybody who may look at the function can read them: no secrets."
  type        = map(string)
  default     = {}
  nullable    = false
  validation {
    condition     = alltrue([for name in keys(var.environment) : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", name)) && !contains(["PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION", "FUNCTION_TARGET", "FUNCTION_SIGNATURE_TYPE"], name)])
    error_message = "Variables have letters, digits and underscores, and not the names that the platform sets."
  }
}

variable "scaling" {
  description = <<-EOT
    Size and number of instances. More than one request at a time needs at least one CPU; 60 minutes are the most that a request may take.
    memory holds max_request_memory (256 MiB by default: all running requests, estimated from their bodies and files, 8 times a body at most) and
    256 MiB more: 110 of two processes, 32 of kept files, 10 of 80 streams and bodies below 4 kB, the rest for answers and what the allocator does
    not give back. So 512M serves bodies of 10 MiB; bodies of 32 MiB need a max_request_memory of 512 MiB and 1Gi. A concurrency above 80 adds 60 kB for each open stream.
  EOT
  type = object({
    memory          = optional(string, "512M")
    cpu             = optional(number, 1)
    concurrency     = optional(number, 80)
    min_instances   = optional(number, 0)
    max_instances   = optional(number, 20)
    timeout_seconds = optional(number, 3600)
  })
  default  = {}
  nullable = false
  validation {
    condition     = can(regex("^[0-9]+(M|Mi|G|Gi)$", var.scaling.memory))
    error_message = "memory is such as 512M or 1Gi."
  }
  validation {
    condition     = try(tonumber(regex("^[0-9]+", var.scaling.memory)) * (strcontains(var.scaling.memory, "G") ? 1024 : 1) >= 128, false)
    error_message = "memory is at least 128M: Google gives no function less."
  }
  validation {
    condition     = try(tonumber(regex("^[0-9]+", var.scaling.memory)) * (strcontains(var.scaling.memory, "G") ? 1024 : 1) <= 4096 * max(var.scaling.cpu, 1), false)
    error_message = "memory is at most 4Gi for each cpu."
  }
  validation {
    condition     = var.scaling.cpu > 0 && var.scaling.cpu <= 1 || contains([2, 4, 6, 8], var.scaling.cpu)
    error_message = "cpu is more than 0 and at most 1, or 2, 4, 6 or 8."
  }
  validation {
    condition     = contains(range(1, 1001), var.scaling.concurrency)
    error_message = "concurrency is a whole number from 1 to 1000."
  }
  validation {
    condition     = var.scaling.concurrency == 1 || var.scaling.cpu >= 1
    error_message = "More than one request at a time needs at least one CPU."
  }
  validation {
    condition     = alltrue([for count in [var.scaling.min_instances, var.scaling.max_instances] : floor(count) == count]) && var.scaling.min_instances >= 0 && var.scaling.max_instances >= max(var.scaling.min_instances, 1)
    error_message = "min_instances is a whole number of at least 0, max_instances one of at least 1 and not below it."
  }
  validation {
    condition     = floor(var.scaling.timeout_seconds) == var.scaling.timeout_seconds && var.scaling.timeout_seconds >= 1 && var.scaling.timeout_seconds <= 3600
    error_message = "timeout_seconds is a whole number from 1 to 3600."
  }
}

variable "ingress" {
  description = "Where requests may come from. API Gateway is not an internal source: it needs ALLOW_ALL."
  type        = string
  default     = "ALLOW_ALL"
  nullable    = false
  validation {
    condition     = contains(["ALLOW_ALL", "ALLOW_INTERNAL_ONLY", "ALLOW_INTERNAL_AND_GCLB"], var.ingress)
    error_message = "ingress is ALLOW_ALL, ALLOW_INTERNAL_ONLY or ALLOW_INTERNAL_AND_GCLB."
  }
}

variable "invokers" {
  description = "Who may invoke the function, apart from those bound elsewhere: allUsers, or members such as group:team@example.com."
  type        = list(string)
  default     = []
  nullable    = false
  validation {
    condition     = alltrue([for member in var.invokers : member == "allUsers" || can(regex("^(allAuthenticatedUsers|(user|group|serviceAccount|domain|principal|principalSet):\\S+)$", member))])
    error_message = "An invoker is allUsers, or a member with its kind, such as group:team@example.com."
  }
}

variable "vpc" {
  description = "Network that private addresses are reached through, Redis for one: ids of network and subnetwork; null for none."
  type = object({
    network    = string
    subnetwork = string
  })
  default = null
  validation {
    condition     = var.vpc == null ? true : length(var.vpc.network) > 0 && length(var.vpc.subnetwork) > 0
    error_message = "vpc names a network and a subnetwork."
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
