output "url" {
  description = "The shop's base URL: OXCART_URL of the black-box suite. Complete once every route is there."
  value       = module.api.url
}

output "cdn_url" {
  description = "The shop's address at the CDN; null without one."
  value       = try(module.cdn[0].url, null)
}

output "origin_secret" {
  description = "OXCART_ORIGIN_SECRET of the black-box suite, which asks the API itself at `url`; null without a CDN."
  value       = try(module.cdn[0].secret, null)
  sensitive   = true
}

output "public_bucket" {
  description = "Where images and other files for everybody are put; null without a CDN."
  value       = try(module.cdn[0].bucket, null)
}

output "issuer" {
  description = "The `iss` of tokens; discovery is at <issuer>/.well-known/openid-configuration."
  value       = local.issuer
}

output "prefix" {
  description = "What every real name starts with."
  value       = local.prefix
}

output "region" {
  description = "Where it stands."
  value       = var.region
}

output "tables" {
  description = "Real names of the tables."
  value       = { for name, t in module.table : name => t.name }
}

output "queues" {
  description = "URLs of the queues and of their dead letters."
  value       = { for name, q in module.queue : name => { url = q.url, dead_letters = q.dead_letters_url } }
}

output "stream_dead_letters" {
  description = "URLs of the queues that keep what a stream's function could not do."
  value       = { for name, s in module.stream : name => s.dead_letters_url }
}

output "functions" {
  description = "Real names of the functions."
  value       = { for name, f in module.function : name => f.name }
}

output "keys" {
  description = "ARNs of the signing keys."
  value       = { for name, k in aws_kms_key.this : name => k.arn }
}

output "secrets" {
  description = "ARNs of the secrets, never their values."
  value       = { for name, s in aws_secretsmanager_secret.this : name => s.arn }
}
