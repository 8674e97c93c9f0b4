//! Coupons and gift cards at the checkout, killed between any two of its calls: whether the shopper asks again or walks
//! away, afterwards as many uses and as much money are gone as paid orders name, and nothing is held for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use aws::table::from_item;
use aws::{Capability as _, Clock as _, ManualClock, TableSpec};
use bytes::Bytes;
use catalog::table::CreateProducts;
use engine::{Call, ConnectorFailure, Layer, Next, Reply};
use http::{Method, Request};
use inventory::CounterKey;
use inventory::table::{Movement, ReadCounter, ReceiveStock};
use kernel::counter::{Counter, HoldRequest};
use kernel::{CouponCode, Currency, GiftCardId, Money, OrderId, Sku, Timestamp};
use local::{Options, Shop, registry};
use orders::{Order, Status};
use promotions::gift::GiftCard;
use promotions::look::FirstUse;
use promotions::table::{CreatePromotion, Created, HoldUses, UseItem};
use promotions::{Coupon, GiftCode, Reduction, UseKey};
use serde_json::{Value, json};

const UNITS: i64 = 6;
const START: Timestamp = Timestamp::from_millis(1_795_766_400_000);
const CODE: &str = "SPRING";
const CARD: &str = "0123-4567-89AB-CDEF";
/// What is on the card, in cents.
const BALANCE: u32 = 900;

/// Kills place-order at its n-th call: that call is lost, or only its answer, and no later call gets through.
#[derive(Default)]
struct Killer {
    left: AtomicI64,
    answer_only: AtomicBool,
}

impl Killer {
    fn arm(&self, at: i64, answer_only: bool) {
        self.answer_only.store(answer_only, Ordering::SeqCst);
        self.left.store(at, Ordering::SeqCst);
    }

    /// Whether it had come to it.
    fn disarm(&self) -> bool {
        self.left.swap(i64::MAX, Ordering::SeqCst) <= 0
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

struct World {
    shop: Shop,
    clock: Arc<ManualClock>,
    killer: Arc<Killer>,
}

/// What a shopper brings.
#[derive(Clone, Copy)]
struct Ask<'a> {
    key: &'a str,
    email: &'a str,
    token: &'a str,
    cards: &'a [&'a str],
    /// What the order comes to, in cents.
    total: i64,
}

/// A shopper with a card of the bank, and one line of ten euros less a tenth, shipped for 4.90.
const ADA: Ask<'_> =
    Ask { key: "key", email: "ada@example.com", token: "pm_card_visa", cards: &[CARD], total: 900 + 490 };

