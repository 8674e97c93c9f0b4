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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use aws::Config;
    use aws_smithy_runtime_api::client::http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
    };
    use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
    use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
    use aws_smithy_types::body::SdkBody;
    use kernel::Email;

    use super::*;
    use crate::mime::tests::{mail, sender};

    /// SES as seen from the wire: keeps the last request, gives one answer.
    #[derive(Clone, Debug)]
    struct Wire {
        status: u16,
        code: &'static str,
        seen: Arc<Mutex<Vec<serde_json::Value>>>,
    }

    impl HttpClient for Wire {
        fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
            SharedHttpConnector::new(self.clone())
        }
    }

    impl HttpConnector for Wire {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            assert!(request.uri().ends_with("/v2/email/outbound-emails"), "{}", request.uri());
            let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            self.seen.lock().unwrap().push(body);
            let text = match self.code {
                "" => r#"{"MessageId":"m-1"}"#,
                _ => r#"{"message":"Email address is not verified: zoe@example.com"}"#,
            };
            let mut response = HttpResponse::new(self.status.try_into().unwrap(), SdkBody::from(text));
            response.headers_mut().insert("content-type", "application/json");
            if !self.code.is_empty() {
                response.headers_mut().insert("x-amzn-errortype", self.code);
            }
            HttpConnectorFuture::ready(Ok(response))
        }
    }

    /// The answer to a mail, and what SES was sent.
    async fn sent(status: u16, code: &'static str, mail: &Mail) -> (Result<(), PostError>, Vec<serde_json::Value>) {
        let names = [
            "OXCART_STAGE",
            "OXCART_PREFIX",
            "OXCART_QUEUE_BASE",
            "OXCART_ISSUER",
            "OXCART_FUNCTION",
            "OXCART_MAIL_FROM",
            "AWS_REGION",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
        ];
        let vars: BTreeMap<String, String> = names.map(|name| (name.to_owned(), "test".to_owned())).into();
        let wire = Wire { status, code, seen: Arc::default() };
        let platform = Platform::over(Config::from_vars(&vars).unwrap(), SharedHttpClient::new(wire.clone()));
        let result = Ses::new(&platform, sender()).send(mail).await;
        let seen = wire.seen.lock().unwrap().clone();
        (result, seen)
    }

    #[tokio::test]
    async fn a_mail_is_one_request_with_both_parts() {
        let (result, seen) = sent(200, "", &mail()).await;
        assert_eq!(result, Ok(()));
        let expected = serde_json::json!({
            "FromEmailAddress": "\"Oxcart\" <shop@example.com>",
            "Destination": { "ToAddresses": ["=?UTF-8?B?Wm/DqyBNw7xsbGVy?= <zoe@example.com>"] },
            "Content": { "Simple": {
                "Subject": { "Data": mail().subject, "Charset": "UTF-8" },
                "Body": {
                    "Text": { "Data": mail().text, "Charset": "UTF-8" },
                    "Html": { "Data": mail().html, "Charset": "UTF-8" },
                },
            } },
        });
        assert_eq!(seen, [expected]);
    }

    #[tokio::test]
    async fn errors_are_sorted_and_quote_no_address() {
        let cases = [
            (400, "MessageRejected", PostError::Refused("MessageRejected".into())),
            (400, "BadRequestException", PostError::Invalid("BadRequestException".into())),
            (400, "MailFromDomainNotVerifiedException", PostError::Busy("MailFromDomainNotVerifiedException".into())),
            (400, "SendingPausedException", PostError::Busy("SendingPausedException".into())),
            (400, "AccountSuspendedException", PostError::Busy("AccountSuspendedException".into())),
            (403, "AccessDeniedException", PostError::Busy("AccessDeniedException".into())),
        ];
        for (status, code, expected) in cases {
            assert_eq!(sent(status, code, &mail()).await.0, Err(expected), "{code}");
        }
    }

    #[tokio::test]
    async fn a_subject_stays_on_its_line_and_an_address_outside_ascii_is_refused() {
        let (_, seen) = sent(200, "", &Mail { subject: "Hi\r\nBcc: x".into(), ..mail() }).await;
        assert_eq!(seen[0]["Content"]["Simple"]["Subject"]["Data"], "Hi Bcc: x");
        let to = Mailbox::new("", &Email::parse("ünï@example.com").unwrap());
        let (result, seen) = sent(200, "", &Mail { to, ..mail() }).await;
        assert!(matches!(result, Err(PostError::Refused(_))) && seen.is_empty());
    }
}
