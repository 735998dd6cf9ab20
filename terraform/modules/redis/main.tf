# Exact limits across instances need one place that counts: Memorystore for Redis, reached by direct VPC egress.

locals {
  network    = var.network != null ? var.network : google_compute_network.this[0].id
  subnetwork = var.subnetwork != null ? var.subnetwork : google_compute_subnetwork.this[0].id
}

resource "google_compute_network" "this" {
  #checkov:skip=CKV2_GCP_18:There is no machine in it that could be reached: a network without rules of its own refuses everything that comes in.
  count                   = var.network == null ? 1 : 0
  project                 = var.project_id
  name                    = var.name
  description             = "The functions' way to Redis; nothing else is in it."
  auto_create_subnetworks = false
}

resource "google_compute_subnetwork" "this" {
  #checkov:skip=CKV_GCP_26:Only the functions and Redis are in it; a log of their connections would cost and tell nothing.
  count                    = var.subnetwork == null ? 1 : 0
  project                  = var.project_id
  region                   = var.region
  name                     = var.name
  network                  = local.network
  ip_cidr_range            = var.ip_range
  private_ip_google_access = true
}

# No AUTH: its string would be an attribute of this resource, and so in the state in plain. The README weighs that.
resource "google_redis_instance" "this" {
  #checkov:skip=CKV_GCP_95:The password would be in the state in plain; only the private network reaches the instance.
  #checkov:skip=CKV_GCP_97:What is on the wire are counters under ids and addresses, no secret; it stays in the private network.
  project                 = var.project_id
  region                  = var.region
  name                    = var.name
  display_name            = "Counters of chromagent's limits"
  tier                    = var.tier
  memory_size_gb          = var.memory_gb
  redis_version           = "REDIS_7_2"
  authorized_network      = local.network
  connect_mode            = "DIRECT_PEERING"
  auth_enabled            = false
  transit_encryption_mode = "DISABLED"
  redis_configs           = { maxmemory-policy = "volatile-ttl" } # every counter expires: full means those nearest their end go
  labels                  = var.labels
}
