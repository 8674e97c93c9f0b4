# A table's stream to one function. A record that cannot be done is retried alone (the batch is cut in halves, and the
# function says which records failed), and after the last try its place in the stream goes to a queue of dead letters.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "name" {
  description = "Real name of the function."
  type        = string
}

variable "stream_arn" {
  description = "ARN of the stream."
  type        = string
}

variable "function_arn" {
  description = "ARN of the function's alias."
  type        = string
}

variable "batch_size" {
  description = "Records in a batch, at most."
  type        = number
}

variable "parallelization" {
  description = "Batches of one shard that run at once; order holds for each item."
  type        = number
}

variable "retries" {
  description = "Further tries of a record."
  type        = number
}

variable "emulated" {
  description = "Whether an emulator runs this."
  type        = bool
}

variable "alarm_topics" {
  description = "SNS topics for the alarm."
  type        = list(string)
}

resource "aws_sqs_queue" "dead" {
  name                      = "${var.name}-stream-dead"
  message_retention_seconds = 14 * 24 * 60 * 60
  sqs_managed_sse_enabled   = true
}

resource "aws_lambda_event_source_mapping" "this" {
  event_source_arn = var.stream_arn
  function_name    = var.function_arn
  # Not LATEST: what is written between the table and this mapping must not be lost.
  starting_position              = "TRIM_HORIZON"
  batch_size                     = var.batch_size
  parallelization_factor         = var.parallelization
  maximum_retry_attempts         = var.retries
  bisect_batch_on_function_error = true
  # MiniStack does not count retries, nor cut a batch: one that fails is tried again, whole, until it is too old. On AWS
  # a record is given up after its retries, or when the stream drops it (24 hours).
  maximum_record_age_in_seconds = var.emulated ? 60 : null
  function_response_types       = ["ReportBatchItemFailures"]

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.dead.arn
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "dead" {
  alarm_name          = "${var.name}-stream-dead"
  alarm_description   = "${var.name} gave up on records of its stream"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead.name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topics
  ok_actions          = var.alarm_topics
}

resource "aws_cloudwatch_metric_alarm" "age" {
  alarm_name          = "${var.name}-stream-age"
  alarm_description   = "${var.name} is more than a minute behind its stream"
  namespace           = "AWS/Lambda"
  metric_name         = "IteratorAge"
  dimensions          = { FunctionName = var.name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 60000
  period              = 60
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topics
  ok_actions          = var.alarm_topics
}

output "dead_letters_url" {
  description = "URL of the queue of dead letters."
  value       = aws_sqs_queue.dead.url
}
