//! The carts' functions over the embedded engine, each behind its own grants.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../../catalog/tests/support/mod.rs"]
#[expect(dead_code, reason = "it serves the catalogue's tests too, which ask in more ways")]
mod support;

use std::time::Duration;

use aws::{Capability as _, Clock as _};
use cart::table::{Change, ChangeLines, Changed, Claim, ClaimCart, ClaimRequest, CloseCart, LoadCart};
use cart::{Bought, Cart, ClaimMark, OrderPaid};
use catalog::table::{ChangeProducts, CreateProducts};
use catalog::{NewProduct, Product};
use inventory::CounterKey;
use inventory::table::{Movement, ReceiveStock};
use kernel::{CartId, EventId, OrderId, Sku, Timestamp};
use lambda::Envelope;
use promotions::table::CreatePromotion;
use serde_json::{Value, json};
use support::{Answer, Request, Stage};

async fn stage() -> Option<Stage> {
    let tables = [
        &catalog::table::TABLE,
        &inventory::table::TABLE,
        &cart::table::TABLE,
        &promotions::table::TABLE,
        &orders::table::TABLE,
    ];
    support::open(&tables, cart::functions()).await
}

/// A claim that uses up no admission.
async fn claim(claims: &ClaimCart, cart: &CartId, number: u8, now: Timestamp, instead: Option<u8>) -> Claim {
    let (order, instead) = (order(number), instead.map(order));
    let request = ClaimRequest { cart, order: &order, now, instead_of: instead.as_ref(), admissions: &[] };
    claims.claim(request).await.unwrap()
}

fn now(stage: &Stage) -> Timestamp {
    stage.data.clock.now()
}

fn sku(text: &str) -> Sku {
    Sku::parse(text).unwrap()
}

fn order(number: u8) -> OrderId {
    OrderId::new([number; 16])
}

/// A coupon that takes so many hundredths off.
async fn coupon(stage: &Stage, code: &str, percent: u32) {
    let terms = json!({ "code": code, "reduction": { "percent": percent }, "created_at": now(stage) });
    let create = CreatePromotion::connect(&stage.data.platform).unwrap();
    create.coupon(serde_json::from_value(terms).unwrap(), "test").await.unwrap();
}

/// A product of one variant, with so many units.
async fn product(stage: &Stage, name: &str, amount: i64, currency: &str, units: i64) -> Product {
    let variant = json!({ "sku": name, "price": { "amount": amount, "currency": currency } });
    let body = json!({ "name": name, "category": "things", "images": [{ "url": "/x.svg" }], "variants": [variant] });
    let new: NewProduct = serde_json::from_value(body).unwrap();
    let create = CreateProducts::connect(&stage.data.platform).unwrap();
    let product = catalog::create(&create, new, stage.data.platform.random(), "test", now(stage)).await.unwrap();
    if units > 0 {
        let movement = Movement::opening("receipt", units, "f");
        let receive = ReceiveStock::connect(&stage.data.platform).unwrap();
        receive.receive(&CounterKey::main(sku(name)), &movement, now(stage)).await.unwrap();
    }
    product
}

async fn cart(stage: &Stage) -> String {
    stage.to("create-cart").json(&json!({})).send().await.expect(201).body["id"].as_str().unwrap().to_owned()
}

fn set<'a>(stage: &'a Stage, cart: &str, sku: &str, quantity: impl Into<Value>) -> Request<'a> {
    stage.data.clock.advance(Duration::from_millis(1));
    let body = json!({ "quantity": quantity.into() });
    stage.to("set-line").path("id", cart).path("sku", sku).json(&body)
}

async fn read(stage: &Stage, cart: &str) -> Answer {
    stage.to("get-cart").path("id", cart).send().await
}

async fn load(stage: &Stage, id: &str) -> Option<Cart> {
    LoadCart::connect(&stage.data.platform).unwrap().load(&CartId::parse(id).unwrap()).await.unwrap()
}

