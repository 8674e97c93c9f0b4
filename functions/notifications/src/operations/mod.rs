//! The workers, one a file.

pub mod send_email;
