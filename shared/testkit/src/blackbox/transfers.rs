//! Units that go from one warehouse to another: all of them or none, and each once.

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::check::{names_fields, problem, same};
use super::stockroom::{FAR, NEAR};
use super::{Case, case};
use crate::http::Answer;
use crate::shop::{Shop, Stock, Wanted};
use crate::{Outcome, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("transfers.units arrive at once", at_once),
        case("transfers.units in transit are seen, and arrive once", later),
        case("transfers.more than there is moves nothing", too_many),
        case("transfers.what is sold before it is here cannot be sent", not_here),
        case("transfers.the same key moves once", once),
        case("transfers.units of several shards go together", from_shards),
        case("transfers.wrong transfers are refused and leave no trace", wrong),
    ]
}

const PATH: &str = "/v1/admin/inventory/transfers";

fn transfer(sku: &str, to: &str, quantity: u32) -> Value {
    json!({ "sku": sku, "from": "main", "to": to, "quantity": quantity })
}

async fn send(shop: &Shop, key: &str, body: &Value) -> Outcome<Answer> {
    Ok(shop.by_staff(Method::POST, PATH).await?.key(key).json(body).send().await?)
}

async fn stock(shop: &Shop, sku: &str) -> Outcome<Answer> {
    shop.by_staff(Method::GET, format!("/v1/admin/inventory/{sku}")).await?.send().await?.expect(200)
}

async fn at_once(shop: Shop) -> Outcome {
    shop.furnish().await?;
    let goods = shop.product(Wanted::units(10)).await?;
    let answer = send(&shop, &shop.unique("transfer"), &transfer(&goods.sku, NEAR, 4)).await?.expect(201)?;
    same("status", answer.text("/status")?, "arrived")?;
    for (field, value) in transfer(&goods.sku, NEAR, 4).as_object().into_iter().flatten() {
        same(field, answer.at(&format!("/{field}"))?, value)?;
    }
    let place = answer.header("location").unwrap_or_default().to_owned();
    let id = answer.text("/id")?;
    ensure!(place.ends_with(&format!("{PATH}/{id}")), "{}", answer.wrong("Location"));
    let read = shop.by_staff(Method::GET, format!("{PATH}/{id}")).await?.send().await?.expect(200)?;
    same("what is read afterwards", &read.body, &answer.body)?;
    same("main", shop.stock_in(&goods.sku, "main").await?, Stock::sold(6, 0))?;
    same("near", shop.stock_in(&goods.sku, NEAR).await?, Stock::sold(4, 0))?;
    same("availability", shop.availability(&goods.sku).await?, ("in_stock".to_owned(), 10))?;
    shop.buy(&goods.sku, 10).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(10, 10)).await
}

async fn later(shop: Shop) -> Outcome {
    shop.furnish().await?;
    let goods = shop.product(Wanted::units(9)).await?;
    let mut body = transfer(&goods.sku, FAR, 5);
    body["arrival"] = json!("later");
    let key = shop.unique("transfer");
    let sent = send(&shop, &key, &body).await?.expect(201)?;
    same("status", sent.text("/status")?, "in_transit")?;
    let id = sent.text("/id")?;
    let seen = stock(&shop, &goods.sku).await?;
    same("on their way", seen.list("/in_transit")?.len(), 1)?;
    for (field, value) in [("transfer", json!(id)), ("from", json!("main")), ("to", json!(FAR)), ("quantity", json!(5))]
    {
        same(field, seen.at(&format!("/in_transit/0/{field}"))?, &value)?;
    }
    same("nobody can buy them", shop.availability(&goods.sku).await?, ("low".to_owned(), 4))?;
    same("what is left", shop.stock(&goods.sku).await?, Stock::sold(4, 0))?;
    send(&shop, &key, &body).await?.expect(201)?;
    same("sent once", shop.stock(&goods.sku).await?, Stock::sold(4, 0))?;

    let (staff, arrival) = (shop.staff().await?, format!("{PATH}/{id}/arrival"));
    let arrivals = (0..3).map(|_| {
        let (client, staff, arrival) = (shop.client().apart(), staff.clone(), arrival.clone());
        async move { client.post(arrival).bearer(&staff).send().await }
    });
    for answer in join_all(arrivals).await {
        same("status", answer?.expect(200)?.text("/status")?, "arrived")?;
    }
    let again = shop.client().post(&arrival).bearer(&staff).send().await?.expect(200)?;
    same("status", again.text("/status")?, "arrived")?;
    same("main", shop.stock_in(&goods.sku, "main").await?, Stock::sold(4, 0))?;
    same("arrived once", shop.stock_in(&goods.sku, FAR).await?, Stock::sold(5, 0))?;
    let seen = stock(&shop, &goods.sku).await?;
    ensure!(seen.list("/in_transit").is_err(), "{}", seen.wrong("nothing is on its way any more"));
    // The request that sent them, late: it reads what it read, and what became of it stands under its id.
    same("the request again", &send(&shop, &key, &body).await?.expect(201)?.bytes, &sent.bytes)?;
    let read = shop.by_staff(Method::GET, format!("{PATH}/{id}")).await?.send().await?.expect(200)?;
    same("the transfer", read.text("/status")?, "arrived")?;
    same("stock", shop.stock(&goods.sku).await?, Stock::sold(9, 0))
}

