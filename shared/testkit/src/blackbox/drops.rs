//! Announced sales: who may buy when, and that what is gone is said to be.

use std::time::Duration;

use kernel::Timestamp;
use serde_json::{Value, json};

use super::check::{cart_becomes, names_fields, problem, same, untouched};
use super::{Case, case};
use crate::clock::{Watch, pause};
use crate::http::Answer;
use crate::shop::{Goods, SETTLES, Shop, Stock, VISA, Wanted, checkout_body, ramp};
use crate::{Outcome, Stop, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("drops.a checkout without an admission is told its place", place),
        case("drops.an admission is good for one order", used),
        case("drops.an admission is for its cart and its item alone", forged),
        case("drops.nobody is let in before the time", early),
        case("drops.a shopper is let in when the time has come", in_time),
        case("drops.each announced item of a cart takes an admission", two_items),
        case("drops.an item that is not announced takes none", not_needed),
        case("drops.what is gone is said to be gone", gone),
        case("drops.what is gone is not sold either when it is not counted", gone_uncounted),
    ]
}

const FAR_AWAY: &str = "2099-01-01T00:00:00.000Z";

async fn announce(shop: &Shop, sku: &str, opens_at: &str, per_second: u32) -> Outcome {
    let drop = json!({ "opens_at": opens_at, "per_second": per_second });
    let kept = shop.keep(sku, &json!({ "drop": drop })).await?.expect(200)?;
    same("opens_at", kept.text("/drop/opens_at")?, opens_at)?;
    same("per_second", kept.integer("/drop/per_second")?, i64::from(per_second))
}

/// A product whose sale opens at this moment.
async fn opened(shop: &Shop, units: u32) -> Outcome<Goods> {
    let goods = shop.product(Wanted::units(units)).await?;
    let now = shop.time().await?;
    announce(shop, &goods.sku, &now.to_string(), 1_000).await?;
    Ok(goods)
}

async fn ask(shop: &Shop, sku: &str, cart: &str) -> Outcome<Answer> {
    let body = json!({ "cart_id": cart });
    Ok(shop.client().post(format!("/v1/inventory/{sku}/admissions")).json(&body).send().await?)
}

async fn admission(shop: &Shop, sku: &str, cart: &str) -> Outcome<String> {
    let answer = ask(shop, sku, cart).await?.expect(201)?;
    same("sku", answer.text("/sku")?, sku)?;
    ensure!(answer.integer("/place")? >= 0, "{}", answer.wrong("a place is counted from 0"));
    ensure!(answer.text("/admitted_at")? < answer.text("/expires_at")?, "{}", answer.wrong("it expires later"));
    Ok(answer.text("/admission")?.to_owned())
}

async fn try_with(shop: &Shop, body: &Value, admissions: &[&str]) -> Outcome<Answer> {
    let mut body = body.clone();
    body["admissions"] = json!(admissions);
    Ok(shop.checkout(&shop.unique("key"), &body).await?)
}

/// The refusal of who must wait: it has a place and what lets in later.
fn must_wait(answer: Answer, sku: &str) -> Outcome<(i64, String)> {
    let answer = problem(answer, 429, "admission-required")?;
    ensure!(answer.retry_after().is_some(), "{}", answer.wrong("it must say when to try again"));
    same("sku", answer.text("/admission/sku")?, sku)?;
    same("place", answer.integer("/admission/place")?, answer.integer("/place")?)?;
    let admitted_at = Timestamp::parse(answer.text("/admission/admitted_at")?);
    ensure!(admitted_at.is_some(), "{}", answer.wrong("admitted_at is no time"));
    Ok((answer.integer("/place")?, answer.text("/admission/admission")?.to_owned()))
}

async fn place(shop: Shop) -> Outcome {
    let goods = opened(&shop, 5).await?;
    let seen = shop.client().get(format!("/v1/inventory/{}", goods.sku)).send().await?.expect(200)?;
    same("admission", seen.at("/admission")?, &json!(true))?;
    let (cart, body) = shop.ready(&goods.sku, 2, VISA).await?;
    let (first, text) = must_wait(shop.checkout(&shop.unique("key"), &body).await?, &goods.sku)?;
    untouched(&shop, &goods.sku, 5, &cart, 2).await?;
    let (second, _) = must_wait(shop.checkout(&shop.unique("key"), &body).await?, &goods.sku)?;
    ensure!(first != second, "two answers have the place {first}");
    try_with(&shop, &body, &[&text]).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(5, 2)).await
}

