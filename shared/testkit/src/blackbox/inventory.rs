//! Stock: booked in, corrected, shown; never below what is held, never counted twice.

use http::Method;
use serde_json::json;

use super::check::{names_fields, problem, same};
use super::stockroom::{desk, tag, version_of};
use super::{Case, case};
use crate::Outcome;
use crate::http::Answer;
use crate::shop::{Shop, Stock, Wanted};

pub fn cases() -> Vec<Case> {
    vec![
        case("inventory.receipts add up and availability follows", receipts),
        case("inventory.the same key books a receipt once", receipt_once),
        case("inventory.adjustments go both ways, never below zero", adjustments),
        case("inventory.wrong receipts and adjustments are refused", wrong_bodies),
        case("inventory.what is held cannot be written off", below_held),
        case("inventory.an unknown SKU or warehouse is not found", unknown),
        case("inventory.availability tells in stock, low, all held and sold out", statuses),
        case("inventory.a correction of a version that is gone is refused", stale_version),
    ]
}

async fn adjust(shop: &Shop, sku: &str, quantity: i64) -> Outcome<Answer> {
    shop.adjust(sku, quantity, &shop.unique("adjust")).await
}

async fn receipts(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(7)).await?;
    same("stock", shop.stock(&goods.sku).await?, Stock::sold(7, 0))?;
    let more = shop.receive(&goods.sku, 5, &shop.unique("receipt")).await?.expect_any(&[200, 201])?;
    same("what the receipt answered", more.integer("/items/0/received")?, 12)?;
    same("warehouse", more.text("/items/0/warehouse")?, "main")?;
    same("stock", shop.stock(&goods.sku).await?, Stock::sold(12, 0))?;
    same("availability", shop.availability(&goods.sku).await?, ("in_stock".to_owned(), 12))
}

async fn receipt_once(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted { units: 0, ..Wanted::default() }).await?;
    let key = shop.unique("receipt");
    for _ in 0..3 {
        shop.receive(&goods.sku, 4, &key).await?.expect_any(&[200, 201])?;
    }
    problem(shop.receive(&goods.sku, 5, &key).await?, 422, "idempotency-key-reused")?;
    same("stock", shop.stock(&goods.sku).await?, Stock::sold(4, 0))
}

async fn adjustments(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(10)).await?;
    adjust(&shop, &goods.sku, -3).await?.expect(200)?;
    same("after a loss", shop.stock(&goods.sku).await?, Stock::sold(7, 0))?;
    adjust(&shop, &goods.sku, 2).await?.expect(200)?;
    same("after a find", shop.stock(&goods.sku).await?, Stock::sold(9, 0))?;
    problem(adjust(&shop, &goods.sku, -10).await?, 409, "below-held")?;
    same("after a refusal", shop.stock(&goods.sku).await?, Stock::sold(9, 0))
}

async fn wrong_bodies(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(1)).await?;
    let staff = shop.staff().await?;
    let path = format!("/v1/admin/inventory/{}", goods.sku);
    let receipts = [
        (json!({ "warehouse": "main", "quantity": 0, "reference": "x" }), vec!["/quantity"]),
        (json!({ "warehouse": "main", "quantity": -1, "reference": "x" }), vec!["/quantity"]),
        (json!({ "warehouse": "main", "quantity": 1.5, "reference": "x" }), vec!["/quantity"]),
        (json!({ "warehouse": "main", "quantity": 1_000_001, "reference": "x" }), vec!["/quantity"]),
        (json!({ "quantity": "1", "colour": "green" }), vec!["/warehouse", "/quantity", "/reference", "/colour"]),
    ];
    for (body, wrong) in receipts {
        let answer = shop.client().post(format!("{path}/receipts")).bearer(&staff).json(&body).send().await?;
        names_fields(answer, 422, &wrong)?;
    }
    let body = json!({ "warehouse": "main", "quantity": 0.5 });
    let answer = shop.client().post(format!("{path}/adjustments")).bearer(&staff).json(&body).send().await?;
    names_fields(answer, 422, &["/quantity", "/reason"])?;
    same("stock after all refusals", shop.stock(&goods.sku).await?, Stock::sold(1, 0))
}

