//! Items that are split over shards: nothing is lost, everything can be bought, and what is held stays where it is.

use http::Method;
use serde_json::json;

use super::check::{names_fields, problem, same};
use super::stockroom::{NEAR, desk, tag};
use super::{Case, case};
use crate::http::Answer;
use crate::shop::{Shop, Stock, Wanted, shelves};
use crate::{Outcome, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("shards.splitting spreads the units evenly and loses none", spread),
        case("shards.a quantity that no shard has is bought from several", across),
        case("shards.what comes in is spread over the shards", receipts),
        case("shards.fewer shards keep every unit for sale", fewer),
        case("shards.shards with held units stay, and nothing moves", in_use),
        case("shards.a loss is written off from several shards, once", written_off),
        case("shards.a correction that is repeated after a split is made once", repeated_after_split),
        case("shards.more shards than a transaction has room for give their units too", many),
        case("shards.wrong splits are refused", wrong),
    ]
}

/// What the shards have that can be bought, as an answer tells.
fn available(answer: &Answer) -> Outcome<Vec<i64>> {
    Ok(shelves(answer)?.into_iter().map(|shelf| shelf.stock.available).collect())
}

/// An answer of the stock in which so many units are spread evenly over so many shards.
fn even(answer: &Answer, shards: usize, units: i64) -> Outcome {
    let seen = available(answer)?;
    let (least, most) = (seen.iter().min().copied().unwrap_or(0), seen.iter().max().copied().unwrap_or(0));
    ensure!(most - least <= 1, "{}", answer.wrong("the units are not spread evenly"));
    same("shards", seen.len(), shards)?;
    same("units in all shards", seen.iter().sum(), units)
}

async fn spread(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(18)).await?;
    let split = shop.split(&goods.sku, 8).await?.expect(200)?;
    even(&split, 8, 18)?;
    // A counter carries a mark of each movement for a day: the one that gives to all others must not carry one for each.
    same("movements of the shard that gave", shelves(&split)?[0].version, 2)?;
    let read = shop.by_staff(Method::GET, format!("/v1/admin/inventory/{}", goods.sku)).await?.send().await?;
    same("what is read afterwards", &read.expect(200)?.body, &split.body)?;
    same("all of them", shop.stock(&goods.sku).await?, Stock::sold(18, 0))?;
    same("availability", shop.availability(&goods.sku).await?, ("in_stock".to_owned(), 18))?;
    same("settings", shop.settings(&goods.sku).await?.at("/shards")?, &json!({ "main": 8 }))?;
    let again = shop.split(&goods.sku, 8).await?.expect(200)?;
    same("the same split again", &again.body, &split.body)
}

async fn across(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(8)).await?;
    even(&shop.split(&goods.sku, 8).await?.expect(200)?, 8, 8)?;
    shop.buy(&goods.sku, 3).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(8, 3)).await?;
    shop.cannot_buy(&goods.sku, 6, 5).await?;
    same("after the refusal", shop.stock(&goods.sku).await?, Stock::sold(8, 3))?;
    shop.buy(&goods.sku, 5).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(8, 8)).await?;
    shop.cannot_buy(&goods.sku, 1, 0).await?;
    same("sold", shop.availability(&goods.sku).await?, ("sold_out".to_owned(), 0))
}

async fn receipts(shop: Shop) -> Outcome {
    // Fewer units than shards: most shards have none yet.
    let goods = shop.product(Wanted::units(2)).await?;
    shop.split(&goods.sku, 4).await?.expect(200)?;
    shop.buy(&goods.sku, 2).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(2, 2)).await?;
    let key = shop.unique("receipt");
    for _ in 0..2 {
        let answer = shop.receive(&goods.sku, 12, &key).await?.expect(200)?;
        even(&answer, 4, 12)?;
    }
    same("booked once", shop.stock(&goods.sku).await?, Stock::sold(14, 2))
}

async fn fewer(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(10)).await?;
    shop.split(&goods.sku, 8).await?.expect(200)?;
    shop.buy(&goods.sku, 2).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(10, 2)).await?;
    let one = shop.split(&goods.sku, 1).await?.expect(200)?;
    same("where they can be bought", available(&one)?.first().copied(), Some(8))?;
    same("the books of all shards", shop.stock(&goods.sku).await?, Stock::sold(10, 2))?;
    same("availability", shop.availability(&goods.sku).await?, ("in_stock".to_owned(), 8))?;
    same("settings", shop.settings(&goods.sku).await?.at("/shards/main")?, &json!(1))?;
    shop.buy(&goods.sku, 5).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(10, 7)).await?;
    let three = shop.split(&goods.sku, 3).await?.expect(200)?;
    same("spread over those that are sold from", available(&three)?, vec![1, 1, 1, 0, 0, 0, 0, 0])?;
    shop.buy(&goods.sku, 3).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(10, 10)).await
}

async fn in_use(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(16)).await?;
    shop.split(&goods.sku, 8).await?.expect(200)?;
    // No shard has nine: five of them hold their part of it.
    let reservation = shop.held(&goods.sku, 9).await?;
    let before = shop.shelves(&goods.sku).await?;
    let answer = problem(shop.split(&goods.sku, 1).await?, 409, "shards-in-use")?;
    ensure!(answer.retry_after().is_some(), "{}", answer.wrong("it must say when to try again"));
    same("the shards after the refusal", shop.shelves(&goods.sku).await?, before)?;
    same("settings", shop.settings(&goods.sku).await?.at("/shards/main")?, &json!(8))?;
    shop.buy(&goods.sku, 7).await?.expect(201)?;
    shop.settle(&reservation, "release").await?.expect(200)?;
    shop.stock_becomes(&goods.sku, Stock::sold(16, 7)).await?;
    shop.split(&goods.sku, 1).await?.expect(200)?;
    same("when nothing is held", shop.stock(&goods.sku).await?, Stock::sold(16, 7))
}

