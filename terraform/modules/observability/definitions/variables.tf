# Part of the module around it, which checks these values.

variable "name" {
  description = "Prefix of the metrics' names."
  type        = string
}

variable "functions" {
  description = "Cloud Run services of the functions."
  type        = map(string)
}

variable "max_instances" {
  description = "Most instances of a function."
  type        = number
}

variable "alerts" {
  description = "Thresholds of the alerts, all given."
  type = object({
    error_ratio             = number
    first_chunk_p95_seconds = number
    rate_limited_per_minute = number
    instances_ratio         = number
    fewest_requests         = number
    window_minutes          = number
  })
}
