//! The worker of the queue `send-email`: writes the mail that a notice asks for and hands it over, once.

use std::time::Duration;

use aws::{Capability, ConfigError, Grant, Platform, QueueSpec, SigningSecret};
use kernel::limits::MAILED_LIFE;
use kernel::{Email, EventId, OrderId, Timestamp};
use lambda::{Consumer, Cx, Delivery, Envelope, Fault, Function};
use orders::table::LoadOrder;
use users::mailed::Purpose;
use users::table::FindAccount;

use crate::letter::{self, Letter};
use crate::mailbox::Mailbox;
use crate::mark::{ATTEMPT, Claim, State};
use crate::mime::Mail;
use crate::notice::{AccountNotice, AccountNoticeKind, AnyNotice, Notice};
use crate::post::{Mailer, PostError};
use crate::table::MarkMail;

/// Notices on their way to becoming mail.
pub const QUEUE: QueueSpec =
    QueueSpec { name: "send-email", fifo: false, visibility_s: 180, max_receives: 5, max_age_alarm_s: 600 };

/// The worker's time-out in seconds; an attempt must count as dead only after it.
const TIMEOUT_S: u32 = 30;
const _: () = assert!(ATTEMPT.as_secs() >= 2 * 30 && TIMEOUT_S == 30);

/// Makes what only mails carry: the link that shows an order to whoever has it, and the tokens of accounts.
#[derive(Clone)]
pub struct Tokens {
    secret: SigningSecret,
    base: String,
}

impl Capability for Tokens {
    fn grants() -> Vec<Grant> {
        SigningSecret::grants()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        let base = platform.config().issuer.trim_end_matches('/').to_owned();
        Ok(Self { secret: SigningSecret::connect(platform)?, base })
    }
}

impl Tokens {
    async fn link_to(&self, order: &OrderId) -> Result<String, aws::DataError> {
        let token = orders::view::guest_token(self.secret.key().await?, order);
        Ok(format!("{}/v1/orders/{order}?token={token}", self.base))
    }
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("send-email")
        .summary("Sends mail about orders and accounts, once each.")
        .queue(&QUEUE, handle)
        .timeout(TIMEOUT_S)
}

/// What mails are about, and what they carry.
type Sources = (LoadOrder, FindAccount, Tokens);

async fn handle(
    delivery: Delivery<AnyNotice>,
    (sources, marks, mailer): (Sources, MarkMail, Mailer),
) -> Result<(), Fault> {
    let Delivery { event, cx, .. } = delivery;
    let written = match &event.data {
        AnyNotice::Order(notice) => Some(about_order(notice, &sources).await?),
        AnyNotice::Account(notice) => about_account(notice, &sources, cx.now()).await?,
    };
    let Some((to, letter)) = written else { return Ok(()) };
    let mail = mail(&event, to, letter, cx.now());
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

async fn about_order(notice: &Notice, (orders, _, tokens): &Sources) -> Result<(Mailbox, Letter), Fault> {
    let id = &notice.order_id;
    let Some(order) = orders.load(id).await? else {
        // It is written before anything tells of it, so this cannot be; the message is kept for whoever looks into it.
        return Err(Fault::Retry(Duration::from_secs(30), format!("there is no order {id}")));
    };
    let letter = letter::write(&order, notice.kind, Some(&tokens.link_to(id).await?)).map_err(unwritten)?;
    Ok((Mailbox::new(&order.shipping_address.name, &order.email), letter))
}

/// The letter about an account; none when what it is about is over: the token was used, called off, or is too old, or the
/// account is gone.
async fn about_account(
    notice: &AccountNotice,
    (_, accounts, tokens): &Sources,
    now: Timestamp,
) -> Result<Option<(Mailbox, Letter)>, Fault> {
    let Some(account) = accounts.by_id(&notice.user_id).await? else { return Ok(None) };
    let change = account.email_change.as_ref();
    let (purpose, ticket, to): (_, _, Option<&Email>) = match notice.kind {
        AccountNoticeKind::PasswordReset => (Purpose::PasswordReset, account.reset.as_ref(), Some(&account.email)),
        AccountNoticeKind::EmailChange => {
            (Purpose::EmailChange, change.map(|change| &change.ticket), change.map(|change| &change.to))
        }
        AccountNoticeKind::EmailChangeAsked => {
            (Purpose::EmailChange, change.map(|change| &change.ticket), Some(&account.email))
        }
    };
    let Some((ticket, to)) = ticket.filter(|ticket| ticket.is_live(now)).zip(to) else { return Ok(None) };
    let token = match notice.kind {
        // The present address is told of the change, and must not be able to confirm it.
        AccountNoticeKind::EmailChangeAsked => String::new(),
        _ => purpose.token(tokens.secret.key().await?, &account.id, ticket),
    };
    let minutes = MAILED_LIFE.as_secs() / 60;
    let letter = letter::write_account(&account.name, notice.kind, &token, minutes).map_err(unwritten)?;
    Ok(Some((Mailbox::new(&account.name, to), letter)))
}

/// A template that fails is mended by people: the message must survive until then.
fn unwritten(error: impl std::fmt::Display) -> Fault {
    Fault::Retry(ATTEMPT, error.to_string())
}

/// Writes down how it ended. When that fails the message is done with all the same: coming again would send a second mail.
async fn write_down(cx: &Cx, marks: &MarkMail, event: &EventId, holder: &str, end: State) {
    cx.count(if end == State::Sent { "MailsSent" } else { "MailsRefused" }, 1);
    if let Err(error) = marks.finish(event, holder, end).await {
        cx.note("unmarked_mail", format!("{event}: {error}"));
    }
}

fn mail(event: &Envelope<AnyNotice>, to: Mailbox, letter: Letter, now: Timestamp) -> Mail {
    let Letter { subject, text, html } = letter;
    Mail { id: event.id.clone(), time: event.time, date: now, to, subject, text, html }
}