async fn written_off(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(16)).await?;
    shop.split(&goods.sku, 8).await?.expect(200)?;
    let key = shop.unique("adjust");
    for _ in 0..2 {
        shop.adjust(&goods.sku, -9, &key).await?.expect(200)?;
    }
    problem(shop.adjust(&goods.sku, -8, &key).await?, 422, "idempotency-key-reused")?;
    same("written off once", shop.stock(&goods.sku).await?, Stock::sold(7, 0))?;
    let reservation = shop.held(&goods.sku, 3).await?;
    let answer = problem(shop.adjust(&goods.sku, -5, &shop.unique("adjust")).await?, 409, "below-held")?;
    same("available", answer.integer("/available")?, 4)?;
    same("held", answer.integer("/held")?, 3)?;
    same("after the refusal", shop.stock(&goods.sku).await?, Stock::holding(7, 3))?;
    // There is no one version to compare with, so nobody can have seen it.
    let body = json!({ "warehouse": "main", "quantity": 1, "reason": "count" });
    let request = shop.by_staff(Method::POST, desk(&goods.sku, "adjustments")).await?.header("if-match", &tag(1));
    problem(request.json(&body).send().await?, 412, "version-mismatch")?;
    same("after the refusal", shop.stock(&goods.sku).await?, Stock::holding(7, 3))?;
    shop.settle(&reservation, "commit").await?.expect(200)?;
    shop.stock_becomes(&goods.sku, Stock::sold(7, 3)).await?;
    shop.adjust(&goods.sku, -4, &shop.unique("adjust")).await?.expect(200)?;
    same("all of the rest", shop.stock(&goods.sku).await?, Stock::sold(3, 3))
}

async fn repeated_after_split(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(9)).await?;
    let key = shop.unique("adjust");
    shop.adjust(&goods.sku, -1, &key).await?.expect(200)?;
    shop.split(&goods.sku, 8).await?.expect(200)?;
    shop.adjust(&goods.sku, -1, &key).await?.expect(200)?;
    same("corrected once", shop.stock(&goods.sku).await?, Stock::sold(8, 0))?;
    problem(shop.adjust(&goods.sku, -2, &key).await?, 422, "idempotency-key-reused")?;
    same("after the refusal", shop.stock(&goods.sku).await?, Stock::sold(8, 0))?;
    // And the other way round: made when it was split, repeated when it is not.
    let key = shop.unique("adjust");
    shop.adjust(&goods.sku, -3, &key).await?.expect(200)?;
    shop.split(&goods.sku, 1).await?.expect(200)?;
    shop.adjust(&goods.sku, -3, &key).await?.expect(200)?;
    same("corrected once", shop.stock(&goods.sku).await?, Stock::sold(5, 0))?;
    problem(shop.adjust(&goods.sku, 3, &key).await?, 422, "idempotency-key-reused")?;
    same("after the refusal", shop.stock(&goods.sku).await?, Stock::sold(5, 0))
}

async fn many(shop: Shop) -> Outcome {
    shop.furnish().await?;
    let goods = shop.product(Wanted::units(100)).await?;
    even(&shop.split(&goods.sku, 100).await?.expect(200)?, 100, 100)?;
    let body = json!({ "sku": goods.sku, "from": "main", "to": NEAR, "quantity": 95 });
    let request = shop.by_staff(Method::POST, "/v1/admin/inventory/transfers").await?;
    request.json(&body).send().await?.expect(201)?;
    same("sent", shop.stock_in(&goods.sku, NEAR).await?, Stock::sold(95, 0))?;
    shop.receive(&goods.sku, 90, &shop.unique("receipt")).await?.expect(200)?;
    let key = shop.unique("adjust");
    for _ in 0..2 {
        shop.adjust(&goods.sku, -93, &key).await?.expect(200)?;
    }
    same("written off once", shop.stock_in(&goods.sku, "main").await?, Stock::sold(2, 0))?;
    same("in all", shop.stock(&goods.sku).await?, Stock::sold(97, 0))
}

async fn wrong(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(3)).await?;
    for shards in [0, 257] {
        names_fields(shop.split(&goods.sku, shards).await?, 422, &["/shards"])?;
    }
    let path = desk(&goods.sku, "shards");
    let request = shop.by_staff(Method::PUT, &path).await?.json(&json!({ "shards": "2", "evenly": true }));
    names_fields(request.send().await?, 422, &["/warehouse", "/shards", "/evenly"])?;
    let moon = json!({ "warehouse": "moon", "shards": 2 });
    let answer = shop.by_staff(Method::PUT, &path).await?.json(&moon).send().await?;
    problem(answer, 404, "warehouse-not-found")?;
    problem(shop.split(&shop.unique("NO-SUCH-SKU"), 2).await?, 404, "sku-not-found")?;
    let shelves = shop.shelves(&goods.sku).await?;
    same("shards after all refusals", shelves.len(), 1)?;
    same("stock after all refusals", shelves[0].stock, Stock::sold(3, 0))
}
