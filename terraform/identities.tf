# Whose rights are used. They are made here, or by bootstrap before, and have the same names in both cases.

locals {
  account_ids = merge({ function = "${var.name}-fn", build = "${var.name}-build" }, local.has_gateway ? { gateway = "${var.name}-gw" } : {})
  # Made here, the address comes from the resource, so that whatever uses it waits for it.
  accounts = {
    for name, id in local.account_ids :
    name => var.create_identities ? module.identities[0].emails[name] : "${id}@${var.project_id}.iam.gserviceaccount.com"
  }
}

module "identities" {
  source         = "./modules/identities"
  count          = var.create_identities ? 1 : 0
  project_id     = var.project_id
  project_number = google_storage_bucket.source.project_number
  region         = var.region
  name           = var.name
  source_bucket  = google_storage_bucket.source.name
  gateway        = local.has_gateway
  depends_on     = [google_project_service.this]
}

moved {
  from = google_service_account.function
  to   = module.identities[0].google_service_account.this["function"]
}

moved {
  from = google_service_account.build
  to   = module.identities[0].google_service_account.this["build"]
}

moved {
  from = module.gateway[0].google_service_account.gateway
  to   = module.identities[0].google_service_account.this["gateway"]
}

moved {
  from = google_project_iam_member.build
  to   = module.identities[0].google_project_iam_member.build
}

moved {
  from = google_project_iam_member.build_source
  to   = module.identities[0].google_project_iam_member.build_source
}
