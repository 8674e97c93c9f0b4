# One Lambda function with a role of its own that may do what the registry grants and write its own log, no more.
#
# X-Ray is left off: xray:PutTraceSegments knows no resource, so it needs the wildcard that no policy here has. The
# trace header still arrives with every invocation, and stands in every log line.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "name" {
  description = "Real name; the role, the log group and the alarms are called after it."
  type        = string

  validation {
    condition     = length(var.name) <= 64
    error_message = "a function's name has at most 64 characters"
  }
}

variable "summary" {
  description = "What it does, in a line."
  type        = string
}

variable "code" {
  description = "Where bootstrap.zip lies in S3."
  type        = object({ bucket = string, key = string })
}

variable "code_hash" {
  description = "SHA-256 of the zip, in base64."
  type        = string
}

variable "architecture" {
  description = "x86_64 or arm64."
  type        = string
}

variable "memory_mb" {
  description = "Memory; CPU goes with it."
  type        = number
}

variable "timeout_s" {
  description = "Seconds until Lambda ends an invocation."
  type        = number
}

variable "environment" {
  description = "Environment variables."
  type        = map(string)
}

variable "statements" {
  description = "What the role may do: actions on one resource each."
  type        = list(object({ actions = list(string), resource = string }))

  validation {
    condition     = !anytrue(flatten([for s in var.statements : [for a in s.actions : strcontains(a, "*") || strcontains(a, "?")]]))
    error_message = "no wildcard in an action"
  }
}

variable "alarms" {
  description = "Alarms, as the registry writes them: metric, threshold, period_s, periods; optional namespace (AWS/Lambda), statistic (Sum), dimensions."
  type        = any
}

variable "alarm_topics" {
  description = "SNS topics for the alarms."
  type        = list(string)
}

variable "log_retention_days" {
  description = "Days that the log is kept."
  type        = number
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "this" {
  name        = var.name
  description = "runs ${var.name}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "grants"
  role = aws_iam_role.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        # The one asterisk, and not a choice: Lambda names a log stream after the day and the sandbox, so a policy
        # cannot know it, and "<log group ARN>:*" is the ARN that AWS documents for a log group in IAM policies. The
        # group's own name stands in full and cannot contain a colon, so this covers this one group's streams, and the
        # group is made here: the role may not create one.
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.this.arn}:*"
      }],
      [for s in var.statements : { Effect = "Allow", Action = s.actions, Resource = s.resource }],
    )
  })
}

resource "aws_lambda_function" "this" {
  function_name    = var.name
  description      = var.summary
  role             = aws_iam_role.this.arn
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.architecture]
  s3_bucket        = var.code.bucket
  s3_key           = var.code.key
  source_code_hash = var.code_hash
  memory_size      = var.memory_mb
  timeout          = var.timeout_s
  publish          = true

  environment {
    variables = var.environment
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  # The first invocation must find its rights and its log.
  depends_on = [aws_iam_role_policy.this]
}

# Every trigger calls the alias: a deployment is one switch, and going back is one too.
resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for a in var.alarms : lower("${try(a.namespace, "AWS/Lambda") == "AWS/Lambda" ? "" : "${a.namespace}-"}${a.metric}") => a }

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.metric} of ${var.name}"
  namespace           = try(each.value.namespace, "AWS/Lambda")
  metric_name         = each.value.metric
  dimensions          = try(each.value.dimensions, { FunctionName = var.name })
  statistic           = try(each.value.statistic, "Sum")
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = each.value.threshold
  period              = each.value.period_s
  evaluation_periods  = each.value.periods
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topics
  ok_actions          = var.alarm_topics
}

output "name" {
  description = "Real name."
  value       = aws_lambda_function.this.function_name
}

output "alias" {
  description = "Name of the alias."
  value       = aws_lambda_alias.live.name
}

output "alias_arn" {
  description = "ARN of the alias."
  value       = aws_lambda_alias.live.arn
}

output "invoke_arn" {
  description = "The alias as API Gateway calls it."
  value       = aws_lambda_alias.live.invoke_arn
}

output "role_arn" {
  description = "ARN of the role."
  value       = aws_iam_role.this.arn
}
