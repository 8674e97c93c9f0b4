//! The ledger: every movement stands in it once, says who and why, and adds up to the stock.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use super::check::{names_fields, problem, same};
use super::stockroom::{CHANNEL, NEAR, desk};
use super::{Case, case};
use crate::clock::{Watch, pause};
use crate::http::{Answer, encoded};
use crate::shop::{SETTLES, Shop, Stock, Wanted, ramp};
use crate::{Outcome, Stop, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("ledger.every movement says what, how many, who and why", movements),
        case("ledger.pages have neither gaps nor repetitions", pages),
        case("ledger.shards, transfers and policies are in it, and it adds up", adds_up),
        case("ledger.an altered cursor is refused", cursors),
    ]
}

async fn page(shop: &Shop, sku: &str, query: &str) -> Outcome<Answer> {
    Ok(shop.by_staff(Method::GET, desk(sku, &format!("ledger{query}"))).await?.send().await?)
}

/// Waits until so many movements stand in the ledger; gives them, newest first.
async fn caught_up(shop: &Shop, sku: &str, count: usize) -> Outcome<Vec<Value>> {
    let watch = Watch::start();
    for attempt in 0_u32.. {
        let answer = page(shop, sku, "?limit=100").await?.expect(200)?;
        let seen = answer.list("/items")?;
        if seen.len() == count {
            return Ok(seen.to_vec());
        }
        ensure!(seen.len() < count && watch.elapsed() < SETTLES, "{}", answer.wrong(format!("expected {count}")));
        pause(ramp(attempt)).await;
    }
    Err(Stop::Failed("the ledger never caught up".into()))
}

/// Waits until the ledger has caught up and adds up to the counters; gives how many counters there are.
async fn in_order(shop: &Shop, sku: &str) -> Outcome<usize> {
    let watch = Watch::start();
    for attempt in 0_u32.. {
        let answer = shop.by_staff(Method::POST, desk(sku, "drift-check")).await?.send().await?.expect(200)?;
        let status = answer.text("/status")?;
        ensure!(["in_order", "behind"].contains(&status), "{}", answer.wrong("the books do not agree"));
        if status == "in_order" {
            let counters = answer.list("/counters")?;
            for counter in counters {
                let agrees = counter["balanced"] == true && counter["ledger"] == counter["counter"];
                ensure!(agrees, "{}", answer.wrong("a counter that is not in order"));
            }
            same("overdue holds", answer.list("/overdue")?.len(), 0)?;
            return Ok(counters.len());
        }
        ensure!(watch.elapsed() < SETTLES, "{}", answer.wrong("the ledger never caught up"));
        pause(ramp(attempt)).await;
    }
    Err(Stop::Failed("the ledger never caught up".into()))
}

async fn movements(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(9)).await?;
    let order = shop.buy(&goods.sku, 2).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(9, 2)).await?;
    let reservation = shop.held(&goods.sku, 3).await?;
    shop.settle(&reservation, "release").await?.expect(200)?;
    shop.stock_becomes(&goods.sku, Stock::sold(9, 2)).await?;
    shop.adjust(&goods.sku, -1, &shop.unique("adjust")).await?.expect(200)?;
    let order = order.text("/id")?;
    let (web, till) = (json!("web"), json!(CHANNEL));
    let by = |channel: &Value| json!(format!("channel:{}", channel.as_str().unwrap_or_default()));
    let expected = [
        ("adjustment", -1, None, "count", Value::Null),
        ("release", 3, Some(reservation.as_str()), "not sold", till.clone()),
        ("hold", -3, Some(reservation.as_str()), "held", till.clone()),
        ("confirm", -2, Some(order), "sold", web.clone()),
        ("hold", -2, Some(order), "held", web),
        ("receipt", 9, None, "testkit", Value::Null),
    ];
    let seen = caught_up(&shop, &goods.sku, expected.len()).await?;
    for ((kind, quantity, operation, reason, channel), (entry, version)) in
        expected.into_iter().zip(seen.iter().zip((1..=6).rev()))
    {
        same("kind", &entry["kind"], &json!(kind))?;
        same(kind, &entry["quantity"], &json!(quantity))?;
        same(kind, &entry["reason"], &json!(reason))?;
        same(kind, &entry["channel"], &channel)?;
        same(kind, &entry["version"], &json!(version))?;
        same(
            kind,
            (&entry["sku"], &entry["warehouse"], &entry["shard"]),
            (&json!(goods.sku), &json!("main"), &json!(0)),
        )?;
        ensure!(entry["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{entry} has no time");
        match operation {
            Some(operation) => {
                same(kind, &entry["operation"], &json!(operation))?;
                same(kind, &entry["actor"], &by(&channel))?;
            }
            None => {
                let named = |field: &str| entry[field].as_str().is_some_and(|text| !text.is_empty());
                ensure!(named("operation") && named("actor"), "{entry} does not say who");
                ensure!(entry["actor"] != "guest" && entry["actor"] != "system", "{entry} was made by staff");
            }
        }
    }
    same("counters", in_order(&shop, &goods.sku).await?, 1)
}

