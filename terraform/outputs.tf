locals {
  quotas_of_chat = var.limits.chat.enabled

  # Where the gateway answers, by name. `headers` are needed beside the client key.
  fronts = merge(
    { for name in ["direct", "iam"] : name => {
      url     = "${module.function["chat"].uri}/v1"
      streams = true
      headers = name == "iam" ? ["X-Serverless-Authorization: Bearer $(gcloud auth print-identity-token)"] : []
    } if name == var.stream_path },
    { for gateway in module.gateway : "gateway" => {
      url     = "https://${gateway.host}/v1"
      streams = var.stream_path == "gateway_preview"
      headers = local.quotas_of_chat ? ["x-api-key: $GOOGLE_API_KEY"] : []
    } },
    { for edge in module.edge : "load_balancer" => {
      url     = edge.base_url
      streams = true
      headers = []
    } },
  )

  streaming = one([for front in values(local.fronts) : front if front.streams])
  host      = trimsuffix(trimprefix(local.streaming.url, "https://"), "/v1")
}

output "base_url" {
  description = "The `base_url` for OpenAI clients: the one that streams."
  value       = local.streaming.url
}

output "base_urls" {
  description = "Every `base_url` there is, whether it streams, and which headers it needs beside the client key."
  value       = local.fronts
}

output "first_key_command" {
  description = "Makes the first client key. Run it in the root of the repository; it prints the key once. Until then every request is refused."
  value       = "make setup && .venv/bin/chromagent keys new --name laptop --store ${module.secrets.references.client-keys}"
}

output "provider_key_commands" {
  description = "Fill the secrets of the providers' keys: each reads the key from its input."
  value       = { for name in var.provider_keys : name => "gcloud secrets versions add ${module.secrets.ids[name]} --project=${var.project_id} --data-file=-" }
}

output "api_key_command" {
  description = "Makes a Google API key for `x-api-key`, restricted to this API; null where nothing asks for one. A consumer project of its own has a quota of its own: enable the service there and make the key there."
  value       = one([for gateway in module.gateway : "gcloud services api-keys create --project=${var.project_id} --display-name=${var.name} --api-target=service=${gateway.managed_service}" if anytrue([for limit in values(var.limits) : limit.enabled])])
}

output "curl_example" {
  description = "A first request, with the client key in CHROMAGENT_KEY."
  value       = <<-EOT
    curl -N ${local.streaming.url}/chat/completions \
      -H "Authorization: Bearer $CHROMAGENT_KEY" \
    %{for header in local.streaming.headers~}
      -H "${header}" \
    %{endfor~}
      -H "Content-Type: application/json" \
      -d '{"model": "gemini-3.8-flash", "stream": true, "messages": [{"role": "user", "content": "Say hello in five languages"}]}'
  EOT
}

output "service_accounts" {
  description = "E-mail addresses of the identities: `function` runs, `build` builds, `gateway` invokes."
  value       = local.accounts
}

output "functions" {
  description = "The functions' own URLs. Which of them the outside may call depends on stream_path."
  value       = { for name, function in module.function : name => function.uri }
}

output "client_keys" {
  description = "Reference to the secret with the client keys, as `chromagent keys --store` takes it."
  value       = module.secrets.references.client-keys
}

output "rotation_subscription" {
  description = "Pub/Sub subscription with the reminders to rotate; null without rotation."
  value       = module.secrets.rotation_subscription
}

output "managed_service" {
  description = "The API as a service, for consumer projects to enable; null without an API gateway."
  value       = one(module.gateway[*].managed_service)
}

output "address" {
  description = "IP address of the load balancer, for the A record of the domain; null without one."
  value       = one(module.edge[*].address)
}

output "dashboard" {
  description = "Where the dashboard is; null without observability."
  value       = one([for observability in module.observability : "https://console.cloud.google.com/monitoring/dashboards/builder/${basename(observability.dashboard_id)}?project=${var.project_id}"])
}

output "archive" {
  description = "The deployed archive: its path on this machine and its hash."
  value       = { path = data.archive_file.source.output_path, sha256 = data.archive_file.source.output_sha256 }
}
