//! Money after an order was paid: refunds by amount and by lines, captures, and the provider's own reports.

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use super::check::{names_fields, problem, same};
use super::{Case, case};
use crate::clock::{Watch, pause};
use crate::http::Answer;
use crate::shop::{SETTLES, Shop, Stock, VISA, Wanted, ramp};
use crate::{Outcome, Stop, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("refunds.an amount goes back, once for a key, and never above the rest", by_amount),
        case("refunds.lines go back to the cent, unit by unit", by_lines),
        case("refunds.ten at once never give back more than was taken", at_once),
        case("refunds.an order that was not paid has nothing to give back", unpaid),
        case("refunds.bad requests name what is wrong", bad),
        case("refunds.only staff gives money back", who),
        case("refunds.nothing is set aside for an order that is paid at once", capture),
        case("reports.a webhook without the provider's signature is refused", forged),
        case("reports.what the shopper confirms at the bank settles the order", confirmed),
        case("reports.what the shopper refuses at the bank ends the order", refused),
    ]
}

/// A paid order of so many units, and its total.
async fn paid(shop: &Shop, quantity: u32) -> Outcome<(Answer, i64, String)> {
    let goods = shop.product(Wanted::units(10)).await?;
    let (_, body) = shop.ready(&goods.sku, quantity, VISA).await?;
    let order = shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    let total = order.integer("/totals/total/amount")?;
    Ok((order, total, goods.sku))
}

async fn refund(shop: &Shop, order: &str, key: &str, body: &Value) -> Outcome<Answer> {
    let path = format!("/v1/admin/orders/{order}/refunds");
    Ok(shop.by_staff(Method::POST, path).await?.key(key).json(body).send().await?)
}

fn amount(cents: i64) -> Value {
    json!({ "amount": { "amount": cents, "currency": "EUR" }, "reason": "arrived late" })
}

async fn by_amount(shop: Shop) -> Outcome {
    let (order, total, _) = paid(&shop, 2).await?;
    let (id, token) = (order.text("/id")?, order.text("/token")?);
    let key = shop.unique("refund");
    let first = refund(&shop, id, &key, &amount(1000)).await?.expect(201)?;
    same("status", first.text("/status")?, "succeeded")?;
    same("amount", first.integer("/amount/amount")?, 1000)?;
    let again = refund(&shop, id, &key, &amount(1000)).await?.expect(201)?;
    same("the same refund", again.text("/id")?, first.text("/id")?)?;
    problem(refund(&shop, id, &key, &amount(1001)).await?, 422, "idempotency-key-reused")?;
    let read = shop.order(id, token).await?;
    same("status", read.text("/status")?, "partially_refunded")?;
    same("refunds", read.list("/refunds")?.len(), 1)?;
    let more = refund(&shop, id, &shop.unique("refund"), &amount(total - 999)).await?;
    let more = problem(more, 409, "refund-too-large")?;
    same("the rest", more.integer("/refundable/amount")?, total - 1000)?;
    refund(&shop, id, &shop.unique("refund"), &amount(total - 1000)).await?.expect(201)?;
    let read = shop.order(id, token).await?;
    same("status", read.text("/status")?, "refunded")?;
    same("payment", read.text("/payment/status")?, "refunded")?;
    let none = problem(refund(&shop, id, &shop.unique("refund"), &amount(1)).await?, 409, "refund-too-large")?;
    same("the rest", none.integer("/refundable/amount")?, 0)
}

async fn by_lines(shop: Shop) -> Outcome {
    let (order, total, sku) = paid(&shop, 3).await?;
    let (id, token) = (order.text("/id")?, order.text("/token")?);
    let line = order.integer("/lines/0/line_total/amount")?;
    let one = json!({ "lines": [{ "sku": sku, "quantity": 1 }], "reason": "broken" });
    let mut back = 0;
    for _ in 0..3 {
        let given = refund(&shop, id, &shop.unique("refund"), &one).await?.expect(201)?;
        same("status", given.text("/status")?, "succeeded")?;
        back += given.integer("/amount/amount")?;
    }
    same("all units together", back, line)?;
    let fourth = problem(refund(&shop, id, &shop.unique("refund"), &one).await?, 409, "refund-too-large")?;
    same("units left", fourth.integer("/left")?, 0)?;
    // Shipping is not in the lines: it goes back as an amount.
    if total > line {
        refund(&shop, id, &shop.unique("refund"), &amount(total - line)).await?.expect(201)?;
    }
    same("status", shop.order(id, token).await?.text("/status")?, "refunded")
}

async fn at_once(shop: Shop) -> Outcome {
    let (order, total, _) = paid(&shop, 2).await?;
    let (id, token) = (order.text("/id")?, order.text("/token")?);
    let part = total / 4;
    let ask = |_| {
        let (shop, key) = (shop.clone(), shop.unique("refund"));
        async move {
            for attempt in 0..40 {
                let answer = refund(&shop, id, &key, &amount(part)).await?;
                if answer.code() != "request-in-flight" {
                    return Ok::<_, Stop>(answer.status);
                }
                pause(ramp(attempt)).await;
            }
            Err(Stop::Failed("always in flight".into()))
        }
    };
    let answers = join_all((0..10).map(ask)).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let given = answers.iter().filter(|status| [201, 202].contains(*status)).count();
    same("four of ten", given, 4)?;
    same("refused", answers.iter().filter(|status| **status == 409).count(), 6)?;
    let watch = Watch::start();
    loop {
        let read = shop.order(id, token).await?;
        let refunds = read.list("/refunds")?;
        if refunds.iter().all(|refund| refund["status"] == "succeeded") {
            let sum: i64 = refunds.iter().filter_map(|refund| refund["amount"]["amount"].as_i64()).sum();
            same("what went back", sum, part * 4)?;
            return Ok(());
        }
        ensure!(watch.elapsed() < SETTLES, "{}", read.wrong("a refund stays open"));
        pause(ramp(9)).await;
    }
}

