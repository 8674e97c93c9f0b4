//! The functions of this service, invoked with the bytes of API Gateway events over the embedded engine, each with its own
//! grants and nothing more.

mod accounts;
mod sessions;
mod support;
