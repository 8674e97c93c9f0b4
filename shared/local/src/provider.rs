//! The built-in provider's other half, which only a local shop has: it reports what happens to payments, as Stripe does,
//! by signed webhooks to the shop's own gateway; and it can be told to behave badly.
//!
//! It owns its misbehaviour and nothing else: what happened stands in the provider's table, whose stream it reads, so that a
//! report is sent at least once, whatever dies. It must never decide a payment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use aws::SigningSecret;
use bytes::Bytes;
use engine::{Call, ConnectorFailure, Layer, Next, Reply};
use http::{Method, Request, StatusCode, header};
use kernel::EventId;
use lambda::{Change, Consumer, Cx, Function, StreamFailure};
use payments::builtin::{self, Builtin, Stored, Told, webhook_secret};
use payments::signature::sign;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::shop::{Inner, PREFIX, Shop, to_json};

/// How the provider misbehaves. By default it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Menu {
    /// It cannot be reached at all, and sends nothing.
    pub down: bool,
    /// How long it takes before it does anything, in milliseconds.
    pub slow_ms: u64,
    /// How many of a hundred requests take effect while their answer is lost, with all the retries that the SDK makes.
    pub lost_percent: u64,
    /// How many of a hundred reports come twice.
    pub repeat_percent: u64,
    /// How many of a hundred reports come again after a later one.
    pub reorder_percent: u64,
}

/// How often the SDK tries one call.
const TRIES: u32 = 3;

/// The provider behind the shop.
#[derive(Default)]
pub struct Bank {
    shop: OnceLock<Weak<Inner>>,
    menu: Mutex<Menu>,
    /// Calls whose answer is lost, by their bodies, and how many more tries of them are.
    losing: Mutex<HashMap<Bytes, u32>>,
    /// A report that is sent again after a later one.
    late: Mutex<Option<Bytes>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bank {
    /// How it behaves from now on.
    pub fn behave(&self, menu: Menu) {
        *lock(&self.menu) = menu;
    }

    /// How it behaves.
    #[must_use]
    pub fn menu(&self) -> Menu {
        lock(&self.menu).clone()
    }

    /// Tells it which shop it belongs to, once.
    pub(crate) fn serve(&self, shop: &Arc<Inner>) {
        let _ = self.shop.set(Arc::downgrade(shop));
    }

    /// The reader of its table's stream, which sends the reports.
    pub(crate) fn function(self: &Arc<Self>) -> Function {
        let bank = self.clone();
        Consumer::new("built-in-provider")
            .summary("Reports what happens to payments of the built-in provider")
            .batch(10)
            .stream(&builtin::TABLE, move |changes, cx, secret: SigningSecret| {
                let bank = bank.clone();
                async move { bank.report(changes, &cx, &secret).await }
            })
    }

    fn draws(cx: &Cx, percent: u64) -> bool {
        percent > 0 && u128::from_be_bytes(cx.random()) % 100 < u128::from(percent)
    }

    async fn report(&self, changes: Vec<Change>, cx: &Cx, secret: &SigningSecret) -> Result<(), StreamFailure> {
        for (at, change) in changes.iter().enumerate() {
            let fails = |reason: String| StreamFailure { at, reason };
            let menu = self.menu();
            if menu.down {
                return Err(fails("the provider is down".into()));
            }
            let Some(intent) = change.after::<Stored>() else { continue };
            let id = EventId::derive(&[change.id.as_bytes(), b"report"]).to_string();
            let told = Told { id, created: change.time, intent };
            let body = Bytes::from(serde_json::to_vec(&told).map_err(|error| fails(error.to_string()))?);
            let key = secret.key().await.map_err(|error| fails(error.to_string()))?;
            let mut copies = vec![body.clone()];
            if Self::draws(cx, menu.repeat_percent) {
                copies.push(body.clone());
            }
            copies.extend(lock(&self.late).take());
            if Self::draws(cx, menu.reorder_percent) {
                *lock(&self.late) = Some(body);
            }
            for body in copies {
                self.send(body, cx, &webhook_secret(key)).await.map_err(fails)?;
            }
        }
        Ok(())
    }

    async fn send(&self, body: Bytes, cx: &Cx, secret: &[u8]) -> Result<(), String> {
        let shop = self.shop.get().and_then(Weak::upgrade).map(Shop).ok_or("the shop is closing")?;
        let signature = sign(secret, cx.now(), &body);
        let request = Request::post("/v1/payments/webhooks/stripe")
            .header("content-type", "application/json")
            .header("stripe-signature", signature)
            .body(body)
            .map_err(|error| error.to_string())?;
        let response = shop.request(request).await;
        if response.status().is_success() {
            Ok(())
        } else {
            Err(format!("the webhook was answered {}", response.status()))
        }
    }
}

/// What a client confirms a payment with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    client_secret: String,
    #[serde(default = "approves")]
    approve: bool,
}