fn lines(answer: &Answer) -> Vec<(String, u64)> {
    let line = |line: &Value| (line["sku"].as_str().unwrap().to_owned(), line["quantity"].as_u64().unwrap());
    answer.body["lines"].as_array().unwrap().iter().map(line).collect()
}

#[tokio::test]
async fn the_life_of_a_cart() {
    let Some(stage) = stage().await else { return };
    product(&stage, "TEA", 350, "EUR", 9).await;
    let pot = product(&stage, "POT", 1_200, "EUR", 3).await;
    let made = stage.to("create-cart").send().await.expect(201);
    let id = made.body["id"].as_str().unwrap();
    assert_eq!((&made.body["currency"], &made.body["version"]), (&json!("EUR"), &json!(1)));
    assert_eq!(
        (&made.headers["location"], &made.headers["etag"]),
        (&json!(format!("/v1/carts/{id}")), &json!("\"v1\""))
    );
    assert!(id.len() >= 26 && cart(&stage).await != id);

    set(&stage, id, "TEA", 2).send().await.expect(200);
    stage.data.clock.advance(Duration::from_secs(1));
    let both = set(&stage, id, "POT", 4).header("if-match", "\"v2\"").send().await.expect(200);
    let seen = read(&stage, id).await.expect(200);
    assert_eq!(both.body, seen.body);
    assert_eq!(seen.headers["cache-control"], "no-store");
    let euro = |amount: i64| json!({ "amount": amount, "currency": "EUR" });
    let zero = euro(0);
    assert_eq!(
        seen.body["totals"],
        json!({ "subtotal": euro(5_500), "discount": zero, "shipping": zero, "tax": zero, "total": euro(5_500) })
    );
    assert_eq!(
        seen.body["lines"][1],
        json!({
            "sku": "POT", "product_id": pot.id, "name": "POT", "image": "/x.svg", "quantity": 4, "unit_price": euro(1_200),
            "line_total": euro(4_800), "availability": "low", "available": 3,
        })
    );
    assert_eq!(seen.body["lines"][0]["availability"], "in_stock");

    // The order of lines is that of coming in, and the tag that was read is good for the next write.
    let tag = seen.headers["etag"].as_str().unwrap();
    let changed = set(&stage, id, "TEA", 5).header("if-match", tag).send().await.expect(200);
    assert_eq!(lines(&changed), [("TEA".to_owned(), 5), ("POT".to_owned(), 4)]);
    let late = set(&stage, id, "TEA", 6).header("if-match", tag).send().await.problem(412, "version-mismatch");
    assert_eq!(late.body["version"], 4);
    let kept = stage.to("remove-line").path("id", id).path("sku", "TEA").header("if-match", tag).send().await;
    kept.problem(412, "version-mismatch");

    let left = stage.to("remove-line").path("id", id).path("sku", "TEA").send().await.expect(200);
    assert_eq!((lines(&left), &left.body["version"]), (vec![("POT".to_owned(), 4)], &json!(5)));
    let again = stage.to("remove-line").path("id", id).path("sku", "TEA").send().await.expect(200);
    assert_eq!(left.body, again.body);
    let empty = set(&stage, id, "POT", 0).send().await.expect(200);
    assert_eq!((lines(&empty), &empty.body["totals"]["total"]), (vec![], &euro(0)));
    assert!(load(&stage, id).await.unwrap().added.is_empty());
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let Some(stage) = stage().await else { return };
    product(&stage, "TEA", 350, "EUR", 9).await;
    product(&stage, "USD", 350, "USD", 9).await;
    product(&stage, "GOLD", kernel::limits::AMOUNT_MAX, "EUR", 9).await;
    let gone = product(&stage, "GONE", 100, "EUR", 9).await;
    let change = ChangeProducts::connect(&stage.data.platform).unwrap();
    catalog::commands::archive(&change, &gone.id, None, now(&stage)).await.unwrap();
    let id = cart(&stage).await;
    set(&stage, &id, "TEA", 1).send().await.expect(200);
    let before = load(&stage, &id).await;

    for wrong in [json!(-1), json!(1.5), json!(1_000), json!("2"), Value::Null, json!([1])] {
        let refused = set(&stage, &id, "TEA", wrong).send().await.problem(422, "invalid-body");
        assert_eq!(refused.pointers(), ["/quantity"]);
    }
    let none = stage
        .to("set-line")
        .path("id", &id)
        .path("sku", "a b")
        .json(&json!({ "quantity": 1_000, "x": 1 }))
        .send()
        .await;
    assert_eq!(none.problem(400, "invalid-parameter").pointers(), ["/quantity", "/sku", "/x"]);
    set(&stage, &id, "NOPE", 1).send().await.problem(404, "sku-not-found");
    set(&stage, &id, "GONE", 1).send().await.problem(409, "not-for-sale");
    let mixed = set(&stage, &id, "USD", 1).send().await.problem(409, "currency-mismatch");
    assert_eq!(mixed.body["currency"], "EUR");
    set(&stage, &id, "GOLD", 2).send().await.problem(422, "invalid-body");
    assert_eq!(load(&stage, &id).await, before);

    let ghost = "crt_0000000000000000000000";
    for unknown in [ghost, "nonsense"] {
        read(&stage, unknown).await.problem(404, "cart-not-found");
        set(&stage, unknown, "TEA", 1).send().await.problem(404, "cart-not-found");
        set(&stage, unknown, "TEA", 0).send().await.problem(404, "cart-not-found");
        stage.to("remove-line").path("id", unknown).path("sku", "TEA").send().await.problem(404, "cart-not-found");
    }
    assert_eq!(load(&stage, ghost).await, None);
    let wrong =
        stage.to("create-cart").json(&json!({ "currency": "euro", "x": 1 })).send().await.problem(422, "invalid-body");
    assert_eq!(wrong.pointers(), ["/currency", "/x"]);
    let dollars = stage.to("create-cart").json(&json!({ "currency": "USD" })).send().await.expect(201);
    set(&stage, dollars.body["id"].as_str().unwrap(), "USD", 1).send().await.expect(200);
}

