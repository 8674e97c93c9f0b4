# One HTTP API with one stage, $default: a route for each function, a JWT authorizer for the routes that ask for
# scopes, throttles for each class of routes, an access log.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "name" {
  description = "Name of the API."
  type        = string
}

variable "routes" {
  description = "Routes, by the name of their function. A route with scopes needs a token with one of them."
  type = map(object({
    key        = string
    scopes     = list(string)
    throttle   = string
    function   = string
    alias      = string
    invoke_arn = string
  }))
}

variable "throttles" {
  description = "Requests a second and burst of a route, by class."
  type        = map(object({ rate = number, burst = number }))
}

variable "authorizer" {
  description = "Whether there is a JWT authorizer."
  type        = bool
  default     = false
}

variable "issuer" {
  description = "The authorizer's issuer; its discovery document must be there already."
  type        = string
  default     = null
}

variable "audience" {
  description = "The authorizer's audience."
  type        = string
  default     = null
}

variable "cors_origins" {
  description = "Origins that browsers may call from; empty turns CORS off."
  type        = list(string)
  default     = []
}

variable "log_retention_days" {
  description = "Days that the access log is kept."
  type        = number
}

variable "alarm_topics" {
  description = "SNS topics that the alarm goes to."
  type        = list(string)
  default     = []
}

variable "path_style_url" {
  description = "Address below which an emulator serves its APIs by path, or null for the address that it reports."
  type        = string
  default     = null
}

locals {
  endpoint = (
    var.path_style_url == null
    ? aws_apigatewayv2_api.this.api_endpoint
    : "${var.path_style_url}/_aws/execute-api/${aws_apigatewayv2_api.this.id}"
  )
}

resource "aws_apigatewayv2_api" "this" {
  name          = var.name
  protocol_type = "HTTP"

  dynamic "cors_configuration" {
    for_each = length(var.cors_origins) == 0 ? [] : [var.cors_origins]
    content {
      allow_origins  = cors_configuration.value
      allow_methods  = ["GET", "POST", "PUT", "PATCH", "DELETE"]
      allow_headers  = ["authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "x-correlation-id"]
      expose_headers = ["etag", "idempotency-replayed", "last-modified", "location", "retry-after", "x-request-id"]
      max_age        = 3600
    }
  }
}

resource "aws_apigatewayv2_authorizer" "jwt" {
  count = var.authorizer ? 1 : 0

  api_id           = aws_apigatewayv2_api.this.id
  name             = "jwt"
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]

  jwt_configuration {
    issuer   = var.issuer
    audience = [var.audience]
  }
}

resource "aws_apigatewayv2_integration" "this" {
  for_each = var.routes

  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = each.value.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "this" {
  for_each = var.routes

  api_id               = aws_apigatewayv2_api.this.id
  route_key            = each.value.key
  target               = "integrations/${aws_apigatewayv2_integration.this[each.key].id}"
  authorization_type   = length(each.value.scopes) > 0 ? "JWT" : "NONE"
  authorizer_id        = length(each.value.scopes) > 0 ? aws_apigatewayv2_authorizer.jwt[0].id : null
  authorization_scopes = length(each.value.scopes) > 0 ? each.value.scopes : null
}

# This one route of this one stage may call the function. The ARN has the route's path as it was written, {id} included.
resource "aws_lambda_permission" "this" {
  for_each = var.routes

  statement_id  = var.name
  action        = "lambda:InvokeFunction"
  function_name = each.value.function
  qualifier     = each.value.alias
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/$default/${replace(each.value.key, " ", "")}"
}

resource "aws_cloudwatch_log_group" "access" {
  # Under /aws/vendedlogs/ the log's own resource policy does not grow with every API of the account.
  name              = "/aws/vendedlogs/apis/${var.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_apigatewayv2_stage" "default" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      request     = "$context.requestId"
      time        = "$context.requestTimeEpoch"
      route       = "$context.routeKey"
      status      = "$context.status"
      latency     = "$context.responseLatency"
      integration = "$context.integrationLatency"
      bytes       = "$context.responseLength"
      source      = "$context.identity.sourceIp"
      agent       = "$context.identity.userAgent"
      refused     = "$context.authorizer.error"
      error       = "$context.integrationErrorMessage"
    })
  }

  # Whatever route has no class of its own.
  default_route_settings {
    throttling_rate_limit  = var.throttles["write"].rate
    throttling_burst_limit = var.throttles["write"].burst
  }

  dynamic "route_settings" {
    for_each = var.routes
    content {
      route_key              = route_settings.value.key
      throttling_rate_limit  = var.throttles[route_settings.value.throttle].rate
      throttling_burst_limit = var.throttles[route_settings.value.throttle].burst
    }
  }

  # Settings of a route that does not exist yet are refused.
  depends_on = [aws_apigatewayv2_route.this, aws_lambda_permission.this]
}

output "endpoint" {
  description = "Base URL, known before anything answers there: for the functions' environment."
  value       = local.endpoint
}

output "url" {
  description = "Base URL, known once the stage stands."
  value       = local.endpoint
  depends_on  = [aws_apigatewayv2_stage.default]
}

# A function that answers 500 has not failed for Lambda, so its own alarm on errors stays silent: this one does not.
resource "aws_cloudwatch_metric_alarm" "server_errors" {
  alarm_name          = "${var.name}-5xx"
  alarm_description   = "Answers of ${var.name} with a status of 500 or more"
  namespace           = "AWS/ApiGateway"
  metric_name         = "5xx"
  dimensions          = { ApiId = aws_apigatewayv2_api.this.id }
  statistic           = "Sum"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  period              = 60
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topics
  ok_actions          = var.alarm_topics
}
