# From the registry's grants to the statements of each role's policy. Every ARN is whole: nothing ends in a wildcard.
# Names of tables and queues are known beforehand, so those ARNs are written out (and a plan shows them); streams, keys
# and secrets have a part that AWS draws.

locals {
  dynamodb = "arn:${data.aws_partition.current.partition}:dynamodb:${var.region}:${local.account}:table/${local.prefix}-"
  search   = "arn:${data.aws_partition.current.partition}:es:${var.region}:${local.account}:domain/${local.prefix}/"
  sqs      = "arn:${data.aws_partition.current.partition}:sqs:${var.region}:${local.account}:${local.prefix}-"

  # A grant on something that is not in the registry fails here, by its name.
  resources = merge(
    { for name, t in local.tables : "table ${name}" => "${local.dynamodb}${name}" },
    merge([for name, t in local.tables : {
      for i in t.indexes : "index ${name} ${i.name}" => "${local.dynamodb}${name}/index/${i.name}"
    }]...),
    { for name, t in local.tables : "stream ${name}" => module.table[name].stream_arn if t.stream },
    { for name, q in local.queues : "queue ${name}" => "${local.sqs}${name}${q.fifo ? ".fifo" : ""}" },
    { for name, q in local.queues : "dead-letters ${name}" => "${local.sqs}${name}-dead${q.fifo ? ".fifo" : ""}" },
    { for name, t in local.streams : "stream-dead-letters ${name}" => "${local.sqs}${name}-stream-dead" },
    { for name in local.keys : "key ${name}" => local.key_arns[name] },
    { for name in local.secrets : "secret ${name}" => aws_secretsmanager_secret.this[name].arn },
    # S3 knows a folder only as "every key that begins so": the one form in which a policy can name it.
    { for name in local.folders : "objects ${name}" => "arn:${data.aws_partition.current.partition}:s3:::${local.files_bucket}/${name}/*" },
    { for path in local.searches : "search ${path}" => "${local.search}${replace(path, "{prefix}", local.prefix)}" },
    { for cdn in module.cdn : "distribution" => cdn.arn },
    { "sender" = "arn:${data.aws_partition.current.partition}:ses:${var.region}:${local.account}:identity/${local.mail_identity}" },
  )

  # Requests to the search domain are granted by their path, where there is a domain.
  searches = toset(flatten([for f in local.functions : [for g in f.grants : g.resource.path if g.resource.type == "search"]]))

  # What Lambda's poller does in the name of the function's role. ListStreams is granted on the one stream.
  trigger_grants = {
    for name, f in local.functions : name => concat(
      [for t in [f.trigger] : {
        actions  = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
        resource = "queue ${t.queue}"
      } if t.type == "queue"],
      [for t in [f.trigger] : {
        actions  = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"]
        resource = "stream ${t.table}"
      } if t.type == "stream"],
      [for t in [f.trigger] : {
        actions  = ["sqs:SendMessage"]
        resource = "stream-dead-letters ${name}"
      } if t.type == "stream"],
    )
  }

  # What only one payment provider needs is granted where that one is in use.
  grants = {
    for name, f in local.functions : name => concat(local.trigger_grants[name], [
      for g in f.grants : {
        actions  = g.actions
        resource = join(" ", compact([g.resource.type, try(g.resource.table, ""), try(g.resource.name, ""), try(g.resource.path, "")]))
      } if try(g.only_with, var.payments) == var.payments && (g.resource.type != "search" || var.search != null) && (g.resource.type != "distribution" || var.cdn != null)
    ])
  }

  # One statement for each resource, whatever number of grants name it. On AWS the right to send a message is the right to
  # send a batch of them; MiniStack asks for an action of its own, which AWS does not know.
  statements = {
    for name, grants in local.grants : name => [
      for resource, actions in { for g in grants : g.resource => g.actions... } : {
        actions = sort(distinct(concat(
          flatten(actions),
          [for action in flatten(actions) : "sqs:SendMessageBatch" if local.emulated && action == "sqs:SendMessage"],
        )))
        resource = local.resources[resource]
      }
    ]
  }
}
