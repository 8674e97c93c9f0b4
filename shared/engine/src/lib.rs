//! The embedded AWS services: DynamoDB, SQS, KMS, Secrets Manager and S3 in one process, without a socket.
//!
//! The real SDK clients stand on top: [`Engine::http_client`] is their HTTP client, so every line above it is the
//! line that runs in AWS. It owns the files of one folder (or memory), their durability and their lock.
//! It must never be linked into a Lambda, hold a rule of the shop, or offer what AWS does not offer: the extras
//! (streams by name, checkpoints, wake-ups) are for the local pump, which stands where AWS's own machinery does.
//!
//! Durability in a folder: SQLite in WAL mode with `synchronous = NORMAL`. What was acknowledged survives `kill -9`
//! of the process; a loss of power may lose the last writes (never the consistency of the file). That is a choice:
//! four times the speed of `FULL`, for a store that holds a developer's data.

mod call;
mod connector;
mod engine;
mod guard;
mod meter;
mod objects;
mod queues;
mod streams;
mod tables;
mod vault;
mod wire;

pub use call::{Call, ConnectorFailure, Layer, Next};
pub use engine::{BoxFuture, Clock, Engine, EngineError, Options, Place};
pub use guard::{Grant, Guard};
pub use meter::{Cost, Meter, Units};
pub use objects::Incoming;
pub use wire::{Reply, Service};

/// The region in every ARN this crate writes.
pub const REGION: &str = "us-east-1";

/// The account in every ARN and queue URL this crate writes.
pub const ACCOUNT: &str = "000000000000";
