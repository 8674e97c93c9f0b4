//! The shop through its public surface.

mod pump;
mod request;
mod support;
