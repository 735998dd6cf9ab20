module "chromagent" {
  source      = "../.."
  project_id  = var.project_id
  region      = var.region
  stream_path = "gateway_preview"
  deadlines   = { chat = 900 }
  limits      = { chat = { requests_per_minute = 120, cost = 1 }, models = { enabled = false } }
}
