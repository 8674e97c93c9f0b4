//! Layers: what stands between an SDK client and the engine.
//!
//! Counting, IAM and injected faults are layers; each sees the call, may change it, send it on never, once or
//! twice, and sees the reply. It owns no state. It must never reach around [`Next`] into the engine's stores.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::Value;

use crate::engine::{BoxFuture, Engine};
use crate::wire::{Reply, Service};

/// One call on its way down.
#[derive(Debug, Clone)]
pub struct Call {
    /// The service it is for.
    pub service: Service,
    /// The operation, such as `PutItem`.
    pub operation: String,
    body: Bytes,
    parsed: OnceLock<Value>,
    object: Option<Arc<Object>>,
}

/// What an S3 call names beside its body.
#[derive(Debug)]
struct Object {
    /// Bucket and key, joined by a slash.
    path: String,
    parameters: Vec<(String, String)>,
    range: Option<String>,
}

impl Call {
    /// A call from its `X-Amz-Target` and body.
    #[must_use]
    pub fn new(target: &str, body: impl Into<Bytes>) -> Self {
        let (service, operation) = Service::of_target(target);
        Self { service, operation: operation.to_owned(), body: body.into(), parsed: OnceLock::new(), object: None }
    }

    /// A call to S3 from its method, its path-style address and its `Range`.
    #[must_use]
    pub fn of_object(method: &str, address: &str, range: Option<&str>, body: impl Into<Bytes>) -> Self {
        let address =
            address.split_once("://").map_or(address, |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        };
        let parameters: Vec<_> = query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect();
        let has = |name: &str| parameters.iter().any(|(known, _)| known == name);
        let operation = match method {
            "GET" => "GetObject",
            "HEAD" => "HeadObject",
            "PUT" if has("partNumber") => "UploadPart",
            "PUT" => "PutObject",
            "POST" if has("uploads") => "CreateMultipartUpload",
            "POST" if has("uploadId") => "CompleteMultipartUpload",
            "DELETE" if has("uploadId") => "AbortMultipartUpload",
            _ => "Unknown",
        };
        let path = decoded(path.trim_start_matches('/'));
        let object = Object { path, parameters, range: range.map(str::to_owned) };
        let (operation, parsed) = (operation.to_owned(), OnceLock::new());
        Self { service: Service::S3, operation, body: body.into(), parsed, object: Some(Arc::new(object)) }
    }

    /// Bucket and key of an S3 call, joined by a slash; empty for another call.
    #[must_use]
    pub fn object_path(&self) -> &str {
        self.object.as_ref().map_or("", |object| &object.path)
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let parameters = &self.object.as_ref()?.parameters;
        parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn range(&self) -> Option<&str> {
        self.object.as_ref()?.range.as_deref()
    }

    /// The body's bytes.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The body as JSON, parsed at the first look; `Null` when it is none.
    pub fn json(&self) -> &Value {
        self.parsed.get_or_init(|| serde_json::from_slice(&self.body).unwrap_or(Value::Null))
    }

    /// The same call with another body.
    #[must_use]
    pub fn with_json(self, body: Value) -> Self {
        let bytes = Bytes::from(body.to_string());
        Self { body: bytes, parsed: OnceLock::from(body), ..self }
    }
}

/// A part of an address without its escapes; what is no escape stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|_| first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A call that got no answer: what the SDK sees in place of a reply, and may retry.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorFailure {
    /// Nothing came back in time; whether the call took effect is unknown.
    #[error("no answer in time: {0}")]
    Timeout(String),
    /// The connection broke; whether the call took effect is unknown.
    #[error("connection lost: {0}")]
    Connection(String),
    /// The call cannot have been sent; the SDK does not retry it.
    #[error("call not sent: {0}")]
    NotSent(String),
}

/// One layer around the engine. The first in the list is the outermost.
pub trait Layer: Send + Sync {
    /// Handles a call; [`Next::run`] passes it on.
    fn call<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Result<Reply, ConnectorFailure>>;
}

/// The layers below, and the engine at the bottom. It can be copied: a layer may send a call twice.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    layers: &'a [Arc<dyn Layer>],
    engine: &'a Engine,
}

impl<'a> Next<'a> {
    pub(crate) fn new(layers: &'a [Arc<dyn Layer>], engine: &'a Engine) -> Self {
        Self { layers, engine }
    }

    /// Passes the call on.
    #[must_use]
    pub fn run(self, call: Call) -> BoxFuture<'a, Result<Reply, ConnectorFailure>> {
        match self.layers.split_first() {
            Some((layer, rest)) => layer.call(call, Self { layers: rest, engine: self.engine }),
            None => Box::pin(async move { Ok(self.engine.answer(call).await) }),
        }
    }
}
