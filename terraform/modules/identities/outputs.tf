output "emails" {
  description = "E-mail addresses: `function` runs, `build` builds, `gateway` invokes."
  value       = { for name, account in google_service_account.this : name => account.email }
}

output "ids" {
  description = "The same as projects/P/serviceAccounts/EMAIL."
  value       = { for name, account in google_service_account.this : name => account.name }
}
