//! Stripe: payment intents, refunds and webhooks over its HTTP API.
//!
//! `wire` knows the words, pure; here is the order in which they are said. One order has one intent: it is made under an
//! idempotency key that is the order's, so that its id need not be known, and confirmed under a key of order and token.
//! Stripe answers a key that it knows with what it answered first, failures included; so a failure that comes out of its
//! memory is tried again under the next key of the row, and any other answer out of its memory is looked up afresh. An
//! intent can be paid once only, whatever keys are used: that is Stripe's own guard, and the last one.
//!
//! Stripe may forget a key after 24 hours. Until then who has not learnt an order's intent must have asked; later a call
//! without the id would make a second intent, and find nothing on it.
//!
//! It must never log, print or return an API key, a token or a body.

mod declines;
mod wire;

use std::pin::pin;
use std::sync::Arc;

use aws::keys::STRIPE;
use aws::transport::{Lost, Reply, Transport};
use aws::{BoxFuture, Grant, LiveSecret, Platform};
use futures_util::future::{Either, select};
use kernel::{Money, Timestamp};
use serde::Deserialize;

use self::wire::{Ask, Said, Source};
use crate::provider::{Answer, Event, EventError, Intent, Outcome, Provider, ProviderError, Refund, RefundOutcome};
use crate::signature;

/// The roots that Stripe's domains chain to, as Stripe publishes them (<https://docs.stripe.com/tls-certificates>), from its
/// own library stripe-python 16.1.0.
const ROOTS: &[u8] = include_bytes!("roots.pem");
/// How many keys of a row are tried. Each further one follows a failure in passing that Stripe remembers.
const ROW: usize = 8;
/// The longest API key that is believed, and the shortest webhook secret.
const KEY_CHARS: usize = 255;
const SECRET_CHARS: usize = 16;
/// How many webhook secrets are valid at a time: two, while one is rolled.
const SECRETS: usize = 4;

/// What using it takes: its secret, in a stage that uses it.
#[must_use]
pub fn grants() -> Vec<Grant> {
    vec![LiveSecret::<Account>::grant(&STRIPE).only_with("stripe")]
}

/// What Stripe gave us. No `Debug`.
#[derive(PartialEq, Eq, Deserialize)]
struct Account {
    api_key: String,
    webhook_secrets: Vec<String>,
}

impl Account {
    /// Reads `{"api_key": "sk_…", "webhook_secrets": ["whsec_…"]}`; `None` when anything is missing or cannot be right. Without
    /// a secret no webhook is believed; with an empty one, every webhook would be.
    fn read(text: &str) -> Option<Self> {
        let account: Self = serde_json::from_str(text).ok()?;
        let key = &account.api_key;
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let good = (1..=KEY_CHARS).contains(&key.len()) && plain(key) && account.webhook_secrets.len() <= SECRETS;
        let long = |secret: &String| secret.len() >= SECRET_CHARS && plain(secret);
        (good && account.webhook_secrets.iter().all(long)).then_some(account)
    }
}

/// Stripe.
pub struct Stripe {
    transport: Transport,
    account: LiveSecret<Account>,
    platform: Platform,
}

type Answered<T> = Result<T, ProviderError>;

impl Stripe {
    /// To the address in the configuration. Nothing is built or sent before the first call.
    #[must_use]
    pub fn connect(platform: &Platform) -> Self {
        Self::over(platform, Transport::new(&platform.config().stripe_url, ROOTS))
    }

    /// Over another transport: recorded answers.
    #[must_use]
    pub fn over(platform: &Platform, transport: Transport) -> Self {
        let account = LiveSecret::connect(platform, &STRIPE, Account::read);
        Self { transport, account, platform: platform.clone() }
    }

    fn shop(&self) -> &str {
        &self.platform.config().prefix
    }

