//! IAM as a layer: what was not granted is refused, and what was used is written down.
//!
//! Owns the translation of a call into the (action, resource) pairs that AWS would check, and the two records.
//! It must never grant by pattern: the project's policies have no wildcard, so a grant here names one resource.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::call::{Call, ConnectorFailure, Layer, Next};
use crate::engine::BoxFuture;
use crate::wire::{Reply, Service};

/// One permission: an action on a resource.
///
/// Resources are names, not ARNs: `oxcart-local-catalog` for a table, `oxcart-local-catalog/index/by-price` for an
/// index, `oxcart-local-catalog/stream` for a stream, a queue's name, `key/tokens` for the KMS key behind
/// `alias/tokens`, `secret/…` for a secret, `object/BUCKET/imports` for the objects whose keys begin with `imports/`, and `*` for the few actions that AWS grants on nothing in particular.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// The IAM action, such as `dynamodb:GetItem`.
    pub action: String,
    /// The resource.
    pub resource: String,
}

impl Grant {
    /// An action on a resource.
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into() }
    }
}

/// Lets through what is granted, refuses the rest with AccessDeniedException.
#[derive(Debug, Default)]
pub struct Guard {
    grants: BTreeSet<Grant>,
    /// Lets everything through, and only records.
    open: bool,
    records: Mutex<Records>,
}

#[derive(Debug, Default)]
struct Records {
    used: BTreeSet<Grant>,
    denied: BTreeSet<Grant>,
}

impl Guard {
    /// A guard that lets exactly these through.
    pub fn new(grants: impl IntoIterator<Item = Grant>) -> Self {
        Self { grants: grants.into_iter().collect(), open: false, records: Mutex::default() }
    }

    /// A guard that refuses nothing: it finds out what a flow needs.
    #[must_use]
    pub fn recording() -> Self {
        Self { open: true, ..Self::default() }
    }

    /// The grants that calls needed so far, granted or not.
    #[must_use]
    pub fn used(&self) -> BTreeSet<Grant> {
        let records = self.records();
        records.used.union(&records.denied).cloned().collect()
    }

    /// The grants that no call needed so far.
    #[must_use]
    pub fn unused(&self) -> BTreeSet<Grant> {
        self.grants.difference(&self.records().used).cloned().collect()
    }

