//! Money after the order: captures and refunds killed between any two calls, a provider that is away, and its reports that
//! come twice, late and for orders that nobody knows.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use kernel::{OrderId, Timestamp};
use local::provider::Menu;
use orders::Order;
use payments::builtin::{Stored, Told, webhook_secret};
use payments::signature::sign;
use serde_json::{Value, json};
use testkit::virtual_time::VirtualClock;

use crate::saga::World;

/// The most calls that a capture or a refund makes, with room for one more.
const CALLS: i64 = 6;

/// A request of staff, the token verified.
async fn staff(world: &World, path: &str, key: &str, body: &Value) -> (u16, Value) {
    let claims = local::shop::verified("usr_Staff", "admin");
    let request = Request::builder().method(Method::POST).uri(path).header("content-type", "application/json");
    let request = request.header("idempotency-key", key).body(Bytes::from(body.to_string())).unwrap();
    let response = world.shop.request_of(&claims, request).await;
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
}

async fn intents(world: &World) -> Vec<Stored> {
    let items = world.items(&payments::builtin::TABLE).await;
    items.into_iter().map(|item| aws::table::from_item(item).unwrap()).collect()
}

async fn only_order(world: &World) -> Order {
    let mut orders = world.orders().await;
    assert_eq!(orders.len(), 1);
    orders.remove(0)
}

fn cents(amount: i64) -> Value {
    json!({ "amount": { "amount": amount, "currency": "EUR" }, "reason": "late" })
}

