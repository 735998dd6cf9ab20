output "json" {
  description = "The document for CHROMAGENT_CONFIG_JSON."
  value       = jsonencode(local.document)
}
