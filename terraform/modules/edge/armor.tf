# Cloud Armor stops at the first rule that matches, also when that rule's limit still lets the request through. So the two limits are two
# kinds of request: those with a well-formed key, each key counted apart, and all others, each address counted apart.
#
# HTTP_HEADER falls back to one counter for everybody where the header is missing, hence the match on its exact form. Anything else than
# the one spelling of a key (two spaces, "bearer", junk) would be a counter of its own, and is counted by address instead.

locals {
  has_a_key        = "has(request.headers['authorization']) && request.headers['authorization'].matches('^Bearer sk-cg-[0-9A-Za-z]{49}$')"
  default_priority = 2147483647
}

resource "google_compute_security_policy" "this" {
  project     = var.project_id
  name        = var.name
  description = "Limits of requests in front of chromagent."
  labels      = var.labels

  dynamic "rule" {
    for_each = var.limits.per_key == null ? [] : [var.limits.per_key]
    content {
      priority    = 1000
      action      = "throttle"
      description = "Requests with a key, each key apart"
      match {
        expr {
          expression = local.has_a_key
        }
      }
      rate_limit_options {
        conform_action      = "allow"
        exceed_action       = "deny(429)"
        enforce_on_key      = "HTTP_HEADER"
        enforce_on_key_name = "Authorization"
        rate_limit_threshold {
          count        = rule.value.requests
          interval_sec = rule.value.interval_seconds
        }
      }
    }
  }

  rule {
    priority    = 2000
    action      = "throttle"
    description = "All other requests, each address apart"
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
    rate_limit_options {
      conform_action = "allow"
      exceed_action  = "deny(429)"
      enforce_on_key = "IP"
      rate_limit_threshold {
        count        = var.limits.per_ip.requests
        interval_sec = var.limits.per_ip.interval_seconds
      }
    }
  }

  rule {
    priority    = local.default_priority
    action      = "deny(403)"
    description = "Every policy needs a default; the rule before it matches everything"
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
  }
}
