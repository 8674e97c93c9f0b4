//! How mail leaves: a port with two adapters, chosen by the configuration's `mail`.
//!
//! `ses` hands mail to Amazon SES; `folder:PATH` writes `.eml` files, for local runs and tests. An adapter must say
//! whether a failure is for good, and must never put an address into an error, for errors are logged.

mod outbox;
mod ses;

use std::sync::Arc;

use aws::{BoxFuture, Capability, ConfigError, Grant, Platform, Resource};

use crate::mailbox::Mailbox;
use crate::mime::Mail;
pub use outbox::Outbox;
pub use ses::Ses;

/// Why a mail did not leave. The texts name no person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostError {
    /// It will never be taken: the address or its content is refused.
    Refused(String),
    /// The request itself was wrong, which is our fault: people must look at it.
    Invalid(String),
    /// It may be taken later.
    Busy(String),
}

/// Something that takes mail.
pub trait Post: Send + Sync {
    /// Hands a mail over. The same mail handed over twice may arrive twice.
    fn send<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), PostError>>;
}

/// The way mail leaves on this stage.
#[derive(Clone)]
pub struct Mailer(Arc<dyn Post>);

impl Capability for Mailer {
    fn grants() -> Vec<Grant> {
        vec![Grant::new(&["ses:SendEmail"], Resource::Sender)]
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        let config = platform.config();
        let from = Mailbox::parse(&config.mail_from)
            .ok_or_else(|| ConfigError::one("OXCART_MAIL_FROM must be `address` or `Name <address>`"))?;
        let post: Arc<dyn Post> = match config.mail.strip_prefix("folder:") {
            Some(folder) => Arc::new(Outbox::new(folder.into(), from)),
            None => Arc::new(Ses::new(platform, from)),
        };
        Ok(Self(post))
    }
}

impl Mailer {
    /// Hands a mail over.
    pub async fn send(&self, mail: &Mail) -> Result<(), PostError> {
        self.0.send(mail).await
    }
}