#[tokio::test]
async fn prices_are_fresh_and_what_is_gone_says_so() {
    let Some(stage) = stage().await else { return };
    let tea = product(&stage, "TEA", 350, "EUR", 9).await;
    product(&stage, "POT", 1_000, "EUR", 0).await;
    let id = cart(&stage).await;
    set(&stage, &id, "TEA", 2).send().await.expect(200);
    set(&stage, &id, "POT", 1).send().await.expect(200);
    let tag = read(&stage, &id).await.headers["etag"].as_str().unwrap().to_owned();
    let unchanged = || stage.to("get-cart").path("id", &id).header("if-none-match", &tag).send();
    unchanged().await.expect(304);

    let change = ChangeProducts::connect(&stage.data.platform).unwrap();
    let dearer = json!({ "variants": [{ "sku": "TEA", "price": { "amount": 400, "currency": "EUR" } }] });
    catalog::commands::update(&change, &tea.id, dearer.as_object().unwrap(), None, now(&stage)).await.unwrap();
    let seen = unchanged().await.expect(200);
    let line = &seen.body["lines"][0];
    assert_eq!((&line["unit_price"]["amount"], &line["price_changed"]["from"]["amount"]), (&json!(400), &json!(350)));
    assert_eq!(seen.body["totals"]["total"]["amount"], 1_800);
    assert_eq!(
        (&seen.body["lines"][1]["availability"], &seen.body["lines"][1]["available"]),
        (&json!("sold_out"), &json!(0))
    );

    catalog::commands::archive(&change, &tea.id, None, now(&stage)).await.unwrap();
    let seen = read(&stage, &id).await.expect(200);
    assert_eq!(
        (&seen.body["lines"][0]["unavailable"], &seen.body["totals"]["total"]["amount"]),
        (&json!(true), &json!(1_000))
    );
}

