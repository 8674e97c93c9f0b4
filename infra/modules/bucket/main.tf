# A private bucket: nobody but the roles that are granted it, over TLS, encrypted, and files go by themselves.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "name" {
  description = "Real name, unique in all of AWS."
  type        = string
}

variable "keep_days" {
  description = "After so many days a file goes."
  type        = number
}

variable "protect" {
  description = "Whether a bucket with files in it stays when the stage is destroyed."
  type        = bool
}

resource "aws_s3_bucket" "this" {
  bucket        = var.name
  force_destroy = !var.protect
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "files-go-by-themselves"
    status = "Enabled"

    filter {}

    expiration {
      days = var.keep_days
    }

    # What an export that was given up had uploaded.
    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }
}

output "name" {
  description = "The bucket's name."
  value       = aws_s3_bucket.this.id
}

output "arn" {
  description = "The bucket's ARN."
  value       = aws_s3_bucket.this.arn
}
