# CloudFront before the HTTP API, and before a private bucket of images and other files. What is kept, and under which
# parameters, stands in ../../generated/cdn.json, which the functions' declarations make; for how long, in the Cache-Control
# of each answer.
#
# The API is not closed to others: it cannot be. But functions answer only whoever brings the secret header, of which they
# know the digest.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "name" {
  description = "What real names start with."
  type        = string
}

variable "plan" {
  description = "generated/cdn.json: origin_header, parameters, behaviours in order, files_ttl_s."
  type = object({
    origin_header = string
    parameters    = list(string)
    behaviours    = list(object({ pattern = string, policy = string }))
    files_ttl_s   = number
  })
}

variable "api" {
  description = "Base URL of the API."
  type        = string
}

variable "secret_version" {
  description = "Number of the secret in use. Functions take this one and the one before it."
  type        = number
}

variable "bucket" {
  description = "Name of the bucket of files, unique in all of AWS."
  type        = string
}

variable "domain_names" {
  description = "The shop's own names; DNS must lead them to the distribution. Without any it has CloudFront's."
  type        = list(string)
  default     = []
}

variable "certificate_arn" {
  description = "The certificate of those names, in ACM in us-east-1."
  type        = string
  default     = null

  validation {
    condition     = (var.certificate_arn != null) == (length(var.domain_names) > 0)
    error_message = "domain_names and certificate_arn go together"
  }
}

variable "price_class" {
  description = "Which of CloudFront's places are used."
  type        = string
}

variable "cors_origins" {
  description = "Origins that browsers may call from; empty turns CORS off."
  type        = list(string)
}

variable "protect" {
  description = "Whether a bucket with files in it stays when the stage is destroyed."
  type        = bool
}

locals {
  folders = ["images", "static"]
  # From where a visitor comes, as functions are told.
  viewer_header = "x-oxcart-viewer"
  # The secret in use, and the one before it, which edges send until they know the new one.
  versions = toset([for v in [var.secret_version, var.secret_version - 1] : tostring(v) if v > 0])
  secret   = terraform_data.secret[tostring(var.secret_version)].output
  # A year: what an answer says of itself decides, up to there.
  longest = 31536000
}

# --- the secret ----------------------------------------------------------------------------------------------------

# CloudFront keeps the header in its configuration, so its value stands in the state as well: the state is as secret as it.
data "aws_secretsmanager_random_password" "secret" {
  for_each = local.versions

  password_length     = 48
  exclude_punctuation = true
}

resource "terraform_data" "secret" {
  for_each = local.versions

  input = sensitive(data.aws_secretsmanager_random_password.secret[each.key].random_password)

  lifecycle {
    # Every plan draws another one; the first stays.
    ignore_changes = [input]
  }
}

# --- files ---------------------------------------------------------------------------------------------------------

resource "aws_s3_bucket" "files" {
  bucket        = var.bucket
  force_destroy = !var.protect
}

resource "aws_s3_bucket_public_access_block" "files" {
  bucket                  = aws_s3_bucket.files.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "files" {
  bucket = aws_s3_bucket.files.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_cloudfront_origin_access_control" "files" {
  name                              = "${var.name}-files"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

# This one distribution reads what is meant for everybody.
resource "aws_s3_bucket_policy" "files" {
  bucket = aws_s3_bucket.files.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "cloudfront.amazonaws.com" }
      Action    = "s3:GetObject"
      Resource  = [for folder in local.folders : "${aws_s3_bucket.files.arn}/${folder}/*"]
      Condition = { StringEquals = { "AWS:SourceArn" = aws_cloudfront_distribution.this.arn } }
    }]
  })
}

# --- policies ------------------------------------------------------------------------------------------------------