#[tokio::test]
async fn a_cart_takes_fifty_lines_and_no_more() {
    let Some(stage) = stage().await else { return };
    let variant = |n: u32| json!({ "sku": format!("S-{n}"), "options": { "size": n.to_string() }, "price": { "amount": 1, "currency": "EUR" } });
    let sizes: Vec<String> = (0..51).map(|n: u32| n.to_string()).collect();
    let variants: Vec<Value> = (0..51).map(variant).collect();
    let body = json!({ "name": "All sizes", "category": "c", "options": [{ "name": "size", "values": sizes }], "variants": variants });
    let create = CreateProducts::connect(&stage.data.platform).unwrap();
    let new: NewProduct = serde_json::from_value(body).unwrap();
    catalog::create(&create, new, [1; 16], "f", now(&stage)).await.unwrap();
    let id = cart(&stage).await;
    let all = futures_util::future::join_all((0..51).map(|n: u32| set(&stage, &id, &format!("S-{n}"), 1).send())).await;
    let refused: Vec<Answer> = all.into_iter().filter(|answer| answer.status != 200).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].body["code"], "cart-full");
    let full = load(&stage, &id).await.unwrap();
    assert_eq!((full.lines.len(), full.version), (50, 51));
    let there = full.lines.keys().next().unwrap().to_string();
    set(&stage, &id, &there, 7).send().await.expect(200);
}

#[tokio::test]
async fn a_write_that_is_sent_twice_finds_itself() {
    let Some(stage) = stage().await else { return };
    let id = cart(&stage).await;
    let (cart, tea) = (CartId::parse(&id).unwrap(), sku("TEA"));
    let carts = ChangeLines::connect(&stage.data.platform).unwrap();
    let unit_price = kernel::Money::new(100, kernel::Currency::EUR);
    let line = cart::Line {
        product_id: kernel::ProductId::new([1; 16]),
        quantity: 1,
        unit_price,
        name: "Tea".into(),
        image: None,
    };
    let change = Change { cart: &cart, sku: &tea, expected: Some(1), request: "r-1", now: now(&stage) };
    let Changed::Yes(first) = carts.set(change, &line).await.unwrap() else { panic!("the first is refused") };
    assert_eq!(carts.set(change, &line).await.unwrap(), Changed::Yes(first));
    assert_eq!(carts.set(Change { request: "r-2", ..change }, &line).await.unwrap(), Changed::Version(2));
    let removal = Change { expected: Some(2), request: "r-3", ..change };
    let Changed::Yes(gone) = carts.remove(removal).await.unwrap() else { panic!("the removal is refused") };
    assert_eq!(carts.remove(removal).await.unwrap(), Changed::Yes(gone));
}

