variable "stage" {
  description = "Name of this deployment. Every real name starts with oxcart-<stage>."
  type        = string

  validation {
    # Functions and roles may have 64 characters: "oxcart-" + stage + "-" + the longest function name.
    condition     = can(regex("^[a-z][a-z0-9-]{0,15}$", var.stage))
    error_message = "stage is 1 to 16 lower-case letters, digits and hyphens, starting with a letter"
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-central-1"
}

variable "functions_file" {
  description = "The registry's functions.json; null takes infra/generated/functions.json."
  type        = string
  default     = null
}

variable "zip_dir" {
  description = "Folder with <binary>/bootstrap.zip, as cargo-lambda writes it; null takes target/lambda of the repository."
  type        = string
  default     = null
}

variable "architecture" {
  description = "What the zips were built for."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture is x86_64 or arm64"
  }
}

# --- what the functions are told -----------------------------------------------------------------------------------

variable "issuer" {
  description = "OXCART_ISSUER, the `iss` of every token, where discovery is served already. Null takes the identity API that is made here."
  type        = string
  default     = null
}

variable "payments" {
  description = "OXCART_PAYMENTS: the payment provider. stripe needs its secret, which is brought (docs/operations.md)."
  type        = string
  default     = "builtin"

  validation {
    condition     = contains(["builtin", "stripe"], var.payments)
    error_message = "payments is builtin or stripe"
  }
}

variable "stripe_url" {
  description = "OXCART_STRIPE_URL: where Stripe's API is; null is Stripe itself. The key goes there, so https:// it is."
  type        = string
  default     = null
}

variable "mail_from" {
  description = "OXCART_MAIL_FROM: the sender of every e-mail."
  type        = string
  default     = "shop@example.com"
}

variable "mail_identity" {
  description = "The SES identity that mail_from belongs to: an address or a domain; null takes mail_from itself."
  type        = string
  default     = null
}

variable "create_mail_identity" {
  description = "Whether to make the SES identity (false where the account has it already)."
  type        = bool
  default     = true
}

variable "environment" {
  description = "More environment variables, for every function. Never secrets: they are readable in the console."
  type        = map(string)
  default     = {}
}

# --- search --------------------------------------------------------------------------------------------------------

variable "search" {
  description = "The OpenSearch domain of this stage; null is a stage without search. A domain takes AWS a quarter of an hour to make."
  type = object({
    instance_type  = optional(string, "t3.small.search")
    instance_count = optional(number, 1)
    volume_gb      = optional(number, 20)
    shards         = optional(number, 1)
  })
  default = null
}

variable "cache_url" {
  description = "A Redis or Valkey that the functions which search share, as in rediss://HOST:6379; null is none. It is not made here, and ElastiCache is only reached from a VPC: see docs/operations.md."
  type        = string
  default     = null

  validation {
    condition     = var.cache_url == null || can(regex("^rediss://[A-Za-z0-9.-]+(:[0-9]+)?$", var.cache_url))
    error_message = "The cache's address is rediss://HOST:PORT, without a user or a password."
  }
}

# --- the CDN -------------------------------------------------------------------------------------------------------

variable "cdn" {
  description = "CloudFront before the shop; null is a stage without it. Raise secret_version by one to change the secret that it brings."
  type = object({
    domain_names    = optional(list(string), [])
    certificate_arn = optional(string)
    price_class     = optional(string, "PriceClass_100")
    secret_version  = optional(number, 1)
  })
  default = null
}

# --- the API -------------------------------------------------------------------------------------------------------

variable "throttles" {
  description = "Requests a second and burst of each route of a class."
  type        = map(object({ rate = number, burst = number }))
  default = {
    read     = { rate = 2000, burst = 4000 }
    write    = { rate = 500, burst = 1000 }
    checkout = { rate = 500, burst = 1000 }
    auth     = { rate = 50, burst = 100 }
  }
}

variable "cors_origins" {
  description = "Origins that browsers may call the API from; empty turns CORS off."
  type        = list(string)
  default     = []
}

# --- keeping and watching ------------------------------------------------------------------------------------------

variable "protect_data" {
  description = "Deletion protection and point-in-time recovery of tables, and slow deletion of keys and secrets."
  type        = bool
  default     = true
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30
}

variable "alarm_topics" {
  description = "SNS topics that alarms are sent to."
  type        = list(string)
  default     = []
}

variable "secret_version" {
  description = "Raise it to draw new random secrets. What the old ones signed is refused from then on."
  type        = number
  default     = 1
}

# --- emulators -----------------------------------------------------------------------------------------------------

variable "endpoint_url" {
  description = "One address for every AWS service: an emulator (http://127.0.0.1:4566). Null is AWS itself."
  type        = string
  default     = null
}

variable "emulated" {
  description = "Leave out what emulators cannot do; null follows endpoint_url. Each use says in a comment what is missing there."
  type        = bool
  default     = null
}

variable "api_path_style" {
  description = "With endpoint_url: whether APIs are reached at <endpoint_url>/_aws/execute-api/<id> (MiniStack), or at the address that the emulator reports (LocalStack)."
  type        = bool
  default     = true
}

variable "tokens_swapped" {
  description = "Which of the two keys of access tokens signs: false the one that was made as `tokens`, true the other. Changing it rolls the key (docs/operations.md)."
  type        = bool
  default     = false
}