async fn used(shop: Shop) -> Outcome {
    let goods = opened(&shop, 5).await?;
    let (cart, mut body) = shop.ready(&goods.sku, 1, "pm_card_chargeDeclined").await?;
    let first = admission(&shop, &goods.sku, &cart).await?;
    problem(try_with(&shop, &body, &[&first]).await?, 402, "payment-declined")?;
    untouched(&shop, &goods.sku, 5, &cart, 1).await?;
    // An order that failed used nothing up: another card, the same admission.
    body["payment_token"] = json!(VISA);
    try_with(&shop, &body, &[&first]).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(5, 1)).await?;
    cart_becomes(&shop, &cart, &goods.sku, 0).await?;

    shop.line(&cart, &goods.sku, &json!(1)).send().await?.expect(200)?;
    let body = checkout_body(&cart, &shop.email(), &shop.quote(&cart).await?, VISA);
    problem(try_with(&shop, &body, &[&first]).await?, 409, "admission-used")?;
    shop.stock_becomes(&goods.sku, Stock::sold(5, 1)).await?;
    cart_becomes(&shop, &cart, &goods.sku, 1).await?;
    let second = admission(&shop, &goods.sku, &cart).await?;
    ensure!(first != second, "the same admission was given twice");
    try_with(&shop, &body, &[&second]).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(5, 2)).await
}

async fn forged(shop: Shop) -> Outcome {
    let (goods, other) = (opened(&shop, 5).await?, opened(&shop, 5).await?);
    let (cart, body) = shop.ready(&goods.sku, 1, VISA).await?;
    let mine = admission(&shop, &goods.sku, &cart).await?;
    let theirs = admission(&shop, &goods.sku, &shop.cart().await?).await?;
    let elsewhere = admission(&shop, &other.sku, &cart).await?;
    let mut altered = mine.clone();
    let last = altered.pop();
    altered.push(if last == Some('A') { 'B' } else { 'A' });
    for wrong in [theirs.as_str(), &elsewhere, &altered, "let me in", ""] {
        problem(try_with(&shop, &body, &[wrong]).await?, 403, "admission-forged")?;
    }
    untouched(&shop, &goods.sku, 5, &cart, 1).await?;
    // One that is no use does not spoil one that is.
    try_with(&shop, &body, &[&elsewhere, &mine]).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(5, 1)).await
}

async fn early(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    announce(&shop, &goods.sku, FAR_AWAY, 10).await?;
    let (cart, body) = shop.ready(&goods.sku, 1, VISA).await?;
    let (place, text) = must_wait(shop.checkout(&shop.unique("key"), &body).await?, &goods.sku)?;
    let (again, same_text) = must_wait(try_with(&shop, &body, &[&text]).await?, &goods.sku)?;
    same("the place of who has one", again, place)?;
    same("the admission of who has one", same_text, text)?;
    let later = ask(&shop, &goods.sku, &cart).await?.expect(201)?;
    ensure!(later.integer("/place")? != place, "{}", later.wrong("another request gets another place"));
    ensure!(later.text("/admitted_at")? >= FAR_AWAY, "{}", later.wrong("places are served from the opening on"));
    untouched(&shop, &goods.sku, 5, &cart, 1).await
}

async fn in_time(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(1)).await?;
    let (cart, body) = shop.ready(&goods.sku, 1, VISA).await?;
    let opens_at = shop.time().await?.after(Duration::from_secs(8));
    announce(&shop, &goods.sku, &opens_at.to_string(), 1_000).await?;
    let text = admission(&shop, &goods.sku, &cart).await?;
    let mut waited = false;
    let watch = Watch::start();
    for attempt in 0_u32.. {
        let answer = try_with(&shop, &body, &[&text]).await?.expect_any(&[201, 429])?;
        if answer.status == 201 {
            break;
        }
        must_wait(answer, &goods.sku)?;
        ensure!(watch.elapsed() < SETTLES, "the sale of {} never opened", goods.sku);
        waited = true;
        pause(ramp(attempt)).await;
    }
    shop.stock_becomes(&goods.sku, Stock::sold(1, 1)).await?;
    if waited { Ok(()) } else { Err(Stop::Skipped("the target was so slow that the sale had opened before".into())) }
}

