//! Stripe's adapter over recorded exchanges (`recorded/`, its README says where they come from): the real adapter, its real
//! secret out of Secrets Manager, and under it a connector that knows which request comes next and what it is answered.
//! Every request must be the recorded one, headers and all.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws::transport::Transport;
use aws::{LogSink, ManualClock};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use kernel::{Currency, Money, OrderId, Timestamp};
use payments::stripe::Stripe;
use payments::{Capture, EventError, EventKind, Intent, Provider, Refund, signature};
use serde::Deserialize;
use serde_json::Value;

use crate::common::{Keeper, account, platform};

mod common;

const ORDER: &str = "ord_3kTMd9Xw1YbQ7sVfHn2LpR";
const API_KEY: &str = "sk_test_recorded";
const WEBHOOK_SECRET: &str = "whsec_recorded_recorded";
const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

// --- what is recorded ----------------------------------------------------------------------------------------------

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recording {
    #[serde(rename = "about")]
    _about: String,
    calls: Vec<Call>,
}

/// One call of the adapter, the exchanges that it must make, and what it gives.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    #[serde(rename = "do")]
    what: String,
    #[serde(default)]
    token: String,
    id: Option<String>,
    /// What the order costs.
    #[serde(default = "price")]
    price: i64,
    #[serde(default = "currency")]
    currency: String,
    capture: Option<String>,
    /// What is captured or given back.
    #[serde(default)]
    amount: i64,
    #[serde(default)]
    key: String,
    /// Before the call: seconds that pass, and the API key that stands in Secrets Manager from then on.
    #[serde(default)]
    later_s: u64,
    rolled: Option<String>,
    /// Rust's text of the result.
    gives: String,
    exchanges: Vec<Exchange>,
}

fn price() -> i64 {
    1299
}

fn currency() -> String {
    "EUR".into()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    request: Asked,
    response: Response,
    /// The API key that it must carry.
    #[serde(default = "api_key")]
    api_key: String,
}

