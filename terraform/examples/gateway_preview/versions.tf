terraform {
  required_version = ">= 1.11"
  required_providers {
    archive     = { source = "hashicorp/archive", version = ">= 2.4, < 3" }
    google      = { source = "hashicorp/google", version = ">= 7.40, < 9" }
    google-beta = { source = "hashicorp/google-beta", version = ">= 7.40, < 9" }
  }
}
