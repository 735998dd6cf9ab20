# A global external Application Load Balancer: one address, one host name, both functions behind it by path.

locals {
  models_paths = ["/v1/models", "/v1/models/*", "/models", "/models/*"]
  ssl_policy   = var.ssl_policy != null ? var.ssl_policy : google_compute_ssl_policy.this[0].id
  certificate  = var.certificate != null ? var.certificate : google_compute_managed_ssl_certificate.this[0].id
}

resource "google_compute_global_address" "this" {
  project = var.project_id
  name    = var.name
}

resource "google_dns_record_set" "this" {
  count        = var.dns_zone == null ? 0 : 1
  project      = var.project_id
  managed_zone = var.dns_zone
  name         = "${var.domain}."
  type         = "A"
  ttl          = 300
  rrdatas      = [google_compute_global_address.this.address]
}

resource "google_compute_region_network_endpoint_group" "this" {
  for_each              = var.service_names
  project               = var.project_id
  region                = var.region
  name                  = "${var.name}-${each.key}"
  network_endpoint_type = "SERVERLESS"
  cloud_run {
    service = each.value
  }
}

# Serverless backends have neither health checks nor a time-out of their own: the function's holds.
resource "google_compute_backend_service" "this" {
  for_each              = var.service_names
  project               = var.project_id
  name                  = "${var.name}-${each.key}"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  protocol              = "HTTPS"
  security_policy       = google_compute_security_policy.this.id
  backend {
    group = google_compute_region_network_endpoint_group.this[each.key].id
  }
  log_config {
    enable      = var.log_sample_rate > 0
    sample_rate = var.log_sample_rate
  }
}

# A host that no rule names comes to the default service, where Cloud Armor refuses it.
resource "google_compute_url_map" "this" {
  project         = var.project_id
  name            = var.name
  default_service = google_compute_backend_service.this["chat"].id

  # The functions read a key from this header first, because API Gateway writes it. Behind a load balancer only a client could.
  header_action {
    request_headers_to_remove = ["X-Forwarded-Authorization"]
  }
  host_rule {
    hosts        = [var.domain]
    path_matcher = "routes"
  }
  path_matcher {
    name            = "routes"
    default_service = google_compute_backend_service.this["chat"].id
    path_rule {
      paths   = local.models_paths
      service = google_compute_backend_service.this["models"].id
    }
  }
}

resource "google_compute_managed_ssl_certificate" "this" {
  count   = var.certificate == null ? 1 : 0
  project = var.project_id
  name    = "${var.name}-${substr(sha256(var.domain), 0, 8)}"
  managed {
    domains = [var.domain]
  }
  lifecycle {
    create_before_destroy = true
  }
}

# Google's default takes TLS 1.0 and ciphers without forward secrecy.
resource "google_compute_ssl_policy" "this" {
  count           = var.ssl_policy == null ? 1 : 0
  project         = var.project_id
  name            = var.name
  min_tls_version = "TLS_1_2"
  profile         = "RESTRICTED"
}

resource "google_compute_target_https_proxy" "this" {
  project          = var.project_id
  name             = var.name
  url_map          = google_compute_url_map.this.id
  ssl_certificates = [local.certificate]
  ssl_policy       = local.ssl_policy
}

resource "google_compute_global_forwarding_rule" "https" {
  project               = var.project_id
  name                  = var.name
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.this.id
  port_range            = "443"
  target                = google_compute_target_https_proxy.this.id
  labels                = var.labels
}

# 308 keeps method and body: a POST to http:// stays a POST.
resource "google_compute_url_map" "redirect" {
  project = var.project_id
  name    = "${var.name}-redirect"
  default_url_redirect {
    https_redirect         = true
    redirect_response_code = "PERMANENT_REDIRECT"
    strip_query            = false
  }
}

resource "google_compute_target_http_proxy" "redirect" {
  project = var.project_id
  name    = "${var.name}-redirect"
  url_map = google_compute_url_map.redirect.id
}

resource "google_compute_global_forwarding_rule" "redirect" {
  project               = var.project_id
  name                  = "${var.name}-redirect"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.this.id
  port_range            = "80"
  target                = google_compute_target_http_proxy.redirect.id
  labels                = var.labels
}
