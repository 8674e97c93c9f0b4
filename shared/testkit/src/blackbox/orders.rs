//! Orders: read by those they belong to, by nobody else.

use serde_json::json;

use super::check::{problem, same};
use super::{Case, case};
use crate::clock::{Watch, pause};
use crate::http::encoded;
use crate::shop::{Customer, SETTLES, Shop, VISA, Wanted, ramp};
use crate::{Outcome, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("orders.a guest reads the own order with its token and nobody else does", guest),
        case("orders.a customer reads and lists the own orders and nobody else's", customer),
        case("orders.the list is paged and its cursor is the customer's own", paged),
        case("orders.an order tells its own story", story),
        case("orders.an order can be asked for conditionally", conditional),
    ]
}

async fn guest(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    let mut orders = Vec::new();
    for _ in 0..2 {
        let (_, body) = shop.ready(&goods.sku, 1, VISA).await?;
        let order = shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
        orders.push((order.text("/id")?.to_owned(), order.text("/token")?.to_owned()));
    }
    let [(one, its), (two, other)] = orders.as_slice() else { return Ok(()) };
    let read = shop.order(one, its).await?;
    same("id", read.text("/id")?, one)?;
    same("status", read.text("/status")?, "paid")?;
    let not_found = [
        format!("/v1/orders/{one}"),
        format!("/v1/orders/{one}?token={}", encoded(other)),
        format!("/v1/orders/{two}?token={}", encoded(its)),
        format!("/v1/orders/{one}?token=guess"),
        format!("/v1/orders/{one}?token="),
        format!("/v1/orders/ord_00000000000?token={}", encoded(its)),
        "/v1/orders/ord_00000000000".to_owned(),
        "/v1/orders/not-an-order".to_owned(),
    ];
    for path in not_found {
        problem(shop.client().get(path).send().await?, 404, "order-not-found")?;
    }
    let stranger = shop.customer().await?;
    let answer = shop.client().get(format!("/v1/orders/{one}")).bearer(&stranger.access).send().await?;
    problem(answer, 404, "order-not-found")?;
    Ok(())
}

/// Buys one unit as a signed-in customer; gives the order's id.
async fn buy(shop: &Shop, customer: &Customer, sku: &str) -> Outcome<String> {
    let (_, body) = shop.ready(sku, 1, VISA).await?;
    let order = shop.client().post("/v1/checkout").bearer(&customer.access).key(&shop.unique("key")).json(&body);
    Ok(order.send().await?.expect(201)?.text("/id")?.to_owned())
}

async fn customer(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    let (ada, eve) = (shop.customer().await?, shop.customer().await?);
    let id = buy(&shop, &ada, &goods.sku).await?;
    let path = format!("/v1/orders/{id}");
    let read = shop.client().get(&path).bearer(&ada.access).send().await?.expect(200)?;
    same("id", read.text("/id")?, &id)?;
    problem(shop.client().get(&path).bearer(&eve.access).send().await?, 404, "order-not-found")?;
    problem(shop.client().get(&path).send().await?, 404, "order-not-found")?;
    problem(shop.client().get(&path).bearer("not.a.token").send().await?, 401, "unauthenticated")?;
    let watch = Watch::start();
    for attempt in 0_u32.. {
        let list = shop.client().get("/v1/orders").bearer(&ada.access).send().await?.expect(200)?;
        if list.list("/items")?.iter().any(|order| order["id"] == id.as_str()) {
            same("orders", list.list("/items")?.len(), 1)?;
            break;
        }
        ensure!(watch.elapsed() < SETTLES, "{}", list.wrong("the order is not in its owner's list"));
        pause(ramp(attempt)).await;
    }
    let list = shop.client().get("/v1/orders").bearer(&eve.access).send().await?.expect(200)?;
    same("orders of somebody else", list.list("/items")?.len(), 0)
}

async fn paged(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    let (ada, eve) = (shop.customer().await?, shop.customer().await?);
    let mut bought = Vec::new();
    for _ in 0..3 {
        bought.push(buy(&shop, &ada, &goods.sku).await?);
    }
    bought.reverse();
    let page = |cursor: String, customer: Customer| {
        let path = format!("/v1/orders?limit=2{cursor}");
        let shop = shop.clone();
        async move { shop.client().get(path).bearer(&customer.access).send().await }
    };
    let watch = Watch::start();
    for attempt in 0_u32.. {
        let first = page(String::new(), ada.clone()).await?.expect(200)?;
        let next = first.at("/next")?.as_str().map(str::to_owned);
        let Some(next) = next else {
            ensure!(watch.elapsed() < SETTLES, "{}", first.wrong("three orders, and no second page of two"));
            pause(ramp(attempt)).await;
            continue;
        };
        let second = page(format!("&cursor={}", encoded(&next)), ada.clone()).await?.expect(200)?;
        let seen = first.list("/items")?.iter().chain(second.list("/items")?);
        let seen: Vec<&str> = seen.filter_map(|order| order["id"].as_str()).collect();
        same("orders, newest first", seen, bought.iter().map(String::as_str).collect())?;
        problem(page(format!("&cursor={}", encoded(&next)), eve.clone()).await?, 400, "invalid-cursor")?;
        problem(page(format!("&cursor={}x", encoded(&next)), ada.clone()).await?, 400, "invalid-cursor")?;
        break;
    }
    Ok(())
}

async fn story(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(2)).await?;
    let (_, body) = shop.ready(&goods.sku, 1, VISA).await?;
    let order = shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    let read = shop.order(order.text("/id")?, order.text("/token")?).await?;
    let events = read.list("/events")?;
    ensure!(events.len() >= 2, "{}", read.wrong("placing and paying are two events"));
    for event in events {
        ensure!(
            event["at"].is_string() && event["kind"].is_string() && event["actor"].is_string(),
            "{}",
            read.wrong("an event needs at, kind, actor")
        );
    }
    same("shipments", read.at("/shipments")?, &json!([]))?;
    same("refunds", read.at("/refunds")?, &json!([]))?;
    ensure!(read.body.get("token").is_none(), "{}", read.wrong("the token is only told to who placed the order"));
    ensure!(!read.body.to_string().contains(VISA), "{}", read.wrong("the payment token must not be told"));
    Ok(())
}

async fn conditional(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(2)).await?;
    let (_, body) = shop.ready(&goods.sku, 1, VISA).await?;
    let order = shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    let path = format!("/v1/orders/{}?token={}", order.text("/id")?, encoded(order.text("/token")?));
    let read = shop.client().get(&path).send().await?.expect(200)?;
    let tag = read.header("etag").unwrap_or_default();
    let again = shop.client().get(&path).header("if-none-match", tag).send().await?.expect(304)?;
    ensure!(again.bytes.is_empty(), "{}", again.wrong("a 304 has no body"));
    let kept = read.header("cache-control").unwrap_or_default();
    ensure!(!kept.contains("public"), "{}", read.wrong("an order must not be kept by shared caches"));
    Ok(())
}
