#!/usr/bin/env bash
# Applies the plan. Providers come from the registry and must be those of the lock file, which is part of what was approved. A plan that was
# made from an older state is refused by Terraform.
set -euo pipefail
terraform=$PWD/terraform-binary
cd plan/terraform
if [ "$(grep -c '^provider ' .terraform.lock.hcl)" != "$(grep -c '^  hashes = ' .terraform.lock.hcl)" ]; then
  echo "terraform/.terraform.lock.hcl has providers without hashes: run make providers, and commit what it writes." >&2
  exit 1
fi
"$terraform" init -lockfile=readonly -backend-config="bucket=$STATE_BUCKET" -backend-config="prefix=$NAME"
"$terraform" apply build.tfplan