impl World {
    /// With a coupon that may be used so often, and once by each customer.
    async fn open(uses: u32) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let killer = Arc::new(Killer::default());
        killer.disarm();
        let killing = killer.clone();
        let layers = move |function: &str| -> Vec<Arc<dyn Layer>> {
            if function == "place-order" { vec![killing.clone()] } else { Vec::new() }
        };
        let options = Options { clock: clock.clone(), layers: Some(Arc::new(layers)), ..Options::memory() };
        let shop = Shop::open(options, registry::registry()).await.unwrap();
        let platform = shop.platform();
        let new = serde_json::from_value(json!({
            "name": "Tea", "category": "tea",
            "variants": [{ "sku": "TEA", "options": {}, "price": { "amount": 1000, "currency": "EUR" } }],
        }));
        let products = CreateProducts::connect(platform).unwrap();
        catalog::create(&products, new.unwrap(), [1; 16], "f", START).await.unwrap();
        let movement = Movement::opening("receipt", UNITS, "f");
        ReceiveStock::connect(platform).unwrap().receive(&shelf(), &movement, START).await.unwrap();
        let create = CreatePromotion::connect(platform).unwrap();
        let coupon = Coupon {
            code: code(),
            reduction: Reduction::Percent(10),
            minimum: None,
            starts_at: None,
            ends_at: None,
            categories: Vec::new(),
            uses: Some(uses),
            uses_per_customer: Some(1),
            created_at: START,
        };
        assert!(matches!(create.coupon(coupon, "f").await.unwrap(), Created::Yes(_)));
        let card = GiftCard { currency: Currency::EUR, ends_at: None, created_at: START, actor: "usr_1".into() };
        assert!(matches!(create.gift_card(card_id(), card, BALANCE, "f").await.unwrap(), Created::Yes(_)));
        Self { shop, clock, killer }
    }

    async fn send(&self, method: Method, path: &str, key: &str, body: Value) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let request = request.header("idempotency-key", key).body(Bytes::from(body.to_string())).unwrap();
        let response = self.shop.request(request).await;
        (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
    }

    /// A cart with one line, and the coupon on it.
    async fn cart(&self) -> String {
        let (_, cart) = self.send(Method::POST, "/v1/carts", "", json!({})).await;
        let cart = cart["id"].as_str().unwrap().to_owned();
        let (status, _) =
            self.send(Method::PUT, &format!("/v1/carts/{cart}/lines/TEA"), "", json!({ "quantity": 1 })).await;
        assert_eq!(status, 200);
        let (status, shown) =
            self.send(Method::PUT, &format!("/v1/carts/{cart}/coupon"), "", json!({ "code": "spring" })).await;
        assert_eq!((status, &shown["totals"]["discount"]["amount"]), (200, &json!(100)), "{shown}");
        cart
    }

    async fn pay(&self, cart: &str, ask: Ask<'_>) -> (u16, Value) {
        let body = json!({
            "cart_id": cart, "email": ask.email, "shipping_method": "standard", "payment_token": ask.token,
            "shipping_address": { "name": "Ada", "line1": "1", "city": "Berlin", "postal_code": "10117", "country": "DE" },
            "expected_total": { "amount": ask.total, "currency": "EUR" }, "gift_cards": ask.cards,
        });
        self.send(Method::POST, "/v1/checkout", ask.key, body).await
    }

    /// Lets every timer ring and every worker finish.
    async fn settle(&self) {
        for _ in 0..6 {
            self.shop.drain().await;
            self.clock.advance(Duration::from_secs(200));
        }
        self.shop.drain().await;
    }

    async fn items(&self, spec: &TableSpec) -> Vec<aws::Item> {
        let table = self.shop.platform().table(spec);
        table.client().scan().table_name(table.name()).send().await.unwrap().items.unwrap_or_default()
    }

    async fn counter(&self, key: &UseKey) -> Counter {
        let items = self.items(&promotions::table::TABLE).await.into_iter();
        let mut items = items.map(|item| from_item::<UseItem>(item).unwrap());
        items.find(|item| item.pk == key.partition()).map(|item| item.counter).unwrap_or_default()
    }

    async fn orders(&self) -> Vec<Order> {
        let all = self.items(&orders::table::TABLE).await.into_iter();
        all.filter(|item| !item.contains_key("tombstone")).map(|item| from_item(item).unwrap()).collect()
    }

    /// What must hold whatever happened. Gives how many orders are paid.
    async fn audit(&self, what: &str) -> usize {
        let orders = self.orders().await;
        assert!(orders.iter().all(|order| order.status != Status::Pending), "{what}: every order is decided");
        assert!(orders.iter().all(Order::adds_up), "{what}: every total follows from its order");
        let paid: Vec<&Order> = orders.iter().filter(|order| order.status == Status::Paid).collect();
        for item in self.items(&promotions::table::TABLE).await {
            let UseItem { pk, counter } = from_item(item).unwrap();
            assert!(counter.balanced(), "{what}: {pk} {counter:?}");
            assert_eq!(counter.held(), 0, "{what}: {pk} is held for ever");
            let named = paid.iter().flat_map(|order| &order.uses).filter(|part| part.key.partition() == pk);
            let named: i64 = named.map(|part| i64::from(part.quantity)).sum();
            assert_eq!(counter.taken, named, "{what}: of {pk} is taken what paid orders name");
        }
        let shelf = ReadCounter::connect(self.shop.platform()).unwrap().read(&shelf()).await.unwrap().unwrap();
        assert_eq!((shelf.held(), shelf.taken), (0, i64::try_from(paid.len()).unwrap()), "{what}: {shelf:?}");
        // The provider took what gift cards left, and of nobody else.
        let intents = self.items(&payments::builtin::TABLE).await;
        let taken =
            intents.iter().filter(|intent| intent.get("status").is_some_and(|s| s.as_s().unwrap() == "succeeded"));
        let charged = taken.count();
        assert_eq!(charged, paid.iter().filter(|order| order.charged().amount > 0).count(), "{what}: charges");
        paid.len()
    }
}

