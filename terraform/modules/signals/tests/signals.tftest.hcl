variables {
  functions = { chat = "chat-completions", models = "models" }
}

run "metrics_are_named_by_the_deployment" {
  variables {
    name = "team-a"
  }
  assert {
    condition     = alltrue([for key, metric in output.metrics : metric.name == "team-a/${key}"])
    error_message = "two deployments of one project count apart"
  }
  assert {
    condition     = strcontains(output.alerts.secrets.query, "logging_googleapis_com:user_team_a_secret_failures{")
    error_message = "PromQL has neither hyphens nor slashes"
  }
}

run "both_functions_are_counted" {
  assert {
    condition     = alltrue([for metric in output.metrics : strcontains(metric.filter, "resource.labels.service_name=(\"chat-completions\" OR \"models\")")])
    error_message = "the filter names both services"
  }
  assert {
    condition     = strcontains(output.alerts.instances.query, "service_name=~\"chat-completions|models\"")
    error_message = "and so does the platform's selector"
  }
}

run "every_alert_says_where_to_look" {
  assert {
    condition     = alltrue([for alert in output.alerts : length(alert.advice) > 60 && contains(["CRITICAL", "ERROR", "WARNING"], alert.severity)])
    error_message = "a title alone helps nobody at night"
  }
}

run "the_alert_on_instances_follows_their_maximum" {
  variables {
    max_instances = 100
  }
  assert {
    condition     = endswith(output.alerts.instances.query, " > 80")
    error_message = "four fifths of it"
  }
}
