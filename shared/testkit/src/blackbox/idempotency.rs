//! Calls that are repeated under their `Idempotency-Key`: the first answer, byte for byte, and nothing done twice.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::check::{names_fields, problem, same};
use super::stockroom::{NEAR, desk};
use super::{Case, case};
use crate::http::Answer;
use crate::shop::{Shop, Stock, Wanted, product_body};
use crate::{Outcome, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("idempotency.a repeated call is answered byte for byte", replayed),
        case("idempotency.the same key with another request is refused", reused),
        case("idempotency.the same key on another item books nothing", other_item),
        case("idempotency.of many calls at once one is carried out", at_once),
        case("idempotency.a final refusal is repeated too", refusal),
        case("idempotency.a request that was wrong does not use its key up", corrected),
        case("idempotency.the key may stand in quotes", quoted),
    ]
}

const TRANSFERS: &str = "/v1/admin/inventory/transfers";

/// A call with a key.
struct Ask {
    method: Method,
    path: String,
    body: Value,
    if_match: Option<String>,
}

impl Ask {
    fn post(path: impl Into<String>, body: Value) -> Self {
        Self { method: Method::POST, path: path.into(), body, if_match: None }
    }

    async fn send(&self, shop: &Shop, key: &str) -> Outcome<Answer> {
        let mut request = shop.by_staff(self.method.clone(), &self.path).await?.key(key).json(&self.body);
        if let Some(tag) = &self.if_match {
            request = request.header("if-match", tag);
        }
        Ok(request.send().await?)
    }
}

fn is_replay(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == Some("true")
}

fn receipt(sku: &str, quantity: u32) -> Ask {
    Ask::post(desk(sku, "receipts"), json!({ "warehouse": "main", "quantity": quantity, "reference": "testkit" }))
}

fn adjustment(sku: &str, quantity: i64) -> Ask {
    Ask::post(desk(sku, "adjustments"), json!({ "warehouse": "main", "quantity": quantity, "reason": "count" }))
}

fn transfer(sku: &str, quantity: u32) -> Ask {
    Ask::post(TRANSFERS, json!({ "sku": sku, "from": "main", "to": NEAR, "quantity": quantity }))
}

/// One call of each endpoint that keeps its answers, and another request that its key must not serve.
async fn calls(shop: &Shop, units: u32) -> Outcome<(String, Vec<(Ask, Ask)>)> {
    shop.furnish().await?;
    let goods = shop.product(Wanted::units(units)).await?;
    let sku = goods.sku.as_str();
    let product = |name: &str| product_body(&Wanted::default(), &shop.unique(name), &shop.unique("SKU"));
    let path = format!("/v1/admin/products/{}", goods.id);
    let patch = |name: &str| Ask {
        method: Method::PATCH,
        path: path.clone(),
        body: json!({ "name": name }),
        if_match: Some(goods.etag.clone()),
    };
    let calls = vec![
        (receipt(sku, 5), receipt(sku, 6)),
        (adjustment(sku, -2), adjustment(sku, -1)),
        (transfer(sku, 3), transfer(sku, 4)),
        (Ask::post("/v1/admin/products", product("One")), Ask::post("/v1/admin/products", product("Two"))),
        (patch("Renamed once"), patch("Renamed twice")),
    ];
    Ok((goods.sku.clone(), calls))
}

async fn replayed(shop: Shop) -> Outcome {
    let (sku, calls) = calls(&shop, 10).await?;
    for (ask, _) in &calls {
        let key = shop.unique("key");
        let first = ask.send(&shop, &key).await?.expect_any(&[200, 201])?;
        ensure!(!is_replay(&first), "{}", first.wrong("nothing was there to give again"));
        for _ in 0..2 {
            let again = ask.send(&shop, &key).await?.expect(first.status)?;
            ensure!(is_replay(&again), "{}", again.wrong("no Idempotency-Replayed"));
            same("the body", &again.bytes, &first.bytes)?;
            for name in ["content-type", "etag", "location", "last-modified", "cache-control"] {
                same(name, again.header(name), first.header(name))?;
            }
            let ids = [&first, &again].map(|answer| answer.header("x-request-id").unwrap_or_default().to_owned());
            ensure!(ids[0] != ids[1], "{}", again.wrong("a request id came twice"));
        }
    }
    same("each was done once", shop.stock(&sku).await?, Stock::sold(13, 0))?;
    same("sent once", shop.stock_in(&sku, NEAR).await?, Stock::sold(3, 0))
}

async fn reused(shop: Shop) -> Outcome {
    let (sku, calls) = calls(&shop, 10).await?;
    for (ask, other) in &calls {
        let key = shop.unique("key");
        let first = ask.send(&shop, &key).await?.expect_any(&[200, 201])?;
        problem(other.send(&shop, &key).await?, 422, "idempotency-key-reused")?;
        let again = ask.send(&shop, &key).await?.expect(first.status)?;
        same("the key's own answer", &again.bytes, &first.bytes)?;
    }
    same("nothing of the others was done", shop.stock(&sku).await?, Stock::sold(13, 0))
}

