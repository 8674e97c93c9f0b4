# Oxcart on AWS. What there is stands in generated/functions.json, which the Rust registry writes; this file says what
# each kind of thing becomes. Nothing here names a function, a table or a queue.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  emulated = var.emulated == null ? var.endpoint_url != null : var.emulated
  prefix   = "oxcart-${var.stage}"
  account  = data.aws_caller_identity.current.account_id
  zip_dir  = coalesce(var.zip_dir, "${path.module}/../target/lambda")

  registry  = jsondecode(file(coalesce(var.functions_file, "${path.module}/generated/functions.json")))
  functions = { for f in local.registry.functions : f.name => f }
  tables    = { for t in local.registry.tables : t.name => t }
  queues    = { for q in local.registry.queues : q.name => q }
  keys      = toset([for k in local.registry.keys : k.name])
  folders   = toset([for o in local.registry.objects : o.name])
  # A stage has the secrets of its own payment provider, not of the others.
  secrets = toset([for s in local.registry.secrets : s.name if try(s.only_with, var.payments) == var.payments])
  # The rest of them is brought by whoever runs the stage (docs/operations.md).
  drawn = toset([for s in local.registry.secrets : s.name if contains(local.secrets, s.name) && !try(s.brought, false)])

  http      = { for name, f in local.functions : name => f.trigger if f.trigger.type == "http" }
  consumers = { for name, f in local.functions : name => f.trigger if f.trigger.type == "queue" }
  streams   = { for name, f in local.functions : name => f.trigger if f.trigger.type == "stream" }
  schedules = { for name, f in local.functions : name => f.trigger if f.trigger.type == "schedule" }
  discovery = { for name, t in local.http : name => t if startswith(t.path, "/.well-known/") }

  # The keys whose public halves verify tokens: one signs, the other will or did. Which of the two plays which part is a
  # setting; policies and functions know the parts only.
  token_parts   = var.tokens_swapped ? { tokens = "tokens-spare", "tokens-spare" = "tokens" } : {}
  key_arns      = { for name in local.keys : name => aws_kms_key.this[lookup(local.token_parts, name, name)].arn }
  token_keys    = [for name in ["tokens", "tokens-spare"] : name if contains(local.keys, name)]
  files_bucket  = "${local.prefix}-files-${local.account}-${var.region}"
  mail_identity = coalesce(var.mail_identity, var.mail_from)
  queue_base = (
    var.endpoint_url == null
    ? "https://sqs.${var.region}.${data.aws_partition.current.dns_suffix}/${local.account}/${local.prefix}-"
    : "${var.endpoint_url}/${local.account}/${local.prefix}-"
  )
  issuer = coalesce(var.issuer, module.identity.endpoint)

  # MiniStack reports http://<id>.execute-api.<host>, a name that a resolver need not know; it serves the same API below
  # a path. Without a stage in that path it takes $default, and functions see the path that AWS would send.
  path_style_url = var.api_path_style ? var.endpoint_url : null
}

# --- data ----------------------------------------------------------------------------------------------------------

module "table" {
  source   = "./modules/table"
  for_each = local.tables

  name          = "${local.prefix}-${each.key}"
  partition_key = each.value.partition_key
  sort_key      = each.value.sort_key
  indexes       = each.value.indexes
  ttl           = each.value.ttl
  stream        = each.value.stream
  protect       = var.protect_data
}

module "queue" {
  source   = "./modules/queue"
  for_each = local.queues

  name            = "${local.prefix}-${each.key}"
  fifo            = each.value.fifo
  visibility_s    = each.value.visibility_s
  max_receives    = each.value.max_receives
  max_age_alarm_s = each.value.max_age_alarm_s
  alarm_topics    = var.alarm_topics
}

# Where it is asked is known once it is made; a stage without it answers that it has no search.
module "search" {
  source = "./modules/search"
  count  = var.search == null ? 0 : 1

  name           = local.prefix
  instance_type  = var.search.instance_type
  instance_count = var.search.instance_count
  volume_gb      = var.search.volume_gb
  alarm_topics   = var.alarm_topics
}

# Files that come in and go out: imports and exports. The registry says in which folder of it which function may do what.
module "files" {
  source = "./modules/bucket"
  count  = length(local.folders) > 0 ? 1 : 0

  name      = local.files_bucket
  keep_days = 30
  protect   = var.protect_data
}

# Functions are told its id, and it is told where the API is; both are known before there is a route.
module "cdn" {
  source = "./modules/cdn"
  count  = var.cdn == null ? 0 : 1

  name            = local.prefix
  plan            = jsondecode(file("${path.module}/generated/cdn.json"))
  api             = module.api.endpoint
  bucket          = "${local.prefix}-public-${local.account}-${var.region}"
  domain_names    = var.cdn.domain_names
  certificate_arn = var.cdn.certificate_arn
  price_class     = var.cdn.price_class
  secret_version  = var.cdn.secret_version
  cors_origins    = var.cors_origins
  protect         = var.protect_data
}

# --- keys, secrets, mail -------------------------------------------------------------------------------------------

