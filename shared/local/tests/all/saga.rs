//! The checkout, killed between any two of its calls: whether the shopper asks again or walks away, afterwards no unit is
//! lost or sold twice, no money is taken without a paid order, and nothing is held for ever.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aws::table::from_item;
use aws::{Capability as _, Clock as _, ManualClock, TableSpec};
use bytes::Bytes;
use catalog::table::CreateProducts;
use engine::{Call, ConnectorFailure, Layer, Next, Reply};
use http::{Method, Request};
use inventory::CounterKey;
use inventory::table::{Held, HoldStock, Movement, ReadCounter, ReceiveStock, SettleHolds};
use kernel::counter::{Counter, HoldRequest};
use kernel::limits::{DONE_MARK, DONE_MARKS};
use kernel::{OrderId, Sku, Timestamp};
use local::{Options, Shop, registry};
use orders::table::{OpenOrder, Opened, Record};
use orders::{Order, Status};
use serde_json::{Value, json};

const UNITS: i64 = 3;
const START: Timestamp = Timestamp::from_millis(1_795_766_400_000);

/// Kills place-order at its n-th call: that call is lost, or only its answer, and no later call gets through.
#[derive(Default)]
pub(crate) struct Killer {
    left: AtomicI64,
    answer_only: std::sync::atomic::AtomicBool,
}

impl Killer {
    pub fn arm(&self, at: i64, answer_only: bool) {
        self.answer_only.store(answer_only, Ordering::SeqCst);
        self.left.store(at, Ordering::SeqCst);
    }

    pub fn disarm(&self) {
        self.left.store(i64::MAX, Ordering::SeqCst);
    }
}

impl Layer for Killer {
    fn call<'a>(&'a self, call: Call, next: Next<'a>) -> aws::BoxFuture<'a, Result<Reply, ConnectorFailure>> {
        Box::pin(async move {
            let left = self.left.fetch_sub(1, Ordering::SeqCst);
            if left > 1 {
                return next.run(call).await;
            }
            if left == 1 && self.answer_only.load(Ordering::SeqCst) {
                next.run(call).await?;
            }
            Err(ConnectorFailure::Connection("the function was killed".into()))
        })
    }
}

pub(crate) struct World {
    pub shop: Shop,
    pub clock: Arc<ManualClock>,
    pub killer: Arc<Killer>,
    pub key: CounterKey,
}

impl World {
    async fn open() -> Self {
        Self::with("place-order", [].into()).await
    }

    /// A shop in which one function can be killed, with further variables.
    pub async fn with(killed: &'static str, variables: BTreeMap<String, String>) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let killer = Arc::new(Killer::default());
        killer.disarm();
        let killing = killer.clone();
        let layers = move |function: &str| -> Vec<Arc<dyn Layer>> {
            if function == killed { vec![killing.clone()] } else { Vec::new() }
        };
        let options = Options { clock: clock.clone(), layers: Some(Arc::new(layers)), variables, ..Options::memory() };
        let shop = Shop::open(options, registry::registry()).await.unwrap();
        let world = Self { shop, clock, killer, key: CounterKey::main(Sku::parse("TEA").unwrap()) };
        let platform = world.shop.platform();
        let new = serde_json::from_value(json!({
            "name": "Tea", "category": "tea",
            "variants": [{ "sku": "TEA", "options": {}, "price": { "amount": 1000, "currency": "EUR" } }],
        }));
        let products = CreateProducts::connect(platform).unwrap();
        catalog::create(&products, new.unwrap(), [1; 16], "f", START).await.unwrap();
        let movement = Movement::opening("receipt", UNITS, "f");
        ReceiveStock::connect(platform).unwrap().receive(&world.key, &movement, START).await.unwrap();
        world
    }

    pub async fn send(&self, method: Method, path: &str, key: &str, body: Value) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let request = request.header("idempotency-key", key).body(Bytes::from(body.to_string())).unwrap();
        let response = self.shop.request(request).await;
        (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
    }

