//! The runtime kit: what Powertools is to other languages.
//!
//! A function is declared once, beside its handler ([`Http`], [`Consumer`]); from that declaration come the Lambda binary
//! ([`serve`]), the local gateway's route, Terraform's `functions.json`, the OpenAPI and the README's table. Every
//! invocation, in the cloud, locally or in a test, goes through [`Running::invoke`] with the bytes of a real event.
//! The kit must never know a business rule.

mod answer;
mod batch;
mod call;
mod consumer;
mod event;
pub mod freshness;
mod function;
mod http;
mod idempotency;
mod pipeline;
mod reply;
mod serve;
mod telemetry;
pub mod token;

pub use batch::{Delivery, Fault, StreamFailure};
pub use call::{Call, Caller, Cx, IfMatch, Nothing};
pub use consumer::Consumer;
pub use event::{Change, ChangeKind, Envelope};
pub use freshness::Freshness;
pub use function::{
    Alarm, Auth, BoxError, Documented, Function, Idempotency, Route, Running, Throttle, Trigger, event_context,
};
pub use http::Http;
pub use idempotency::TABLE as ANSWERS;
pub use reply::{Page, Reply};
pub use serve::serve;
