variable "project_id" {
  description = "Project that gets the gateway."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "A project id has 6 to 30 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "region" {
  description = "Region of the state bucket, the builds and the gateway."
  type        = string
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "Expected a region such as europe-west4."
  }
}

variable "name" {
  description = "Name of the deployment, as the root module's `name`."
  type        = string
  default     = "chromagent"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,21}[a-z0-9]$", var.name))
    error_message = "A name has 3 to 23 lower-case letters, digits and hyphens, begins with a letter and does not end with a hyphen."
  }
}

variable "parts" {
  description = "Optional parts of the root module that builds may apply. Each brings its roles."
  type        = set(string)
  default     = ["gateway", "observability"]
  nullable    = false
  validation {
    condition     = length(setsubtract(var.parts, ["dns", "gateway", "load_balancer", "observability", "redis", "rotation"])) == 0
    error_message = "Parts are dns, gateway, load_balancer, observability, redis and rotation."
  }
}

variable "extra_roles" {
  description = "Further roles on the project for the identity that applies, for what you add yourself."
  type        = set(string)
  default     = []
  nullable    = false
  validation {
    condition     = alltrue([for role in var.extra_roles : can(regex("^(roles|projects/[^/]+/roles|organizations/[^/]+/roles)/[A-Za-z0-9_.]+$", role))])
    error_message = "Expected roles such as roles/pubsub.admin."
  }
  validation {
    condition     = length(setintersection(var.extra_roles, ["roles/owner", "roles/editor", "roles/iam.securityAdmin", "roles/iam.serviceAccountTokenCreator", "roles/iam.serviceAccountUser", "roles/resourcemanager.projectIamAdmin"])) == 0
    error_message = "These roles would let a build grant itself anything."
  }
}

variable "trigger" {
  description = "Makes two triggers for every push to `branch`: one tests, one plans. `repository` is one of Cloud Build's, 2nd generation."
  type = object({
    repository = string
    branch     = optional(string, "^main$")
    var_file   = optional(string, "")
  })
  default = null
  validation {
    condition     = var.trigger == null || can(regex("^projects/[^/]+/locations/[^/]+/connections/[^/]+/repositories/[^/]+$", var.trigger.repository))
    error_message = "Expected projects/P/locations/R/connections/C/repositories/N."
  }
  validation {
    condition     = var.trigger == null || can(regexall(var.trigger.branch, ""))
    error_message = "branch must be a regular expression such as ^main$."
  }
  validation {
    condition     = var.trigger == null || can(regex("^([A-Za-z0-9][A-Za-z0-9_./-]*\\.tfvars)?$", var.trigger.var_file))
    error_message = "var_file is a .tfvars file in the terraform folder of the repository."
  }
}

variable "labels" {
  description = "Labels on the buckets of states and plans."
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