    pub async fn cart(&self, quantity: u32) -> String {
        let (_, cart) = self.send(Method::POST, "/v1/carts", "", json!({})).await;
        let cart = cart["id"].as_str().unwrap().to_owned();
        let line = format!("/v1/carts/{cart}/lines/TEA");
        let (status, _) = self.send(Method::PUT, &line, "", json!({ "quantity": quantity })).await;
        assert_eq!(status, 200);
        cart
    }

    pub async fn pay(&self, cart: &str, quantity: i64, key: &str, token: &str) -> (u16, Value) {
        let body = json!({
            "cart_id": cart, "email": "ada@example.com", "shipping_method": "standard", "payment_token": token,
            "shipping_address": { "name": "Ada", "line1": "1", "city": "Berlin", "postal_code": "10117", "country": "DE" },
            "expected_total": { "amount": 1000 * quantity + 490, "currency": "EUR" },
        });
        self.send(Method::POST, "/v1/checkout", key, body).await
    }

    /// Lets every timer ring and every worker finish.
    pub async fn settle(&self) {
        for _ in 0..6 {
            self.shop.drain().await;
            self.clock.advance(Duration::from_secs(200));
        }
        self.shop.drain().await;
    }

    pub async fn counter(&self) -> Counter {
        ReadCounter::connect(self.shop.platform()).unwrap().read(&self.key).await.unwrap().unwrap()
    }

    pub async fn items(&self, spec: &TableSpec) -> Vec<aws::Item> {
        let table = self.shop.platform().table(spec);
        table.client().scan().table_name(table.name()).send().await.unwrap().items.unwrap_or_default()
    }

    pub async fn orders(&self) -> Vec<Order> {
        let all = self.items(&orders::table::TABLE).await.into_iter();
        all.filter(|item| !item.contains_key("tombstone")).map(|item| from_item(item).unwrap()).collect()
    }

    /// What must hold whatever happened. Gives how many orders are paid.
    pub async fn audit(&self, what: &str) -> usize {
        let counter = self.counter().await;
        let orders = self.orders().await;
        assert!(counter.balanced(), "{what}: {counter:?}");
        assert_eq!(counter.held(), 0, "{what}: held for ever");
        let paid: HashMap<String, &Order> = orders
            .iter()
            .filter(|order| order.status == Status::Paid)
            .map(|order| (order.id.to_string(), order))
            .collect();
        let sold: i64 = paid.values().flat_map(|order| &order.lines).map(|line| i64::from(line.quantity)).sum();
        assert_eq!(counter.taken, sold, "{what}: units taken are units sold");
        assert!(orders.iter().all(|order| order.status != Status::Pending), "{what}: every order is decided");
        let intents = self.items(&payments::builtin::TABLE).await;
        let intents: Vec<payments::builtin::Stored> =
            intents.into_iter().map(|item| from_item(item).unwrap()).collect();
        let charged: Vec<_> = intents.iter().filter(|intent| intent.captured > intent.refunded).collect();
        assert_eq!(charged.len(), paid.len(), "{what}: as many charges as paid orders");
        for intent in charged {
            let order = paid.get(intent.order.as_str()).unwrap_or_else(|| panic!("{what}: money without an order"));
            let funds = order.payment.funds.as_ref().unwrap();
            assert_eq!((intent.captured, intent.captured - intent.refunded), (order.taken(), order.kept()), "{what}");
            assert_eq!(funds.counter.received, order.totals.total.amount, "{what}");
        }
        paid.len()
    }
}

/// The most calls that place-order makes for one line, with room for one more.
const CALLS: i64 = 11;

