variable "project_id" {
  description = "Project that holds the instance."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "A project id has 6 to 30 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "region" {
  description = "Region of the functions: the instance is reached from there only."
  type        = string
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "Expected a region such as europe-west4."
  }
}

variable "name" {
  description = "Name of the instance and of the network made for it."
  type        = string
  default     = "chromagent"
  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,38}[a-z0-9])$", var.name))
    error_message = "A name has 2 to 40 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "network" {
  description = "Network of your own for instance and functions, as projects/P/global/networks/N. Null makes one with nothing else in it."
  type        = string
  default     = null
  validation {
    condition     = var.network == null || can(regex("^projects/[^/]+/global/networks/[^/]+$", var.network))
    error_message = "Expected projects/P/global/networks/N."
  }
}

variable "subnetwork" {
  description = "Subnetwork of `network` in the region of the functions, at least a /26, as projects/P/regions/R/subnetworks/S. Null makes one."
  type        = string
  default     = null
  validation {
    condition     = var.subnetwork == null || can(regex("^projects/[^/]+/regions/[^/]+/subnetworks/[^/]+$", var.subnetwork))
    error_message = "Expected projects/P/regions/R/subnetworks/S."
  }
  validation {
    condition     = var.subnetwork == null || var.network != null
    error_message = "A subnetwork is one of a network of your own: give its network too."
  }
}

variable "ip_range" {
  description = "Range of the subnetwork that is made: an address for each instance of the functions, twice over while revisions change."
  type        = string
  default     = "10.8.0.0/24"
  validation {
    condition     = can(cidrnetmask(var.ip_range)) && try(tonumber(split("/", var.ip_range)[1]) <= 26, false)
    error_message = "Expected an IPv4 range of at least a /26, such as 10.8.0.0/24: direct VPC egress takes no smaller one."
  }
}

variable "memory_gb" {
  description = "Memory of the instance in GiB. Counters are small: 1 is enough for some hundred thousand keys and addresses."
  type        = number
  default     = 1
  validation {
    condition     = var.memory_gb >= 1 && var.memory_gb <= 300 && floor(var.memory_gb) == var.memory_gb
    error_message = "Expected a whole number from 1 to 300."
  }
}

variable "tier" {
  description = "BASIC is one node, and forgets its counters at maintenance; STANDARD_HA has a replica in another zone, at twice the price."
  type        = string
  default     = "BASIC"
  validation {
    condition     = contains(["BASIC", "STANDARD_HA"], var.tier)
    error_message = "Expected BASIC or STANDARD_HA."
  }
}

variable "labels" {
  description = "Labels on the instance."
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
