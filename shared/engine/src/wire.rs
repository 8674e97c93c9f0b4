//! What goes over the wire that is not there: targets in, replies out.
//!
//! Owns the shape of AWS JSON errors for each protocol and the split of `X-Amz-Target`.
//! It must never know what an operation does.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

/// The services behind [`crate::Engine::handle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// DynamoDB, tables and items.
    DynamoDb,
    /// DynamoDB Streams.
    DynamoDbStreams,
    /// SQS.
    Sqs,
    /// KMS.
    Kms,
    /// Secrets Manager.
    SecretsManager,
    /// S3.
    S3,
    /// Anything else; every call to it is refused.
    Unknown,
}

impl Service {
    /// Splits an `X-Amz-Target` into the service and the operation.
    #[must_use]
    pub fn of_target(target: &str) -> (Self, &str) {
        let (prefix, operation) = target.split_once('.').unwrap_or(("", target));
        let service = match prefix {
            "DynamoDB_20120810" => Self::DynamoDb,
            "DynamoDBStreams_20120810" => Self::DynamoDbStreams,
            "AmazonSQS" => Self::Sqs,
            "TrentService" => Self::Kms,
            "secretsmanager" => Self::SecretsManager,
            _ => Self::Unknown,
        };
        (service, operation)
    }

    /// The prefix of this service's `X-Amz-Target`.
    #[must_use]
    pub fn target_prefix(self) -> &'static str {
        match self {
            Self::DynamoDb => "DynamoDB_20120810",
            Self::DynamoDbStreams => "DynamoDBStreams_20120810",
            Self::Sqs => "AmazonSQS",
            Self::Kms => "TrentService",
            Self::SecretsManager => "secretsmanager",
            Self::S3 | Self::Unknown => "",
        }
    }

    /// The prefix of this service's IAM actions.
    #[must_use]
    pub fn iam_prefix(self) -> &'static str {
        match self {
            Self::DynamoDb | Self::DynamoDbStreams => "dynamodb",
            Self::Sqs => "sqs",
            Self::Kms => "kms",
            Self::SecretsManager => "secretsmanager",
            Self::S3 => "s3",
            Self::Unknown => "unknown",
        }
    }

    /// The media type of its answers: KMS and Secrets Manager speak AWS JSON 1.1, the others 1.0.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Kms | Self::SecretsManager => "application/x-amz-json-1.1",
            Self::S3 => "application/xml",
            _ => "application/x-amz-json-1.0",
        }
    }

    fn error_namespace(self) -> &'static str {
        match self {
            Self::Sqs => "com.amazonaws.sqs",
            Self::Kms => "com.amazonaws.kms",
            Self::SecretsManager => "com.amazonaws.secretsmanager",
            _ => "com.amazon.coral.service",
        }
    }
}

/// One answer, as it would come over HTTP.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers, `content-type` among them.
    pub headers: Vec<(&'static str, String)>,
    /// The body: JSON, or what S3 keeps.
    pub body: Bytes,
}

impl Reply {
    /// An answer with a body that is JSON already.
    #[must_use]
    pub fn raw(service: Service, status: u16, body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type", service.content_type().to_owned())];
        Self { status, headers, body: body.into() }
    }

    /// A successful answer.
    #[must_use]
    pub fn ok(service: Service, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => Self::raw(service, 200, body),
            Err(error) => Self::internal(service, &error.to_string()),
        }
    }

    /// An error in the service's own shape: `__type`, a message, and for SQS the header of its old protocol.
    #[must_use]
    pub fn error(service: Service, status: u16, code: &str, message: &str) -> Self {
        if service == Service::S3 {
            return crate::objects::error(status, code, message);
        }
        let kind = format!("{}#{code}", service.error_namespace());
        let body = json!({ "__type": kind, "message": message });
        let mut reply = Self::raw(service, status, body.to_string());
        if service == Service::Sqs {
            let fault = if status >= 500 { "Receiver" } else { "Sender" };
            reply.headers.push(("x-amzn-query-error", format!("{};{fault}", query_code(code))));
        }
        reply
    }

    /// A fault of the engine itself: status 500, which the SDK retries.
    #[must_use]
    pub fn internal(service: Service, message: &str) -> Self {
        let code = match service {
            Service::DynamoDb | Service::DynamoDbStreams => "InternalServerError",
            Service::Kms => "KMSInternalException",
            Service::SecretsManager => "InternalServiceError",
            Service::S3 => "InternalError",
            Service::Sqs | Service::Unknown => "InternalFailure",
        };
        Self::error(service, 500, code, message)
    }

    /// What AWS answers to an operation that it does not know.
    #[must_use]
    pub fn unknown_operation(service: Service) -> Self {
        let body = json!({ "__type": "com.amazon.coral.service#UnknownOperationException" });
        Self::raw(service, 400, body.to_string())
    }

    /// Whether the status says success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON; `Null` when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The error's code without its namespace, when this is an error.
    #[must_use]
    pub fn error_code(&self) -> Option<String> {
        let body = self.json();
        let kind = body.get("__type")?.as_str()?;
        Some(kind.rsplit('#').next().unwrap_or(kind).to_owned())
    }
}

/// The name of an SQS error in the query protocol, which clients still read from `x-amzn-query-error`.
fn query_code(code: &str) -> String {
    match code {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue".to_owned(),
        "QueueNameExists" => "QueueAlreadyExists".to_owned(),
        "EmptyBatchRequest"
        | "TooManyEntriesInBatchRequest"
        | "BatchEntryIdsNotDistinct"
        | "BatchRequestTooLong"
        | "InvalidBatchEntryId"
        | "MessageNotInflight" => format!("AWS.SimpleQueueService.{code}"),
        _ => code.to_owned(),
    }
}

/// A refusal on its way to becoming a [`Reply`].
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// What can go wrong inside a service: the caller's fault, or the store's.
#[derive(Debug)]
pub(crate) enum Failure {
    Refused(Refusal),
    Store(rusqlite::Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error)
    }
}

impl Failure {
    pub(crate) fn into_reply(self, service: Service) -> Reply {
        match self {
            Self::Refused(refusal) => Reply::error(service, 400, refusal.code, &refusal.message),
            Self::Store(error) => Reply::internal(service, &error.to_string()),
        }
    }
}
