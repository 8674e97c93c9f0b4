//! Recommendations: the worker killed between any two calls, messages that come twice, late, mixed up and at the same time. In
//! the end each sample is that of the set of paid orders. And rows in a shop without search.

use std::collections::{BTreeMap, BTreeSet};

use aws::{Capability as _, Item};
use bytes::Bytes;
use catalog::table::CreateProducts;
use http::{Method, Request};
use inventory::CounterKey;
use inventory::table::{Movement, ReceiveStock};
use kernel::{OrderId, ProductId, Sku, Timestamp, UserId};
use recommendations::operations::build_recommendations::{Basket, Happened};
use recommendations::sample::Lot;
use recommendations::table::{BASKETS_SAMPLED, SALES_SAMPLED, TABLE};
use serde_json::{Value, json};

use crate::saga::World;

const TEA: u8 = 1;

fn product(number: u8) -> ProductId {
    ProductId::new([number; 16])
}

/// One more product like the shop's tea.
async fn stock(world: &World, number: u8, category: &str, units: i64) {
    let platform = world.shop.platform();
    let now = platform.clock().now();
    let sku = format!("SKU-{number}");
    let new = serde_json::from_value(json!({
        "name": format!("Thing {number}"), "category": category,
        "variants": [{ "sku": sku, "options": {}, "price": { "amount": 1000, "currency": "EUR" } }],
    }));
    let products = CreateProducts::connect(platform).unwrap();
    catalog::create(&products, new.unwrap(), [number; 16], "f", now).await.unwrap();
    let key = CounterKey::main(Sku::parse(&sku).unwrap());
    let movement = Movement::opening("receipt", units, "f");
    ReceiveStock::connect(platform).unwrap().receive(&key, &movement, now).await.unwrap();
}

/// One tea and one of each of these are bought.
async fn buy(world: &World, others: &[u8], key: &str) {
    let cart = world.cart(1).await;
    for number in others {
        let line = format!("/v1/carts/{cart}/lines/SKU-{number}");
        let (status, _) = world.send(Method::PUT, &line, "", json!({ "quantity": 1 })).await;
        assert_eq!(status, 200);
    }
    let quantity = 1 + i64::try_from(others.len()).unwrap();
    let (status, order) = world.pay(&cart, quantity, key, "pm_card_visa").await;
    assert_eq!(status, 201, "{order}");
}

/// What the worker is sent: these baskets, in this order.
fn message(baskets: &[Basket]) -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/build-recommendations.json");
    let event: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let record = |(at, basket): (usize, &Basket)| {
        let mut record = event["Records"][0].clone();
        let mut body: Value = serde_json::from_str(record["body"].as_str().unwrap()).unwrap();
        body["data"] = serde_json::to_value(Happened::Bought(basket.clone())).unwrap();
        (record["body"], record["messageId"]) = (json!(body.to_string()), json!(at.to_string()));
        record
    };
    json!({ "Records": baskets.iter().enumerate().map(record).collect::<Vec<_>>() }).to_string()
}

/// What is kept: of each key, the things by lot.
async fn kept(world: &World) -> BTreeMap<(String, String), BTreeMap<Lot, String>> {
    let text = |item: &Item, name: &str| item[name].as_s().unwrap().clone();
    let items = world.items(&TABLE).await;
    let things = |item: &Item| {
        let all = item.iter().filter_map(|(name, value)| Some((Lot::parse(name)?, value.as_s().unwrap().clone())));
        ((text(item, "pk"), text(item, "sk")), all.collect())
    };
    items.iter().map(things).collect()
}

async fn recommended(world: &World, path: &str, who: Option<u8>) -> Vec<(ProductId, String)> {
    let request = Request::builder().method(Method::GET).uri(path).body(Bytes::new()).unwrap();
    let response = match who {
        None => world.shop.request(request).await,
        Some(number) => {
            let claims = local::shop::verified(&UserId::new([number; 16]).to_string(), "customer");
            world.shop.request_of(&claims, request).await
        }
    };
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(response.status(), 200, "{body}");
    let item = |item: &Value| {
        (ProductId::parse(item["id"].as_str().unwrap()).unwrap(), item["reason"].as_str().unwrap().to_owned())
    };
    body["items"].as_array().unwrap().iter().map(item).collect()
}

