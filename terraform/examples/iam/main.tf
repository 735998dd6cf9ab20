module "chromagent" {
  source      = "../.."
  project_id  = var.project_id
  region      = var.region
  stream_path = "iam"
  invokers    = var.invokers
}
