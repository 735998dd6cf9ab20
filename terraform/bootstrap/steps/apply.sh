#!/usr/bin/env bash
# Applies the plan. Providers come from the registry and must be those of the lock file, which is part of what was approved. A plan that was
# made from an older state is refused by Terraform.
set -euo pipefail
terraform=$PWD/terraform-binary
cd plan/terraform
"$terraform" init -lockfile=readonly -backend-config="bucket=$STATE_BUCKET" -backend-config="prefix=$NAME"
"$terraform" apply build.tfplan
