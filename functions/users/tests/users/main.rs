//! The functions of this service, invoked with the bytes of API Gateway events over the embedded engine, each with its own
//! grants and nothing more.

#![expect(clippy::unwrap_used, reason = "what a test cannot go on without ends it")]

mod accounts;
mod guesses;
mod profile;
mod resets;
mod roles;
mod sessions;
mod support;