resource "aws_kms_key" "this" {
  for_each = local.keys

  description              = "${local.prefix} ${each.key}: signs, never leaves KMS"
  key_usage                = "SIGN_VERIFY"
  customer_master_key_spec = "RSA_2048"
  deletion_window_in_days  = var.protect_data ? 30 : 7

  # Without a policy AWS writes one that allows the account kms:*. This one hands the account's IAM policies the
  # actions by name. "*" as the resource of a key policy is its syntax for "this key", and nothing else may stand there
  # (AWS, "Key policies in AWS KMS"); a policy cannot name a key's ARN before the key exists.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AccountThroughIam"
      Effect    = "Allow"
      Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${local.account}:root" }
      Action = [
        "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey",
        "kms:EnableKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:GetPublicKey", "kms:ListGrants",
        "kms:ListKeyPolicies", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:Sign",
        "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription", "kms:Verify",
      ]
      Resource = "*"
    }]
  })
}

resource "aws_kms_alias" "this" {
  for_each = local.keys

  name          = "alias/${local.prefix}-${each.key}"
  target_key_id = local.key_arns[each.key]
}

data "aws_kms_public_key" "token" {
  for_each = toset(local.token_keys)
  key_id   = local.key_arns[each.key]
}

# The value is drawn by Secrets Manager in the middle of an apply and handed to a write-only argument: neither the plan
# nor the state ever holds it. (random_password, and secret_string, would be readable in the state.)
ephemeral "aws_secretsmanager_random_password" "this" {
  for_each = local.drawn

  password_length            = 64
  exclude_punctuation        = true
  require_each_included_type = true
}

resource "aws_secretsmanager_secret" "this" {
  for_each = local.secrets

  name                    = "${local.prefix}/${each.key}"
  recovery_window_in_days = var.protect_data ? 30 : 0
}

resource "aws_secretsmanager_secret_version" "this" {
  for_each = local.drawn

  secret_id                = aws_secretsmanager_secret.this[each.key].id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.this[each.key].random_password
  secret_string_wo_version = var.secret_version
}

resource "aws_sesv2_email_identity" "sender" {
  count          = var.create_mail_identity ? 1 : 0
  email_identity = local.mail_identity
}

# --- code ----------------------------------------------------------------------------------------------------------

# Code goes through a bucket: the provider uploads a `filename` for one function at a time and waits five seconds after
# each, which is minutes for a whole shop; and functions that share a binary share its upload.
resource "aws_s3_bucket" "code" {
  bucket        = "${local.prefix}-code-${local.account}-${var.region}"
  force_destroy = true
}

resource "aws_s3_bucket_public_access_block" "code" {
  bucket                  = aws_s3_bucket.code.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_object" "code" {
  for_each = toset([for f in local.registry.functions : f.binary])

  bucket = aws_s3_bucket.code.id
  key    = "${each.key}/${filesha256("${local.zip_dir}/${each.key}/bootstrap.zip")}.zip"
  source = "${local.zip_dir}/${each.key}/bootstrap.zip"

  lifecycle {
    create_before_destroy = true
  }
}

# --- functions -----------------------------------------------------------------------------------------------------

module "function" {
  source   = "./modules/function"
  for_each = local.functions

  name               = "${local.prefix}-${each.key}"
  summary            = each.value.summary
  code               = { bucket = aws_s3_bucket.code.id, key = aws_s3_object.code[each.value.binary].key }
  code_hash          = filebase64sha256("${local.zip_dir}/${each.value.binary}/bootstrap.zip")
  architecture       = var.architecture
  memory_mb          = each.value.memory_mb
  timeout_s          = each.value.timeout_s
  statements         = local.statements[each.key]
  alarms             = each.value.alarms
  alarm_topics       = var.alarm_topics
  log_retention_days = var.log_retention_days

  environment = merge(
    {
      OXCART_STAGE      = var.stage
      OXCART_PREFIX     = local.prefix
      OXCART_FUNCTION   = each.key
      OXCART_QUEUE_BASE = local.queue_base
      OXCART_ISSUER     = local.issuer
      OXCART_MAIL_FROM  = var.mail_from
      OXCART_PAYMENTS   = var.payments
    },
    contains(keys(local.http), each.key) && length(data.aws_kms_public_key.token) > 0
    ? { OXCART_JWT_PUBLIC_KEY = join("", [for name in local.token_keys : data.aws_kms_public_key.token[name].public_key_pem]) }
    : {},
    length([for g in each.value.grants : g if g.resource.type == "objects"]) > 0 ? { OXCART_FILES = local.files_bucket } : {},
    { OXCART_SEARCH = var.search == null ? "off" : "opensearch" },
    var.search == null ? {} : {
      OXCART_OPENSEARCH_URL    = module.search[0].url
      OXCART_OPENSEARCH_SHARDS = tostring(var.search.shards)
    },
    # Who searches, and nobody else, asks the cache.
    var.cache_url == null || !anytrue([for g in each.value.grants : try(endswith(g.resource.path, "/_search"), false)]) ? {} : {
      OXCART_CACHE_URL = var.cache_url
    },
    var.cdn == null ? {} : {
      OXCART_CDN              = module.cdn[0].id
      OXCART_ORIGIN_DIGESTS   = join(",", module.cdn[0].digests)
      OXCART_CLIENT_IP_HEADER = module.cdn[0].viewer_header
    },
    var.stripe_url == null ? {} : { OXCART_STRIPE_URL = var.stripe_url },
    contains(local.token_keys, "tokens") ? { OXCART_TOKENS_KEY = local.key_arns["tokens"] } : {},
    contains(local.token_keys, "tokens-spare") ? { OXCART_TOKENS_SPARE = local.key_arns["tokens-spare"] } : {},
    var.environment,
  )
}

