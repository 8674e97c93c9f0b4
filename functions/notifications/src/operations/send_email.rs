//! The worker of the queue `send-email`: writes the mail that a notice asks for and hands it over, once.

use std::time::Duration;

use aws::{Capability, ConfigError, Grant, Platform, QueueSpec, SigningSecret};
use kernel::{EventId, OrderId, Timestamp};
use lambda::{Consumer, Cx, Delivery, Envelope, Fault, Function};
use orders::Order;
use orders::table::LoadOrder;

use crate::letter;
use crate::mailbox::Mailbox;
use crate::mark::{ATTEMPT, Claim, State};
use crate::mime::Mail;
use crate::notice::Notice;
use crate::post::{Mailer, PostError};
use crate::table::MarkMail;

/// Notices on their way to becoming mail.
pub const QUEUE: QueueSpec =
    QueueSpec { name: "send-email", fifo: false, visibility_s: 180, max_receives: 5, max_age_alarm_s: 600 };

/// The worker's time-out in seconds; an attempt must count as dead only after it.
const TIMEOUT_S: u32 = 30;
const _: () = assert!(ATTEMPT.as_secs() >= 2 * 30 && TIMEOUT_S == 30);

/// Makes the link that shows an order to whoever has it.
#[derive(Clone)]
pub struct OrderLinks {
    secret: SigningSecret,
    base: String,
}

impl Capability for OrderLinks {
    fn grants() -> Vec<Grant> {
        SigningSecret::grants()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        let base = platform.config().issuer.trim_end_matches('/').to_owned();
        Ok(Self { secret: SigningSecret::connect(platform)?, base })
    }
}

impl OrderLinks {
    async fn to(&self, order: &OrderId) -> Result<String, aws::DataError> {
        let token = orders::view::guest_token(self.secret.key().await?, order);
        Ok(format!("{}/v1/orders/{order}?token={token}", self.base))
    }
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("send-email").summary("Sends mail about orders, once each.").queue(&QUEUE, handle).timeout(TIMEOUT_S)
}

async fn handle(
    delivery: Delivery<Notice>,
    (orders, links, marks, mailer): (LoadOrder, OrderLinks, MarkMail, Mailer),
) -> Result<(), Fault> {
    let Delivery { event, cx, .. } = delivery;
    let id = &event.data.order_id;
    let Some(order) = orders.load(id).await? else {
        // It is written before anything tells of it, so this cannot be; the message is kept for whoever looks into it.
        return Err(Fault::Retry(Duration::from_secs(30), format!("there is no order {id}")));
    };
    let mail = mail(&event, &order, &links.to(id).await?, cx.now())?;
    let holder = EventId::new(cx.random());
    match marks.claim(&event.id, holder.as_str(), cx.now()).await? {
        Claim::Mine => {}
        Claim::Done => return Ok(()),
        Claim::Busy(wait) => return Err(Fault::Retry(wait, "another delivery of it is being sent".into())),
    }
    let sent = mailer.send(&mail).await;
    let end = match sent {
        Ok(()) => State::Sent,
        Err(PostError::Refused(_)) => State::Refused,
        // The attempt counts as dead when the message comes back.
        Err(PostError::Busy(reason)) => return Err(Fault::Retry(ATTEMPT, reason)),
        Err(PostError::Invalid(reason)) => return Err(Fault::Poison(reason)),
    };
    write_down(&cx, &marks, &event.id, holder.as_str(), end).await;
    match sent {
        Err(PostError::Refused(reason)) => Err(Fault::Permanent(reason)),
        _ => Ok(()),
    }
}

/// Writes down how it ended. When that fails the message is done with all the same: coming again would send a second mail.
async fn write_down(cx: &Cx, marks: &MarkMail, event: &EventId, holder: &str, end: State) {
    cx.count(if end == State::Sent { "MailsSent" } else { "MailsRefused" }, 1);
    if let Err(error) = marks.finish(event, holder, end).await {
        cx.note("unmarked_mail", format!("{event}: {error}"));
    }
}

fn mail(event: &Envelope<Notice>, order: &Order, link: &str, now: Timestamp) -> Result<Mail, Fault> {
    // A template that fails is mended by people: the message must survive until then.
    let letter =
        letter::write(order, event.data.kind, Some(link)).map_err(|error| Fault::Retry(ATTEMPT, error.to_string()))?;
    Ok(Mail {
        id: event.id.clone(),
        time: event.time,
        date: now,
        to: Mailbox::new(&order.shipping_address.name, &order.email),
        subject: letter.subject,
        text: letter.text,
        html: letter.html,
    })
}
