module "chromagent" {
  source     = "../.."
  project_id = var.project_id
  region     = var.region
  # Two names of our own, and a way round a region that is full.
  backends = {
    vertex-gemini    = { locations = ["eu", "global"], model_mapping = { fast = ["gemini-3.8-flash", "vertex-anthropic/claude-sonnet-4-6"] } }
    vertex-anthropic = { locations = ["global"] }
  }
  rate_limit = { per_key = "600/minute", per_ip = "300/minute" }
  limits     = { chat = { requests_per_minute = 300 } }
}
