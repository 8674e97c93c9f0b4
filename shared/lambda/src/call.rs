//! What a handler is given: the parsed request, and the context of the invocation.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws::Platform;
use kernel::problem::code;
use kernel::{Problem, Timestamp, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::idempotency::Asked;

/// No parameters, no body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Nothing {}

/// One parsed request: path parameters, query parameters, body.
pub struct Call<P = Nothing, Q = Nothing, B = Nothing> {
    /// The path parameters.
    pub path: P,
    /// The query parameters.
    pub query: Q,
    /// The body.
    pub body: B,
    /// Everything else.
    pub cx: Cx,
}

/// Who calls, as the verified access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub id: UserId,
    /// What the token allows.
    pub scopes: Vec<String>,
    /// Which sign-in the token comes from, when it says.
    pub session: Option<String>,
}

impl Caller {
    /// Whether the token has one of the scopes.
    #[must_use]
    pub fn has(&self, scopes: &[&str]) -> bool {
        self.scopes.iter().any(|scope| scopes.contains(&scope.as_str()))
    }
}

/// What `If-Match` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: whatever version stands there.
    Any,
    /// Exactly this version.
    Version(u64),
}

/// The context of one invocation. Cheap to clone.
#[derive(Clone)]
pub struct Cx(Arc<Inner>);

pub(crate) struct Inner {
    pub platform: Platform,
    pub request_id: String,
    pub correlation_id: String,
    pub started: Timestamp,
    pub deadline: Timestamp,
    pub caller: Option<Caller>,
    pub key: Option<String>,
    pub if_match: Option<IfMatch>,
    pub fingerprint: String,
    pub asked: Option<Asked>,
    pub headers: http::HeaderMap,
    /// Where the request came from, as API Gateway saw it.
    pub source_ip: Option<String>,
    /// The body as it came, on a route that declares no shape for it.
    pub body: Vec<u8>,
    pub fields: Option<String>,
    /// Whether the address had parameters.
    pub parameters: bool,
    pub notes: Mutex<Notes>,
}

/// The network of an address, which may have a port behind it: the first 24 bits, or 56 in IPv6.
fn network(text: &str) -> Option<String> {
    let text = text.trim();
    let address = text.parse::<IpAddr>().ok().or_else(|| {
        // CloudFront writes an IPv6 address and its port without brackets.
        let (address, _) = text.rsplit_once(':')?;
        address.trim_start_matches('[').trim_end_matches(']').parse().ok()
    })?;
    Some(match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{:x}::/56", d & 0xff00)
        }
    })
}

/// What a handler adds to the log line and to the metrics.
#[derive(Default)]
pub(crate) struct Notes {
    pub fields: Map<String, Value>,
    pub metrics: Vec<(&'static str, i64)>,
}

impl Cx {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// The context of work that begins now and that no request asked for: a worker's, a schedule's, a benchmark's.
    #[must_use]
    pub fn of_work(platform: &Platform, request_id: &str, deadline: Timestamp) -> Self {
        Self::new(Inner {
            platform: platform.clone(),
            request_id: request_id.to_owned(),
            correlation_id: request_id.to_owned(),
            started: platform.clock().now(),
            deadline,
            caller: None,
            key: None,
            if_match: None,
            fingerprint: String::new(),
            asked: None,
            headers: http::HeaderMap::new(),
            source_ip: None,
            body: Vec::new(),
            fields: None,
            parameters: false,
            notes: Mutex::default(),
        })
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.platform.clock().now()
    }

    /// The request's id.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// The id that ties all work of one action of a user together, across queues.
    #[must_use]
    pub fn correlation_id(&self) -> &str {
        &self.0.correlation_id
    }

    /// Who calls; `None` for a guest.
    #[must_use]
    pub fn caller(&self) -> Option<&Caller> {
        self.0.caller.as_ref()
    }

    /// Who calls, on a route that needs a token.
    pub fn signed_in(&self) -> Result<&Caller, Problem> {
        self.caller().ok_or_else(|| Problem::new(code::UNAUTHENTICATED, "sign in first"))
    }

