#!/usr/bin/env bash
# Fetches the plan whose digest was approved. Anything else under that name is refused.
set -euo pipefail
if ! [[ "$PLAN" =~ ^[0-9a-f]{64}$ ]]; then
  echo "_PLAN is '$PLAN'. Expected the digest of a plan, 64 hexadecimal digits, as the build that planned has told it." >&2
  exit 2
fi
gcloud storage cp "gs://$PLAN_BUCKET/plans/$PLAN.tar.gz" plan.tar.gz
echo "$PLAN  plan.tar.gz" | sha256sum --check
mkdir plan
tar -xzf plan.tar.gz -C plan
