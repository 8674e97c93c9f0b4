# The module as it is planned and made, without AWS: `terraform test` with a provider that makes nothing.

mock_provider "aws" {
  mock_resource "aws_cloudfront_distribution" {
    defaults = {
      arn         = "arn:aws:cloudfront::123456789012:distribution/E2QWRUHAPOMQZL"
      id          = "E2QWRUHAPOMQZL"
      domain_name = "d111111abcdef8.cloudfront.net"
    }
  }
  mock_resource "aws_cloudfront_function" {
    defaults = { arn = "arn:aws:cloudfront::123456789012:function/oxcart-test-viewer" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::oxcart-test-public-123456789012-eu-central-1" }
  }
  mock_data "aws_secretsmanager_random_password" {
    defaults = { random_password = "not-a-secret" }
  }
}

variables {
  name           = "oxcart-test"
  api            = "https://abc.execute-api.eu-central-1.amazonaws.com"
  bucket         = "oxcart-test-public-123456789012-eu-central-1"
  secret_version = 2
  price_class    = "PriceClass_100"
  cors_origins   = ["https://shop.example.com"]
  protect        = true
  plan = {
    origin_header = "x-oxcart-origin"
    parameters    = ["currency", "fields"]
    behaviours    = [{ pattern = "/v1/products/*/reviews/mine", policy = "none" }, { pattern = "/v1/products/*", policy = "named" }, { pattern = "/v1/search", policy = "any" }]
    files_ttl_s   = 604800
  }
}

run "made" {
  assert {
    condition     = [for b in aws_cloudfront_distribution.this.ordered_cache_behavior : b.path_pattern] == ["/v1/products/*/reviews/mine", "/v1/products/*", "/v1/search", "/images/*", "/static/*"]
    error_message = "behaviours are in the plan's order"
  }
  assert {
    condition     = aws_cloudfront_distribution.this.ordered_cache_behavior[1].cache_policy_id == aws_cloudfront_cache_policy.this["named"].id
    error_message = "each with its policy"
  }
  assert {
    condition     = strcontains(aws_cloudfront_function.viewer.code, "headers['${output.viewer_header}'] = { value: event.viewer.ip }")
    error_message = "functions are told from where a visitor comes, by the header that they are told to read"
  }
  assert {
    condition     = length(output.digests) == 2 && contains(output.digests, sha256("not-a-secret"))
    error_message = "functions take the secret and the one before it"
  }
  assert {
    condition     = one([for o in aws_cloudfront_distribution.this.origin : o.domain_name if o.origin_id == "api"]) == "abc.execute-api.eu-central-1.amazonaws.com"
    error_message = "the API is asked by its host"
  }
  assert {
    condition     = jsondecode(aws_s3_bucket_policy.files.policy).Statement[0].Condition.StringEquals["AWS:SourceArn"] == aws_cloudfront_distribution.this.arn
    error_message = "only this distribution reads the files"
  }
  assert {
    condition     = alltrue([for e in aws_cloudfront_distribution.this.custom_error_response : e.error_caching_min_ttl == 0])
    error_message = "errors are not kept"
  }
}

run "named" {
  variables {
    domain_names    = ["shop.example.com"]
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/x"
    secret_version  = 1
  }
  assert {
    condition     = aws_cloudfront_distribution.this.viewer_certificate[0].minimum_protocol_version == "TLSv1.2_2021" && output.url == "https://shop.example.com"
    error_message = "a name of one's own has TLS 1.2"
  }
  assert {
    condition     = length(output.digests) == 1
    error_message = "there is none before the first secret"
  }
}

run "half_named" {
  command = plan
  variables {
    domain_names = ["shop.example.com"]
  }
  expect_failures = [var.certificate_arn]
}
