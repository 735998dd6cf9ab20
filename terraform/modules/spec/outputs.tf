output "document" {
  description = "The OpenAPI 2.0 document."
  value       = local.document
}

output "id" {
  description = "Twelve hexadecimal digits that name this very document."
  value       = substr(sha256(local.document), 0, 12)
}
