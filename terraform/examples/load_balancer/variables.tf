variable "project_id" {
  description = "Google Cloud project."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region of the functions."
  type        = string
  default     = "europe-west1"
  nullable    = false
}

variable "domain" {
  description = "Host name that the load balancer answers to."
  type        = string
  nullable    = false
}
