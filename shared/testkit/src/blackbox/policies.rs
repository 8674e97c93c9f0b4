//! How an item is kept and sold: backorders, items that are not counted, thresholds, units that a channel leaves to others.

use http::Method;
use serde_json::json;

use super::check::{cart_becomes, names_fields, problem, same};
use super::stockroom::{CHANNEL, desk, tag, version_of};
use super::{Case, case};
use crate::shop::{Shop, Stock, VISA, Wanted};
use crate::{Outcome, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("policies.a backorder sells up to its limit and no further", backorder),
        case("policies.a limit is never below what was sold on it", lower_limit),
        case("policies.a limit goes when nothing was sold on it, also from shards", limit_of_shards),
        case("policies.what is not counted always sells, and moves no counter", uncounted),
        case("policies.a threshold of its own tells when an item is low", threshold),
        case("policies.safety stock is left to the other channels", safety),
        case("policies.settings of a version that is gone are refused", stale_version),
        case("policies.wrong settings are refused, each field named", wrong),
    ]
}

async fn backorder(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(2)).await?;
    let (limit, expected) = (3, "2099-01-01T00:00:00.000Z");
    let tracking = json!({ "policy": "backorder", "limit": limit, "expected_at": expected });
    let kept = shop.keep(&goods.sku, &json!({ "tracking": tracking, "low_at": 1 })).await?.expect(200)?;
    same("tracking", kept.at("/tracking")?, &tracking)?;
    let path = format!("/v1/inventory/{}", goods.sku);
    let seen = shop.client().get(&path).send().await?.expect(200)?;
    same("what can be bought", seen.integer("/available")?, 5)?;
    ensure!(seen.body.get("expected_at").is_none(), "{}", seen.wrong("two of them are here"));
    shop.buy(&goods.sku, 4).await?.expect(201)?;
    let sold = Stock { received: 2, available: 1, held: 0, taken: 4, allowance: limit };
    shop.stock_becomes(&goods.sku, sold).await?;
    let seen = shop.client().get(&path).send().await?.expect(200)?;
    same("status", seen.text("/status")?, "low")?;
    same("the last is not here yet", seen.text("/expected_at")?, expected)?;
    shop.cannot_buy(&goods.sku, 2, 1).await?;
    same("after the refusal", shop.stock(&goods.sku).await?, sold)?;
    shop.buy(&goods.sku, 1).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock { available: 0, taken: 5, ..sold }).await?;
    shop.cannot_buy(&goods.sku, 1, 0).await?;
    same("at the limit", shop.availability(&goods.sku).await?, ("sold_out".to_owned(), 0))?;
    // What comes in is owed to those who bought it, and can be promised anew.
    shop.receive(&goods.sku, 3, &shop.unique("receipt")).await?.expect(200)?;
    same("stock", shop.stock(&goods.sku).await?, Stock { received: 5, available: 3, taken: 5, ..sold })
}

async fn lower_limit(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(1)).await?;
    let limit = |units: u32| json!({ "tracking": { "policy": "backorder", "limit": units } });
    shop.keep(&goods.sku, &limit(4)).await?.expect(200)?;
    shop.buy(&goods.sku, 2).await?.expect(201)?;
    let sold = Stock { received: 1, available: 3, held: 0, taken: 2, allowance: 4 };
    shop.stock_becomes(&goods.sku, sold).await?;
    shop.held(&goods.sku, 2).await?;
    let held = Stock { available: 1, held: 2, ..sold };
    same("held", shop.stock(&goods.sku).await?, held)?;
    let before = shop.settings(&goods.sku).await?;
    for settings in [limit(2), json!({})] {
        problem(shop.keep(&goods.sku, &settings).await?, 409, "below-held")?;
    }
    same("settings after the refusals", &shop.settings(&goods.sku).await?.body, &before.body)?;
    same("stock after the refusals", shop.stock(&goods.sku).await?, held)?;
    shop.keep(&goods.sku, &limit(3)).await?.expect(200)?;
    same("as low as it goes", shop.stock(&goods.sku).await?, Stock { available: 0, allowance: 3, ..held })?;
    shop.receive(&goods.sku, 3, &shop.unique("receipt")).await?.expect(200)?;
    shop.keep(&goods.sku, &json!({})).await?.expect(200)?;
    same("all are here", shop.stock(&goods.sku).await?, Stock { received: 4, available: 0, allowance: 0, ..held })
}

async fn limit_of_shards(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(2)).await?;
    let limit = json!({ "tracking": { "policy": "backorder", "limit": 6 } });
    shop.keep(&goods.sku, &limit).await?.expect(200)?;
    shop.split(&goods.sku, 4).await?.expect(200)?;
    same("availability", shop.availability(&goods.sku).await?, ("in_stock".to_owned(), 8))?;
    shop.buy(&goods.sku, 2).await?.expect(201)?;
    let sold = Stock { received: 2, available: 6, held: 0, taken: 2, allowance: 6 };
    shop.stock_becomes(&goods.sku, sold).await?;
    shop.keep(&goods.sku, &json!({})).await?.expect(200)?;
    same("without it", shop.stock(&goods.sku).await?, Stock::sold(2, 2))?;
    shop.cannot_buy(&goods.sku, 1, 0).await
}

