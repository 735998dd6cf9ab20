variable "project_id" {
  description = "Project of the gateway."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "A project id has 6 to 30 lower-case letters, digits and hyphens."
  }
}

variable "project_number" {
  description = "Number of the project: it is part of a streaming gateway's host name."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^[0-9]+$", var.project_number))
    error_message = "A project number has digits only."
  }
}

variable "region" {
  description = "Region of the gateway; API Gateway is in fewer regions than functions are."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "A region is such as europe-west1."
  }
}

variable "function_region" {
  description = "Region of the functions."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.function_region))
    error_message = "A region is such as europe-west1."
  }
}

variable "name" {
  description = "Name of the API and of the gateway, and what the names of everything else begin with."
  type        = string
  default     = "chromagent"
  nullable    = false
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,21}[a-z0-9]$", var.name))
    error_message = "A name has 3 to 23 lower-case letters, digits and hyphens, begins with a letter and does not end with a hyphen."
  }
}

variable "document" {
  description = "OpenAPI 2.0 document, as modules/spec renders it."
  type        = string
  nullable    = false
  validation {
    condition     = try(yamldecode(var.document).swagger, "") == "2.0"
    error_message = "The document is OpenAPI 2.0, in YAML or JSON."
  }
}

variable "document_id" {
  description = "Short hash of the document: another document needs another id."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^[0-9a-f]{6,16}$", var.document_id))
    error_message = "A document id has 6 to 16 hexadecimal digits."
  }
}

variable "services" {
  description = "Cloud Run services that the gateway invokes, by function."
  type        = map(string)
  nullable    = false
  validation {
    condition     = toset(keys(var.services)) == toset(["chat", "models"])
    error_message = "services names the service of chat and that of models."
  }
}

variable "service_account" {
  description = "E-mail address of the identity that the gateway invokes them with. It needs no other right."
  type        = string
  nullable    = false
  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+\\.gserviceaccount\\.com$", var.service_account))
    error_message = "service_account is the e-mail address of a service account."
  }
}

variable "streaming" {
  description = "Whether the gateway streams. This is a Preview of Google's, made by gcloud on the machine that runs Terraform, and decided for the gateway's life."
  type        = bool
  default     = false
  nullable    = false
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