    /// Gives up after the time that one attempt at the provider may take, all its exchanges together.
    async fn within<T>(&self, work: impl Future<Output = Answered<T>> + Send) -> Answered<T> {
        let limit = self.platform.config().payment_timeout;
        match select(pin!(work), pin!(self.platform.sleep(limit))).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(ProviderError::NoAnswer(format!("none within {} ms", limit.as_millis()))),
        }
    }

    /// One exchange. A connection that broke is tried once more: a sandbox that was frozen finds its old ones closed, and
    /// every request may be repeated. So is one whose API key was refused, with a newer key.
    async fn exchange<T>(&self, ask: &Ask, read: impl Fn(&Reply) -> Said<T>) -> Answered<(Said<T>, Source)> {
        let account = self.account.get().await.map_err(|error| no_key(&error))?;
        let reply = self.send(ask, &account).await?;
        let said = read(&reply);
        if !matches!(said, Said::Unauthorized) {
            return Ok((said, wire::source(&reply)));
        }
        let newer = self.account.renew(&account).await.map_err(|error| no_key(&error))?;
        if Arc::ptr_eq(&newer, &account) {
            return Ok((said, Source::Now));
        }
        let reply = self.send(ask, &newer).await?;
        Ok((read(&reply), wire::source(&reply)))
    }

    async fn send(&self, ask: &Ask, account: &Account) -> Answered<Reply> {
        let request = ask.clone().request(&account.api_key);
        let reply = match self.transport.send(request.clone()).await {
            Err(Lost::Broken(_)) => self.transport.send(request).await,
            other => other,
        };
        reply.map_err(|lost| ProviderError::NoAnswer(lost.to_string()))
    }

    /// The first request of a row whose answer is not a failure out of Stripe's memory.
    async fn row<T>(&self, ask: &Ask, read: impl Fn(&Reply) -> Said<T>) -> Answered<(Said<T>, Source)> {
        let mut number = 0;
        loop {
            let (said, source) = self.exchange(&ask.numbered(number), &read).await?;
            number += 1;
            if source != Source::OldFailure || !said.may_go_better() || number == ROW {
                return Ok((said, source));
            }
        }
    }

    /// The id of an order's intent, found or made; or the answer, when Stripe makes none for such an order.
    async fn open(&self, intent: &Intent) -> Answered<Result<String, Answer>> {
        if let Some(id) = intent.id.as_deref().and_then(wire::id) {
            return Ok(Ok(id.to_owned()));
        }
        let Some(ask) = wire::create(intent, self.shop()) else {
            return Ok(Err(wire::no_such_amount(intent)));
        };
        let (said, _) = self.row(&ask, |reply| wire::payment(reply, None)).await?;
        let answer = said.told()?;
        match answer.outcome {
            Outcome::Declined { .. } => Ok(Err(answer)),
            _ => Ok(Ok(answer.intent)),
        }
    }

    async fn look(&self, id: &str) -> Answered<Answer> {
        let (said, _) = self.exchange(&wire::look(id), |reply| wire::payment(reply, Some(id))).await?;
        said.told()
    }

    /// The answer that was given, unless it is not the last word.
    async fn settled(&self, id: &str, said: Said<Answer>, source: Source) -> Answered<Answer> {
        match said {
            Said::Look => self.look(id).await,
            Said::Is(_) if source != Source::Now => self.look(id).await,
            other => other.told(),
        }
    }

    async fn charge_(&self, intent: &Intent, token: &str) -> Answered<Answer> {
        let id = match self.open(intent).await? {
            Ok(id) => id,
            Err(refused) => return Ok(refused),
        };
        let ask = wire::confirm(&id, &intent.order, token);
        let (said, source) = self.row(&ask, |reply| wire::payment(reply, Some(&id))).await?;
        match self.settled(&id, said, source).await? {
            Answer { outcome: Outcome::Missing, .. } => {
                Err(ProviderError::NoAnswer("it was asked, and nobody knows of it".into()))
            }
            answer => Ok(answer),
        }
    }

    async fn retrieve_(&self, intent: &Intent) -> Answered<Answer> {
        match self.open(intent).await? {
            Ok(id) => self.look(&id).await,
            Err(refused) => Ok(refused),
        }
    }

    /// One that was not there is made and called off: a charge that is still on its way finds it so.
    async fn cancel_(&self, intent: &Intent) -> Answered<Answer> {
        match self.open(intent).await? {
            Ok(id) => self.step(&id, &wire::cancel(&id)).await,
            Err(refused) => Ok(refused),
        }
    }

    async fn capture_(&self, intent: &Intent, amount: Money) -> Answered<Answer> {
        let id = match self.open(intent).await? {
            Ok(id) => id,
            Err(refused) => return Ok(refused),
        };
        match wire::capture(&id, amount) {
            Some(ask) => self.step(&id, &ask).await,
            None => self.look(&id).await,
        }
    }

    /// A step that can be made once only. One that is refused leaves the payment where it was, and that is the answer.
    async fn step(&self, id: &str, ask: &Ask) -> Answered<Answer> {
        let refused = |reply: &Reply| matches!(reply.status, 400 | 402 | 404);
        let read = |reply: &Reply| if refused(reply) { Said::Look } else { wire::payment(reply, Some(id)) };
        let (said, source) = self.exchange(ask, read).await?;
        self.settled(id, said, source).await
    }

    async fn refund_(&self, intent: &Intent, refund: &Refund) -> Answered<RefundOutcome> {
        let refused = |code: &str| Ok(RefundOutcome::Refused { code: code.to_owned() });
        let Ok(id) = self.open(intent).await? else {
            return refused("nothing_was_taken");
        };
        let Some(ask) = wire::refund(&id, intent, refund, self.shop()) else {
            return refused("no_such_amount");
        };
        // Stripe forgets keys, and a job may be late by more than that: what was given back is looked up first.
        let (listed, _) = self.exchange(&wire::refunds(&id), |reply| wire::refund_in_list(reply, &refund.key)).await?;
        if let Some(outcome) = listed.told()? {
            return Ok(outcome);
        }
        let (said, _) = self.row(&ask, wire::refund_answer).await?;
        said.told()
    }

    async fn event_(&self, header: &str, body: &[u8], now: Timestamp) -> Result<Event, EventError> {
        let no_secret = |error: aws::DataError| EventError::NoSecret(error.to_string());
        let account = self.account.get().await.map_err(no_secret)?;
        let checked = match signature::verify(&account.webhook_secrets, header, body, now) {
            // It may be signed with a secret that is newer than ours.
            Err(EventError::Forged) => {
                let newer = self.account.renew(&account).await.map_err(no_secret)?;
                signature::verify(&newer.webhook_secrets, header, body, now)
            }
            other => other,
        };
        checked?;
        wire::event(body, self.shop())
    }
}