# An account has room for 20 cache policies: these three serve all routes of a stage.
resource "aws_cloudfront_cache_policy" "this" {
  for_each = {
    named = { strings = "whitelist", names = var.plan.parameters, ttl = 0 }
    any   = { strings = "all", names = [], ttl = 0 }
    files = { strings = "none", names = [], ttl = var.plan.files_ttl_s }
  }

  name        = "${var.name}-${each.key}"
  min_ttl     = 0
  default_ttl = each.value.ttl
  max_ttl     = local.longest

  parameters_in_cache_key_and_forwarded_to_origin {
    enable_accept_encoding_gzip   = true
    enable_accept_encoding_brotli = true

    cookies_config {
      cookie_behavior = "none"
    }

    headers_config {
      header_behavior = "none"
    }

    query_strings_config {
      query_string_behavior = each.value.strings

      dynamic "query_strings" {
        for_each = length(each.value.names) > 0 ? [each.value.names] : []
        content {
          items = query_strings.value
        }
      }
    }
  }
}

# Behind a path that is read by everybody there may be one that is written with a token, a key and a condition. What is kept
# is read by functions that look at no token.
# Says from where a visitor comes, on the routes that nobody keeps: without it API Gateway sees the CDN's own addresses, and who
# guesses passwords would stop strangers. What a visitor writes into that header himself is overwritten.
resource "aws_cloudfront_function" "viewer" {
  name    = "${var.name}-viewer"
  runtime = "cloudfront-js-2.0"
  comment = "The address of the visitor, for the limits on sign-ins"
  publish = true
  code    = <<-JS
    function handler(event) {
      event.request.headers['${local.viewer_header}'] = { value: event.viewer.ip };
      return event.request;
    }
  JS
}

resource "aws_cloudfront_origin_request_policy" "kept" {
  name = "${var.name}-kept"

  cookies_config {
    cookie_behavior = "none"
  }

  headers_config {
    header_behavior = "allExcept"

    headers {
      items = ["host"]
    }
  }

  query_strings_config {
    query_string_behavior = "none"
  }
}

data "aws_cloudfront_cache_policy" "off" {
  name = "Managed-CachingDisabled"
}

data "aws_cloudfront_origin_request_policy" "all" {
  name = "Managed-AllViewerExceptHostHeader"
}

