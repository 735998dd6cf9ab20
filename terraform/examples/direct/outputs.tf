output "base_urls" {
  description = "Every base_url, whether it streams, and which headers it needs beside the client key."
  value       = module.chromagent.base_urls
}

output "first_key_command" {
  description = "Makes the first client key, in the root of the repository."
  value       = module.chromagent.first_key_command
}

output "curl_example" {
  description = "A first request, with the client key in CHROMAGENT_KEY."
  value       = module.chromagent.curl_example
}
