//! From a table's stream to the workers' queues: the second half of the transactional outbox.
//!
//! A state change is the event; this is where it becomes messages, at least once, under ids that repeat when the change
//! does. It owns no table and decides nothing. It must never lose a change: a batch that could not be sent comes again from
//! the first change that was not carried on.

pub mod operations;
pub mod routes;

use lambda::Function;

/// The functions of this service: one relay per table, all of them the binary `relay-stream`.
#[must_use]
pub fn functions() -> Vec<Function> {
    operations::relay_stream::functions()
}