#[tokio::test(start_paused = true)]
async fn a_shopper_who_asks_again_gets_exactly_one_order() {
    for token in ["pm_card_visa", "pm_card_chargeDeclined", "pm_card_processingError"] {
        for at in 1..=CALLS {
            for answer_only in [false, true] {
                let what = format!("{token}, killed at call {at}, answer only {answer_only}");
                let world = World::open().await;
                let cart = world.cart(2).await;
                world.killer.arm(at, answer_only);
                let (first, _) = world.pay(&cart, 2, "key", token).await;
                world.killer.disarm();
                let (mut last, mut order) = world.pay(&cart, 2, "key", token).await;
                for _ in 0..3 {
                    if last == 202 {
                        world.clock.advance(Duration::from_secs(5));
                        world.shop.drain().await;
                        (last, order) = world.pay(&cart, 2, "key", token).await;
                    }
                }
                let expected = if token == "pm_card_chargeDeclined" { 402 } else { 201 };
                assert_eq!(last, expected, "{what}: {first} then {last}: {order}");
                let (again, same) = world.pay(&cart, 2, "key", token).await;
                assert_eq!((again, &same["id"]), (last, &order["id"]), "{what}");
                world.settle().await;
                assert_eq!(world.audit(&what).await, usize::from(expected == 201), "{what}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_shopper_who_walks_away_leaves_nothing_behind() {
    for token in ["pm_card_visa", "pm_card_chargeDeclined", "pm_card_authenticationRequired", "pm_slow"] {
        for at in 1..=CALLS {
            for answer_only in [false, true] {
                let what = format!("{token}, killed at call {at}, answer only {answer_only}");
                let world = World::open().await;
                let cart = world.cart(2).await;
                world.killer.arm(at, answer_only);
                world.pay(&cart, 2, "key", token).await;
                world.killer.disarm();
                world.settle().await;
                let paid = world.audit(&what).await;
                // The shelf serves the next shopper, whatever became of the first.
                if paid == 0 {
                    let other = world.cart(3).await;
                    let (status, order) = world.pay(&other, 3, "other", "pm_card_visa").await;
                    assert_eq!(status, 201, "{what}: {order}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_keys_for_one_cart_pay_once() {
    let world = World::open().await;
    let cart = world.cart(1).await;
    let (first, second) =
        futures_util::join!(world.pay(&cart, 1, "one", "pm_card_visa"), world.pay(&cart, 1, "two", "pm_card_visa"));
    assert!(first.0 == 201 || second.0 == 201, "{first:?} {second:?}");
    world.settle().await;
    assert_eq!(world.audit("two keys").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_provider_charges_once_and_the_worker_finishes() {
    let world = World::open().await;
    let cart = world.cart(1).await;
    let (status, order) = world.pay(&cart, 1, "key", "pm_slow").await;
    assert_eq!((status, &order["status"], &order["payment"]["status"]), (202, &json!("pending"), &json!("unknown")));
    world.shop.drain().await;
    world.clock.advance(Duration::from_secs(3));
    world.shop.drain().await;
    let (status, order) = world.pay(&cart, 1, "key", "pm_slow").await;
    assert_eq!((status, &order["status"]), (201, &json!("paid")));
    world.settle().await;
    assert_eq!(world.audit("slow").await, 1);
}

#[tokio::test(start_paused = true)]
async fn the_next_shopper_ends_an_overdue_order_without_any_worker() {
    let world = World::open().await;
    let cart = world.cart(3).await;
    let (status, _) = world.pay(&cart, 3, "first", "pm_card_authenticationRequired").await;
    assert_eq!(status, 202);
    let other = world.cart(3).await;
    let (status, problem) = world.pay(&other, 3, "early", "pm_card_visa").await;
    assert_eq!((status, &problem["code"]), (409, &json!("all-held")));
    world.clock.advance(kernel::limits::HOLD + Duration::from_secs(1));
    let (status, order) = world.pay(&other, 3, "later", "pm_card_visa").await;
    assert_eq!(status, 201, "{order}");
    world.settle().await;
    assert_eq!(world.audit("overdue").await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_hold_whose_order_was_never_written_is_freed_and_the_order_can_never_come() {
    let world = World::open().await;
    let platform = world.shop.platform();
    let id = OrderId::new([9; 16]);
    let hold = HoldStock::connect(platform).unwrap();
    let deadline = START.after(kernel::limits::HOLD);
    let request = HoldRequest { op: &id.op("AAA"), quantity: 2, reserve: 0, deadline, created: START, channel: None };
    assert_eq!(hold.hold(&world.key, &request).await.unwrap(), Held::Yes);
    world.settle().await;
    assert_eq!(world.counter().await.held(), 0, "the timer freed it");
    // The late order finds its tombstone; the late duplicate of the hold finds its mark.
    let cart = world.cart(1).await;
    world.pay(&cart, 1, "key", "pm_card_visa").await;
    let late = Order { id: id.clone(), ..world.orders().await.remove(0) };
    let opened = OpenOrder::connect(platform).unwrap().open(&late).await.unwrap();
    assert_eq!(opened, Opened::Before(Record::Tombstone));
    assert!(matches!(hold.hold(&world.key, &request).await.unwrap(), Held::No(..)));
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_arrives_after_its_order_was_decided_is_freed_by_its_own_timer() {
    let world = World::open().await;
    let cart = world.cart(1).await;
    let (status, problem) = world.pay(&cart, 1, "key", "pm_card_chargeDeclined").await;
    assert_eq!(status, 402);
    let id = OrderId::parse(problem["order"].as_str().unwrap()).unwrap();
    // Another shelf than the order's own: there is no mark of it there, so the late hold lands.
    let platform = world.shop.platform();
    let other = CounterKey::main(Sku::parse("COFFEE").unwrap());
    let movement = Movement::opening("receipt", 1, "f");
    ReceiveStock::connect(platform).unwrap().receive(&other, &movement, START).await.unwrap();
    let deadline = world.clock.now().after(kernel::limits::HOLD);
    let request =
        HoldRequest { op: &id.op("AAA"), quantity: 1, reserve: 0, deadline, created: world.clock.now(), channel: None };
    assert_eq!(HoldStock::connect(platform).unwrap().hold(&other, &request).await.unwrap(), Held::Yes);
    world.settle().await;
    let counter = ReadCounter::connect(platform).unwrap().read(&other).await.unwrap().unwrap();
    assert_eq!((counter.held(), counter.available), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_comes_too_late_on_a_busy_shelf_ends_its_order_and_a_fresh_key_works() {
    let (world, cart) = order_without_hold().await;
    let platform = world.shop.platform();
    let (hold, settle) = (HoldStock::connect(platform).unwrap(), SettleHolds::connect(platform).unwrap());
    // Others come and go on the same shelf until marks are pruned and the floor has passed the order's creation.
    for index in 0..=DONE_MARKS + 1 {
        world.clock.advance(if index > DONE_MARKS { DONE_MARK } else { Duration::from_millis(1) });
        let (op, now) = (format!("x{index}"), world.clock.now());
        let request = HoldRequest {
            op: &op,
            quantity: 1,
            reserve: 0,
            deadline: now.after(DONE_MARK),
            created: now,
            channel: None,
        };
        assert_eq!(hold.hold(&world.key, &request).await.unwrap(), Held::Yes);
        settle.settle(&world.key, &op, false, now, now).await.unwrap();
    }
    assert!(world.counter().await.floor > START.millis());
    let (status, problem) = world.pay(&cart, 2, "key", "pm_card_visa").await;
    assert_eq!((status, &problem["code"]), (409, &json!("order-decided")), "{problem}");
    let (status, order) = world.pay(&cart, 2, "fresh", "pm_card_visa").await;
    assert_eq!(status, 201, "{order}");
    world.settle().await;
    assert_eq!(world.audit("too late").await, 1);
}

/// A world in which the function died after it had written the order and before it held anything.
async fn order_without_hold() -> (World, String) {
    for at in 1..=CALLS {
        for answer_only in [false, true] {
            let world = World::open().await;
            let cart = world.cart(2).await;
            world.killer.arm(at, answer_only);
            world.pay(&cart, 2, "key", "pm_card_visa").await;
            world.killer.disarm();
            if world.orders().await.len() == 1 && world.counter().await.held() == 0 {
                return (world, cart);
            }
        }
    }
    panic!("there is no such moment");
}
