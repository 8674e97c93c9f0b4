//! Card testing: refused payments are counted, the next attempt over a limit is stopped before anything is held, and nobody
//! who pays pays for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws::{Capability as _, LogSink, ManualClock, TableSpec};
use bytes::Bytes;
use catalog::table::CreateProducts;
use engine::{Call, ConnectorFailure, Layer, Next, Reply};
use http::{Method, Request};
use inventory::CounterKey;
use inventory::table::{Movement, ReadCounter, ReceiveStock};
use kernel::{Sku, Timestamp};
use local::{Options, Shop, registry};
use serde_json::{Value, json};

const START: Timestamp = Timestamp::from_millis(1_795_766_400_000);
const DECLINED: &str = "pm_card_chargeDeclined";
const VISA: &str = "pm_card_visa";

/// Every line of the log.
#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl LogSink for Lines {
    fn line(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

/// The table of counts is down, once it was told so; counts the calls to it.
#[derive(Default)]
struct Down {
    on: AtomicUsize,
    calls: AtomicUsize,
}

impl Layer for Down {
    fn call<'a>(&'a self, call: Call, next: Next<'a>) -> aws::BoxFuture<'a, Result<Reply, ConnectorFailure>> {
        Box::pin(async move {
            if String::from_utf8_lossy(call.body()).contains(checkout::velocity::TABLE.name) {
                self.calls.fetch_add(1, Ordering::SeqCst);
                if self.on.load(Ordering::SeqCst) == 1 {
                    return Err(ConnectorFailure::Connection("down".into()));
                }
            }
            next.run(call).await
        })
    }
}

struct World {
    shop: Shop,
    clock: Arc<ManualClock>,
    log: Arc<Lines>,
    down: Arc<Down>,
}

impl World {
    async fn open(variables: &[(&str, &str)]) -> Self {
        let (clock, log, down) = (Arc::new(ManualClock::at(START)), Arc::<Lines>::default(), Arc::<Down>::default());
        let layer = down.clone();
        let layers: local::shop::LayersOf = Arc::new(move |function: &str| -> Vec<Arc<dyn Layer>> {
            if function == "place-order" { vec![layer.clone()] } else { Vec::new() }
        });
        let variables: BTreeMap<String, String> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let options =
            Options { clock: clock.clone(), log: log.clone(), layers: Some(layers), variables, ..Options::memory() };
        let shop = Shop::open(options, registry::registry()).await.unwrap();
        let platform = shop.platform();
        let new = serde_json::from_value(json!({
            "name": "Tea", "category": "tea",
            "variants": [{ "sku": "TEA", "options": {}, "price": { "amount": 1000, "currency": "EUR" } }],
        }));
        let products = CreateProducts::connect(platform).unwrap();
        catalog::create(&products, new.unwrap(), [1; 16], "f", START).await.unwrap();
        let key = CounterKey::main(Sku::parse("TEA").unwrap());
        let movement = Movement::opening("receipt", 100, "f");
        ReceiveStock::connect(platform).unwrap().receive(&key, &movement, START).await.unwrap();
        Self { shop, clock, log, down }
    }

    async fn send(&self, method: Method, path: &str, key: &str, body: Value) -> (u16, Value, Option<u64>) {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let request = request.header("idempotency-key", key).body(Bytes::from(body.to_string())).unwrap();
        let response = self.shop.request(request).await;
        let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default(), wait)
    }

    async fn cart(&self) -> String {
        let (_, cart, _) = self.send(Method::POST, "/v1/carts", "", json!({})).await;
        let cart = cart["id"].as_str().unwrap().to_owned();
        self.send(Method::PUT, &format!("/v1/carts/{cart}/lines/TEA"), "", json!({ "quantity": 1 })).await;
        cart
    }

    /// An attempt under a key of its own.
    async fn pay(&self, cart: &str, email: &str, street: &str, token: &str) -> (u16, Value, Option<u64>) {
        let body = json!({
            "cart_id": cart, "email": email, "shipping_method": "standard", "payment_token": token,
            "shipping_address": { "name": "Ada", "line1": street, "city": "B", "postal_code": "1", "country": "DE" },
            "expected_total": { "amount": 1490, "currency": "EUR" },
        });
        let key = format!("{:x?}", self.shop.platform().random());
        self.send(Method::POST, "/v1/checkout", &key, body).await
    }

    async fn items(&self, spec: &TableSpec) -> usize {
        let table = self.shop.platform().table(spec);
        table.client().scan().table_name(table.name()).send().await.unwrap().items.unwrap_or_default().len()
    }

    async fn held(&self) -> i64 {
        let key = CounterKey::main(Sku::parse("TEA").unwrap());
        ReadCounter::connect(self.shop.platform()).unwrap().read(&key).await.unwrap().unwrap().held()
    }

    /// The sum of a metric.
    fn metric(&self, name: &str) -> i64 {
        let lines = self.log.0.lock().unwrap();
        let documents = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        documents.filter(|line| line.get("_aws").is_some()).filter_map(|line| line[name].as_i64()).sum()
    }
}

