# One OpenSearch domain: encrypted at rest and between nodes, HTTPS only, and the alarms that say somebody must look.
#
# It has no policy of its own: who may do what stands in the roles of the functions, request by request (../../grants.tf). A
# domain without a policy refuses everybody else.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "name" {
  description = "Real name; AWS takes 28 characters."
  type        = string
}

variable "instance_type" {
  description = "What its nodes are."
  type        = string
}

variable "instance_count" {
  description = "How many nodes: one, or an even number, which is spread over two availability zones."
  type        = number

  validation {
    condition     = var.instance_count == 1 || var.instance_count % 2 == 0
    error_message = "instance_count is 1, or even: half of the nodes in each of two availability zones"
  }
}

variable "volume_gb" {
  description = "Disk of each node, in GB."
  type        = number
}

variable "alarm_topics" {
  description = "SNS topics for the alarms."
  type        = list(string)
}

data "aws_caller_identity" "current" {}

resource "aws_opensearch_domain" "this" {
  domain_name    = var.name
  engine_version = "OpenSearch_2.19"

  cluster_config {
    instance_type          = var.instance_type
    instance_count         = var.instance_count
    zone_awareness_enabled = var.instance_count > 1

    dynamic "zone_awareness_config" {
      for_each = var.instance_count > 1 ? [2] : []
      content {
        availability_zone_count = zone_awareness_config.value
      }
    }
  }

  ebs_options {
    ebs_enabled = true
    volume_type = "gp3"
    volume_size = var.volume_gb
  }

  encrypt_at_rest {
    enabled = true
  }

  node_to_node_encryption {
    enabled = true
  }

  domain_endpoint_options {
    enforce_https       = true
    tls_security_policy = "Policy-Min-TLS-1-2-PFS-2023-10"
  }

  # A path says which index a request is about, and rights go by paths: its body may not name another one.
  advanced_options = {
    "rest.action.multi.allow_explicit_index" = "false"
  }

  software_update_options {
    auto_software_update_enabled = true
  }
}

locals {
  # AWS names metrics of a domain by the account as well.
  dimensions = { DomainName = var.name, ClientId = data.aws_caller_identity.current.account_id }

  alarms = {
    red = {
      metric = "ClusterStatus.red", statistic = "Maximum", comparison = "GreaterThanOrEqualToThreshold", threshold = 1, periods = 1
      why    = "a part of the index has no node: it is not searched"
    }
    writes-blocked = {
      metric = "ClusterIndexWritesBlocked", statistic = "Maximum", comparison = "GreaterThanOrEqualToThreshold", threshold = 1, periods = 5
      why    = "nothing is written to the index"
    }
    storage = {
      # In MB; AWS says: a quarter of the disk.
      metric = "FreeStorageSpace", statistic = "Minimum", comparison = "LessThanThreshold", threshold = var.volume_gb * 1024 / 4, periods = 5
      why    = "less than a quarter of a node's disk is free"
    }
    memory = {
      metric = "JVMMemoryPressure", statistic = "Maximum", comparison = "GreaterThanOrEqualToThreshold", threshold = 90, periods = 5
      why    = "the heap of a node is nearly full"
    }
    errors = {
      metric = "5xx", statistic = "Sum", comparison = "GreaterThanOrEqualToThreshold", threshold = 5, periods = 3
      why    = "requests fail"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-search-${each.key}"
  alarm_description   = "${each.value.why} (${each.value.metric} of ${var.name})"
  namespace           = "AWS/ES"
  metric_name         = each.value.metric
  dimensions          = local.dimensions
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = each.value.periods
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topics
  ok_actions          = var.alarm_topics
}

output "url" {
  description = "Where it is asked."
  value       = "https://${aws_opensearch_domain.this.endpoint}"
}
