//! Several warehouses: who is served from which, and what lies only in one of them.

use http::Method;
use serde_json::{Value, json};

use super::check::{names_fields, problem, same};
use super::stockroom::{COUNTRY, FAR, NEAR, reservation, tag, version_of};
use super::{Case, case};
use crate::clock::{Watch, pause};
use crate::http::Answer;
use crate::shop::{SETTLES, Shop, Stock, Wanted};
use crate::{Outcome, Stop, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("warehouses.every wrong id and priority is named", wrong),
        case("warehouses.a version that is gone is refused", stale_version),
        case("warehouses.a country is served from its first warehouse", country),
        case("warehouses.another warehouse serves what the first has too little of", elsewhere),
        case("warehouses.an order is split when no warehouse has all of it", split),
        case("warehouses.what only the second warehouse has can be bought", second_only),
        case("warehouses.a till is served from its own warehouse alone", till),
    ]
}

async fn set(shop: &Shop, body: &Value, version: u64) -> Outcome<Answer> {
    let request = shop.by_staff(Method::PUT, "/v1/admin/warehouses").await?;
    Ok(request.header("if-match", &tag(version)).json(body).send().await?)
}

/// Puts what `change` makes of the present warehouses, in the present version, until nobody else changed them meanwhile.
async fn set_present(shop: &Shop, change: impl Fn(&mut Value)) -> Outcome<Answer> {
    for _ in 0..20 {
        let present = shop.warehouses().await?;
        let mut body = present.body.clone();
        change(&mut body);
        let answer = set(shop, &body, version_of(&present)?).await?;
        if answer.status != 412 {
            return Ok(answer);
        }
    }
    Err(Stop::Failed("the warehouses kept changing".into()))
}

async fn wrong(shop: Shop) -> Outcome {
    shop.furnish().await?;
    let before = shop.warehouses().await?;
    let next = before.list("/warehouses")?.len();
    let answer = set_present(&shop, |all| {
        all["priorities"]["DE"] = json!(["main", "moon", NEAR, "mars"]);
        all["priorities"]["IS"] = json!(["venus"]);
    });
    names_fields(answer.await?, 422, &["/priorities/DE/1", "/priorities/DE/3", "/priorities/IS/0"])?;
    let twice = format!("/warehouses/{next}/id");
    let answer = set_present(&shop, |all| {
        let again = json!({ "id": NEAR, "name": "Again" });
        all["warehouses"].as_array_mut().into_iter().for_each(|list| list.push(again.clone()));
        all["priorities"]["IS"] = json!(["venus"]);
    });
    names_fields(answer.await?, 422, &[&twice, "/priorities/IS/0"])?;
    let answer = set_present(&shop, |all| {
        all["warehouses"].as_array_mut().into_iter().for_each(|list| list.retain(|one| one["id"] != "main"));
        all["priorities"] = json!({});
    });
    names_fields(answer.await?, 422, &["/warehouses"])?;
    let shapes = json!({
        "warehouses": [{ "id": "Big Shed", "name": "" }, { "id": "main" }],
        "priorities": { "Germany": ["main"], "DE": "main" },
        "colour": "green",
    });
    let answer = set(&shop, &shapes, version_of(&before)?).await?;
    let places = ["0/id", "0/name", "1/name"].map(|place| format!("/warehouses/{place}"));
    let mut all: Vec<&str> = places.iter().map(String::as_str).collect();
    all.extend(["/priorities/Germany", "/priorities/DE", "/colour"]);
    names_fields(answer, 422, &all)?;
    let none = set(&shop, &json!({ "warehouses": [] }), version_of(&before)?).await?;
    names_fields(none, 422, &["/warehouses"])?;
    same("the warehouses after all refusals", shop.warehouses().await?.body, before.body)
}

async fn stale_version(shop: Shop) -> Outcome {
    shop.furnish().await?;
    let done = set_present(&shop, |_| {}).await?.expect(200)?;
    let version = version_of(&done)?;
    let stale = problem(set(&shop, &done.body, version - 1).await?, 412, "version-mismatch")?;
    ensure!(
        u64::try_from(stale.integer("/version")?).is_ok_and(|now| now >= version),
        "{}",
        stale.wrong("it must tell the present version")
    );
    same("the warehouses after the refusal", &shop.warehouses().await?.body["warehouses"], &done.body["warehouses"])
}

/// Waits until orders to the suite's country come from its first warehouse: for half a minute a sandbox may remember the
/// warehouses of before.
async fn routed(shop: &Shop) -> Outcome {
    let sku = shop.spread_out(99, 99).await?;
    let watch = Watch::start();
    for sold in 1.. {
        shop.buy_for(COUNTRY, &sku, 1).await?.expect(201)?;
        shop.stock_becomes(&sku, Stock::sold(198, sold)).await?;
        if shop.stock_in(&sku, NEAR).await?.taken > 0 {
            return Ok(());
        }
        ensure!(watch.elapsed() < SETTLES, "orders to {COUNTRY} still do not come from {NEAR}");
        pause(std::time::Duration::from_secs(1)).await;
    }
    Ok(())
}