#[tokio::test(start_paused = true)]
async fn a_refund_that_is_killed_anywhere_goes_back_once() {
    for again in [false, true] {
        for at in 1..=CALLS {
            for answer_only in [false, true] {
                let what = format!("killed at call {at}, answer only {answer_only}, asked again {again}");
                let world = World::with("refund-order", [].into()).await;
                let cart = world.cart(1).await;
                let (status, order) = world.pay(&cart, 1, "key", "pm_card_visa").await;
                assert_eq!(status, 201);
                let path = format!("/v1/admin/orders/{}/refunds", order["id"].as_str().unwrap());
                world.killer.arm(at, answer_only);
                let (first, _) = staff(&world, &path, "refund", &cents(500)).await;
                world.killer.disarm();
                if again {
                    let (status, refund) = staff(&world, &path, "refund", &cents(500)).await;
                    assert_eq!((status, &refund["status"]), (201, &json!("succeeded")), "{what}");
                }
                world.settle().await;
                let funds = only_order(&world).await.payment.funds.unwrap();
                let gone = funds.counter.taken;
                assert!(gone == 500 || (gone == 0 && !again && first >= 500), "{what}: {first}, {funds:?}");
                assert_eq!(funds.counter.holds.len(), 0, "{what}");
                assert_eq!(intents(&world).await[0].refunded, gone, "{what}");
                let (status, problem) = staff(&world, &path, "more", &cents(1491)).await;
                let rest = 1490 - gone;
                assert_eq!((status, &problem["refundable"]["amount"]), (409, &json!(rest)), "{what}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn money_that_was_set_aside_is_taken_once_when_the_goods_leave() {
    let later = [("OXCART_CAPTURE".to_owned(), "shipment".to_owned())];
    for at in 1..=CALLS {
        for answer_only in [false, true] {
            let what = format!("killed at call {at}, answer only {answer_only}");
            let world = World::with("capture-order", later.clone().into()).await;
            let cart = world.cart(1).await;
            let (status, order) = world.pay(&cart, 1, "key", "pm_card_visa").await;
            assert_eq!(
                (status, &order["status"], &order["payment"]["status"]),
                (201, &json!("paid"), &json!("authorized"))
            );
            let id = order["id"].as_str().unwrap();
            let (refunds, captures) =
                (format!("/v1/admin/orders/{id}/refunds"), format!("/v1/admin/orders/{id}/captures"));
            let (status, problem) = staff(&world, &refunds, "early", &cents(100)).await;
            assert_eq!((status, &problem["code"]), (409, &json!("nothing-to-refund")), "{what}");
            let part = json!({ "amount": { "amount": 1000, "currency": "EUR" } });
            world.killer.arm(at, answer_only);
            staff(&world, &captures, "", &part).await;
            world.killer.disarm();
            world.shop.drain().await;
            let (status, order) = staff(&world, &captures, "", &part).await;
            assert_eq!((status, &order["payment"]["status"]), (200, &json!("succeeded")), "{what}: {order}");
            let (status, problem) = staff(&world, &captures, "", &json!({})).await;
            assert_eq!((status, &problem["code"]), (409, &json!("nothing-to-capture")), "{what}");
            let (status, problem) = staff(&world, &refunds, "more", &cents(1001)).await;
            assert_eq!((status, &problem["refundable"]["amount"]), (409, &json!(1000)), "{what}");
            world.settle().await;
            assert_eq!(intents(&world).await[0].captured, 1000, "{what}");
        }
    }
}

/// Two simulations found this (seeds 1676 and 3805): the timer asked the bank to let go of money while it made the order paid.
#[tokio::test(start_paused = true)]
async fn money_that_is_being_let_go_pays_for_nothing() {
    let later = [("OXCART_CAPTURE".to_owned(), "shipment".to_owned())];
    let mut ends = std::collections::BTreeSet::new();
    for at in 1..=8 {
        for answer_only in [false, true] {
            let what = format!("killed at call {at}, answer only {answer_only}");
            let world = World::with("expire-orders", later.clone().into()).await;
            let cart = world.cart(1).await;
            let (status, order) = world.pay(&cart, 1, "key", "pm_card_authenticationRequired").await;
            assert_eq!(status, 202, "{order}");
            world.shop.drain().await;
            world.clock.advance(kernel::limits::HOLD + Duration::from_secs(2));
            world.killer.arm(at, answer_only);
            world.shop.drain().await;
            world.killer.disarm();
            let provider = payments::builtin::Builtin::connect(world.shop.platform()).unwrap();
            let secret = order["payment"]["client_secret"].as_str().unwrap();
            provider.confirm(secret, true).await.unwrap();
            world.settle().await;
            let (order, intent) = (only_order(&world).await, intents(&world).await.remove(0));
            let set_aside = intent.status == payments::builtin::Status::RequiresCapture;
            assert_eq!(order.status.is_committed(), set_aside, "{what}: {} with {:?}", order.status, intent.status);
            assert_ne!(order.status, orders::Status::Pending, "{what}");
            assert!(!(order.calling_off && set_aside), "{what}");
            ends.insert((order.calling_off, order.status.is_committed()));
        }
    }
    assert!(ends.contains(&(true, false)) && ends.contains(&(false, true)), "both come about: {ends:?}");
}

/// A shopper who refuses at the bank's page still has the payment's secret: before the order dies of the refusal the payment
/// is called off, or whoever confirms it with another card pays for nothing.
#[tokio::test(start_paused = true)]
async fn a_payment_refused_at_the_bank_cannot_be_paid_once_its_order_is_dead() {
    for capture in ["now", "shipment"] {
        for at in 0..=8 {
            for answer_only in [false, true] {
                let what = format!("{capture}, killed at call {at}, answer only {answer_only}");
                let environment = [("OXCART_CAPTURE".to_owned(), capture.to_owned())];
                let world = World::with("retry-payment", environment.into()).await;
                let cart = world.cart(1).await;
                let (status, order) = world.pay(&cart, 1, "key", "pm_card_authenticationRequired").await;
                assert_eq!(status, 202, "{what}: {order}");
                world.shop.drain().await;
                let provider = payments::builtin::Builtin::connect(world.shop.platform()).unwrap();
                let secret = order["payment"]["client_secret"].as_str().unwrap();
                provider.confirm(secret, false).await.unwrap();
                if at > 0 {
                    world.killer.arm(at, answer_only);
                }
                world.shop.drain().await;
                world.killer.disarm();
                let before = only_order(&world).await.status;
                provider.confirm(secret, true).await.unwrap();
                world.settle().await;
                let (order, intent) = (only_order(&world).await, intents(&world).await.remove(0));
                let paid = intent.captured > 0 || intent.status == payments::builtin::Status::RequiresCapture;
                assert_eq!(order.status.is_committed(), paid, "{what}: {} with {:?}", order.status, intent.status);
                assert_eq!(intent.refunded, 0, "{what}: money came for a dead order");
                if at == 0 {
                    assert_eq!(
                        (before, order.status),
                        (orders::Status::Cancelled, orders::Status::Cancelled),
                        "{what}"
                    );
                    assert_eq!(intent.status, payments::builtin::Status::Canceled, "{what}");
                }
            }
        }
    }
}

/// An order of which a gift card pays 500: its provider's part goes back first, the rest to the card, each once.
#[tokio::test(start_paused = true)]
async fn a_refund_that_is_killed_anywhere_puts_money_on_the_card_once() {
    for at in 1..=CALLS + 2 {
        for answer_only in [false, true] {
            let what = format!("killed at call {at}, answer only {answer_only}");
            let world = World::with("refund-order", [].into()).await;
            let card = json!({ "amount": { "amount": 500, "currency": "EUR" } });
            let (status, card) = staff(&world, "/v1/admin/gift-cards", "card", &card).await;
            assert_eq!(status, 201, "{card}");
            let cart = world.cart(1).await;
            let (status, order) = world.send(Method::POST, "/v1/checkout", "key", json!({
                "cart_id": cart, "email": "ada@example.com", "shipping_method": "standard", "payment_token": "pm_card_visa",
                "shipping_address": { "name": "Ada", "line1": "1", "city": "Berlin", "postal_code": "10117", "country": "DE" },
                "expected_total": { "amount": 1490, "currency": "EUR" }, "gift_cards": [card["code"]],
                "expected_to_pay": { "amount": 990, "currency": "EUR" },
            })).await;
            assert_eq!(status, 201, "{order}");
            world.shop.drain().await;
            let path = format!("/v1/admin/orders/{}/refunds", order["id"].as_str().unwrap());
            world.killer.arm(at, answer_only);
            staff(&world, &path, "refund", &cents(1200)).await;
            world.killer.disarm();
            world.settle().await;
            let (status, refund) = staff(&world, &path, "refund", &cents(1200)).await;
            assert_eq!((status, &refund["status"]), (201, &json!("succeeded")), "{what}: {refund}");
            assert_eq!(refund["gift_cards"][0]["amount"]["amount"], 210, "{what}: {refund}");
            let (status, problem) = staff(&world, &path, "more", &cents(291)).await;
            assert_eq!((status, &problem["refundable"]["amount"]), (409, &json!(290)), "{what}");
            let (status, refund) = staff(&world, &path, "rest", &cents(290)).await;
            assert_eq!((status, &refund["gift_cards"][0]["amount"]["amount"]), (201, &json!(290)), "{what}: {refund}");
            world.settle().await;
            let items = world.items(&promotions::table::TABLE).await;
            let item = items.iter().find(|item| item["pk"].as_s().unwrap() == card["id"].as_str().unwrap()).unwrap();
            let counter: kernel::counter::Counter = aws::table::from_item(item.clone()).unwrap();
            assert_eq!((counter.available, counter.received, counter.taken), (500, 1000, 500), "{what}");
            let (order, intent) = (only_order(&world).await, intents(&world).await.remove(0));
            assert_eq!((intent.captured, intent.refunded), (990, 990), "{what}");
            assert_eq!((order.status, order.kept()), (orders::Status::Refunded, 0), "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_away_for_two_minutes_costs_no_order_and_no_waiting() {
    let world = World::with("place-order", [].into()).await;
    let (_, cart) = (world.cart(1).await, world.cart(1).await);
    world.shop.bank().behave(Menu { down: true, ..Menu::default() });
    // Each of these fails at the provider until the breaker opens; from then on it is not asked.
    let mut orders = Vec::new();
    for number in 0..8 {
        let cart = if number == 0 { cart.clone() } else { world.cart(1).await };
        let watch = VirtualClock::start(Timestamp::from_millis(0));
        let (status, order) = world.pay(&cart, 1, &format!("key {number}"), "pm_card_visa").await;
        let waited = watch.elapsed();
        match status {
            202 => orders.push(order["id"].as_str().unwrap().to_owned()),
            // Three units, three orders that wait for their payment.
            409 => assert_eq!(order["code"], "all-held"),
            _ => panic!("{status} {order}"),
        }
        assert!(waited < Duration::from_secs(9), "order {number} waited {waited:?}");
    }
    assert_eq!(orders.len(), 3);
    for _ in 0..12 {
        world.shop.drain().await;
        world.clock.advance(Duration::from_secs(10));
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert!(world.orders().await.iter().all(|order| order.status == orders::Status::Pending), "nobody gave up");
    world.shop.bank().behave(Menu::default());
    for _ in 0..8 {
        world.clock.advance(Duration::from_secs(61));
        world.shop.drain().await;
    }
    assert_eq!(world.audit("the provider was away").await, 3);
}

#[tokio::test(start_paused = true)]
async fn once_the_breaker_is_open_nobody_waits_out_a_time_out() {
    let world = World::with("place-order", [].into()).await;
    world.shop.bank().behave(Menu { slow_ms: 60_000, ..Menu::default() });
    let mut waits = Vec::new();
    for number in 0..7 {
        let cart = world.cart(1).await;
        let watch = VirtualClock::start(Timestamp::from_millis(0));
        let (status, _) = world.pay(&cart, 1, &format!("key {number}"), "pm_card_visa").await;
        waits.push((status, watch.elapsed()));
        if status == 202 {
            // The shelf is free for the next, so that the provider is asked again.
            world.clock.advance(kernel::limits::HOLD + Duration::from_secs(2));
        }
    }
    let slow = waits.iter().filter(|(_, waited)| *waited > Duration::from_secs(1)).count();
    assert!((1..=4).contains(&slow), "{waits:?}");
    let (status, waited) = waits[6];
    assert!(status >= 202 && waited < Duration::from_millis(100), "{waits:?}");
}

/// A report, signed and sent.
async fn report(world: &World, told: &Told, age: Duration) -> u16 {
    let body = serde_json::to_vec(told).unwrap();
    let secret = <aws::SigningSecret as aws::Capability>::connect(world.shop.platform()).unwrap();
    let secret = webhook_secret(secret.key().await.unwrap());
    let now = aws::Clock::now(&*world.clock).millis();
    let at = Timestamp::from_millis(now - i64::try_from(age.as_millis()).unwrap());
    let request = Request::post("/v1/payments/webhooks/stripe").header("stripe-signature", sign(&secret, at, &body));
    world.shop.request(request.body(Bytes::from(body)).unwrap()).await.status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn reports_come_twice_late_and_for_orders_that_nobody_knows() {
    let world = World::with("place-order", [].into()).await;
    let cart = world.cart(1).await;
    let (status, _) = world.pay(&cart, 1, "key", "pm_card_visa").await;
    assert_eq!(status, 201);
    let intent = intents(&world).await.remove(0);
    let told = |id: &str, intent: &Stored| Told {
        id: id.to_owned(),
        created: Timestamp::from_millis(0),
        intent: intent.clone(),
    };
    let good = told("evt_1", &intent);
    assert_eq!(report(&world, &good, Duration::from_secs(301)).await, 400, "too old");
    // What is old news says that it failed; it failed before it worked.
    let stale = Stored { status: payments::builtin::Status::Failed, captured: 0, ..intent.clone() };
    for told in [&good, &good, &told("evt_0", &stale)] {
        assert_eq!(report(&world, told, Duration::ZERO).await, 200);
    }
    let unknown = Stored { order: OrderId::new([8; 16]), ..intent };
    assert_eq!(report(&world, &told("evt_2", &unknown), Duration::ZERO).await, 200, "kept, and tried again");
    world.settle().await;
    assert_eq!(world.audit("reports").await, 1);
    let kept = world.items(&checkout::reports::TABLE).await;
    assert_eq!(
        kept.iter()
            .filter(|item| item["pk"].as_s().unwrap().starts_with("evt_") && item["pk"].as_s().unwrap().len() == 5)
            .count(),
        3
    );
    let state = world.shop.state().await;
    let queue = state.queues.iter().find(|queue| queue.name == "retry-payment").unwrap();
    assert_eq!(
        queue.delayed + queue.visible + queue.in_flight + queue.dead,
        1,
        "the report of an unknown order is still there"
    );
}