    /// What calls needed and had no grant for.
    #[must_use]
    pub fn denied(&self) -> BTreeSet<Grant> {
        self.records().denied.clone()
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records what a call needs; the first thing that is not granted, if any.
    fn check(&self, call: &Call) -> Option<Grant> {
        let mut missing = None;
        let mut records = self.records();
        for grant in needed(call) {
            if self.open || self.grants.contains(&grant) {
                records.used.insert(grant);
            } else {
                records.denied.insert(grant.clone());
                missing.get_or_insert(grant);
            }
        }
        missing
    }
}

impl Layer for Guard {
    fn call<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Result<Reply, ConnectorFailure>> {
        match self.check(&call) {
            Some(missing) => Box::pin(async move { Ok(refusal(call.service, &missing)) }),
            None => next.run(call),
        }
    }
}

fn refusal(service: Service, missing: &Grant) -> Reply {
    let Grant { action, resource } = missing;
    let message = format!("User is not authorized to perform: {action} on resource: {resource}");
    if service == Service::S3 {
        return Reply::error(service, 403, "AccessDenied", &message);
    }
    // The other services answer this one from the common front, not from their own namespace.
    let body =
        json!({ "__type": "com.amazon.coral.service#AccessDeniedException", "message": message, "Message": message });
    let mut reply = Reply::raw(service, 400, body.to_string());
    if service == Service::Sqs {
        reply.headers.push(("x-amzn-query-error", "AccessDeniedException;Sender".to_owned()));
    }
    reply
}

/// What AWS checks for a call.
fn needed(call: &Call) -> BTreeSet<Grant> {
    let body = call.json();
    let prefix = call.service.iam_prefix();
    let grant = |action: &str, resource: String| Grant::new(format!("{prefix}:{action}"), resource);
    let operation = call.operation.as_str();
    match call.service {
        Service::DynamoDb => tables(operation, body).into_iter().map(|(action, table)| grant(action, table)).collect(),
        Service::DynamoDbStreams => BTreeSet::from([grant(operation, stream(body))]),
        Service::Sqs => BTreeSet::from([grant(queue_action(operation), queue(body))]),
        Service::Kms => BTreeSet::from([grant(operation, key(text(body, "KeyId")))]),
        Service::SecretsManager => BTreeSet::from([grant(operation, secret(text(body, "SecretId")))]),
        Service::S3 => BTreeSet::from([grant(object_action(operation), object(call.object_path()))]),
        Service::Unknown => BTreeSet::from([grant(operation, "*".to_owned())]),
    }
}

fn tables<'a>(operation: &'a str, body: &Value) -> Vec<(&'a str, String)> {
    match operation {
        "ListTables" => vec![(operation, "*".to_owned())],
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = body["RequestItems"].as_object();
            tables.into_iter().flatten().map(|(table, _)| (operation, table_name(table))).collect()
        }
        "TransactGetItems" => {
            actions(body).map(|(_, action)| ("GetItem", table_name(text(action, "TableName")))).collect()
        }
        "TransactWriteItems" => {
            let needs = |kind: &str| match kind {
                "Put" => "PutItem",
                "Update" => "UpdateItem",
                "Delete" => "DeleteItem",
                _ => "ConditionCheckItem",
            };
            actions(body).map(|(kind, action)| (needs(kind), table_name(text(action, "TableName")))).collect()
        }
        "TagResource" | "UntagResource" | "ListTagsOfResource" => {
            vec![(operation, table_name(text(body, "ResourceArn")))]
        }
        _ => {
            let table = table_name(text(body, "TableName"));
            match body["IndexName"].as_str() {
                Some(index) => vec![(operation, format!("{table}/index/{index}"))],
                None => vec![(operation, table)],
            }
        }
    }
}

/// The actions of a transaction: each with its kind.
fn actions(body: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let items = body["TransactItems"].as_array().into_iter().flatten();
    items
        .filter_map(Value::as_object)
        .flatten()
        .filter(|(_, action)| !action.is_null())
        .map(|(kind, action)| (kind.as_str(), action))
}

/// A table's name, from its name or its ARN.
fn table_name(name: &str) -> String {
    name.rsplit("table/").next().unwrap_or(name).to_owned()
}

fn stream(body: &Value) -> String {
    let arn = text(body, "StreamArn");
    let table = arn.split('/').nth(1).unwrap_or_else(|| text(body, "TableName"));
    // A shard iterator is opaque, as it is to AWS's callers; its bearer was checked when it was handed out.
    if table.is_empty() { "*".to_owned() } else { format!("{table}/stream") }
}

/// The action behind an operation: batches are granted by the action of one message.
fn queue_action(operation: &str) -> &str {
    operation.strip_suffix("Batch").unwrap_or(operation)
}

fn queue(body: &Value) -> String {
    let url = body["QueueUrl"].as_str().or_else(|| body["QueueName"].as_str()).unwrap_or("*");
    url.rsplit('/').next().unwrap_or(url).to_owned()
}

/// The action behind an operation: parts are put as whole objects are.
fn object_action(operation: &str) -> &str {
    match operation {
        "HeadObject" => "GetObject",
        "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => "PutObject",
        other => other,
    }
}

/// Bucket and first part of the key: grants on objects go by it.
fn object(path: &str) -> String {
    let folder = path.match_indices('/').nth(1).map_or(path.len(), |(at, _)| at);
    format!("object/{}", &path[..folder])
}

fn key(id: &str) -> String {
    let id = id.rsplit(':').next().unwrap_or(id);
    let name = id.strip_prefix("alias/").or_else(|| id.strip_prefix("key/")).unwrap_or(id);
    format!("key/{name}")
}

fn secret(id: &str) -> String {
    format!("secret/{}", id.rsplit(':').next().unwrap_or(id))
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_default()
}
