//! What stands between Oxcart and AWS: configuration, clock, SDK clients, tables, queues, keys and secrets, each with the
//! IAM grants that using it takes.
//!
//! It owns the one place where a client is built ([`Platform`]). For DynamoDB, SQS, KMS and Secrets Manager the SDK client
//! itself is the port: local runs put an embedded engine under it as its HTTP client. It must never hold business rules.

pub mod breaker;
pub mod cache;
pub mod cdn;
pub mod clock;
pub mod config;
pub mod grants;
pub mod keys;
pub mod platform;
pub mod queue;
pub mod signed;
pub mod table;
pub mod tls;
pub mod transport;

pub use cache::{Cache, CacheAddress};
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{AttemptLimits, Config, ConfigError, Limit, SignInLimits};
pub use grants::{Capability, Grant, Resource};
pub use keys::{KeySpec, LiveSecret, SecretSpec, Signer, SigningSecret};
pub use platform::{LogSink, Platform};
pub use queue::{Message, Queue, QueueSpec};
pub use table::{DataError, IndexSpec, Item, Table, TableSpec};

/// A future with its type erased, so that binaries only link what the libraries compiled.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
