module "chromagent" {
  source      = "../.."
  project_id  = var.project_id
  region      = var.region
  stream_path = "load_balancer"
  domain      = var.domain
  edge        = { per_ip = { requests = 300, interval_seconds = 60 } }
  # Exact for all instances, where memory would count for each apart.
  rate_limit = { per_key = "300/minute", tokens_per_key = "200000/minute" }
  redis      = {}
}
