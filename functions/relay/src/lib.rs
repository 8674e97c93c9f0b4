//! From table streams to queues.