fn approves() -> bool {
    true
}

/// What only a local shop answers: the provider's behaviour (`GET`, `PUT /dev/provider`), and the bank's page on which a
/// shopper confirms a payment (`POST /dev/provider/confirmations`). `None` for any other request.
pub async fn answer(shop: &Shop, request: &Request<Bytes>) -> Option<(StatusCode, Value)> {
    let json_sent =
        request.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes() == b"application/json");
    let wrong = |detail: String| (StatusCode::UNPROCESSABLE_ENTITY, json!({ "detail": detail }));
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/dev/provider") => Some((StatusCode::OK, to_json(&shop.bank().menu()))),
        // A page of another site cannot send this type without being asked first, and it is not.
        (&Method::PUT | &Method::POST, "/dev/provider" | "/dev/provider/confirmations") if !json_sent => {
            Some((StatusCode::UNSUPPORTED_MEDIA_TYPE, json!({ "detail": "send application/json" })))
        }
        (&Method::PUT, "/dev/provider") => Some(match serde_json::from_slice::<Menu>(request.body()) {
            Ok(menu) => {
                shop.bank().behave(menu.clone());
                (StatusCode::OK, to_json(&menu))
            }
            Err(error) => wrong(error.to_string()),
        }),
        (&Method::POST, "/dev/provider/confirmations") => {
            let Confirmation { client_secret, approve } = match serde_json::from_slice(request.body()) {
                Ok(confirmation) => confirmation,
                Err(error) => return Some(wrong(error.to_string())),
            };
            let provider = match Builtin::connect(shop.platform()) {
                Ok(provider) => provider,
                Err(error) => return Some(wrong(error.to_string())),
            };
            Some(match provider.confirm(&client_secret, approve).await {
                Ok(Some(status)) => (StatusCode::OK, json!({ "status": status })),
                Ok(None) => (StatusCode::NOT_FOUND, json!({ "detail": "no payment waits for this secret" })),
                Err(error) => (StatusCode::SERVICE_UNAVAILABLE, json!({ "detail": error.to_string() })),
            })
        }
        _ => None,
    }
}

/// Whether a call goes to the provider's table.
fn is_asked(call: &Call) -> bool {
    call.json()["TableName"].as_str().and_then(|name| name.strip_prefix(PREFIX)) == Some("-payments")
}

/// What the functions of the shop see of a provider that misbehaves.
pub(crate) struct Misbehaviour(pub Arc<Bank>);

impl Layer for Misbehaviour {
    fn call<'a>(&'a self, call: Call, next: Next<'a>) -> engine::BoxFuture<'a, Result<Reply, ConnectorFailure>> {
        let menu = self.0.menu();
        if menu == Menu::default() || !is_asked(&call) {
            return next.run(call);
        }
        Box::pin(async move {
            if menu.down {
                return Err(ConnectorFailure::Connection("the provider is down".into()));
            }
            if menu.slow_ms > 0 {
                tokio::time::sleep(Duration::from_millis(menu.slow_ms)).await;
            }
            let loses = self.loses(&call, menu.lost_percent);
            let reply = next.run(call).await;
            if loses { Err(ConnectorFailure::Connection("the answer was lost".into())) } else { reply }
        })
    }
}

impl Misbehaviour {
    /// Whether the answer to a call is lost; then it is for each of the SDK's tries.
    fn loses(&self, call: &Call, percent: u64) -> bool {
        let mut losing = lock(&self.0.losing);
        if let Some(left) = losing.get_mut(call.body()) {
            *left -= 1;
            if *left == 0 {
                losing.remove(call.body());
            }
            return true;
        }
        let shop = self.0.shop.get().and_then(Weak::upgrade);
        let drawn = shop.is_some_and(|shop| u128::from_be_bytes(shop.platform.random()) % 100 < u128::from(percent));
        if drawn && TRIES > 1 {
            losing.insert(call.body().clone(), TRIES - 1);
        }
        drawn
    }
}
