# This file is maintained automatically by "terraform init".
# Manual edits may be lost in future updates.

provider "registry.terraform.io/hashicorp/archive" {
  version     = "2.8.0"
  constraints = ">= 2.4.0, < 3.0.0"
}

provider "registry.terraform.io/hashicorp/google" {
  version     = "7.45.0"
  constraints = ">= 7.40.0, < 9.0.0"
}

provider "registry.terraform.io/hashicorp/google-beta" {
  version     = "7.45.0"
  constraints = ">= 7.40.0, < 9.0.0"
}