async fn other_item(shop: Shop) -> Outcome {
    shop.furnish().await?;
    let (one, two) = (shop.product(Wanted::units(10)).await?, shop.product(Wanted::units(10)).await?);
    let of = |sku: &str| [receipt(sku, 5), adjustment(sku, -5), transfer(sku, 5)];
    for ((ask, other), received) in of(&one.sku).into_iter().zip(of(&two.sku)).zip([15, 10, 10]) {
        let key = shop.unique("key");
        ask.send(&shop, &key).await?.expect_any(&[200, 201])?;
        problem(other.send(&shop, &key).await?, 422, "idempotency-key-reused")?;
        same("the one", shop.stock(&one.sku).await?.received, received)?;
    }
    // Nor in another warehouse.
    let key = shop.unique("key");
    receipt(&one.sku, 1).send(&shop, &key).await?.expect(200)?;
    let mut far = receipt(&one.sku, 1);
    far.body["warehouse"] = json!(NEAR);
    problem(far.send(&shop, &key).await?, 422, "idempotency-key-reused")?;
    same("the one", shop.stock(&one.sku).await?, Stock::sold(11, 0))?;
    same("the other", shop.stock(&two.sku).await?, Stock::sold(10, 0))
}

async fn at_once(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(0)).await?;
    let (ask, key, staff) = (receipt(&goods.sku, 5), shop.unique("key"), shop.staff().await?);
    let calls = (0..8).map(|_| {
        let (client, key, staff) = (shop.client().apart(), key.clone(), staff.clone());
        let (path, body) = (ask.path.clone(), ask.body.clone());
        async move { client.post(path).bearer(&staff).key(&key).json(&body).send().await }
    });
    let mut bodies = BTreeSet::new();
    let mut firsts = 0;
    for answer in join_all(calls).await {
        let answer = answer?.expect_any(&[200, 409])?;
        if answer.status == 409 {
            ensure!(answer.retry_after().is_some(), "{}", answer.wrong("no Retry-After"));
            problem(answer, 409, "request-in-flight")?;
        } else {
            firsts += usize::from(!is_replay(&answer));
            bodies.insert(answer.bytes.to_vec());
        }
    }
    same("runs", firsts, 1)?;
    same("different answers", bodies.len(), 1)?;
    let last = ask.send(&shop, &key).await?.expect(200)?;
    ensure!(is_replay(&last) && bodies.contains(&last.bytes.to_vec()), "{}", last.wrong("another answer"));
    same("booked once", shop.stock(&goods.sku).await?, Stock::sold(5, 0))
}

async fn refusal(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(3)).await?;
    let (key, ask) = (shop.unique("key"), adjustment(&goods.sku, -5));
    let first = problem(ask.send(&shop, &key).await?, 409, "below-held")?;
    // It was told that it failed, and looks elsewhere; a late copy of the call must not do it after all.
    shop.receive(&goods.sku, 7, &shop.unique("receipt")).await?.expect(200)?;
    let again = ask.send(&shop, &key).await?.expect(409)?;
    ensure!(is_replay(&again), "{}", again.wrong("no Idempotency-Replayed"));
    same("the body", &again.bytes, &first.bytes)?;
    same("stock", shop.stock(&goods.sku).await?, Stock::sold(10, 0))?;
    ask.send(&shop, &shop.unique("key")).await?.expect(200)?;
    same("with a fresh key", shop.stock(&goods.sku).await?, Stock::sold(5, 0))
}

async fn corrected(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(10)).await?;
    let key = shop.unique("key");
    names_fields(receipt(&goods.sku, 0).send(&shop, &key).await?, 422, &["/quantity"])?;
    let mut same_place = transfer(&goods.sku, 1);
    same_place.body["to"] = json!("main");
    let sent = shop.unique("key");
    names_fields(same_place.send(&shop, &sent).await?, 422, &["/to"])?;
    receipt(&goods.sku, 2).send(&shop, &key).await?.expect(200)?;
    shop.furnish().await?;
    transfer(&goods.sku, 1).send(&shop, &sent).await?.expect(201)?;
    // What was changed in between is read again, and the patch sent again under its key.
    let path = format!("/v1/admin/products/{}", goods.id);
    let patch = |tag: &str| Ask {
        method: Method::PATCH,
        path: path.clone(),
        body: json!({ "name": "Renamed" }),
        if_match: Some(tag.to_owned()),
    };
    let key = shop.unique("key");
    problem(patch("\"v99\"").send(&shop, &key).await?, 412, "version-mismatch")?;
    patch(&goods.etag).send(&shop, &key).await?.expect(200)?;
    same("stock", shop.stock(&goods.sku).await?, Stock::sold(12, 0))
}

async fn quoted(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(0)).await?;
    let (key, ask) = (shop.unique("key"), receipt(&goods.sku, 5));
    ask.send(&shop, &key).await?.expect(200)?;
    let again = ask.send(&shop, &format!("\"{key}\"")).await?.expect(200)?;
    ensure!(is_replay(&again), "{}", again.wrong("the draft writes keys in quotes"));
    same("booked once", shop.stock(&goods.sku).await?, Stock::sold(5, 0))
}