#[tokio::test]
async fn a_cart_is_claimed_by_one_order_and_closed_once() {
    let Some(stage) = stage().await else { return };
    product(&stage, "TEA", 350, "EUR", 9).await;
    product(&stage, "POT", 350, "EUR", 9).await;
    let id = cart(&stage).await;
    set(&stage, &id, "TEA", 2).send().await.expect(200);
    set(&stage, &id, "POT", 1).send().await.expect(200);
    let (claims, closes) =
        (ClaimCart::connect(&stage.data.platform).unwrap(), CloseCart::connect(&stage.data.platform).unwrap());
    let cart_id = CartId::parse(&id).unwrap();
    let start = now(&stage);
    let later = start.after(Duration::from_secs(5));
    let mine = ClaimMark { order: order(1), at: start };

    let claims_of = |number: u8, at: Timestamp, instead: Option<u8>| {
        let (claims, cart_id) = (claims.clone(), cart_id.clone());
        async move { claim(&claims, &cart_id, number, at, instead).await }
    };
    let Claim::Mine(cart) = claims_of(1, start, None).await else { panic!("the first claim is refused") };
    assert_eq!((cart.claim, cart.version, cart.lines.len()), (Some(mine.clone()), 3, 2));
    let Claim::Mine(again) = claims_of(1, later, None).await else { panic!("the same order is refused") };
    assert_eq!(again.claim, Some(mine.clone()));
    assert_eq!(claims_of(2, later, None).await, Claim::Of(mine.clone()));
    assert_eq!(claims_of(2, later, Some(3)).await, Claim::Of(mine));
    let Claim::Mine(other) = claims_of(2, later, Some(1)).await else { panic!("the dead order's claim stands") };
    assert_eq!(other.claim, Some(ClaimMark { order: order(2), at: later }));
    let Claim::Mine(still) = claims_of(2, later.after(Duration::from_secs(9)), Some(1)).await else {
        panic!("refused")
    };
    assert_eq!(still.claim.map(|claim| claim.at), Some(later));
    let ghost = CartId::new([9; 16]);
    assert_eq!(claim(&claims, &ghost, 1, start, None).await, Claim::NoCart);
    assert_eq!(claim(&claims, &ghost, 1, start, Some(2)).await, Claim::NoCart);

    // What came in while the order was being paid stays.
    set(&stage, &id, "TEA", 3).send().await.expect(200);
    let bought = [(sku("TEA"), 2), (sku("POT"), 1)];
    closes.close(&cart_id, &order(1), &bought, later).await.unwrap();
    assert_eq!(load(&stage, &id).await.unwrap().version, 4);
    let message = |number: u8, cart_id: &CartId| {
        let bought = bought.iter().map(|(sku, quantity)| Bought { sku: sku.clone(), quantity: *quantity }).collect();
        let data = OrderPaid { cart_id: cart_id.clone(), order_id: order(number), bought };
        let envelope = Envelope { id: EventId::new([number; 16]), kind: "order.paid.v1".into(), time: start, data };
        let body = serde_json::to_string(&envelope).unwrap();
        let attributes = json!({ "ApproximateReceiveCount": "1" });
        json!({ "messageId": format!("m-{number}"), "receiptHandle": "h", "body": body, "attributes": attributes, "messageAttributes": {} })
    };
    let event = json!({ "Records": [message(2, &cart_id), message(3, &ghost)] });
    for _ in 0..2 {
        assert_eq!(stage.invoke("close-cart", &event).await, json!({ "batchItemFailures": [] }));
        let closed = load(&stage, &id).await.unwrap();
        let left: Vec<(&str, u32)> = closed.lines.iter().map(|(sku, line)| (sku.as_str(), line.quantity)).collect();
        assert_eq!((left, closed.claim.is_none(), closed.version), (vec![("TEA", 1)], true, 5));
    }
}

#[tokio::test]
async fn an_admission_is_good_for_one_order_or_for_the_one_after_it_died() {
    let Some(stage) = stage().await else { return };
    let cart_id = CartId::parse(&cart(&stage).await).unwrap();
    let claims = ClaimCart::connect(&stage.data.platform).unwrap();
    let closes = CloseCart::connect(&stage.data.platform).unwrap();
    let (at, admissions) = (now(&stage), ["ticket".to_owned()]);
    let with = async |number: u8, instead: Option<u8>| {
        let (order, instead) = (order(number), instead.map(order));
        let instead_of = instead.as_ref();
        let request = ClaimRequest { cart: &cart_id, order: &order, now: at, instead_of, admissions: &admissions };
        claims.claim(request).await.unwrap()
    };
    assert!(matches!(with(1, None).await, Claim::Mine(_)));
    assert!(matches!(with(1, None).await, Claim::Mine(_)), "the same order asks again");
    assert!(matches!(with(2, Some(1)).await, Claim::Mine(_)), "the order before it died");
    closes.close(&cart_id, &order(2), &[], at).await.unwrap();
    assert_eq!(with(3, None).await, Claim::Used);
    assert!(load(&stage, cart_id.as_str()).await.unwrap().claim.is_none(), "nothing is half done");
    assert!(matches!(claim(&claims, &cart_id, 3, at, None).await, Claim::Mine(_)), "without it the cart is free");
}

