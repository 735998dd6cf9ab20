output "budget" {
  description = "What the commands are given."
  value       = terraform_data.this.input
}