async fn too_many(shop: Shop) -> Outcome {
    shop.furnish().await?;
    let goods = shop.product(Wanted::units(5)).await?;
    shop.held(&goods.sku, 2).await?;
    let settings = shop.settings(&goods.sku).await?;
    for arrival in ["now", "later"] {
        let mut body = transfer(&goods.sku, NEAR, 4);
        body["arrival"] = json!(arrival);
        let answer = problem(send(&shop, &shop.unique("transfer"), &body).await?, 409, "below-held")?;
        same("available", answer.integer("/available")?, 3)?;
        same("held", answer.integer("/held")?, 2)?;
    }
    same("main", shop.stock_in(&goods.sku, "main").await?, Stock::holding(5, 2))?;
    same("near", shop.stock_in(&goods.sku, NEAR).await?, Stock::default())?;
    let seen = stock(&shop, &goods.sku).await?;
    ensure!(seen.list("/in_transit").is_err(), "{}", seen.wrong("nothing is on its way"));
    same("how it is kept", &shop.settings(&goods.sku).await?.body, &settings.body)?;
    send(&shop, &shop.unique("transfer"), &transfer(&goods.sku, NEAR, 3)).await?.expect(201)?;
    same("what was free is there", shop.stock_in(&goods.sku, NEAR).await?, Stock::sold(3, 0))
}

async fn not_here(shop: Shop) -> Outcome {
    shop.furnish().await?;
    let goods = shop.product(Wanted::units(2)).await?;
    shop.keep(&goods.sku, &json!({ "tracking": { "policy": "backorder", "limit": 5 } })).await?.expect(200)?;
    let answer = send(&shop, &shop.unique("transfer"), &transfer(&goods.sku, NEAR, 3)).await?;
    let answer = problem(answer, 409, "below-held")?;
    same("what is here", answer.integer("/available")?, 2)?;
    let stock = Stock { received: 2, available: 7, held: 0, taken: 0, allowance: 5 };
    same("after the refusal", shop.stock_in(&goods.sku, "main").await?, stock)?;
    send(&shop, &shop.unique("transfer"), &transfer(&goods.sku, NEAR, 2)).await?.expect(201)?;
    same("main", shop.stock_in(&goods.sku, "main").await?, Stock { received: 0, available: 5, ..stock })?;
    same("near", shop.stock_in(&goods.sku, NEAR).await?, Stock::sold(2, 0))
}

async fn once(shop: Shop) -> Outcome {
    shop.furnish().await?;
    let goods = shop.product(Wanted::units(10)).await?;
    let key = shop.unique("transfer");
    let first = send(&shop, &key, &transfer(&goods.sku, NEAR, 3)).await?.expect(201)?;
    let again = send(&shop, &key, &transfer(&goods.sku, NEAR, 3)).await?.expect(201)?;
    same("the same transfer", &again.body, &first.body)?;
    for other in [transfer(&goods.sku, NEAR, 4), transfer(&goods.sku, FAR, 3)] {
        problem(send(&shop, &key, &other).await?, 422, "idempotency-key-reused")?;
    }
    same("near", shop.stock_in(&goods.sku, NEAR).await?, Stock::sold(3, 0))?;
    same("all", shop.stock(&goods.sku).await?, Stock::sold(10, 0))
}

async fn from_shards(shop: Shop) -> Outcome {
    shop.furnish().await?;
    let goods = shop.product(Wanted::units(8)).await?;
    shop.split(&goods.sku, 8).await?.expect(200)?;
    send(&shop, &shop.unique("transfer"), &transfer(&goods.sku, NEAR, 5)).await?.expect(201)?;
    same("main", shop.stock_in(&goods.sku, "main").await?, Stock::sold(3, 0))?;
    same("near", shop.stock_in(&goods.sku, NEAR).await?, Stock::sold(5, 0))?;
    shop.buy(&goods.sku, 8).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(8, 8)).await
}

async fn wrong(shop: Shop) -> Outcome {
    shop.furnish().await?;
    let goods = shop.product(Wanted::units(5)).await?;
    let ask = async |body: Value| send(&shop, &shop.unique("transfer"), &body).await;
    names_fields(ask(transfer(&goods.sku, "main", 1)).await?, 422, &["/to"])?;
    let body = json!({ "sku": "not a sku", "from": "Main", "quantity": 0, "arrival": "soon", "colour": 1 });
    names_fields(ask(body).await?, 422, &["/sku", "/from", "/to", "/quantity", "/arrival", "/colour"])?;
    names_fields(ask(transfer(&goods.sku, NEAR, 1_000_001)).await?, 422, &["/quantity"])?;
    problem(ask(transfer(&goods.sku, "moon", 1)).await?, 404, "warehouse-not-found")?;
    let mut from = transfer(&goods.sku, "main", 1);
    from["from"] = json!("moon");
    problem(ask(from).await?, 404, "warehouse-not-found")?;
    same("stock after all refusals", shop.stock(&goods.sku).await?, Stock::sold(5, 0))?;

    let ghost = shop.unique("NO-SUCH-SKU");
    problem(ask(transfer(&ghost, NEAR, 1)).await?, 404, "sku-not-found")?;
    let answer = shop.by_staff(Method::GET, format!("/v1/admin/inventory/{ghost}")).await?.send().await?;
    problem(answer, 404, "sku-not-found")?;
    problem(shop.client().get(format!("/v1/inventory/{ghost}")).send().await?, 404, "sku-not-found")?;

    for id in ["trf_0000000000000000000000", "nothing"] {
        let read = shop.by_staff(Method::GET, format!("{PATH}/{id}")).await?.send().await?;
        problem(read, 404, "transfer-not-found")?;
        let arrival = shop.by_staff(Method::POST, format!("{PATH}/{id}/arrival")).await?.send().await?;
        problem(arrival, 404, "transfer-not-found")?;
    }
    Ok(())
}