#[tokio::test]
async fn a_cart_is_stopped_before_anything_is_held_and_works_again_in_the_next_window() {
    let world = World::open(&[("OXCART_ATTEMPTS_CART", "2/600")]).await;
    let cart = world.cart().await;
    for _ in 0..2 {
        assert_eq!(world.pay(&cart, "a@example.com", "1", DECLINED).await.0, 402);
    }
    world.shop.drain().await;
    let before = (world.items(&orders::table::TABLE).await, world.items(&payments::builtin::TABLE).await);
    let (status, problem, wait) = world.pay(&cart, "a@example.com", "1", VISA).await;
    assert_eq!((status, &problem["code"]), (429, &json!("too-many-attempts")), "{problem}");
    assert!(wait.is_some_and(|seconds| (1..=600).contains(&seconds)), "{wait:?}");
    assert!(!problem.to_string().contains("cart"), "it does not say which limit was met: {problem}");
    let after = (world.items(&orders::table::TABLE).await, world.items(&payments::builtin::TABLE).await);
    assert_eq!((before, world.held().await), (after, 0), "no order, no intent, no hold");
    assert_eq!((world.metric("TooManyAttempts"), world.metric("PaymentsDeclined")), (1, 2));
    world.clock.advance(Duration::from_secs(wait.unwrap()));
    let (status, order, _) = world.pay(&cart, "a@example.com", "1", VISA).await;
    assert_eq!(status, 201, "{order}");
}

#[tokio::test]
async fn each_limit_counts_what_it_is_for() {
    // What stays the same over the attempts, the variable of its limit, and how many are refused before it is met.
    for (same, variable) in [("email", "EMAIL"), ("address", "ADDRESS"), ("method", "METHOD")] {
        let world = World::open(&[(&format!("OXCART_ATTEMPTS_{variable}"), "3/600")]).await;
        let pick = |what: &str, own: String, shared: &str| if what == same { shared.to_owned() } else { own };
        for index in 0..5 {
            let email = pick("email", format!("a{index}@example.com"), "a+x@example.com");
            let street = pick("address", format!("Street {index}"), "STREET 9");
            let token = pick("method", format!("pm_unknown{index}"), "pm_unknown");
            let (status, problem, _) = world.pay(&world.cart().await, &email, &street, &token).await;
            assert_eq!(status, if index < 3 { 402 } else { 429 }, "{same} {index}: {problem}");
        }
        let (status, _, _) = world.pay(&world.cart().await, "b@example.com", "Elsewhere 1", VISA).await;
        assert_eq!(status, 201, "{same}: others go on");
    }
}