/// Nothing was asked yet, so nothing was taken.
fn no_key(error: &aws::DataError) -> ProviderError {
    ProviderError::Passing(format!("the API key cannot be read: {error}"))
}

impl Provider for Stripe {
    fn charge<'a>(&'a self, intent: &'a Intent, token: &'a str) -> BoxFuture<'a, Answered<Answer>> {
        Box::pin(self.within(self.charge_(intent, token)))
    }

    fn retrieve<'a>(&'a self, intent: &'a Intent) -> BoxFuture<'a, Answered<Answer>> {
        Box::pin(self.within(self.retrieve_(intent)))
    }

    fn cancel<'a>(&'a self, intent: &'a Intent) -> BoxFuture<'a, Answered<Answer>> {
        Box::pin(self.within(self.cancel_(intent)))
    }

    fn capture<'a>(&'a self, intent: &'a Intent, amount: Money) -> BoxFuture<'a, Answered<Answer>> {
        Box::pin(self.within(self.capture_(intent, amount)))
    }

    fn refund<'a>(&'a self, intent: &'a Intent, refund: &'a Refund) -> BoxFuture<'a, Answered<RefundOutcome>> {
        Box::pin(self.within(self.refund_(intent, refund)))
    }

    fn event<'a>(
        &'a self,
        signature: &'a str,
        body: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Event, EventError>> {
        Box::pin(self.event_(signature, body, now))
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};

    /// SHA-256 of the roots that Stripe publishes (<https://stripe.com/files/tls/root_certificates.json>, by way of
    /// stripe-python 16.1.0): six of DigiCert's, two each of GlobalSign, ISRG and Sectigo.
    const PUBLISHED: [&str; 12] = [
        "018e13f0772532cf809bd1b17281867283fc48c6e13be9c69812854a490c1b05",
        "371a00dc0533b3721a7eeb40e8419e70799d2b0a0f2c1d80693165f7cec4ad75",
        "7d05ebb682339f8c9451ee094eebfefa7953a114edb2f44949452fab7d2fc185",
        "cb3ccbb76031e5e0138f8dd39a23f9de47ffc35e43c1144cea27d46a5ab1cb5f",
        "31ad6648f8104138c738f39ea4320133393e3a18cc02296ef97c2ac9ef6731d0",
        "7431e5f4c3c1ce4690774f0b61e05440883ba9a01ed00ba6abd7806ed3b118cf",
        "4fa3126d8d3a11d1c4855a4f807cbad6cf919d3a5a88b03bea2c6372d93c40c9",
        "cbb9c44d84b8043e1050ea31a69f514955d7bfd2e2c6b49301019ad61d9f5058",
        "96bcec06264976f37460779acf28c5a7cfe8a3c0aae11a8ffcee05c0bddf08c6",
        "69729b8e15a86efc177a57afb7171dfc64add28c2fca8cf1507e34453ccb1470",
        "7bb647a62aeeac88bf257aa522d01ffea395e0ab45c73f93f65654ec38f25a06",
        "c90f26f0fb1b4018b22227519b5ca2b53e2ca5b3be5cf18efe1bef47380c5383",
    ];

    #[test]
    fn the_bundled_roots_are_the_published_ones_and_no_others() {
        let text = std::str::from_utf8(super::ROOTS).unwrap();
        let bodies = text.split("-----BEGIN CERTIFICATE-----").skip(1);
        let prints: Vec<String> = bodies
            .map(|part| part.split("-----END").next().unwrap_or_default().split_whitespace().collect::<String>())
            .map(|body| Sha256::digest(STANDARD.decode(body).unwrap()).iter().map(|b| format!("{b:02x}")).collect())
            .collect();
        assert_eq!(prints, PUBLISHED);
        assert!(aws::tls::connector(super::ROOTS).is_ok());
    }
}
