# gcloud makes the budget: Terraform's resource needs credentials with a quota project, also to plan, and whoever lacks them or any right
# on the billing account must still be able to plan everything else.

resource "terraform_data" "this" {
  input = {
    account  = var.billing_account
    amount   = "${var.monthly_amount}${var.currency}"
    channels = join(",", var.channels)
    name     = var.name
    project  = var.project_id
  }
  triggers_replace = [var.billing_account, var.monthly_amount, var.currency, var.channels, var.name, var.project_id]

  provisioner "local-exec" {
    command     = "sh \"$SCRIPT\" create"
    environment = merge({ for key, value in self.input : "BUDGET_${upper(key)}" => value }, { SCRIPT = "${path.module}/budget.sh" })
  }
  provisioner "local-exec" {
    when        = destroy
    command     = "sh \"$SCRIPT\" delete"
    environment = merge({ for key, value in self.input : "BUDGET_${upper(key)}" => value }, { SCRIPT = "${path.module}/budget.sh" })
  }
}