resource "aws_cloudfront_response_headers_policy" "this" {
  # What is kept is the same for every origin, so CORS is said by CloudFront; the rest is asked of the API, which says it.
  for_each = { own = [], kept = length(var.cors_origins) > 0 ? [var.cors_origins] : [] }

  name = "${var.name}-${each.key}"

  security_headers_config {
    strict_transport_security {
      access_control_max_age_sec = 31536000
      include_subdomains         = true
      override                   = true
    }

    content_type_options {
      override = true
    }

    frame_options {
      frame_option = "DENY"
      override     = true
    }

    referrer_policy {
      referrer_policy = "strict-origin-when-cross-origin"
      override        = false
    }
  }

  dynamic "cors_config" {
    for_each = each.value
    content {
      access_control_allow_credentials = false
      origin_override                  = true
      access_control_max_age_sec       = 3600

      access_control_allow_origins {
        items = cors_config.value
      }

      access_control_allow_methods {
        items = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
      }

      access_control_allow_headers {
        items = ["authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "x-correlation-id"]
      }

      access_control_expose_headers {
        items = ["etag", "idempotency-replayed", "last-modified", "location", "retry-after", "x-request-id"]
      }
    }
  }
}

# --- the distribution ----------------------------------------------------------------------------------------------

locals {
  policies = {
    none  = { cache = data.aws_cloudfront_cache_policy.off.id, request = data.aws_cloudfront_origin_request_policy.all.id, headers = "own" }
    named = { cache = aws_cloudfront_cache_policy.this["named"].id, request = aws_cloudfront_origin_request_policy.kept.id, headers = "kept" }
    any   = { cache = aws_cloudfront_cache_policy.this["any"].id, request = aws_cloudfront_origin_request_policy.kept.id, headers = "kept" }
    files = { cache = aws_cloudfront_cache_policy.this["files"].id, request = null, headers = "kept" }
  }

  behaviours = concat(
    [for b in var.plan.behaviours : { pattern = b.pattern, policy = b.policy, origin = "api" }],
    [for folder in local.folders : { pattern = "/${folder}/*", policy = "files", origin = "files" }],
  )
}

resource "aws_cloudfront_distribution" "this" {
  comment             = var.name
  enabled             = true
  http_version        = "http2and3"
  is_ipv6_enabled     = true
  aliases             = var.domain_names
  price_class         = var.price_class
  wait_for_deployment = false

  origin {
    origin_id   = "api"
    domain_name = trimprefix(var.api, "https://")

    custom_origin_config {
      http_port                = 80
      https_port               = 443
      origin_protocol_policy   = "https-only"
      origin_ssl_protocols     = ["TLSv1.2"]
      origin_read_timeout      = 30
      origin_keepalive_timeout = 60
    }

    # One that a visitor sends is replaced by it.
    custom_header {
      name  = var.plan.origin_header
      value = local.secret
    }
  }

  origin {
    origin_id                = "files"
    domain_name              = aws_s3_bucket.files.bucket_regional_domain_name
    origin_access_control_id = aws_cloudfront_origin_access_control.files.id
  }

  default_cache_behavior {
    target_origin_id           = "api"
    viewer_protocol_policy     = "redirect-to-https"
    allowed_methods            = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
    cached_methods             = ["GET", "HEAD"]
    compress                   = true
    cache_policy_id            = local.policies.none.cache
    origin_request_policy_id   = local.policies.none.request
    response_headers_policy_id = aws_cloudfront_response_headers_policy.this["own"].id

    function_association {
      event_type   = "viewer-request"
      function_arn = aws_cloudfront_function.viewer.arn
    }
  }

  dynamic "ordered_cache_behavior" {
    for_each = local.behaviours
    content {
      path_pattern               = ordered_cache_behavior.value.pattern
      target_origin_id           = ordered_cache_behavior.value.origin
      viewer_protocol_policy     = "redirect-to-https"
      allowed_methods            = ordered_cache_behavior.value.origin == "files" ? ["GET", "HEAD", "OPTIONS"] : ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
      cached_methods             = ["GET", "HEAD"]
      compress                   = true
      cache_policy_id            = local.policies[ordered_cache_behavior.value.policy].cache
      origin_request_policy_id   = local.policies[ordered_cache_behavior.value.policy].request
      response_headers_policy_id = aws_cloudfront_response_headers_policy.this[local.policies[ordered_cache_behavior.value.policy].headers].id
    }
  }

  # What went wrong is not kept: by itself CloudFront keeps it for ten seconds, whatever Cache-Control says.
  dynamic "custom_error_response" {
    for_each = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504]
    content {
      error_code            = custom_error_response.value
      error_caching_min_ttl = 0
    }
  }

  # With CloudFront's own name and certificate it decides the oldest protocol itself.
  viewer_certificate {
    cloudfront_default_certificate = var.certificate_arn == null
    acm_certificate_arn            = var.certificate_arn
    ssl_support_method             = var.certificate_arn == null ? null : "sni-only"
    minimum_protocol_version       = var.certificate_arn == null ? "TLSv1" : "TLSv1.2_2021"
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }
}

output "id" {
  description = "The distribution's id."
  value       = aws_cloudfront_distribution.this.id
}

output "arn" {
  description = "The distribution's ARN."
  value       = aws_cloudfront_distribution.this.arn
}

output "url" {
  description = "The shop's address."
  value       = "https://${try(var.domain_names[0], aws_cloudfront_distribution.this.domain_name)}"
}

output "secret" {
  description = "The secret in use."
  value       = local.secret
  sensitive   = true
}

output "digests" {
  description = "SHA-256 of the secrets that functions take."
  value       = [for s in terraform_data.secret : nonsensitive(sha256(s.output))]
}

output "viewer_header" {
  description = "The header that says from where a visitor comes."
  value       = local.viewer_header
}

output "bucket" {
  description = "Where images and other files are put, below images/ and static/."
  value       = aws_s3_bucket.files.id
}
