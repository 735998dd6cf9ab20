# Part of the module around it, which checks these values.

variable "billing_account" {
  description = "Billing account of the project."
  type        = string
}

variable "project_id" {
  description = "Project whose costs count."
  type        = string
}

variable "name" {
  description = "Display name of the budget, by which it is found again."
  type        = string
}

variable "amount" {
  description = "Amount a month with its currency, such as 100EUR."
  type        = string
}

variable "channels" {
  description = "Notification channels that hear of it, beside those who administer the billing account."
  type        = list(string)
}