async fn two_items(shop: Shop) -> Outcome {
    let (one, two) = (opened(&shop, 5).await?, opened(&shop, 5).await?);
    let cart = shop.filled_cart(&[(&one.sku, 1), (&two.sku, 1)]).await?;
    let body = checkout_body(&cart, &shop.email(), &shop.quote(&cart).await?, VISA);
    let first = admission(&shop, &one.sku, &cart).await?;
    // It lets in for the one; for the other there is a place, as for who has none.
    let (_, second) = must_wait(try_with(&shop, &body, &[&first]).await?, &two.sku)?;
    untouched(&shop, &one.sku, 5, &cart, 1).await?;
    untouched(&shop, &two.sku, 5, &cart, 1).await?;
    try_with(&shop, &body, &[&second, &first]).await?.expect(201)?;
    shop.stock_becomes(&one.sku, Stock::sold(5, 1)).await?;
    shop.stock_becomes(&two.sku, Stock::sold(5, 1)).await
}

async fn not_needed(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    let cart = shop.cart().await?;
    problem(ask(&shop, &goods.sku, &cart).await?, 409, "admission-not-needed")?;
    let path = format!("/v1/inventory/{}/admissions", goods.sku);
    let body = json!({ "cart_id": "mine", "hurry": true });
    names_fields(shop.client().post(&path).json(&body).send().await?, 422, &["/cart_id", "/hurry"])?;
    names_fields(shop.client().post(&path).json(&json!({})).send().await?, 422, &["/cart_id"])?;
    let (cart, body) = shop.ready(&goods.sku, 1, VISA).await?;
    let answer = try_with(&shop, &body, &["x"; 11]).await?;
    names_fields(answer, 422, &["/admissions"])?;
    untouched(&shop, &goods.sku, 5, &cart, 1).await?;
    // One that is not needed does no harm.
    try_with(&shop, &body, &["x"]).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(5, 1)).await
}

async fn is_gone(shop: &Shop, goods: &Goods, cart: &str, body: &Value, admissions: &[&str]) -> Outcome {
    let seen = shop.client().get(format!("/v1/inventory/{}", goods.sku)).send().await?.expect(200)?;
    same("status", seen.text("/status")?, "sold_out")?;
    same("available", seen.integer("/available")?, 0)?;
    let policy = seen.header("cache-control").unwrap_or_default();
    let ages = policy.split(',').filter_map(|part| part.trim().strip_prefix("max-age=")?.parse::<u32>().ok());
    ensure!(policy.contains("public") && ages.max() >= Some(10), "{}", seen.wrong("the CDN must keep it for a while"));
    problem(shop.checkout(&shop.unique("key"), body).await?, 409, "out-of-stock")?;
    problem(try_with(shop, body, admissions).await?, 409, "out-of-stock")?;
    // For a second a sandbox may remember that it was not gone.
    let watch = Watch::start();
    for attempt in 0_u32.. {
        let answer = ask(shop, &goods.sku, cart).await?.expect_any(&[201, 409])?;
        if answer.status == 409 {
            problem(answer, 409, "out-of-stock")?;
            break;
        }
        ensure!(watch.elapsed() < SETTLES, "{}", answer.wrong("places are still given out"));
        pause(ramp(attempt)).await;
    }
    Ok(())
}

async fn gone(shop: Shop) -> Outcome {
    let goods = opened(&shop, 5).await?;
    let (cart, body) = shop.ready(&goods.sku, 1, VISA).await?;
    let text = admission(&shop, &goods.sku, &cart).await?;
    let opens_at = shop.settings(&goods.sku).await?.at("/drop/opens_at")?.clone();
    let drop = json!({ "opens_at": opens_at, "per_second": 1_000, "gone": true });
    shop.keep(&goods.sku, &json!({ "drop": drop })).await?.expect(200)?;
    is_gone(&shop, &goods, &cart, &body, &[&text]).await?;
    let refused = shop.reserve(&goods.sku, 1, 60).await?;
    problem(refused, 409, "out-of-stock")?;
    untouched(&shop, &goods.sku, 5, &cart, 1).await?;
    // What was not sold is sold without an announcement.
    shop.keep(&goods.sku, &json!({})).await?.expect(200)?;
    shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(5, 1)).await
}

async fn gone_uncounted(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(2)).await?;
    let (cart, body) = shop.ready(&goods.sku, 1, VISA).await?;
    let drop = json!({ "opens_at": "2020-01-01T00:00:00.000Z", "per_second": 1, "gone": true });
    shop.keep(&goods.sku, &json!({ "tracking": { "policy": "none" }, "drop": drop })).await?.expect(200)?;
    is_gone(&shop, &goods, &cart, &body, &[]).await?;
    untouched(&shop, &goods.sku, 2, &cart, 1).await
}
