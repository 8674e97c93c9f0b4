//! The embedded services, through the real SDK clients.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod folder;
mod guard;
mod meter;
mod queues;
mod streams;
mod support;
mod tables;
mod vault;