async fn uncounted(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(2)).await?;
    let before = shop.shelves(&goods.sku).await?;
    shop.keep(&goods.sku, &json!({ "tracking": { "policy": "none" } })).await?.expect(200)?;
    let (status, units) = shop.availability(&goods.sku).await?;
    ensure!(status == "in_stock" && units > 5, "{status}, {units} units of what is not counted");
    let (cart, body) = shop.ready(&goods.sku, 5, VISA).await?;
    shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    cart_becomes(&shop, &cart, &goods.sku, 0).await?;
    let reservation = shop.held(&goods.sku, 7).await?;
    shop.settle(&reservation, "commit").await?.expect(200)?;
    same("the counters after all that", shop.shelves(&goods.sku).await?, before)?;

    let never = shop.product(Wanted { units: 0, ..Wanted::default() }).await?;
    shop.keep(&never.sku, &json!({ "tracking": { "policy": "none" } })).await?.expect(200)?;
    shop.buy(&never.sku, 1).await?.expect(201)?;
    same("what never came in", shop.stock(&never.sku).await?, Stock::default())?;

    shop.keep(&goods.sku, &json!({ "tracking": { "policy": "track" } })).await?.expect(200)?;
    same("counted again", shop.availability(&goods.sku).await?, ("low".to_owned(), 2))?;
    shop.cannot_buy(&goods.sku, 3, 2).await
}

async fn threshold(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(4)).await?;
    same("of a fresh item", shop.availability(&goods.sku).await?, ("low".to_owned(), 4))?;
    for (low_at, status) in [(3, "in_stock"), (4, "low"), (0, "in_stock")] {
        let kept = shop.keep(&goods.sku, &json!({ "low_at": low_at })).await?.expect(200)?;
        same("low_at", kept.integer("/low_at")?, low_at)?;
        same("status", shop.availability(&goods.sku).await?, (status.to_owned(), 4))?;
    }
    same("stock", shop.stock(&goods.sku).await?, Stock::sold(4, 0))
}

async fn safety(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(3)).await?;
    let kept = shop.keep(&goods.sku, &json!({ "safety": { "web": 2 } })).await?.expect(200)?;
    same("safety", kept.at("/safety")?, &json!({ "web": 2 }))?;
    same("what shoppers can buy", shop.availability(&goods.sku).await?.1, 1)?;
    shop.cannot_buy(&goods.sku, 2, 1).await?;
    same("after the refusal", shop.stock(&goods.sku).await?, Stock::sold(3, 0))?;
    shop.buy(&goods.sku, 1).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(3, 1)).await?;
    shop.cannot_buy(&goods.sku, 1, 0).await?;
    same("for shoppers it is sold out", shop.availability(&goods.sku).await?, ("sold_out".to_owned(), 0))?;
    // The other way round nothing is left to the web shop.
    let reservation = shop.held(&goods.sku, 2).await?;
    shop.settle(&reservation, "commit").await?.expect(200)?;
    shop.stock_becomes(&goods.sku, Stock::sold(3, 3)).await?;

    let split = shop.product(Wanted::units(8)).await?;
    shop.keep(&split.sku, &json!({ "safety": { CHANNEL: 6 } })).await?.expect(200)?;
    shop.split(&split.sku, 4).await?.expect(200)?;
    let refused = problem(shop.reserve(&split.sku, 3, 600).await?, 409, "out-of-stock")?;
    same("what is left to the channel", refused.integer("/lines/0/available")?, 2)?;
    shop.buy(&split.sku, 8).await?.expect(201)?;
    shop.stock_becomes(&split.sku, Stock::sold(8, 8)).await
}

async fn stale_version(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(1)).await?;
    let fresh = shop.settings(&goods.sku).await?;
    same("tracking of a fresh item", fresh.at("/tracking/policy")?, &json!("track"))?;
    same("shards of a fresh item", fresh.at("/shards")?, &json!({ "main": 1 }))?;
    let seen = version_of(&fresh)?;
    let ask = async |version: u64, low_at: u32| {
        let request = shop.by_staff(Method::PUT, desk(&goods.sku, "settings")).await?;
        let request = request.header("if-match", &tag(version)).json(&json!({ "low_at": low_at }));
        Ok::<_, crate::Stop>(request.send().await?)
    };
    let kept = ask(seen, 7).await?.expect(200)?;
    let now = version_of(&kept)?;
    ensure!(now > seen, "{}", kept.wrong("the version must rise"));
    problem(ask(seen, 8).await?, 412, "version-mismatch")?;
    let read = shop.settings(&goods.sku).await?;
    same("after the refusal", &read.body, &kept.body)?;
    ask(now, 8).await?.expect(200)?;
    Ok(())
}

async fn wrong(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(1)).await?;
    let before = shop.settings(&goods.sku).await?;
    let body = json!({
        "tracking": { "policy": "backorder", "limit": 0, "expected_at": "soon" },
        "low_at": -1,
        "safety": { "web": -1, "Point Of Sale": 1 },
        "drop": { "opens_at": "noon", "per_second": 0 },
        "colour": "green",
    });
    let places = [
        "/tracking/limit",
        "/tracking/expected_at",
        "/low_at",
        "/safety/web",
        "/safety/Point Of Sale",
        "/drop/opens_at",
        "/drop/per_second",
        "/colour",
    ];
    names_fields(shop.keep(&goods.sku, &body).await?, 422, &places)?;
    let many: serde_json::Map<_, _> = (0..21).map(|number| (format!("till-{number}"), json!(1))).collect();
    let answer = shop.keep(&goods.sku, &json!({ "low_at": 1_000_001, "safety": many })).await?;
    names_fields(answer, 422, &["/low_at", "/safety"])?;
    let answer = shop.keep(&goods.sku, &json!({ "tracking": { "policy": "sometimes" } })).await?;
    let answer = problem(answer, 422, "invalid-body")?;
    ensure!(
        answer
            .list("/errors")?
            .iter()
            .all(|error| error["pointer"].as_str().is_some_and(|at| at.starts_with("/tracking"))),
        "{}",
        answer.wrong("only the policy is wrong")
    );
    same("settings after all refusals", &shop.settings(&goods.sku).await?.body, &before.body)
}
