variable "billing_account" {
  description = "Billing account of the project."
  type        = string
  validation {
    condition     = can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "A billing account is written 000000-AAAAAA-FFFFFF."
  }
}

variable "project_id" {
  description = "Project whose costs count."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "A project id has 6 to 30 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "name" {
  description = "Display name of the budget, by which it is found again: no other budget of the billing account may have it."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}$", var.name))
    error_message = "A name has at most 60 letters, digits, spaces, points, hyphens and underscores."
  }
}

variable "monthly_amount" {
  description = "Amount a month, in `currency`."
  type        = number
  validation {
    condition     = var.monthly_amount > 0
    error_message = "The amount must be more than 0."
  }
}

variable "currency" {
  description = "Currency of the billing account."
  type        = string
  default     = "USD"
  validation {
    condition     = can(regex("^[A-Z]{3}$", var.currency))
    error_message = "Expected the currency of the billing account, such as USD or EUR."
  }
}

variable "channels" {
  description = "Notification channels that hear of it, beside those who administer the billing account."
  type        = list(string)
  default     = []
  nullable    = false
  validation {
    condition     = length(var.channels) <= 5
    error_message = "A budget tells at most 5 channels."
  }
}
