terraform {
  # 1.11: write-only arguments, which keep secrets out of the plan and the state.
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 6.0"
    }
  }

  # Local by default. infra/scripts/deploy.sh names the file (target/terraform/<stage>/terraform.tfstate), and
  # switches to S3 when OXCART_BACKEND_CONFIG names a file for `terraform init -backend-config` (README).
  backend "local" {}
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { project = "oxcart", stage = var.stage }
  }

  # An emulator has no accounts to look up and no metadata service.
  access_key                  = local.emulated ? "test" : null
  secret_key                  = local.emulated ? "test" : null
  skip_credentials_validation = local.emulated
  skip_metadata_api_check     = local.emulated ? "true" : null
  skip_region_validation      = local.emulated
  s3_use_path_style           = local.emulated

  dynamic "endpoints" {
    for_each = var.endpoint_url == null ? [] : [var.endpoint_url]
    content {
      apigatewayv2     = endpoints.value
      cloudfront       = endpoints.value
      cloudwatch       = endpoints.value
      cloudwatchevents = endpoints.value
      cloudwatchlogs   = endpoints.value
      dynamodb         = endpoints.value
      iam              = endpoints.value
      kms              = endpoints.value
      lambda           = endpoints.value
      opensearch       = endpoints.value
      s3               = endpoints.value
      secretsmanager   = endpoints.value
      sesv2            = endpoints.value
      sqs              = endpoints.value
      sts              = endpoints.value
    }
  }
}