async fn unpaid(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(1)).await?;
    let (_, body) = shop.ready(&goods.sku, 1, "pm_card_authenticationRequired").await?;
    let order = shop.checkout(&shop.unique("key"), &body).await?.expect(202)?;
    let id = order.text("/id")?;
    problem(refund(&shop, id, &shop.unique("refund"), &amount(100)).await?, 409, "nothing-to-refund")?;
    let none = refund(&shop, "ord_00000000000", &shop.unique("refund"), &amount(100)).await?;
    problem(none, 404, "order-not-found")?;
    Ok(())
}

async fn bad(shop: Shop) -> Outcome {
    let (order, _, sku) = paid(&shop, 1).await?;
    let id = order.text("/id")?;
    let ask = |body: Value| {
        let key = shop.unique("refund");
        let shop = &shop;
        async move { refund(shop, id, &key, &body).await }
    };
    names_fields(
        ask(json!({ "amount": { "amount": 0, "currency": "EUR" }, "reason": "x" })).await?,
        422,
        &["/amount/amount"],
    )?;
    names_fields(ask(json!({ "reason": "x" })).await?, 422, &[""])?;
    names_fields(ask(json!({ "amount": { "amount": 5, "currency": "EUR" } })).await?, 422, &["/reason"])?;
    let both = json!({ "amount": { "amount": 5, "currency": "EUR" }, "lines": [{ "sku": sku, "quantity": 1 }], "reason": "x" });
    names_fields(ask(both).await?, 422, &[""])?;
    names_fields(
        ask(json!({ "lines": [{ "sku": "NOT-IN-IT", "quantity": 1 }], "reason": "x" })).await?,
        422,
        &["/lines"],
    )?;
    problem(
        ask(json!({ "amount": { "amount": 5, "currency": "USD" }, "reason": "x" })).await?,
        409,
        "currency-mismatch",
    )?;
    let path = format!("/v1/admin/orders/{id}/refunds");
    problem(shop.by_staff(Method::POST, path).await?.json(&amount(1)).send().await?, 400, "idempotency-key-missing")?;
    Ok(())
}

async fn who(shop: Shop) -> Outcome {
    let (order, _, _) = paid(&shop, 1).await?;
    let path = format!("/v1/admin/orders/{}/refunds", order.text("/id")?);
    let nobody = shop.client().post(path.clone()).key("k").json(&amount(1)).send().await?;
    nobody.expect(401)?;
    let customer = shop.customer().await?;
    shop.client().post(path).bearer(&customer.access).key("k").json(&amount(1)).send().await?.expect(403)?;
    Ok(())
}

async fn capture(shop: Shop) -> Outcome {
    let (order, total, _) = paid(&shop, 1).await?;
    let path = format!("/v1/admin/orders/{}/captures", order.text("/id")?);
    let all = shop.by_staff(Method::POST, path.clone()).await?.json(&json!({})).send().await?;
    problem(all, 409, "nothing-to-capture")?;
    let more = json!({ "amount": { "amount": total + 1, "currency": "EUR" } });
    let more = shop.by_staff(Method::POST, path).await?.json(&more).send().await?;
    problem(more, 409, "capture-too-large")?;
    Ok(())
}

async fn forged(shop: Shop) -> Outcome {
    for signature in
        ["", "t=1,v1=00", "v1=00", "t=1795702400,v1=0000000000000000000000000000000000000000000000000000000000000000"]
    {
        let ask = shop.client().post("/v1/payments/webhooks/stripe").header("stripe-signature", signature);
        problem(ask.json(&json!({ "id": "evt_1" })).send().await?, 400, "webhook-signature")?;
    }
    Ok(())
}

/// An order that waits for the bank, and what the bank is told.
async fn at_the_bank(shop: &Shop, approve: bool) -> Outcome<(Answer, String)> {
    if !shop.target().local {
        return Err(Stop::Skipped("only a local shop has the bank's page".into()));
    }
    let goods = shop.product(Wanted::units(3)).await?;
    let (_, body) = shop.ready(&goods.sku, 2, "pm_card_authenticationRequired").await?;
    let order = shop.checkout(&shop.unique("key"), &body).await?.expect(202)?;
    let confirmation = json!({ "client_secret": order.text("/payment/client_secret")?, "approve": approve });
    shop.client().post("/dev/provider/confirmations").json(&confirmation).send().await?.expect(200)?;
    let decided = shop.decided(order.text("/id")?, order.text("/token")?).await?;
    Ok((decided, goods.sku))
}

async fn confirmed(shop: Shop) -> Outcome {
    let (order, sku) = at_the_bank(&shop, true).await?;
    same("status", order.text("/status")?, "paid")?;
    same("payment", order.text("/payment/status")?, "succeeded")?;
    shop.stock_becomes(&sku, Stock::sold(3, 2)).await
}

async fn refused(shop: Shop) -> Outcome {
    let (order, sku) = at_the_bank(&shop, false).await?;
    same("status", order.text("/status")?, "cancelled")?;
    same("why", order.text("/payment/decline_code")?, "authentication_failed")?;
    shop.stock_becomes(&sku, Stock::holding(3, 0)).await
}