#[tokio::test]
async fn closing_meets_changes_and_loses_neither() {
    let Some(stage) = stage().await else { return };
    product(&stage, "TEA", 350, "EUR", 9).await;
    product(&stage, "POT", 350, "EUR", 9).await;
    let id = cart(&stage).await;
    set(&stage, &id, "TEA", 2).send().await.expect(200);
    let cart_id = CartId::parse(&id).unwrap();
    let claims = ClaimCart::connect(&stage.data.platform).unwrap();
    claim(&claims, &cart_id, 1, now(&stage), None).await;
    let closes = CloseCart::connect(&stage.data.platform).unwrap();
    let bought = [(sku("TEA"), 2)];
    let (added, first, second) = futures_util::future::join3(
        set(&stage, &id, "POT", 1).send(),
        closes.close(&cart_id, &order(1), &bought, now(&stage)),
        closes.close(&cart_id, &order(1), &bought, now(&stage)),
    )
    .await;
    added.expect(200);
    first.unwrap();
    second.unwrap();
    let cart = load(&stage, &id).await.unwrap();
    assert_eq!((cart.lines.keys().map(Sku::as_str).collect::<Vec<_>>(), cart.version), (vec!["POT"], 4));
}

async fn merge(stage: &Stage, into: &str, from: &str) -> Answer {
    let request = stage.to("merge-cart").path("id", into).scope("customer");
    request.json(&json!({ "from": from })).send().await
}

fn quantities(cart: &Cart) -> Vec<(&str, u32)> {
    cart.lines.iter().map(|(sku, line)| (sku.as_str(), line.quantity)).collect()
}

#[tokio::test]
async fn a_guests_cart_goes_over_once() {
    let Some(stage) = stage().await else { return };
    for name in ["TEA", "POT", "CUP"] {
        product(&stage, name, 350, "EUR", 9).await;
    }
    let (mine, guest) = (cart(&stage).await, cart(&stage).await);
    set(&stage, &mine, "TEA", 2).send().await.expect(200);
    set(&stage, &mine, "CUP", 998).send().await.expect(200);
    for (name, quantity) in [("POT", 1), ("TEA", 3), ("CUP", 5)] {
        set(&stage, &guest, name, quantity).send().await.expect(200);
    }
    coupon(&stage, "SPRING", 10).await;
    stage.to("apply-coupon").path("id", &guest).json(&json!({ "code": "SPRING" })).send().await.expect(200);
    let merged = merge(&stage, &mine, &guest).await.expect(200);
    assert_eq!(merged.body["notes"], json!([{ "kind": "quantity_capped", "sku": "CUP" }]));
    assert_eq!(merged.body["coupon"]["code"], "SPRING");
    let again = merge(&stage, &mine, &guest).await.expect(200);
    assert_eq!((&again.body["version"], again.body.get("notes")), (&merged.body["version"], None));
    let (into, from) = (load(&stage, &mine).await.unwrap(), load(&stage, &guest).await.unwrap());
    assert_eq!(quantities(&into), [("CUP", 999), ("POT", 1), ("TEA", 5)]);
    assert_eq!((from.lines.len(), from.added.len(), from.coupon), (0, 0, None));
    // The guest's cart is a cart as before: what comes in later can go over later.
    set(&stage, &guest, "POT", 1).send().await.expect(200);
    merge(&stage, &mine, &guest).await.expect(200);
    assert_eq!(load(&stage, &mine).await.unwrap().lines[&sku("POT")].quantity, 2);
}