fn api_key() -> String {
    API_KEY.into()
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    form: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Response {
    Json { status: u16, headers: BTreeMap<String, String>, body: Value },
    Text { status: u16, headers: BTreeMap<String, String>, text: String },
    Fault { fault: String },
}

// --- what stands under the adapter ---------------------------------------------------------------------------------

/// Stripe as it was recorded.
#[derive(Clone, Debug, Default)]
struct Recorded(Arc<Mutex<VecDeque<Exchange>>>);

impl HttpConnector for Recorded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut headers: BTreeMap<String, String> =
            request.headers().iter().map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        let body = request.body().bytes().unwrap();
        let asked = Asked {
            method: request.method().to_owned(),
            path: request.uri().strip_prefix("https://stripe.recorded").unwrap().to_owned(),
            headers: headers
                .remove("idempotency-key")
                .map(|key| ("idempotency-key".to_owned(), key))
                .into_iter()
                .collect(),
            form: form_urlencoded::parse(body).map(|(name, value)| (name.into(), value.into())).collect(),
        };
        let expected = self.0.lock().unwrap().pop_front();
        let expected = expected.unwrap_or_else(|| panic!("one request too many: {asked:?}"));
        assert_eq!(asked, expected.request);
        let bearer = format!("Bearer {}", expected.api_key);
        let mut always = BTreeMap::from([
            ("authorization".to_owned(), bearer),
            ("stripe-version".to_owned(), "2026-10-28.endive".to_owned()),
            ("user-agent".to_owned(), concat!("Oxcart/", env!("CARGO_PKG_VERSION")).to_owned()),
        ]);
        if asked.method == "POST" {
            always.insert("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned());
        }
        assert_eq!(headers, always);
        let (status, headers, text) = match expected.response {
            Response::Json { status, headers, body } => (status, headers, body.to_string()),
            Response::Text { status, headers, text } => (status, headers, text),
            Response::Fault { fault } if fault == "hangs" => return HttpConnectorFuture::new(std::future::pending()),
            Response::Fault { fault } => {
                assert_eq!(fault, "broken");
                return HttpConnectorFuture::ready(Err(ConnectorError::io("recorded: the connection broke".into())));
            }
        };
        let mut response = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(text));
        for (name, value) in headers {
            response.headers_mut().insert(name, value);
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl LogSink for Lines {
    fn line(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

struct Stage {
    stripe: Stripe,
    recorded: Recorded,
    keeper: Keeper,
    clock: Arc<ManualClock>,
    log: Arc<Lines>,
}

fn stage() -> Stage {
    let (keeper, clock, log) =
        (Keeper::with(API_KEY, WEBHOOK_SECRET), Arc::new(ManualClock::at(NOW)), Arc::new(Lines::default()));
    let platform = platform(&keeper, &[("OXCART_PAYMENT_TIMEOUT_MS", "200")]);
    let platform = platform.with_clock(clock.clone()).with_log(log.clone());
    let recorded = Recorded::default();
    let transport = Transport::over("https://stripe.recorded", SharedHttpConnector::new(recorded.clone()));
    Stage { stripe: Stripe::over(&platform, transport), recorded, keeper, clock, log }
}

// --- the recordings ------------------------------------------------------------------------------------------------

fn recordings() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|kind| kind == "json")).collect();
    files.sort();
    files
}

async fn carry_out(stage: &Stage, call: &Call) -> String {
    let currency = Currency::parse(&call.currency).unwrap();
    let capture = if call.capture.is_some() { Capture::Later } else { Capture::Now };
    let (order, amount) = (OrderId::parse(ORDER).unwrap(), Money::new(call.price, currency));
    let intent = Intent { order, amount, capture, id: call.id.clone() };
    let amount = Money::new(call.amount, currency);
    match call.what.as_str() {
        "charge" => format!("{:?}", stage.stripe.charge(&intent, &call.token).await),
        "retrieve" => format!("{:?}", stage.stripe.retrieve(&intent).await),
        "cancel" => format!("{:?}", stage.stripe.cancel(&intent).await),
        "capture" => format!("{:?}", stage.stripe.capture(&intent, amount).await),
        "refund" => format!("{:?}", stage.stripe.refund(&intent, &Refund { key: call.key.clone(), amount }).await),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn recorded_exchanges_mean_what_they_say() {
    let files = recordings();
    assert!(files.len() >= 20, "only {} recordings", files.len());
    for path in files {
        let recording: Recording = serde_json::from_slice(&std::fs::read(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let stage = stage();
        for (index, mut call) in recording.calls.into_iter().enumerate() {
            println!("{} call {index}: {}", path.file_name().unwrap().display(), call.what);
            stage.clock.advance(Duration::from_secs(call.later_s));
            if let Some(key) = &call.rolled {
                *stage.keeper.0.lock().unwrap() = Some(account(key, &[WEBHOOK_SECRET]));
            }
            stage.recorded.0.lock().unwrap().extend(std::mem::take(&mut call.exchanges));
            let given = carry_out(&stage, &call).await;
            assert_eq!(given, call.gives);
            assert!(stage.recorded.0.lock().unwrap().is_empty(), "exchanges were not made");
            let secrets = [API_KEY, "sk_test", "pm_nobody", WEBHOOK_SECRET];
            assert!(!secrets.iter().any(|secret| given.contains(secret)), "{given}");
        }
        assert!(stage.log.0.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn without_a_usable_secret_nothing_is_sent() {
    let long = "k".repeat(256);
    let texts = [
        None,
        Some("".to_owned()),
        Some("sk_test_1".to_owned()),
        Some(r#"{"api_key":"sk_test_1"}"#.to_owned()),
        Some(account("", &[WEBHOOK_SECRET])),
        Some(account("sk_test_1\r\nhost: elsewhere", &[WEBHOOK_SECRET])),
        Some(account(&long, &[])),
        Some(account("sk_test_1", &[""])),
        Some(account("sk_test_1", &["short"])),
        Some(account("sk_test_1", &[WEBHOOK_SECRET; 5])),
    ];
    for text in texts {
        let stage = stage();
        let call = serde_json::json!({ "do": "charge", "token": "pm_card_visa", "gives": "", "exchanges": [] });
        *stage.keeper.0.lock().unwrap() = text.clone();
        let given = carry_out(&stage, &serde_json::from_value(call).unwrap()).await;
        assert!(given.starts_with("Err(Passing(\"the API key cannot be read: "), "{text:?}: {given}");
        assert!(!given.contains("sk_test"), "{given}");
        let told = stage.stripe.event(&signature::sign("", NOW, b"{}"), b"{}", NOW).await;
        assert!(matches!(told, Err(EventError::NoSecret(_))), "{told:?}");
    }
}

// --- webhooks ------------------------------------------------------------------------------------------------------

/// An event in Stripe's form: <https://docs.stripe.com/api/events/object>.
fn event(kind: &str, object: &Value) -> Vec<u8> {
    let event = serde_json::json!({
        "id": "evt_1NG8Du2eZvKYlo2CUI79vXWy", "object": "event", "api_version": "2026-10-28.endive",
        "created": 1_794_999_990, "data": { "object": object }, "livemode": false, "pending_webhooks": 1,
        "request": { "id": "req_8Gk2mXqVtR4sLw", "idempotency_key": "oxcart-confirm" }, "type": kind,
    });
    serde_json::to_vec_pretty(&event).unwrap()
}

fn intent_object(shop: &str) -> Value {
    serde_json::json!({
        "id": "pi_3MtwBwLkdIwHu7ix28a3tqPa", "object": "payment_intent", "amount": 1299, "amount_received": 1299,
        "currency": "eur", "metadata": { "order": ORDER, "shop": shop }, "status": "succeeded",
    })
}

async fn told(stage: &Stage, body: &[u8]) -> Result<payments::Event, EventError> {
    stage.stripe.event(&signature::sign(WEBHOOK_SECRET, NOW, body), body, NOW).await
}

#[tokio::test]
async fn events_are_read_with_order_kind_and_time() {
    let stage = stage();
    let read = told(&stage, &event("payment_intent.succeeded", &intent_object("oxcart-test"))).await.unwrap();
    assert_eq!(read.id, "evt_1NG8Du2eZvKYlo2CUI79vXWy");
    assert_eq!(read.order, OrderId::parse(ORDER));
    assert_eq!(read.created, Timestamp::from_millis(1_794_999_990_000));
    let (intent, amount) = ("pi_3MtwBwLkdIwHu7ix28a3tqPa".to_owned(), Money::new(1299, Currency::EUR));
    assert_eq!(read.kind, EventKind::Succeeded { intent, amount });

    // Captured in part: what was received counts.
    let mut part = intent_object("oxcart-test");
    part["amount_received"] = 1000.into();
    let read = told(&stage, &event("payment_intent.succeeded", &part)).await.unwrap();
    assert!(matches!(read.kind, EventKind::Succeeded { amount, .. } if amount.amount == 1000));

    for (kind, expected) in [
        ("payment_intent.payment_failed", EventKind::Changed),
        ("payment_intent.canceled", EventKind::Changed),
        ("payment_intent.requires_action", EventKind::Changed),
        ("payment_intent.processing", EventKind::Changed),
        ("payment_intent.amount_capturable_updated", EventKind::Changed),
        ("charge.refunded", EventKind::Changed),
        ("refund.updated", EventKind::Changed),
        ("refund.failed", EventKind::Changed),
        ("payment_intent.created", EventKind::Other),
        ("charge.succeeded", EventKind::Other),
        ("a.type.of.next.year", EventKind::Other),
    ] {
        let read = told(&stage, &event(kind, &intent_object("oxcart-test"))).await.unwrap();
        assert_eq!((read.kind, read.order), (expected, OrderId::parse(ORDER)), "{kind}");
    }
}

#[tokio::test]
async fn what_is_not_ours_is_nothing_to_us() {
    let stage = stage();
    for object in [
        // Another shop on the same account; another program's intent; an order that cannot be one of ours.
        intent_object("oxcart-other"),
        serde_json::json!({ "id": "pi_1", "amount": 1, "currency": "eur", "metadata": {} }),
        serde_json::json!({ "id": "pi_1", "metadata": { "order": "1234", "shop": "oxcart-test" } }),
        serde_json::json!({ "id": "dp_1", "object": "dispute", "payment_intent": "pi_1", "metadata": null }),
        serde_json::json!({ "metadata": { "order": 7, "shop": [] }, "amount": 1.5 }),
        serde_json::json!(null),
    ] {
        for kind in ["payment_intent.succeeded", "charge.refunded", "charge.dispute.created", "balance.available"] {
            let read = told(&stage, &event(kind, &object)).await.unwrap();
            assert_eq!((read.order, read.kind), (None, EventKind::Other), "{kind} {object}");
        }
    }
}

#[tokio::test]
async fn signed_nonsense_is_unreadable_and_unsigned_sense_is_forged() {
    let stage = stage();
    let mut odd = intent_object("oxcart-test");
    odd["currency"] = "mga".into();
    odd["amount_received"] = i64::MAX.into();
    let odd = event("payment_intent.succeeded", &odd);
    let bad_id = String::from_utf8(event("charge.refunded", &Value::Null)).unwrap().replace("evt_1NG", "../1NG");
    let bodies: [&[u8]; 7] = [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        br#"{"id":"evt_1","type":"x","created":"now","data":{"object":{}}}"#,
        &odd,
        bad_id.as_bytes(),
    ];
    for body in bodies {
        let error = told(&stage, body).await.unwrap_err();
        assert!(matches!(error, EventError::Unreadable(_)), "{error:?}");
        assert!(!error.to_string().contains("evt_1"), "{error}");
    }
    let body = event("payment_intent.succeeded", &intent_object("oxcart-test"));
    let header = signature::sign("whsec_somebody_elses", NOW, &body);
    assert_eq!(stage.stripe.event(&header, &body, NOW).await, Err(EventError::Forged));
    assert_eq!(stage.stripe.event("", &body, NOW).await, Err(EventError::Forged));
    let old = signature::sign(WEBHOOK_SECRET, Timestamp::from_millis(NOW.millis() - 301_000), &body);
    assert_eq!(stage.stripe.event(&old, &body, NOW).await, Err(EventError::Old(300)));
}

#[tokio::test]
async fn a_rolled_webhook_secret_is_found_without_waiting() {
    let stage = stage();
    let (old, new) = (WEBHOOK_SECRET, "whsec_rolled_rolled_rolled");
    let body = event("payment_intent.succeeded", &intent_object("oxcart-test"));
    let by = |secret: &str| signature::sign(secret, NOW, &body);
    assert!(stage.stripe.event(&by(old), &body, NOW).await.is_ok());
    *stage.keeper.0.lock().unwrap() = Some(account(API_KEY, &[old, new]));
    // Somebody who sends forged ones does not make us ask for the secret each time.
    assert_eq!(stage.stripe.event(&by(new), &body, NOW).await, Err(EventError::Forged));
    stage.clock.advance(Duration::from_secs(31));
    for secret in [new, old] {
        assert!(stage.stripe.event(&by(secret), &body, NOW).await.is_ok());
    }
    *stage.keeper.0.lock().unwrap() = Some(account(API_KEY, &[new]));
    stage.clock.advance(Duration::from_secs(301));
    assert_eq!(stage.stripe.event(&by(old), &body, NOW).await, Err(EventError::Forged));
    // Secrets Manager is down: what is known stays good.
    *stage.keeper.0.lock().unwrap() = None;
    stage.clock.advance(Duration::from_secs(3600));
    assert!(stage.stripe.event(&by(new), &body, NOW).await.is_ok());
}