# --- triggers ------------------------------------------------------------------------------------------------------

# API Gateway reads the issuer's discovery document when a JWT authorizer is created, and refuses the authorizer when
# it is not there. A stage that carries throttles per route can only be made after all its routes, and those need the
# authorizer: one API would be a circle. So discovery has a small API of its own, which is the issuer; the shop's API
# serves the same two documents as well.
module "identity" {
  source = "./modules/http-api"

  name               = "${local.prefix}-identity"
  routes             = local.routes.discovery
  throttles          = var.throttles
  log_retention_days = var.log_retention_days
  alarm_topics       = var.alarm_topics
  path_style_url     = local.path_style_url
}

# A new API answers some seconds after it was made; the authorizer would not wait for it.
resource "terraform_data" "issuer" {
  input = coalesce(var.issuer, module.identity.url)

  provisioner "local-exec" {
    command = "curl --fail --silent --show-error --output /dev/null --retry 30 --retry-delay 2 --retry-all-errors \"$ISSUER/.well-known/openid-configuration\""
    environment = {
      ISSUER = self.input
    }
  }
}

module "api" {
  source = "./modules/http-api"

  name               = local.prefix
  routes             = local.routes.all
  throttles          = var.throttles
  cors_origins       = var.cors_origins
  authorizer         = true
  issuer             = terraform_data.issuer.output
  audience           = "oxcart"
  log_retention_days = var.log_retention_days
  alarm_topics       = var.alarm_topics
  path_style_url     = local.path_style_url
}

locals {
  route = {
    for name, t in local.http : name => {
      key        = "${t.method} ${t.path}"
      scopes     = try(t.auth.scopes, [])
      throttle   = t.throttle
      function   = "${local.prefix}-${name}"
      alias      = module.function[name].alias
      invoke_arn = module.function[name].invoke_arn
    }
  }
  routes = {
    all       = local.route
    discovery = { for name, r in local.route : name => r if contains(keys(local.discovery), name) }
  }
}

resource "aws_lambda_event_source_mapping" "queue" {
  for_each = local.consumers

  event_source_arn                   = module.queue[each.value.queue].arn
  function_name                      = module.function[each.key].alias_arn
  batch_size                         = each.value.batch_size
  maximum_batching_window_in_seconds = each.value.window_s
  function_response_types            = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = each.value.max_concurrency
  }

  lifecycle {
    precondition {
      condition     = local.queues[each.value.queue].visibility_s >= local.functions[each.key].timeout_s
      error_message = "queue ${each.value.queue}: a message would come back while ${each.key} still works on it (visibility_s < timeout_s)"
    }
    precondition {
      condition     = each.value.batch_size <= 10 || each.value.window_s >= 1
      error_message = "${each.key}: a batch of more than 10 needs a window of at least a second"
    }
  }
}

module "stream" {
  source   = "./modules/stream"
  for_each = local.streams

  name            = "${local.prefix}-${each.key}"
  stream_arn      = module.table[each.value.table].stream_arn
  function_arn    = module.function[each.key].alias_arn
  batch_size      = each.value.batch_size
  parallelization = each.value.parallelization
  retries         = each.value.retries
  emulated        = local.emulated
  alarm_topics    = var.alarm_topics
}

# EventBridge rules, not EventBridge Scheduler: a rule's right to call one function stands in that function's own
# policy, while a schedule needs a role of its own. Both run in MiniStack.
resource "aws_cloudwatch_event_rule" "schedule" {
  for_each = local.schedules

  name                = "${local.prefix}-${each.key}"
  description         = local.functions[each.key].summary
  schedule_expression = each.value.expression
}

resource "aws_cloudwatch_event_target" "schedule" {
  for_each = local.schedules

  rule = aws_cloudwatch_event_rule.schedule[each.key].name
  arn  = module.function[each.key].alias_arn

  # The next tick does what this one did not.
  retry_policy {
    maximum_event_age_in_seconds = 60
    maximum_retry_attempts       = 0
  }
}

resource "aws_lambda_permission" "schedule" {
  for_each = local.schedules

  statement_id  = "schedule"
  action        = "lambda:InvokeFunction"
  function_name = "${local.prefix}-${each.key}"
  qualifier     = module.function[each.key].alias
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.schedule[each.key].arn
}