#[tokio::test]
async fn a_merge_that_cannot_be_leaves_both_carts_as_they_were() {
    let Some(stage) = stage().await else { return };
    product(&stage, "TEA", 350, "EUR", 9).await;
    let (mine, guest) = (cart(&stage).await, cart(&stage).await);
    set(&stage, &guest, "TEA", 2).send().await.expect(200);
    let claims = ClaimCart::connect(&stage.data.platform).unwrap();
    claim(&claims, &CartId::parse(&guest).unwrap(), 1, now(&stage), None).await;
    let before = (load(&stage, &mine).await, load(&stage, &guest).await);
    let paying = merge(&stage, &mine, &guest).await;
    assert_eq!((paying.status, &paying.body["code"]), (409, &json!("checkout-in-progress")));
    for (into, from, status, code) in [
        (mine.as_str(), mine.as_str(), 422, "invalid-body"),
        (mine.as_str(), "crt_0000000000000000000000", 404, "cart-not-found"),
        (mine.as_str(), "rubbish", 404, "cart-not-found"),
        ("crt_0000000000000000000000", guest.as_str(), 404, "cart-not-found"),
    ] {
        let answer = merge(&stage, into, from).await;
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{into} {from}");
    }
    let stale = stage.to("merge-cart").path("id", &mine).scope("customer").header("if-match", "\"v7\"");
    assert_eq!(stale.json(&json!({ "from": guest })).send().await.status, 412);
    assert_eq!((load(&stage, &mine).await, load(&stage, &guest).await), before);
    // The order was never written, and by now never will be.
    stage.data.clock.advance(Duration::from_secs(60));
    merge(&stage, &mine, &guest).await.expect(200);
    assert_eq!(quantities(&load(&stage, &mine).await.unwrap()), [("TEA", 2)]);
}

#[tokio::test]
async fn every_grant_is_used_and_no_other_is_needed() {
    let Some(stage) = stage().await else { return };
    product(&stage, "TEA", 350, "EUR", 9).await;
    product(&stage, "POT", 350, "EUR", 9).await;
    let id = cart(&stage).await;
    for name in ["TEA", "POT"] {
        set(&stage, &id, name, 1).send().await.expect(200);
    }
    coupon(&stage, "SPRING", 10).await;
    let applied = stage.to("apply-coupon").path("id", &id).json(&json!({ "code": "spring" })).send().await.expect(200);
    assert_eq!(applied.body["totals"]["discount"]["amount"], 70, "{}", applied.body);
    read(&stage, &id).await.expect(200);
    set(&stage, &id, "TEA", 1).send().await.expect(200);
    stage.to("remove-line").path("id", &id).path("sku", "POT").send().await.expect(200);
    let removed = stage.to("remove-coupon").path("id", &id).send().await.expect(200);
    assert!(removed.body.get("coupon").is_none(), "{}", removed.body);
    let guest = cart(&stage).await;
    set(&stage, &guest, "TEA", 1).send().await.expect(200);
    stage.to("apply-coupon").path("id", &guest).json(&json!({ "code": "spring" })).send().await.expect(200);
    let cart_id = CartId::parse(&guest).unwrap();
    claim(&ClaimCart::connect(&stage.data.platform).unwrap(), &cart_id, 2, now(&stage), None).await;
    stage.data.clock.advance(Duration::from_secs(60));
    merge(&stage, &id, &guest).await.expect(200);
    set(&stage, &id, "TEA", 1).send().await.expect(200);
    let cart_id = CartId::parse(&id).unwrap();
    let claims = ClaimCart::connect(&stage.data.platform).unwrap();
    claim(&claims, &cart_id, 1, now(&stage), None).await;
    let data = OrderPaid { cart_id, order_id: order(1), bought: vec![Bought { sku: sku("TEA"), quantity: 1 }] };
    let envelope = Envelope { id: EventId::new([1; 16]), kind: "order.paid.v1".into(), time: now(&stage), data };
    let record = json!({ "messageId": "m", "receiptHandle": "h", "body": serde_json::to_string(&envelope).unwrap(), "attributes": {}, "messageAttributes": {} });
    stage.invoke("close-cart", &json!({ "Records": [record] })).await;
    assert!(load(&stage, &id).await.unwrap().lines.is_empty());
    stage.assert_grants();
}
