//! Stripe's words, pure: from what we want to a request, from status and body to what it means. No I/O, no clock.
//!
//! Shapes are those of the API version [`VERSION`]; of every object only what is used is read. Nothing here has `Debug` that
//! would print a token, and no message quotes a body.

use kernel::id::fingerprint;
use kernel::{Currency, Money, OrderId, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::declines::{Verdict, verdict};
use crate::provider::{
    Answer, Capture, Event, EventError, EventKind, Intent, Outcome, ProviderError, Refund, RefundOutcome,
};
use aws::transport::{Reply, Request};

/// The version of the API that is asked for. Answers keep its shapes whatever the account's own version is; a webhook has the
/// version of its endpoint (docs/operations.md).
pub(super) const VERSION: &str = "2026-10-28.endive";
/// The longest id of theirs that is believed.
const ID_CHARS: usize = 255;
/// How many refunds of one payment are looked through. Nobody gives one payment back in so many parts.
const REFUNDS: &str = "100";

// --- amounts -------------------------------------------------------------------------------------------------------

/// By how much Stripe's unit of a currency differs from ours: `(multiply, divide)`. ISO 4217 gives the króna and the
/// Ugandan shilling no decimals, Stripe counts them in hundredths; with the ariary it is the other way round
/// (<https://docs.stripe.com/currencies>).
fn scale(currency: Currency) -> (i64, i64) {
    match currency.as_str() {
        "ISK" | "UGX" => (100, 1),
        "MGA" => (1, 100),
        _ => (1, 1),
    }
}

/// An amount as Stripe counts it. `None` when it has no such amount: less than one of its units, or thousandths that do not
/// end in nought.
fn units(money: Money) -> Option<i64> {
    let (times, per) = scale(money.currency);
    let units = money.amount.checked_mul(times)?;
    let step = if money.currency.digits() == 3 { 10 } else { per };
    (units > 0 && units % step == 0).then_some(units / per)
}

fn money(units: i64, currency: &str) -> Option<Money> {
    let currency = Currency::parse(&currency.to_ascii_uppercase())?;
    let (times, per) = scale(currency);
    let amount = units.checked_mul(per)?;
    (amount % times == 0).then_some(Money::new(amount / times, currency))
}

// --- requests ------------------------------------------------------------------------------------------------------

/// A request before it has the account's key.
#[derive(Clone)]
pub(super) struct Ask {
    method: &'static str,
    path: String,
    form: Vec<(&'static str, String)>,
    key: Option<String>,
}

impl Ask {
    fn get(path: String) -> Self {
        Self { method: "GET", path, form: Vec::new(), key: None }
    }

    fn post(path: String, form: Vec<(&'static str, String)>) -> Self {
        Self { method: "POST", path, form, key: None }
    }

    /// Under a key: Stripe does the same once only, and answers with what it answered then.
    fn once(self, key: String) -> Self {
        Self { key: Some(key), ..self }
    }

    /// The same under the key of its row with this number; the first one has none.
    pub(super) fn numbered(&self, number: usize) -> Self {
        let mut ask = self.clone();
        if number > 0 {
            ask.key = ask.key.map(|key| format!("{key}-{number}"));
        }
        ask
    }

    /// The request with the account's API key.
    pub(super) fn request(self, api_key: &str) -> Request {
        let mut headers = vec![
            ("authorization", format!("Bearer {api_key}")),
            ("stripe-version", VERSION.to_owned()),
            ("user-agent", concat!("Oxcart/", env!("CARGO_PKG_VERSION")).to_owned()),
        ];
        if self.method == "POST" {
            headers.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
        }
        headers.extend(self.key.map(|key| ("idempotency-key", key)));
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(self.form);
        Request { method: self.method, path: self.path, headers, body: body.finish() }
    }
}

/// Makes the intent of an order, or finds it: the key is the order's. Nothing is taken by it. `None` when Stripe has no such
/// amount. Stripe compares the fields with those that the key came with first: after a change here, it refuses orders that
/// were begun before it and whose intent is not known, so such a change goes out when none hangs.
pub(super) fn create(intent: &Intent, shop: &str) -> Option<Ask> {
    let method = match intent.capture {
        Capture::Now => "automatic",
        Capture::Later => "manual",
    };
    let form = vec![
        ("amount", units(intent.amount)?.to_string()),
        ("currency", intent.amount.currency.as_str().to_ascii_lowercase()),
        ("capture_method", method.to_owned()),
        // Only cards: others would send the shopper to another page and need an address to come back to.
        ("allowed_payment_method_types[]", "card".to_owned()),
        ("metadata[order]", intent.order.as_str().to_owned()),
        ("metadata[shop]", shop.to_owned()),
    ];
    // Of the order and nothing else: with another amount under the same order Stripe refuses instead of making a second one.
    Some(Ask::post("/v1/payment_intents".into(), form).once(format!("oxcart-create-{}", intent.order.as_str())))
}

/// Takes the money by a payment method. The token stands in the key as a digest only.
pub(super) fn confirm(id: &str, order: &OrderId, token: &str) -> Ask {
    let form = vec![
        ("payment_method", token.to_owned()),
        // The shopper's confirmation is done by Stripe's script in the shop's own page.
        ("use_stripe_sdk", "true".to_owned()),
    ];
    let key = format!("oxcart-confirm-{}-{}", order.as_str(), fingerprint(&[token.as_bytes()]));
    Ask::post(format!("/v1/payment_intents/{id}/confirm"), form).once(key)
}

/// Where it stands, with what became of its charge.
pub(super) fn look(id: &str) -> Ask {
    Ask::get(format!("/v1/payment_intents/{id}?expand[]=latest_charge"))
}

/// Calls it off. Without a key: it can be done once only, and an answer that was stored while it could not be done yet would
/// be in the way.
pub(super) fn cancel(id: &str) -> Ask {
    Ask::post(format!("/v1/payment_intents/{id}/cancel"), Vec::new())
}

/// Takes what was set aside, once; Stripe lets go of the rest by itself. Without a key, as [`cancel`].
pub(super) fn capture(id: &str, amount: Money) -> Option<Ask> {
    let form = vec![("amount_to_capture", units(amount)?.to_string())];
    Some(Ask::post(format!("/v1/payment_intents/{id}/capture"), form))
}

/// The refunds of a payment.
pub(super) fn refunds(id: &str) -> Ask {
    Ask::get(format!("/v1/refunds?payment_intent={id}&limit={REFUNDS}"))
}

/// Gives money back.
pub(super) fn refund(id: &str, intent: &Intent, refund: &Refund, shop: &str) -> Option<Ask> {
    let order = intent.order.as_str();
    let form = vec![
        ("payment_intent", id.to_owned()),
        ("amount", units(refund.amount)?.to_string()),
        ("metadata[order]", order.to_owned()),
        ("metadata[shop]", shop.to_owned()),
        ("metadata[refund]", refund.key.clone()),
    ];
    let key = format!("oxcart-refund-{}", fingerprint(&[order.as_bytes(), refund.key.as_bytes()]));
    Some(Ask::post("/v1/refunds".into(), form).once(key))
}

/// An id of theirs that may stand in a path.
pub(super) fn id(text: &str) -> Option<&str> {
    let good =
        (1..=ID_CHARS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    good.then_some(text)
}

// --- answers -------------------------------------------------------------------------------------------------------

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said<T> {
    /// This.
    Is(T),
    /// Nothing was done, since it does not fit where the payment stands: that must be looked up.
    Look,
    /// The account's key is not accepted; nothing was done.
    Unauthorized,
    /// Nothing was done, or what was done failed for now.
    Passing(String),
    /// What was done is not known.
    Unknown(String),
}

impl<T> Said<T> {
    /// Whether the same request may go better the next time.
    pub(super) fn may_go_better(&self) -> bool {
        matches!(self, Self::Passing(_) | Self::Unknown(_))
    }

    /// The answer to give when nothing further can be asked.
    pub(super) fn told(self) -> Result<T, ProviderError> {
        match self {
            Self::Is(value) => Ok(value),
            Self::Look => Err(ProviderError::NoAnswer("it does not fit where the payment stands".into())),
            Self::Unauthorized => Err(ProviderError::Passing("the API key is not accepted".into())),
            Self::Passing(why) => Err(ProviderError::Passing(why)),
            Self::Unknown(why) => Err(ProviderError::NoAnswer(why)),
        }
    }
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// From what was done now.
    Now,
    /// From Stripe's memory of the key: nothing was done now. It was a success then, and may not be how things stand.
    Memory,
    /// From its memory, and it was a failure then.
    OldFailure,
}

/// Where an answer comes from.
pub(super) fn source(reply: &Reply) -> Source {
    match reply.header("idempotent-replayed") {
        Some("true") if good(reply) => Source::Memory,
        Some("true") => Source::OldFailure,
        _ => Source::Now,
    }
}

#[derive(Deserialize)]
struct IntentBody {
    id: String,
    status: String,
    client_secret: Option<String>,
    last_payment_error: Option<ErrorBody>,
    /// Its id, or the whole charge where that was asked for.
    latest_charge: Option<Value>,
}

#[derive(Deserialize)]
struct Failure {
    error: ErrorBody,
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    decline_code: Option<String>,
    param: Option<String>,
}

#[derive(Deserialize)]
struct RefundBody {
    status: Option<String>,
    failure_reason: Option<String>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct RefundList {
    data: Vec<RefundBody>,
}

#[derive(Deserialize)]
struct Metadata {
    refund: Option<String>,
}

/// What is said of a failure: never its message, which quotes what was sent.
fn describe(reply: &Reply, error: Option<&ErrorBody>) -> String {
    let word = |text: &Option<String>| text.clone().filter(|text| id(text).is_some());
    let error =
        error.map(|error| [word(&error.kind), word(&error.code), word(&error.decline_code), word(&error.param)]);
    let request = reply.header("request-id").filter(|text| id(text).is_some()).map(str::to_owned);
    let words = error.into_iter().flatten().flatten().chain(request);
    words.fold(format!("http {}", reply.status), |text, word| format!("{text} {word}"))
}

fn good(reply: &Reply) -> bool {
    (200..300).contains(&reply.status)
}

fn unreadable<T>(reply: &Reply) -> Said<T> {
    Said::Unknown(format!("an answer that cannot be read: {}", describe(reply, None)))
}

/// What every failure has in common; what is left is for the caller to judge.
fn failure<T>(reply: &Reply) -> Result<ErrorBody, Said<T>> {
    let error = serde_json::from_slice(&reply.body).ok().map(|Failure { error }| error);
    let text = || describe(reply, error.as_ref());
    match reply.status {
        401 => Err(Said::Unauthorized),
        // Another call with this key is on its way: what it will do is not known yet.
        409 => Err(Said::Unknown(text())),
        429 => Err(Said::Passing(text())),
        400..=499 if error.is_some() => error.ok_or_else(|| unreadable(reply)),
        _ => Err(Said::Unknown(text())),
    }
}

/// An answer to whatever was asked of a payment. `known` is its id where the answer does not tell it.
pub(super) fn payment(reply: &Reply, known: Option<&str>) -> Said<Answer> {
    if good(reply) {
        return match serde_json::from_slice::<IntentBody>(&reply.body) {
            Ok(intent) => stands(reply, intent),
            Err(_) => unreadable(reply),
        };
    }
    let error = match failure(reply) {
        Ok(error) => error,
        Err(said) => return said,
    };
    let intent = known.unwrap_or_default().to_owned();
    match judged(&error) {
        Some(Verdict::Declined(code)) => Said::Is(Answer { intent, outcome: Outcome::Declined { code: code.into() } }),
        Some(Verdict::Passing) => Said::Passing(describe(reply, Some(&error))),
        None => match error.code.as_deref() {
            Some("payment_intent_unexpected_state" | "charge_already_captured" | "charge_expired_for_capture") => {
                Said::Look
            }
            // The same key with other parameters: the first call with it did something else.
            _ if error.kind.as_deref() == Some("idempotency_error") => Said::Unknown(describe(reply, Some(&error))),
            // Stripe does not know an id that it gave: another account's key. Whether money was taken there is not known.
            Some("resource_missing") => Said::Unknown(describe(reply, Some(&error))),
            _ => Said::Passing(describe(reply, Some(&error))),
        },
    }
}

fn judged(error: &ErrorBody) -> Option<Verdict> {
    let (code, param) = (error.code.as_deref(), error.param.as_deref());
    match verdict(code, error.decline_code.as_deref()) {
        None if error.kind.as_deref() == Some("card_error") => Some(Verdict::Declined("card_declined")),
        // A token that Stripe does not know, or that was used up.
        None if param == Some("payment_method") => Some(Verdict::Declined("unknown_payment_method")),
        None if param == Some("currency") => Some(Verdict::Declined("currency_not_supported")),
        known => known,
    }
}

fn stands(reply: &Reply, intent: IntentBody) -> Said<Answer> {
    let IntentBody { id: named, status, client_secret, last_payment_error, latest_charge } = intent;
    if id(&named).is_none() {
        return unreadable(reply);
    }
    let outcome = match status.as_str() {
        "succeeded" if latest_charge.is_some_and(|charge| charge["refunded"] == true) => Outcome::Refunded,
        "succeeded" => Outcome::Succeeded,
        "requires_capture" => Outcome::Authorized,
        "processing" => Outcome::Processing,
        "canceled" => Outcome::Canceled,
        "requires_action" => match client_secret {
            Some(client_secret) => Outcome::RequiresAction { client_secret },
            None => return unreadable(reply),
        },
        // Where an intent begins, and where it goes back to when the money was refused.
        "requires_payment_method" | "requires_confirmation" => match last_payment_error {
            None => Outcome::Missing,
            Some(error) => match judged(&error) {
                Some(Verdict::Passing) => return Said::Passing(describe(reply, Some(&error))),
                Some(Verdict::Declined(code)) => Outcome::Declined { code: code.into() },
                None => Outcome::Declined { code: "card_declined".into() },
            },
        },
        _ => return unreadable(reply),
    };
    Said::Is(Answer { intent: named, outcome })
}

/// The answer for an amount that Stripe does not have.
pub(super) fn no_such_amount(intent: &Intent) -> Answer {
    let code = if intent.amount.amount > 0 { "currency_not_supported" } else { "amount_too_small" };
    Answer { intent: intent.id.clone().unwrap_or_default(), outcome: Outcome::Declined { code: code.into() } }
}

fn refunded(reply: &Reply, refund: &RefundBody) -> Said<RefundOutcome> {
    match refund.status.as_deref() {
        // `requires_action` is of payment methods whose owner must give an account; it is on its way all the same.
        Some("succeeded" | "pending" | "requires_action") => Said::Is(RefundOutcome::Succeeded),
        Some(over @ ("failed" | "canceled")) => {
            let code = refund.failure_reason.clone().filter(|text| id(text).is_some());
            Said::Is(RefundOutcome::Refused { code: code.unwrap_or_else(|| over.to_owned()) })
        }
        _ => unreadable(reply),
    }
}

/// The refund of this key in a list of them, when it is there.
pub(super) fn refund_in_list(reply: &Reply, key: &str) -> Said<Option<RefundOutcome>> {
    if !good(reply) {
        return match failure(reply) {
            Ok(error) => Said::Unknown(describe(reply, Some(&error))),
            Err(said) => said,
        };
    }
    let Ok(list) = serde_json::from_slice::<RefundList>(&reply.body) else {
        return unreadable(reply);
    };
    let ours = |refund: &&RefundBody| refund.metadata.as_ref().and_then(|own| own.refund.as_deref()) == Some(key);
    match list.data.iter().find(ours) {
        None => Said::Is(None),
        Some(found) => match refunded(reply, found) {
            Said::Is(outcome) => Said::Is(Some(outcome)),
            _ => unreadable(reply),
        },
    }
}

/// An answer to a refund.
pub(super) fn refund_answer(reply: &Reply) -> Said<RefundOutcome> {
    if good(reply) {
        return match serde_json::from_slice::<RefundBody>(&reply.body) {
            Ok(refund) => refunded(reply, &refund),
            Err(_) => unreadable(reply),
        };
    }
    let error = match failure(reply) {
        Ok(error) => error,
        Err(said) => return said,
    };
    let code = error.code.clone().filter(|text| id(text).is_some());
    match code.as_deref() {
        // The account has too little just now; the next payment that comes in changes that.
        Some("balance_insufficient" | "insufficient_funds") => Said::Passing(describe(reply, Some(&error))),
        _ if error.kind.as_deref() == Some("idempotency_error") => Said::Unknown(describe(reply, Some(&error))),
        // "Refund amount is greater than unrefunded amount on charge" has no code of its own.
        None if error.param.as_deref() == Some("amount") => {
            Said::Is(RefundOutcome::Refused { code: "amount_too_large".into() })
        }
        code => Said::Is(RefundOutcome::Refused { code: code.unwrap_or("invalid_request_error").to_owned() }),
    }
}

// --- events --------------------------------------------------------------------------------------------------------

#[derive(Deserialize)]
struct EventBody {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    created: i64,
    data: EventData,
}

/// The object is read by hand: it is of any of Stripe's types, and what is not about our payments must not be unreadable.
#[derive(Deserialize)]
struct EventData {
    object: Value,
}

/// Events after which a payment stands elsewhere than before. `payment_intent.created` is our own doing, and what
/// `charge.succeeded` tells the intent's own event tells as well.
const CHANGES: &[&str] = &[
    "charge.captured",
    "charge.expired",
    "charge.failed",
    "charge.refund.updated",
    "charge.refunded",
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "refund.created",
    "refund.failed",
    "refund.updated",
];

/// Reads an event whose signature was checked. An order of another shop on the same account is not ours.
pub(super) fn event(body: &[u8], shop: &str) -> Result<Event, EventError> {
    let read = serde_json::from_slice::<EventBody>(body);
    // The error's text would quote the body.
    let read = read.map_err(|error| EventError::Unreadable(format!("line {} column {}", error.line(), error.column())));
    let EventBody { id: named, kind, created, data: EventData { object } } = read?;
    let created = created.checked_mul(1000).map(Timestamp::from_millis);
    let (Some(named), Some(created)) = (id(&named), created) else {
        return Err(EventError::Unreadable("its id or its time".into()));
    };
    // A charge takes its metadata from the intent, a refund got its own from us; a dispute has none.
    let metadata = &object["metadata"];
    let order = metadata["order"].as_str().filter(|_| metadata["shop"].as_str() == Some(shop)).and_then(OrderId::parse);
    let kind = match kind.as_str() {
        _ if order.is_none() => EventKind::Other,
        "payment_intent.succeeded" => {
            let units = object["amount_received"].as_i64().or_else(|| object["amount"].as_i64());
            let amount = units.zip(object["currency"].as_str()).and_then(|(units, currency)| money(units, currency));
            let intent = object["id"].as_str().and_then(id);
            let (intent, amount) =
                intent.zip(amount).ok_or_else(|| EventError::Unreadable("its payment or its amount".into()))?;
            EventKind::Succeeded { intent: intent.to_owned(), amount }
        }
        kind if CHANGES.contains(&kind) => EventKind::Changed,
        _ => EventKind::Other,
    };
    Ok(Event { id: named.to_owned(), order, kind, created })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CURRENCIES: [&str; 12] = ["EUR", "USD", "JPY", "KRW", "ISK", "UGX", "MGA", "KWD", "BHD", "TND", "HUF", "TWD"];

    fn intent(amount: Money) -> Intent {
        let order = OrderId::derive(&[b"an order"]);
        Intent { order, amount, capture: Capture::Now, id: None }
    }

    fn reply(status: u16, body: &[u8]) -> Reply {
        Reply { status, headers: Vec::new(), body: body.to_vec() }
    }

    fn key(ask: Ask) -> String {
        let request = ask.request("sk_test_1");
        let key = request.headers.iter().find(|(name, _)| *name == "idempotency-key");
        key.map(|(_, key)| key.clone()).unwrap_or_default()
    }

    #[test]
    fn a_key_is_of_what_is_done_and_by_what() {
        let money = Money::new(1299, Currency::EUR);
        let (mine, other) = (intent(money), Intent { order: OrderId::derive(&[b"another"]), ..intent(money) });
        let confirm = |of: &Intent, token: &str| key(confirm("pi_1", &of.order, token));
        let back = |of: &Intent, key_: &str| {
            let back = Refund { key: key_.into(), amount: money };
            key(refund("pi_1", of, &back, "shop").unwrap())
        };
        let keys = [
            key(create(&mine, "shop").unwrap()),
            key(create(&other, "shop").unwrap()),
            confirm(&mine, "pm_1"),
            confirm(&mine, "pm_2"),
            confirm(&other, "pm_1"),
            back(&mine, "ref_1"),
            back(&mine, "ref_2"),
            back(&other, "ref_1"),
        ];
        for (index, one) in keys.iter().enumerate() {
            assert!((1..=255).contains(&one.len()) && !one.contains("pm_"), "{one}");
            assert!(!keys[..index].contains(one), "{one} twice");
        }
        // With another amount the key is the same: Stripe refuses, and makes no second intent.
        let dearer = intent(Money::new(1300, Currency::EUR));
        assert_eq!(key(create(&dearer, "shop").unwrap()), keys[0]);
        let ask = create(&mine, "shop").unwrap();
        assert_eq!(key(ask.numbered(0)), keys[0]);
        assert_eq!(key(ask.numbered(3)), format!("{}-3", keys[0]));
        // What is done once by its nature has none.
        assert_eq!(key(cancel("pi_1")) + &key(capture("pi_1", money).unwrap()) + &key(look("pi_1")), "");
    }

    #[test]
    fn what_clients_send_stays_in_its_field() {
        let order = OrderId::derive(&[b"an order"]);
        let body = confirm("pi_1", &order, "pm_1&amount=1\r\n\u{e9}").request("sk_test_1").body;
        assert_eq!(body, "payment_method=pm_1%26amount%3D1%0D%0A%C3%A9&use_stripe_sdk=true");
        for bad in ["", "pi_1/../x", "pi_1?x", "pi 1", "pi_\u{e9}", &"p".repeat(256)] {
            assert_eq!(id(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_failure_is_told_without_its_message() {
        let body =
            br#"{"error":{"type":"invalid_request_error","code":"odd","param":"bad param","message":"No such: pm_1"}}"#;
        let said = payment(&reply(400, body), None);
        assert_eq!(said, Said::Passing("http 400 invalid_request_error odd".into()));
    }

    proptest! {
        #[test]
        fn amounts_come_back_as_they_went(amount in 1_i64..=1_000_000_000_000, at in 0..CURRENCIES.len()) {
            let there = Money::new(amount, Currency::parse(CURRENCIES[at]).unwrap());
            match units(there) {
                Some(units) => prop_assert_eq!(money(units, &CURRENCIES[at].to_lowercase()), Some(there)),
                None => prop_assert!(amount % 100 != 0 && matches!(CURRENCIES[at], "MGA" | "KWD" | "BHD" | "TND")),
            }
        }

        #[test]
        fn no_amount_below_one_is_asked_for(amount in i64::MIN..=0, at in 0..CURRENCIES.len()) {
            prop_assert_eq!(units(Money::new(amount, Currency::parse(CURRENCIES[at]).unwrap())), None);
        }

        #[test]
        fn no_answer_makes_it_stumble(status in 0_u16..700, body in "\\PC{0,80}", json in json()) {
            for body in [body, json.clone(), format!("{{\"error\":{json}}}"), format!("{{\"data\":[{json}]}}")] {
                let reply = reply(status, body.as_bytes());
                let said = payment(&reply, None);
                // Only what Stripe says in so many words is believed.
                let paid = matches!(&said, Said::Is(answer) if answer.outcome == Outcome::Succeeded);
                prop_assert!(!paid || (good(&reply) && body.contains("\"succeeded\"")), "{body}");
                let _ = (refund_answer(&reply), refund_in_list(&reply, "ref_1"), event(body.as_bytes(), "shop"));
            }
        }
    }

    /// Objects with Stripe's names, and values that need not fit them.
    fn json() -> impl Strategy<Value = String> {
        let name = prop_oneof![
            Just("id"),
            Just("status"),
            Just("client_secret"),
            Just("last_payment_error"),
            Just("latest_charge"),
            Just("type"),
            Just("code"),
            Just("param"),
            Just("metadata"),
            Just("created"),
            Just("data"),
            Just("object"),
        ];
        let text =
            prop_oneof![Just("succeeded"), Just("requires_action"), Just("pi_1"), Just("card_error"), Just("a b")];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        let value = leaf.prop_recursive(3, 16, 6, move |inner| {
            proptest::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
        });
        value.prop_map(|value: Value| value.to_string())
    }
}