fn shelf() -> CounterKey {
    CounterKey::main(Sku::parse("TEA").unwrap())
}

fn code() -> CouponCode {
    CouponCode::parse(CODE).unwrap()
}

fn card_id() -> GiftCardId {
    GiftCode::parse(CARD).unwrap().id()
}

/// More calls than place-order makes for one line with a coupon and a gift card.
const CALLS: i64 = 24;

#[tokio::test(start_paused = true)]
async fn a_shopper_who_asks_again_uses_the_coupon_and_the_card_once() {
    for token in ["pm_card_visa", "pm_card_chargeDeclined"] {
        for at in 1.. {
            assert!(at <= CALLS, "place-order makes more calls than it should");
            let mut killed = false;
            for answer_only in [false, true] {
                let what = format!("{token}, killed at call {at}, answer only {answer_only}");
                // The last use: an attempt that died must not be in the way of the next.
                let world = World::open(1).await;
                let cart = world.cart().await;
                world.killer.arm(at, answer_only);
                let (first, _) = world.pay(&cart, Ask { token, ..ADA }).await;
                killed |= world.killer.disarm();
                let (last, order) = world.pay(&cart, Ask { token, ..ADA }).await;
                let expected = if token == "pm_card_visa" { 201 } else { 402 };
                assert_eq!(last, expected, "{what}: {first} then {last}: {order}");
                if expected == 201 {
                    assert_eq!(order["to_pay"]["amount"], json!(ADA.total - i64::from(BALANCE)), "{order}");
                    assert_eq!(order["gift_cards"][0]["amount"]["amount"], json!(BALANCE), "{order}");
                    assert_eq!(order["coupon"]["code"], json!(CODE), "{order}");
                }
                world.settle().await;
                assert_eq!(world.audit(&what).await, usize::from(expected == 201), "{what}");
            }
            if !killed {
                assert!(at > 10, "the killer came to nothing");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_shopper_who_walks_away_gives_coupon_and_card_back() {
    for token in ["pm_card_visa", "pm_card_chargeDeclined", "pm_card_authenticationRequired"] {
        for at in 1.. {
            assert!(at <= CALLS, "place-order makes more calls than it should");
            let mut killed = false;
            for answer_only in [false, true] {
                let what = format!("{token}, killed at call {at}, answer only {answer_only}");
                let world = World::open(1).await;
                let cart = world.cart().await;
                world.killer.arm(at, answer_only);
                world.pay(&cart, Ask { token, ..ADA }).await;
                killed |= world.killer.disarm();
                world.settle().await;
                // The coupon and the card serve whoever comes next, when the first did not buy.
                if world.audit(&what).await == 0 {
                    let other = world.cart().await;
                    let ask = Ask { key: "other", email: "grace@example.com", ..ADA };
                    let (status, order) = world.pay(&other, ask).await;
                    assert_eq!(status, 201, "{what}: {order}");
                    world.settle().await;
                    assert_eq!(world.audit(&what).await, 1, "{what}");
                }
            }
            if !killed {
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_use_goes_to_one_of_two_and_the_other_loses_nothing() {
    let world = World::open(1).await;
    let (one, two) = (world.cart().await, world.cart().await);
    let grace = Ask { email: "grace@example.com", cards: &[], ..ADA };
    let (first, second) = futures_util::join!(world.pay(&one, Ask { cards: &[], ..ADA }), world.pay(&two, grace));
    let (paid, refused) = if first.0 == 201 { (first, second) } else { (second, first) };
    assert_eq!((paid.0, refused.0, &refused.1["code"]), (201, 409, &json!("coupon-used-up")), "{refused:?}");
    world.settle().await;
    assert_eq!(world.audit("two for one use").await, 1);
    // Without the coupon the other buys at the full price, and gets the same cart.
    let loser =
        if world.orders().await.iter().any(|order| order.cart_id.as_str() == one && order.status == Status::Paid) {
            &two
        } else {
            &one
        };
    let (status, cart) = world.send(Method::GET, &format!("/v1/carts/{loser}"), "", json!({})).await;
    assert_eq!((status, &cart["coupon"]["problem"]), (200, &json!("coupon-used-up")), "{cart}");
    let (status, _) = world.send(Method::DELETE, &format!("/v1/carts/{loser}/coupon"), "", json!({})).await;
    assert_eq!(status, 200);
    let (status, order) = world.pay(loser, Ask { key: "again", cards: &[], total: 1490, ..ADA }).await;
    assert_eq!(status, 201, "{order}");
}

#[tokio::test(start_paused = true)]
async fn one_customer_uses_it_once_whatever_stands_behind_the_plus() {
    let world = World::open(5).await;
    let (one, two) = (world.cart().await, world.cart().await);
    assert_eq!(world.pay(&one, Ask { cards: &[], ..ADA }).await.0, 201);
    let again = Ask { key: "again", email: "Ada+more@example.com", cards: &[], ..ADA };
    let (status, problem) = world.pay(&two, again).await;
    assert_eq!((status, &problem["code"]), (409, &json!("coupon-used-before")), "{problem}");
    world.settle().await;
    assert_eq!(world.audit("twice by one").await, 1);
    assert_eq!(world.counter(&UseKey::Coupon(code())).await.available, 4);
}

#[tokio::test(start_paused = true)]
async fn a_card_that_pays_for_all_needs_no_provider() {
    let world = World::open(5).await;
    let platform = world.shop.platform();
    let rich = GiftCode::parse("ZZZZ-ZZZZ-ZZZZ-ZZZZ").unwrap();
    let card = GiftCard { currency: Currency::EUR, ends_at: None, created_at: START, actor: "usr_1".into() };
    CreatePromotion::connect(platform).unwrap().gift_card(rich.id(), card, 10_000, "f").await.unwrap();
    let cart = world.cart().await;
    // A token that no provider knows: it is not asked.
    let ask = Ask { token: "none", cards: &[CARD, "zzzz zzzz zzzz zzzz"], ..ADA };
    let (status, order) = world.pay(&cart, ask).await;
    assert_eq!((status, &order["status"], &order["to_pay"]["amount"]), (201, &json!("paid"), &json!(0)), "{order}");
    world.settle().await;
    assert_eq!(world.audit("all by card").await, 1);
    assert!(world.items(&payments::builtin::TABLE).await.is_empty(), "the provider was asked");
    assert_eq!(world.counter(&UseKey::GiftCard(rich.id())).await.taken, ADA.total - i64::from(BALANCE));
}

#[tokio::test(start_paused = true)]
async fn the_same_shopper_with_another_card_is_not_in_his_own_way() {
    let world = World::open(1).await;
    let cart = world.cart().await;
    let (status, _) = world.pay(&cart, Ask { token: "pm_card_authenticationRequired", ..ADA }).await;
    assert_eq!(status, 202);
    assert_eq!(world.counter(&UseKey::Coupon(code())).await.available, 0, "the first attempt holds it");
    let (status, order) = world.pay(&cart, Ask { key: "second", ..ADA }).await;
    assert_eq!(status, 201, "{order}");
    world.settle().await;
    assert_eq!(world.audit("another card").await, 1);
}

#[tokio::test(start_paused = true)]
async fn the_next_shopper_ends_an_overdue_order_that_holds_the_coupon() {
    let world = World::open(1).await;
    let cart = world.cart().await;
    let (status, _) = world.pay(&cart, Ask { token: "pm_card_authenticationRequired", ..ADA }).await;
    assert_eq!(status, 202);
    let other = world.cart_without_coupon_check().await;
    let grace = Ask { key: "early", email: "grace@example.com", cards: &[], ..ADA };
    let (status, problem) = world.pay(&other, grace).await;
    assert_eq!((status, &problem["code"]), (409, &json!("coupon-used-up")), "{problem}");
    world.clock.advance(kernel::limits::HOLD + Duration::from_secs(1));
    let (status, order) = world.pay(&other, Ask { key: "later", ..grace }).await;
    assert_eq!(status, 201, "{order}");
    world.settle().await;
    assert_eq!(world.audit("overdue").await, 1);
}

impl World {
    /// A cart with the coupon on it, though its last use is held.
    async fn cart_without_coupon_check(&self) -> String {
        let (_, cart) = self.send(Method::POST, "/v1/carts", "", json!({})).await;
        let id = kernel::CartId::parse(cart["id"].as_str().unwrap()).unwrap();
        let (status, _) =
            self.send(Method::PUT, &format!("/v1/carts/{id}/lines/TEA"), "", json!({ "quantity": 1 })).await;
        assert_eq!(status, 200);
        let (status, problem) =
            self.send(Method::PUT, &format!("/v1/carts/{id}/coupon"), "", json!({ "code": CODE })).await;
        assert_eq!((status, &problem["code"]), (409, &json!("coupon-used-up")), "{problem}");
        let change = cart::table::CouponChange {
            cart: &id,
            coupon: Some(&code()),
            expected: None,
            request: "test",
            now: self.clock.now(),
        };
        cart::table::ChangeCoupon::connect(self.shop.platform()).unwrap().set(change).await.unwrap();
        id.to_string()
    }
}

#[tokio::test(start_paused = true)]
async fn a_use_that_arrives_after_its_order_was_decided_is_freed_by_its_own_timer() {
    let world = World::open(2).await;
    let platform = world.shop.platform();
    let order = OrderId::new([9; 16]);
    let hold = HoldUses::connect(platform).unwrap();
    let deadline = START.after(kernel::limits::HOLD);
    let op = order.op("AAA");
    let request = HoldRequest { op: &op, quantity: 1, reserve: 0, deadline, created: START, channel: None };
    let first = FirstUse { limit: 1, ends_at: None, is_first: true };
    let customer = UseKey::Customer(code(), "0123456789012345678901".into());
    for key in [UseKey::Coupon(code()), customer.clone(), UseKey::GiftCard(card_id())] {
        assert_eq!(hold.hold(&key, &request, &first).await.unwrap(), counters::Held::Yes);
        assert_eq!(hold.hold(&key, &request, &first).await.unwrap(), counters::Held::Yes, "its own hold");
    }
    world.settle().await;
    for key in [UseKey::Coupon(code()), customer, UseKey::GiftCard(card_id())] {
        let counter = world.counter(&key).await;
        assert_eq!((counter.held(), counter.taken), (0, 0), "{key:?}");
        assert!(matches!(hold.hold(&key, &request, &first).await.unwrap(), counters::Held::No(..)), "never again");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_to_pay_is_what_the_shopper_saw() {
    let world = World::open(5).await;
    let cart = world.cart().await;
    let address = json!({ "name": "Ada", "line1": "1", "city": "Berlin", "postal_code": "10117", "country": "DE" });
    let ask =
        json!({ "cart_id": cart, "shipping_address": address, "shipping_method": "standard", "gift_cards": [CARD] });
    let (status, quote) = world.send(Method::POST, "/v1/checkout/quote", "", ask).await;
    assert_eq!(status, 200, "{quote}");
    assert_eq!((&quote["to_pay"]["amount"], &quote["coupon"]), (&json!(490), &json!(CODE)), "{quote}");
    let euro = |amount: i64| Money::new(amount, Currency::EUR);
    let mut body = json!({
        "cart_id": cart, "email": "ada@example.com", "shipping_method": "standard", "payment_token": "pm_card_visa",
        "shipping_address": address, "expected_total": quote["totals"]["total"], "gift_cards": [CARD],
        "expected_to_pay": euro(0),
    });
    let (status, problem) = world.send(Method::POST, "/v1/checkout", "key", body.clone()).await;
    assert_eq!((status, &problem["code"]), (409, &json!("price-changed")), "{problem}");
    assert_eq!((&problem["to_pay"], &problem["expected_to_pay"]), (&json!(euro(490)), &json!(euro(0))));
    body["expected_to_pay"] = quote["to_pay"].clone();
    let (status, order) = world.send(Method::POST, "/v1/checkout", "other", body).await;
    assert_eq!((status, &order["totals"]), (201, &quote["totals"]), "the same numbers");
    assert_eq!(order["gift_cards"], quote["gift_cards"]);
}
