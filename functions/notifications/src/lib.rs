//! Mail to customers about their orders and accounts, and to staff about stock.
//!
//! It owns the queues `send-email` and `alert-low-stock`, the table `notifications` (which event was mailed), the templates, and the two ways
//! mail leaves: SES, or a folder of `.eml` files. Messages on the queue name an order or an account and nothing
//! personal; the worker reads it itself, and it alone makes the tokens that mails carry. It must never send a paid order's confirmation zero times, and more than once only when a
//! function dies between handing the mail over and writing that down.

pub mod letter;
pub mod mailbox;
pub mod mark;
mod mime;
mod notice;
pub mod operations;
pub mod post;
pub mod table;

pub use mime::Mail;
pub use notice::{AccountNotice, AccountNoticeKind, AnyNotice, Notice, NoticeKind};

/// The tables of this service.
pub const TABLES: &[aws::TableSpec] = &[table::NOTIFICATIONS];

/// The queues of this service.
pub const QUEUES: &[aws::QueueSpec] = &[operations::send_email::QUEUE, operations::alert_low_stock::QUEUE];

/// The functions of this service.
#[must_use]
pub fn functions() -> Vec<lambda::Function> {
    vec![operations::send_email::function(), operations::alert_low_stock::function()]
}