#[tokio::test]
async fn who_pays_writes_nothing_and_limits_can_be_turned_off() {
    let world = World::open(&[]).await;
    for _ in 0..3 {
        assert_eq!(world.pay(&world.cart().await, "a@example.com", "1", VISA).await.0, 201);
    }
    assert_eq!((world.items(&checkout::velocity::TABLE).await, world.down.calls.load(Ordering::SeqCst)), (0, 3));
    let off = ["CART", "ACCOUNT", "EMAIL", "ADDRESS", "METHOD"].map(|name| format!("OXCART_ATTEMPTS_{name}"));
    let off: Vec<(&str, &str)> = off.iter().map(|name| (name.as_str(), "off")).collect();
    let world = World::open(&off).await;
    let cart = world.cart().await;
    for _ in 0..30 {
        assert_eq!(world.pay(&cart, "a@example.com", "1", DECLINED).await.0, 402);
    }
    assert_eq!(world.down.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_table_that_is_down_stops_nobody() {
    let world = World::open(&[]).await;
    world.down.on.store(1, Ordering::SeqCst);
    assert_eq!(world.pay(&world.cart().await, "a@example.com", "1", VISA).await.0, 201);
    assert_eq!(world.pay(&world.cart().await, "a@example.com", "1", DECLINED).await.0, 402);
}

#[tokio::test]
async fn a_repeated_refusal_is_counted_once() {
    let world = World::open(&[("OXCART_ATTEMPTS_CART", "2/600")]).await;
    let cart = world.cart().await;
    let body = json!({
        "cart_id": cart, "email": "a@example.com", "shipping_method": "standard", "payment_token": DECLINED,
        "shipping_address": { "name": "Ada", "line1": "1", "city": "B", "postal_code": "1", "country": "DE" },
        "expected_total": { "amount": 1490, "currency": "EUR" },
    });
    for _ in 0..4 {
        assert_eq!(world.send(Method::POST, "/v1/checkout", "same", body.clone()).await.0, 402);
    }
    assert_eq!(world.pay(&cart, "a@example.com", "1", VISA).await.0, 201);
}

#[tokio::test]
async fn a_refusal_that_comes_by_report_counts_too_and_once() {
    let world = World::open(&[("OXCART_ATTEMPTS_CART", "2/600")]).await;
    let cart = world.cart().await;
    let (status, order, _) = world.pay(&cart, "a@example.com", "1", "pm_card_authenticationRequired").await;
    assert_eq!(status, 202, "{order}");
    let provider = payments::builtin::Builtin::connect(world.shop.platform()).unwrap();
    provider.confirm(order["payment"]["client_secret"].as_str().unwrap(), false).await.unwrap();
    world.shop.drain().await;
    assert_eq!(world.pay(&cart, "a@example.com", "1", DECLINED).await.0, 402);
    assert_eq!(world.pay(&cart, "a@example.com", "1", VISA).await.0, 429);
}

#[tokio::test]
async fn no_line_of_the_log_carries_a_card_number_or_who_was_counted() {
    let world = World::open(&[("OXCART_ATTEMPTS_CART", "1/600")]).await;
    let cart = world.cart().await;
    for token in ["4242424242424242", "4242 4242 4242 4242"] {
        let (status, problem, _) = world.pay(&cart, "ada@example.com", "Unter den Linden 1", token).await;
        assert_eq!((status, &problem["code"]), (422, &json!("card-number-refused")), "{problem}");
        assert_eq!(problem["errors"][0]["pointer"], "/payment_token");
        assert!(!problem.to_string().contains("4242"), "{problem}");
    }
    assert_eq!(world.metric("CardNumbersRefused"), 2);
    world.pay(&cart, "ada@example.com", "Unter den Linden 1", DECLINED).await;
    world.pay(&cart, "ada@example.com", "Unter den Linden 1", DECLINED).await;
    let lines = world.log.0.lock().unwrap().join("\n");
    assert!(lines.contains("attempts_over"), "{lines}");
    for private in ["4242", "ada@example.com", "Linden", DECLINED, &cart] {
        assert!(!lines.contains(private), "{private} in {lines}");
    }
}
