//! The shop through its public surface.

mod generated;
mod golden_events;
mod pump;
mod request;
mod support;