async fn below_held(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    let (_, body) = shop.ready(&goods.sku, 3, "pm_card_authenticationRequired").await?;
    shop.checkout(&shop.unique("key"), &body).await?.expect(202)?;
    same("three are held", shop.stock(&goods.sku).await?, Stock::holding(5, 3))?;
    problem(adjust(&shop, &goods.sku, -3).await?, 409, "below-held")?;
    same("after the refusal", shop.stock(&goods.sku).await?, Stock::holding(5, 3))?;
    adjust(&shop, &goods.sku, -2).await?.expect(200)?;
    same("what was free is gone", shop.stock(&goods.sku).await?, Stock::holding(3, 3))
}

async fn unknown(shop: Shop) -> Outcome {
    let ghost = shop.unique("NO-SUCH-SKU");
    let answer = shop.client().get(format!("/v1/inventory/{ghost}")).send().await?;
    problem(answer, 404, "sku-not-found")?;
    let staff = shop.staff().await?;
    let answer = shop.client().get(format!("/v1/admin/inventory/{ghost}")).bearer(&staff).send().await?;
    problem(answer, 404, "sku-not-found")?;
    problem(adjust(&shop, &ghost, 1).await?, 404, "sku-not-found")?;
    let goods = shop.product(Wanted::units(1)).await?;
    let body = json!({ "warehouse": "moon", "quantity": 1, "reference": "x" });
    let path = format!("/v1/admin/inventory/{}/receipts", goods.sku);
    let answer = shop.client().post(path).bearer(&staff).json(&body).send().await?;
    problem(answer, 404, "warehouse-not-found")?;
    Ok(())
}

async fn statuses(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(8)).await?;
    same("eight", shop.availability(&goods.sku).await?, ("in_stock".to_owned(), 8))?;
    adjust(&shop, &goods.sku, -6).await?.expect(200)?;
    same("two", shop.availability(&goods.sku).await?, ("low".to_owned(), 2))?;
    let (_, body) = shop.ready(&goods.sku, 2, "pm_card_authenticationRequired").await?;
    shop.checkout(&shop.unique("key"), &body).await?.expect(202)?;
    same("both held", shop.availability(&goods.sku).await?, ("all_held".to_owned(), 0))?;

    let last = shop.product(Wanted::units(1)).await?;
    let (_, body) = shop.ready(&last.sku, 1, crate::shop::VISA).await?;
    shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    shop.stock_becomes(&last.sku, Stock::sold(1, 1)).await?;
    same("sold", shop.availability(&last.sku).await?, ("sold_out".to_owned(), 0))
}

async fn stale_version(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    let read = shop.by_staff(Method::GET, format!("/v1/admin/inventory/{}", goods.sku)).await?.send().await?;
    let seen = version_of(&read.expect(200)?)?;
    same("version", shop.shelves(&goods.sku).await?[0].version.to_string(), seen.to_string())?;
    let key = shop.unique("adjust");
    let ask = async |key: &str, version: u64, quantity: i64| -> Outcome<Answer> {
        let body = json!({ "warehouse": "main", "quantity": quantity, "reason": "count" });
        let request = shop.by_staff(Method::POST, desk(&goods.sku, "adjustments")).await?;
        Ok(request.header("if-match", &tag(version)).key(key).json(&body).send().await?)
    };
    let done = ask(&key, seen, -1).await?.expect(200)?;
    same("the version it answers", version_of(&done)?, seen + 1)?;
    same("corrected", shop.stock(&goods.sku).await?, Stock::sold(4, 0))?;
    let stale = problem(ask(&shop.unique("adjust"), seen, -1).await?, 412, "version-mismatch")?;
    same("the version it tells", stale.integer("/version")?.to_string(), (seen + 1).to_string())?;
    same("after the refusal", shop.stock(&goods.sku).await?, Stock::sold(4, 0))?;
    // The answer may have been lost: the same request again is no other correction, and not stale either.
    ask(&key, seen, -1).await?.expect(200)?;
    same("corrected once", shop.stock(&goods.sku).await?, Stock::sold(4, 0))?;
    // A shopper's order is a movement too.
    shop.buy(&goods.sku, 1).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(4, 1)).await?;
    problem(ask(&shop.unique("adjust"), seen + 1, -1).await?, 412, "version-mismatch")?;
    same("after the refusal", shop.stock(&goods.sku).await?, Stock::sold(4, 1))
}
