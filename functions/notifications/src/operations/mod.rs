//! The workers, one a file.

pub mod alert_low_stock;
pub mod send_email;