    /// Who acts, for logs of events: the account's id, or `guest`.
    #[must_use]
    pub fn actor(&self) -> String {
        self.caller().map_or_else(|| "guest".to_owned(), |caller| caller.id.to_string())
    }

    /// The `Idempotency-Key`, when one was sent.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// A digest of function, path and body: the same request has the same one.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.0.fingerprint
    }

    /// Sixteen bytes to make an id from: derived from who calls and the `Idempotency-Key`, so that a repeated call means
    /// the same thing; random when no key was sent.
    #[must_use]
    pub fn seed(&self) -> [u8; 16] {
        match self.key() {
            Some(key) => {
                let function = self.0.platform.config().function.as_bytes();
                kernel::id::digest(&[function, self.actor().as_bytes(), key.as_bytes()])
            }
            None => self.0.platform.random(),
        }
    }

    /// Sixteen random bytes.
    #[must_use]
    pub fn random(&self) -> [u8; 16] {
        self.0.platform.random()
    }

    /// The version that `If-Match` asks for; `None` when it was not sent or is `*`.
    #[must_use]
    pub fn expected_version(&self) -> Option<u64> {
        match self.0.if_match {
            Some(IfMatch::Version(version)) => Some(version),
            _ => None,
        }
    }

    /// A header of the request.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The network that the request comes from: 256 neighbouring addresses, or what a household has in IPv6. `unknown` when
    /// nobody said.
    #[must_use]
    pub fn network(&self) -> String {
        let header = self.0.platform.config().client_ip_header.as_deref();
        let said = match header {
            Some(name) => self.header(name),
            None => self.0.source_ip.as_deref(),
        };
        said.and_then(network).unwrap_or_else(|| "unknown".into())
    }

    /// The body byte for byte, on a route that declares no shape for it: what a sender's signature is over.
    #[must_use]
    pub fn raw_body(&self) -> &[u8] {
        &self.0.body
    }

    /// How long the function may still run.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.0.deadline.since(self.now())
    }

    /// When the function is ended.
    pub(crate) fn deadline(&self) -> Timestamp {
        self.0.deadline
    }

    /// What the call is known by among those with a key.
    pub(crate) fn asked(&self) -> Option<&Asked> {
        self.0.asked.as_ref()
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) {
        self.0.platform.sleep(duration).await;
    }

    /// Runs a future for at most so long; `None` when it did not end in time.
    pub async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let work = std::pin::pin!(work);
        let timer = std::pin::pin!(self.sleep(limit));
        match futures_util::future::select(work, timer).await {
            futures_util::future::Either::Left((value, _)) => Some(value),
            futures_util::future::Either::Right(((), _)) => None,
        }
    }

    /// Adds a field to the invocation's log line. Never a secret, never an address or a name.
    pub fn note(&self, name: &str, value: impl Serialize) {
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        self.0.notes.lock().unwrap_or_else(PoisonError::into_inner).fields.insert(name.to_owned(), value);
    }

    /// Counts something: a metric of the namespace `Oxcart`.
    pub fn count(&self, metric: &'static str, value: i64) {
        self.0.notes.lock().unwrap_or_else(PoisonError::into_inner).metrics.push((metric, value));
    }

    /// What `?fields=` asks for.
    pub(crate) fn fields(&self) -> Option<&str> {
        self.0.fields.as_deref()
    }

    /// Whether the address had parameters.
    pub(crate) fn has_parameters(&self) -> bool {
        self.0.parameters
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_network() {
        for (text, expected) in [
            ("203.0.113.7", Some("203.0.113.0/24")),
            ("203.0.113.200:4711", Some("203.0.113.0/24")),
            ("::ffff:203.0.113.9", Some("203.0.113.0/24")),
            ("2001:db8:1:2345::1", Some("2001:db8:1:2300::/56")),
            ("[2001:db8:1:2399::2]:443", Some("2001:db8:1:2300::/56")),
            ("", None),
            ("localhost", None),
            ("203.0.113.7, 10.0.0.1", None),
        ] {
            assert_eq!(network(text).as_deref(), expected, "{text}");
        }
    }
}
