# One DynamoDB table: on demand, encrypted, with its indexes, its stream and its TTL.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "name" {
  description = "Real name."
  type        = string
}

variable "partition_key" {
  description = "Partition key, a string."
  type        = string
}

variable "sort_key" {
  description = "Sort key, a string, or null."
  type        = string
}

variable "indexes" {
  description = "Global secondary indexes, as the registry writes them. `projection` is ALL, KEYS_ONLY or a list of attributes."
  type        = any
}

variable "ttl" {
  description = "Attribute with the second (Unix time) after which an item may go, or null."
  type        = string
}

variable "stream" {
  description = "Whether changes are streamed (old and new images)."
  type        = bool
}

variable "protect" {
  description = "Deletion protection and point-in-time recovery."
  type        = bool
}

locals {
  # Keys of the table and of all indexes, each once. Sort keys of indexes may be numbers.
  attributes = merge(concat(
    [for key in [var.partition_key, var.sort_key] : { (key) = "S" } if key != null],
    [for i in var.indexes : { (i.partition_key) = "S" }],
    [for i in var.indexes : { (i.sort_key) = try(i.sort_type, "S") } if i.sort_key != null],
  )...)
}

resource "aws_dynamodb_table" "this" {
  name                        = var.name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = var.partition_key
  range_key                   = var.sort_key
  stream_enabled              = var.stream
  stream_view_type            = var.stream ? "NEW_AND_OLD_IMAGES" : null
  deletion_protection_enabled = var.protect

  dynamic "attribute" {
    for_each = local.attributes
    content {
      name = attribute.key
      type = attribute.value
    }
  }

  dynamic "global_secondary_index" {
    for_each = { for i in var.indexes : i.name => i }
    content {
      name               = global_secondary_index.key
      hash_key           = global_secondary_index.value.partition_key
      range_key          = global_secondary_index.value.sort_key
      projection_type    = try(tostring(global_secondary_index.value.projection), "INCLUDE")
      non_key_attributes = try(tolist(global_secondary_index.value.projection), null)
    }
  }

  dynamic "ttl" {
    for_each = var.ttl == null ? [] : [var.ttl]
    content {
      enabled        = true
      attribute_name = ttl.value
    }
  }

  point_in_time_recovery {
    enabled = var.protect
  }

  server_side_encryption {
    # False is the key that AWS owns: encrypted at rest, without KMS in the path of every request.
    enabled = false
  }
}

output "name" {
  description = "Real name."
  value       = aws_dynamodb_table.this.name
}

output "arn" {
  description = "ARN of the table."
  value       = aws_dynamodb_table.this.arn
}

output "stream_arn" {
  description = "ARN of the stream, or null."
  value       = var.stream ? aws_dynamodb_table.this.stream_arn : null
}
