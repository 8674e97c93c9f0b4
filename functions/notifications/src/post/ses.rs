//! Mail by Amazon SES v2.
//!
//! SES builds the message itself from subject, text and HTML (its "simple" content), so the function needs
//! `ses:SendEmail` and nothing else. Its errors are sorted by who can do something about them; their texts, which quote
//! addresses, stay out.

use aws::{BoxFuture, Platform};
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};

use super::{Post, PostError};
use crate::mailbox::{Mailbox, one_line};
use crate::mime::Mail;

/// SES, and whom its mail is from.
pub struct Ses {
    client: Client,
    from: Mailbox,
}

impl Ses {
    /// SES of this stage.
    #[must_use]
    pub fn new(platform: &Platform, from: Mailbox) -> Self {
        Self { client: Client::new(platform.sdk()), from }
    }

    async fn hand_over(&self, mail: &Mail) -> Result<(), PostError> {
        if !mail.to.is_ascii() {
            return Err(PostError::Refused("SES takes no address outside ASCII".into()));
        }
        let body = Body::builder().text(utf8(&mail.text)?).html(utf8(&mail.html)?).build();
        let message = Message::builder().subject(utf8(&one_line(&mail.subject))?).body(body).build();
        let sending = self
            .client
            .send_email()
            .from_email_address(self.from.header(" "))
            .destination(Destination::builder().to_addresses(mail.to.header(" ")).build())
            .content(EmailContent::builder().simple(message).build());
        sending.send().await.map(|_| ()).map_err(|error| sorted(&error))
    }
}

fn utf8(text: &str) -> Result<Content, PostError> {
    Content::builder().data(text).charset("UTF-8").build().map_err(|_| PostError::Invalid("content".into()))
}

fn sorted<R>(error: &SdkError<SendEmailError, R>) -> PostError {
    let SdkError::ServiceError(context) = error else { return PostError::Busy("SES did not answer".into()) };
    let code = context.err().code().unwrap_or("unknown").to_owned();
    match context.err() {
        SendEmailError::MessageRejected(_) => PostError::Refused(code),
        SendEmailError::BadRequestException(_) => PostError::Invalid(code),
        // Throttled, paused, suspended, not verified: it passes, or people mend it while the message waits.
        _ => PostError::Busy(code),
    }
}

impl Post for Ses {
    fn send<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), PostError>> {
        Box::pin(self.hand_over(mail))
    }
}