async fn country(shop: Shop) -> Outcome {
    let sku = shop.spread_out(9, 9).await?;
    shop.receive(&sku, 9, &shop.unique("receipt")).await?.expect(200)?;
    same("all warehouses together", shop.availability(&sku).await?, ("in_stock".to_owned(), 27))?;
    routed(&shop).await?;
    shop.buy_for(COUNTRY, &sku, 2).await?.expect(201)?;
    shop.stock_in_becomes(&sku, NEAR, Stock::sold(9, 2)).await?;
    // A country without a list of its own is served in the order of the warehouses.
    shop.buy_for("DE", &sku, 3).await?.expect(201)?;
    shop.stock_in_becomes(&sku, "main", Stock::sold(9, 3)).await?;
    same("near", shop.stock_in(&sku, NEAR).await?, Stock::sold(9, 2))?;
    same("far", shop.stock_in(&sku, FAR).await?, Stock::sold(9, 0))
}

async fn elsewhere(shop: Shop) -> Outcome {
    let sku = shop.spread_out(2, 5).await?;
    routed(&shop).await?;
    shop.buy_for(COUNTRY, &sku, 3).await?.expect(201)?;
    shop.stock_in_becomes(&sku, FAR, Stock::sold(5, 3)).await?;
    same("one parcel rather than two", shop.stock_in(&sku, NEAR).await?, Stock::sold(2, 0))
}

async fn split(shop: Shop) -> Outcome {
    let sku = shop.spread_out(2, 2).await?;
    routed(&shop).await?;
    let answer = shop.buy_for(COUNTRY, &sku, 5).await?;
    problem(answer, 409, "out-of-stock")?;
    same("after the refusal", shop.stock(&sku).await?, Stock::sold(4, 0))?;
    shop.buy_for(COUNTRY, &sku, 3).await?.expect(201)?;
    shop.stock_in_becomes(&sku, NEAR, Stock::sold(2, 2)).await?;
    shop.stock_in_becomes(&sku, FAR, Stock::sold(2, 1)).await?;
    shop.buy(&sku, 1).await?.expect(201)?;
    shop.stock_becomes(&sku, Stock::sold(4, 4)).await?;
    same("sold", shop.availability(&sku).await?, ("sold_out".to_owned(), 0))
}

async fn second_only(shop: Shop) -> Outcome {
    let sku = shop.spread_out(0, 6).await?;
    same("availability", shop.availability(&sku).await?, ("in_stock".to_owned(), 6))?;
    shop.buy(&sku, 4).await?.expect(201)?;
    shop.stock_in_becomes(&sku, FAR, Stock::sold(6, 4)).await?;
    same("low", shop.availability(&sku).await?, ("low".to_owned(), 2))?;
    shop.cannot_buy(&sku, 3, 2).await?;
    same("after the refusal", shop.stock(&sku).await?, Stock::sold(6, 4))
}

async fn till(shop: Shop) -> Outcome {
    shop.furnish().await?;
    let sku = shop.spread_out(5, 2).await?;
    let mut body = reservation(&[(&sku, 2)], 600);
    body["warehouse"] = json!(FAR);
    let held = shop.ask_reservation(&shop.unique("reserve"), &body).await?.expect(201)?;
    same("where the units lie", held.at("/parts")?, &json!([{ "sku": sku, "warehouse": FAR, "quantity": 2 }]))?;
    same("far", shop.stock_in(&sku, FAR).await?, Stock::holding(2, 2))?;
    body["lines"][0]["quantity"] = json!(1);
    let refused = problem(shop.ask_reservation(&shop.unique("reserve"), &body).await?, 409, "all-held")?;
    ensure!(refused.retry_after().is_some(), "{}", refused.wrong("it must say when to try again"));
    same("near is left alone", shop.stock_in(&sku, NEAR).await?, Stock::sold(5, 0))?;
    body["country"] = json!(COUNTRY);
    body["warehouse"] = Value::Null;
    let other = shop.ask_reservation(&shop.unique("reserve"), &body).await?.expect(201)?;
    same("where the unit lies", other.list("/parts")?.len(), 1)?;
    same("near", shop.stock_in(&sku, NEAR).await?, Stock::holding(5, 1))?;
    let goods = shop.product(Wanted::units(1)).await?;
    let mut nowhere = reservation(&[(&goods.sku, 1)], 600);
    nowhere["warehouse"] = json!(FAR);
    problem(shop.ask_reservation(&shop.unique("reserve"), &nowhere).await?, 409, "out-of-stock")?;
    same("after the refusal", shop.stock(&goods.sku).await?, Stock::sold(1, 0))
}
