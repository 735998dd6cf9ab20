# PromQL names and selectors. Cloud Monitoring's rule: the first "/" becomes ":", every other special character "_"; a metric that could
# be of several kinds of resource needs to be told which.

locals {
  ours = {
    for key, metric in local.metrics : key => "logging_googleapis_com:user_${replace(metric.name, "/[^A-Za-z0-9]/", "_")}"
  }
  from     = "monitored_resource=\"cloud_run_revision\""
  platform = "${local.from},service_name=~\"${join("|", sort(values(var.functions)))}\""
  window   = "[${var.alerts.window_minutes}m]"

  # Rates a minute over five, as a chart shows them.
  rates = { for key, name in local.ours : key => "rate(${name}{${local.from}}[5m]) * 60" }
  sums  = { for key, metric in local.distributions : key => "rate(${local.ours[key]}_sum{${local.from}}[5m]) * 60" }
}