/// All pages of so many movements each.
async fn all_pages(shop: &Shop, sku: &str, limit: usize) -> Outcome<Vec<Value>> {
    let (mut all, mut query) = (Vec::new(), format!("?limit={limit}"));
    loop {
        let answer = page(shop, sku, &query).await?.expect(200)?;
        let items = answer.list("/items")?;
        ensure!(items.len() <= limit, "{}", answer.wrong("a page is longer than asked for"));
        all.extend(items.iter().cloned());
        match answer.at("/next")?.as_str() {
            Some(next) => query = format!("?limit={limit}&cursor={}", encoded(next)),
            None => return Ok(all),
        }
        ensure!(all.len() < 100, "the pages never end");
    }
}

async fn pages(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(1)).await?;
    for _ in 0..6 {
        shop.adjust(&goods.sku, 1, &shop.unique("adjust")).await?.expect(200)?;
    }
    let whole = caught_up(&shop, &goods.sku, 7).await?;
    let versions: Vec<i64> = whole.iter().filter_map(|entry| entry["version"].as_i64()).collect();
    same("newest first", versions, (1..=7).rev().collect())?;
    for limit in [1, 3, 7] {
        same(&format!("pages of {limit}"), &all_pages(&shop, &goods.sku, limit).await?, &whole)?;
    }
    for limit in ["0", "101", "many"] {
        names_fields(page(&shop, &goods.sku, &format!("?limit={limit}")).await?, 400, &["/limit"])?;
    }
    Ok(())
}

async fn adds_up(shop: Shop) -> Outcome {
    shop.furnish().await?;
    let goods = shop.product(Wanted::units(10)).await?;
    shop.split(&goods.sku, 4).await?.expect(200)?;
    for arrival in ["now", "later"] {
        let body = json!({ "sku": goods.sku, "from": "main", "to": NEAR, "quantity": 3, "arrival": arrival });
        let sent = shop.by_staff(Method::POST, "/v1/admin/inventory/transfers").await?.json(&body).send().await?;
        let path = format!("/v1/admin/inventory/transfers/{}/arrival", sent.expect(201)?.text("/id")?);
        shop.by_staff(Method::POST, path).await?.send().await?.expect(200)?;
    }
    shop.keep(&goods.sku, &json!({ "tracking": { "policy": "backorder", "limit": 2 } })).await?.expect(200)?;
    shop.adjust(&goods.sku, -2, &shop.unique("adjust")).await?.expect(200)?;
    shop.buy(&goods.sku, 9).await?.expect(201)?;
    let sold = Stock { received: 8, available: 1, held: 0, taken: 9, allowance: 2 };
    shop.stock_becomes(&goods.sku, sold).await?;
    same("counters", in_order(&shop, &goods.sku).await?, 5)?;
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for entry in all_pages(&shop, &goods.sku, 100).await? {
        let kind = entry["kind"].as_str().unwrap_or_default().to_owned();
        *sums.entry(kind).or_default() += entry["quantity"].as_i64().unwrap_or(0);
    }
    let sum = |kind: &str| sums.get(kind).copied().unwrap_or(0);
    same("in and out", sum("transfer_in"), -sum("transfer_out"))?;
    ensure!(sum("transfer_in") >= 6, "{sums:?} lacks transfers");
    let sums = ["receipt", "adjustment", "allowance", "hold", "confirm", "release"].map(sum);
    same("sums of all kinds", sums, [10, -2, 2, -9, -9, 0])
}

async fn cursors(shop: Shop) -> Outcome {
    let (goods, other) = (shop.product(Wanted::units(1)).await?, shop.product(Wanted::units(1)).await?);
    for sku in [&goods.sku, &other.sku] {
        shop.adjust(sku, 1, &shop.unique("adjust")).await?.expect(200)?;
        caught_up(&shop, sku, 2).await?;
    }
    let first = page(&shop, &goods.sku, "?limit=1").await?.expect(200)?;
    let cursor = first.text("/next")?;
    let mut altered = cursor.to_owned();
    let last = altered.pop();
    altered.push(if last == Some('A') { 'B' } else { 'A' });
    for wrong in [altered.as_str(), "nonsense", ""] {
        let answer = page(&shop, &goods.sku, &format!("?limit=1&cursor={}", encoded(wrong))).await?;
        problem(answer, 400, "invalid-cursor")?;
    }
    let answer = page(&shop, &other.sku, &format!("?limit=1&cursor={}", encoded(cursor))).await?;
    problem(answer, 400, "invalid-cursor")?;
    page(&shop, &goods.sku, &format!("?limit=1&cursor={}", encoded(cursor))).await?.expect(200)?;
    let ghost = shop.unique("NO-SUCH-SKU");
    same("movements of nothing", page(&shop, &ghost, "").await?.expect(200)?.list("/items")?.len(), 0)?;
    let drift = shop.by_staff(Method::POST, desk(&ghost, "drift-check")).await?.send().await?;
    problem(drift, 404, "sku-not-found")?;
    Ok(())
}
