//! A long day: many orders, one after the other and a few at once, through a shop in a folder of its own, to see whether
//! the checkout gets slower as orders pile up. `make soak` prints the table that stands in `docs/performance.md`.

use std::path::PathBuf;
use std::time::Duration;

use aws::Capability as _;
use bytes::Bytes;
use catalog::table::CreateProducts;
use futures_util::{StreamExt as _, stream};
use http::{Method, Request, StatusCode};
use inventory::CounterKey;
use inventory::table::{Movement, ReceiveStock};
use kernel::Sku;
use serde_json::{Value, json};
use testkit::clock::Watch;
use testkit::stats::percentile;

use crate::pump::Pump;
use crate::shop::{Options, Shop};

type Failure = Box<dyn std::error::Error>;

/// Different products.
const SKUS: usize = 20;
/// Shoppers at once.
const AT_ONCE: usize = 4;
/// The day is told in so many parts.
const PARTS: usize = 10;

/// One part of the day.
#[derive(Clone, Debug)]
pub struct Part {
    /// Orders up to and with this part.
    pub orders: usize,
    /// Half of the checkouts were quicker than this.
    pub p50: Duration,
    /// 99 of 100 checkouts were quicker than this.
    pub p99: Duration,
    /// How long the part took, carts and workers included.
    pub took: Duration,
}

/// Places so many orders and tells of each part as it ends.
pub async fn run(orders: usize, mut tell: impl FnMut(&Part)) -> Result<(), Failure> {
    let folder: PathBuf = std::env::temp_dir().join(format!("oxcart-soak-{}", std::process::id()));
    let shop = Shop::open(Options::folder(&folder), crate::registry::registry()).await?;
    let pump = Pump::start(&shop);
    for index in 0..SKUS {
        stock(&shop, &format!("SOAK-{index}")).await?;
    }
    let each = (orders / PARTS).max(1);
    for part in 0..PARTS {
        let watch = Watch::start();
        let shoppers = (0..each).map(|index| order(&shop, part * each + index));
        let times: Vec<Result<Duration, Failure>> = stream::iter(shoppers).buffer_unordered(AT_ONCE).collect().await;
        let mut times = times.into_iter().collect::<Result<Vec<Duration>, Failure>>()?;
        times.sort_unstable();
        let took = watch.elapsed();
        tell(&Part { orders: (part + 1) * each, p50: percentile(&times, 50), p99: percentile(&times, 99), took });
    }
    pump.stop().await;
    drop(shop);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

async fn send(shop: &Shop, method: Method, path: &str, body: Value, key: &str) -> Result<(StatusCode, Value), Failure> {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let request = request.header("idempotency-key", key).body(Bytes::from(body.to_string()))?;
    let response = shop.request(request).await;
    Ok((response.status(), serde_json::from_slice(response.body())?))
}

/// One order; gives how long its checkout took.
async fn order(shop: &Shop, index: usize) -> Result<Duration, Failure> {
    let (_, cart) = send(shop, Method::POST, "/v1/carts", json!({}), "cart").await?;
    let cart = cart["id"].as_str().ok_or("no cart")?.to_owned();
    let line = format!("/v1/carts/{cart}/lines/SOAK-{}", index % SKUS);
    send(shop, Method::PUT, &line, json!({ "quantity": 1 }), "line").await?;
    let body = json!({
        "cart_id": cart, "email": "ada@example.com", "shipping_method": "standard", "payment_token": "pm_card_visa",
        "shipping_address": { "name": "Ada Lovelace", "line1": "Unter den Linden 1", "city": "Berlin", "postal_code": "10117", "country": "DE" },
        "expected_total": { "amount": 1780, "currency": "EUR" },
    });
    let watch = Watch::start();
    let (status, answer) = send(shop, Method::POST, "/v1/checkout", body, &cart).await?;
    let took = watch.elapsed();
    if status == StatusCode::CREATED { Ok(took) } else { Err(format!("order {index}: {status} {answer}").into()) }
}

async fn stock(shop: &Shop, sku: &str) -> Result<(), Failure> {
    let platform = shop.platform();
    let now = platform.clock().now();
    let new = serde_json::from_value(json!({
        "name": sku, "category": "things",
        "variants": [{ "sku": sku, "options": {}, "price": { "amount": 1290, "currency": "EUR" } }],
    }))?;
    let created = catalog::create(&CreateProducts::connect(platform)?, new, platform.random(), sku, now).await;
    created.map_err(|problem| problem.detail.into_owned())?;
    let movement = Movement::opening("rsoak", 1_000_000, sku);
    let key = CounterKey::main(Sku::parse(sku).ok_or("not a SKU")?);
    ReceiveStock::connect(platform)?.receive(&key, &movement, now).await?;
    Ok(())
}
