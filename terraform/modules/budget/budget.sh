#!/bin/sh
# Makes or removes the budget that BUDGET_NAME names in BUDGET_ACCOUNT.
set -eu

case "$1" in
  create)
    set -- --billing-account="$BUDGET_ACCOUNT" --display-name="$BUDGET_NAME" --budget-amount="$BUDGET_AMOUNT" \
      --filter-projects="projects/$BUDGET_PROJECT" \
      --threshold-rule=percent=0.5 --threshold-rule=percent=0.9 --threshold-rule=percent=1.0 \
      --threshold-rule=percent=1.0,basis=forecasted-spend
    [ -z "$BUDGET_CHANNELS" ] || set -- "$@" --notifications-rule-monitoring-notification-channels="$BUDGET_CHANNELS"
    exec gcloud billing budgets create "$@"
    ;;
  delete)
    found=$(gcloud billing budgets list --billing-account="$BUDGET_ACCOUNT" --filter="displayName=\"$BUDGET_NAME\"" --format="value(name)")
    for budget in $found; do
      gcloud billing budgets delete "$budget" --quiet
    done
    ;;
  *)
    echo "usage: budget.sh create|delete" >&2
    exit 2
    ;;
esac
