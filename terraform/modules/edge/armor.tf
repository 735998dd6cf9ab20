# Cloud Armor stops at the first rule that matches, also when that rule's limit still lets the request through: of two limits that match the
# same request only the first one ever counts. So there is one limit, by address, for everything. A limit by key would have to stand before
# it, and there an invented key of the right form has a counter of its own: whoever invents a key for each request would have no limit at
# all. Keys are counted by the functions (`rate_limit.per_key`), after they have been checked.

locals {
  # Points are in brackets because a backslash would need escaping for CEL and for the regular expression.
  is_the_domain    = "has(request.headers['host']) && request.headers['host'].lower().matches('^${replace(var.domain, ".", "[.]")}(:443)?$')"
  default_priority = 2147483647
}

resource "google_compute_security_policy" "this" {
  #checkov:skip=CKV_GCP_73:The rule stops a fault of a Java library; no Java runs behind this load balancer.
  project     = var.project_id
  name        = var.name
  description = "Limits of requests in front of chromagent."
  labels      = var.labels

  rule {
    priority    = 1000
    action      = "deny(404)"
    description = "Another host than the domain, such as the bare address"
    match {
      expr {
        expression = "!(${local.is_the_domain})"
      }
    }
  }

  rule {
    priority    = 2000
    action      = "throttle"
    description = "Every request, each address apart"
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
