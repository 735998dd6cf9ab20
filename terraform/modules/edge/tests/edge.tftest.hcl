mock_provider "google" {}

variables {
  project_id    = "my-project"
  region        = "europe-west4"
  domain        = "llm.example.com"
  service_names = { chat = "chat-completions", models = "models" }
}

run "both_functions_are_behind_one_host" {
  command = plan
  assert {
    condition     = { for key, group in google_compute_region_network_endpoint_group.this : key => group.cloud_run[0].service } == { chat = "chat-completions", models = "models" }
    error_message = "each backend stands for its own function"
  }
  assert {
    condition     = alltrue([for group in google_compute_region_network_endpoint_group.this : group.network_endpoint_type == "SERVERLESS" && group.region == "europe-west4"])
    error_message = "the functions are serverless backends of one region"
  }
  assert {
    condition     = google_compute_url_map.this.path_matcher[0].path_rule[0].paths == toset(["/v1/models", "/v1/models/*", "/models", "/models/*"])
    error_message = "models are served by their own function, with and without the prefix"
  }
  assert {
    condition     = contains(google_compute_url_map.this.header_action[0].request_headers_to_remove, "X-Forwarded-Authorization")
    error_message = "a second key must not reach the gateway"
  }
  assert {
    condition     = output.base_url == "https://llm.example.com/v1"
    error_message = "the base URL is the domain's"
  }
}

run "paths_lead_to_their_function" {
  assert {
    condition     = google_compute_url_map.this.default_service == google_compute_backend_service.this["chat"].id && google_compute_url_map.this.path_matcher[0].default_service == google_compute_backend_service.this["chat"].id
    error_message = "whatever is not a models path is the chat function's, which answers every route"
  }
  assert {
    condition     = google_compute_url_map.this.path_matcher[0].path_rule[0].service == google_compute_backend_service.this["models"].id
    error_message = "models paths are the models function's"
  }
  assert {
    condition     = alltrue([for service in google_compute_backend_service.this : service.security_policy == google_compute_security_policy.this.id])
    error_message = "no backend is without its limits"
  }
  assert {
    condition     = google_compute_target_https_proxy.this.ssl_certificates == tolist([google_compute_managed_ssl_certificate.this[0].id])
    error_message = "the managed certificate is used"
  }
  assert {
    condition     = google_compute_target_https_proxy.this.ssl_policy == google_compute_ssl_policy.this[0].id
    error_message = "the policy of TLS versions is used"
  }
}

run "the_newer_load_balancer_is_named_everywhere" {
  command = plan
  assert {
    condition = toset(concat(
      [for service in google_compute_backend_service.this : service.load_balancing_scheme],
      [google_compute_global_forwarding_rule.https.load_balancing_scheme, google_compute_global_forwarding_rule.redirect.load_balancing_scheme],
    )) == toset(["EXTERNAL_MANAGED"])
    error_message = "the provider's default differs between its versions"
  }
}

run "plain_http_is_sent_to_https_with_its_method" {
  command = plan
  assert {
    condition     = google_compute_global_forwarding_rule.redirect.port_range == "80" && google_compute_url_map.redirect.default_url_redirect[0].https_redirect
    error_message = "port 80 only redirects"
  }
  assert {
    condition     = google_compute_url_map.redirect.default_url_redirect[0].redirect_response_code == "PERMANENT_REDIRECT"
    error_message = "301 would turn a POST into a GET"
  }
}

run "every_request_is_counted_by_its_address_before_anything_else_lets_it_in" {
  command = plan
  variables {
    limits = { per_ip = { requests = 30, interval_seconds = 10 } }
  }
  assert {
    condition = {
      for rule in google_compute_security_policy.this.rule : tostring(rule.priority) =>
      concat([rule.action], [for limit in rule.rate_limit_options : "${limit.enforce_on_key} ${limit.rate_limit_threshold[0].count}/${limit.rate_limit_threshold[0].interval_sec} ${limit.exceed_action}"])
      } == {
      "1000"       = ["deny(404)"]
      "2000"       = ["throttle", "IP 30/10 deny(429)"]
      "2147483647" = ["deny(403)"]
    }
    error_message = "only the rule by address lets anything in"
  }
  assert {
    condition     = one([for rule in google_compute_security_policy.this.rule : rule.match[0].config[0].src_ip_ranges if rule.priority == 2000]) == toset(["*"])
    error_message = "no key, also no invented one, gets round the counter of its address"
  }
}

run "another_host_is_refused" {
  command = plan
  assert {
    condition     = one([for rule in google_compute_security_policy.this.rule : rule.match[0].expr[0].expression if rule.priority == 1000]) == "!(has(request.headers['host']) && request.headers['host'].lower().matches('^llm[.]example[.]com(:443)?$'))"
    error_message = "only the domain is served"
  }
}

run "old_versions_of_tls_are_refused" {
  command = plan
  assert {
    condition     = google_compute_ssl_policy.this[0].min_tls_version == "TLS_1_2" && google_compute_ssl_policy.this[0].profile == "RESTRICTED"
    error_message = "the default of Google takes TLS 1.0"
  }
}

run "a_certificate_of_ones_own" {
  command = plan
  variables {
    certificate = "projects/my-project/global/sslCertificates/mine"
    ssl_policy  = "projects/my-project/global/sslPolicies/modern"
  }
  assert {
    condition     = length(google_compute_managed_ssl_certificate.this) == 0 && length(google_compute_ssl_policy.this) == 0
    error_message = "none is made"
  }
  assert {
    condition     = google_compute_target_https_proxy.this.ssl_certificates == tolist(["projects/my-project/global/sslCertificates/mine"])
    error_message = "the given one is used"
  }
  assert {
    condition     = google_compute_target_https_proxy.this.ssl_policy == "projects/my-project/global/sslPolicies/modern"
    error_message = "so is the policy"
  }
}

run "the_record_in_cloud_dns" {
  command = plan
  variables {
    dns_zone = "example-com"
  }
  assert {
    condition     = google_dns_record_set.this[0].name == "llm.example.com." && google_dns_record_set.this[0].type == "A"
    error_message = "an A record of the domain"
  }
}

run "no_log_at_rate_zero" {
  command = plan
  variables {
    log_sample_rate = 0
  }
  assert {
    condition     = google_compute_backend_service.this["chat"].log_config[0].enable == false
    error_message = "logging is off"
  }
}