#[tokio::test(start_paused = true)]
async fn an_order_counts_once_wherever_the_worker_is_killed() {
    // It reads products and samples, and writes two baskets and the sales of three levels.
    for at in 1..=8 {
        for answer_only in [false, true] {
            let what = format!("killed at {at}, answer only {answer_only}");
            let world = World::with("build-recommendations", [].into()).await;
            stock(&world, 2, "tea/pots", 5).await;
            world.killer.arm(at, answer_only);
            buy(&world, &[2], "one").await;
            world.shop.drain().await;
            world.killer.disarm();
            world.settle().await;
            buy(&world, &[2], "two").await;
            world.settle().await;
            let kept = kept(&world).await;
            let counts: BTreeMap<&str, usize> =
                kept.iter().map(|((pk, _), things)| (pk.as_str(), things.len())).collect();
            let (tea, pot) = (format!("p#{}", product(TEA)), format!("p#{}", product(2)));
            // Each order once under each product; two sales in the shop and in `tea`, of which one is in `tea/pots`.
            let expected = [("c#/", 4), ("c#tea", 4), ("c#tea/pots", 2), (tea.as_str(), 2), (pot.as_str(), 2)];
            assert_eq!(counts, expected.into(), "{what}");
            let with_tea = kept.iter().find(|((pk, _), _)| *pk == tea).unwrap().1;
            assert!(with_tea.values().all(|others| others == product(2).body()), "{what}: {with_tea:?}");
        }
    }
}

#[tokio::test]
async fn samples_are_those_of_the_set_of_orders() {
    const ORDERS: u16 = 400;
    let world = World::with("nobody", [].into()).await;
    stock(&world, 2, "tea/pots", 5).await;
    let placed_at = Timestamp::from_millis(1_795_766_400_000);
    let basket = |number: u16| {
        let order = OrderId::derive(&[&number.to_be_bytes()]);
        Basket { order, placed_at, products: vec![product(TEA), product(2)] }
    };
    // Each comes three times, in three different orders, ten at a time and many batches at once.
    let mixed = [1, 7, 391].map(|step| (0..ORDERS).map(move |at| u16::try_from(u32::from(at) * step % 401).unwrap()));
    let all: Vec<Basket> = mixed.into_iter().flatten().map(basket).collect();
    let batches: Vec<String> = all.chunks(10).map(message).collect();
    for some in batches.chunks(8) {
        let answers = some.iter().map(|batch| world.shop.invoke("build-recommendations", batch.clone()));
        for answer in futures_util::future::join_all(answers).await {
            assert_eq!(answer.unwrap(), r#"{"batchItemFailures":[]}"#);
        }
    }
    let orders: BTreeSet<OrderId> = all.into_iter().map(|basket| basket.order).collect();
    let baskets: BTreeSet<Lot> = orders.iter().map(|order| Lot::of(&[b"basket", order.as_str().as_bytes()])).collect();
    let sale =
        |order: &OrderId, number| Lot::of(&[b"sale", order.as_str().as_bytes(), product(number).as_str().as_bytes()]);
    let sales: BTreeSet<Lot> = orders.iter().flat_map(|order| [sale(order, TEA), sale(order, 2)]).collect();
    let kept = kept(&world).await;
    assert_eq!(kept.len(), 5);
    for ((pk, _), things) in kept {
        let (expected, most) = match pk.as_str() {
            "c#tea/pots" => (orders.iter().map(|order| sale(order, 2)).collect(), SALES_SAMPLED),
            pk if pk.starts_with("c#") => (sales.clone(), SALES_SAMPLED),
            _ => (baskets.clone(), BASKETS_SAMPLED),
        };
        let drawn: Vec<Lot> = things.keys().copied().take(most).collect();
        assert_eq!(drawn, expected.into_iter().take(most).collect::<Vec<_>>(), "{pk}");
        // What races left over goes with the next write; it is never much.
        assert!(things.len() < most + 100, "{pk} has {}", things.len());
    }
}

#[tokio::test]
async fn a_shop_without_search_recommends_what_sells() {
    let world = World::with("nobody", BTreeMap::from([("OXCART_SEARCH".to_owned(), "off".to_owned())])).await;
    for (number, category, units) in
        [(2, "tea/pots", 5), (3, "tea/pots", 1), (4, "tea", 5), (5, "lamps", 5), (6, "tea", 0), (7, "lamps", 5)]
    {
        stock(&world, number, category, units).await;
    }
    buy(&world, &[2, 3], "one").await;
    buy(&world, &[5], "two").await;
    world.settle().await;
    let of = |number: u8, reason: &str| (product(number), reason.to_owned());
    let path = format!("/v1/products/{}/recommendations?limit=24", product(2));
    // With the pot: tea was bought, and of thing 3 nothing is left. Then what sells in the shop, then what else there is, the
    // own category first.
    let row = recommended(&world, &path, None).await;
    assert_eq!(row[..2], [of(TEA, "bought_together"), of(5, "best_seller")]);
    let rest: BTreeSet<_> = row[2..].iter().cloned().collect();
    assert_eq!(rest, [of(4, "well_rated"), of(7, "well_rated")].into());
    // Somebody of whom nothing is known.
    let row = recommended(&world, "/v1/me/recommendations?limit=3", Some(9)).await;
    assert_eq!(row[0], of(TEA, "best_seller"));
    assert_eq!(row.len(), 3);
    // Periods after periods nothing of it is left.
    world.clock.advance(std::time::Duration::from_secs(60 * 24 * 3600));
    let row = recommended(&world, &path, None).await;
    assert!(row.iter().all(|(_, reason)| reason == "well_rated"), "{row:?}");
}
