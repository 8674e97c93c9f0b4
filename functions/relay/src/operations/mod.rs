//! One module a worker.

pub mod relay_stream;
