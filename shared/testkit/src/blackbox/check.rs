//! What every error must look like, and the questions that many cases ask.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::clock::{Watch, pause};
use crate::http::Answer;
use crate::shop::{SETTLES, Shop, Stock, ramp};
use crate::{Outcome, Stop, ensure};

/// The answer, when it is this problem in the form that RFC 9457 and our contract give it.
pub fn problem(answer: Answer, status: u16, code: &str) -> Outcome<Answer> {
    let answer = answer.expect(status)?;
    let kind = answer.header("content-type").unwrap_or_default();
    ensure!(kind.starts_with("application/problem+json"), "{}", answer.wrong(format!("content-type is {kind:?}")));
    if answer.code() != code {
        return Err(answer.wrong(format!("expected the problem {code}")));
    }
    let pairs = [
        ("/type", Value::from(format!("/problems/{code}"))),
        ("/status", Value::from(status)),
        ("/instance", Value::from(answer.header("x-request-id").unwrap_or_default())),
    ];
    for (pointer, expected) in pairs {
        if answer.at(pointer)? != &expected {
            return Err(answer.wrong(format!("{pointer} must be {expected}")));
        }
    }
    for pointer in ["/title", "/detail", "/instance"] {
        if answer.text(pointer)?.is_empty() {
            return Err(answer.wrong(format!("{pointer} is empty")));
        }
    }
    if answer.header("cache-control") != Some("no-store") {
        return Err(answer.wrong("a problem must not be kept by caches"));
    }
    Ok(answer)
}

/// The answer, when it is this problem; where API Gateway answers such requests itself, with a body of its own, only the
/// status is looked at.
pub fn gateway_problem(shop: &Shop, answer: Answer, status: u16, code: &str) -> Outcome<Answer> {
    if shop.target().local { problem(answer, status, code) } else { answer.expect(status) }
}

/// The answer, when it is a validation problem that names exactly these places, each with a reason.
pub fn names_fields(answer: Answer, status: u16, pointers: &[&str]) -> Outcome<Answer> {
    let code = if status == 422 { "invalid-body" } else { "invalid-parameter" };
    let answer = problem(answer, status, code)?;
    let mut named = BTreeSet::new();
    for error in answer.list("/errors")? {
        let place = error["in"].as_str().unwrap_or_default();
        let detail = error["detail"].as_str().unwrap_or_default();
        if !["body", "query", "path", "header"].contains(&place) || detail.is_empty() {
            return Err(answer.wrong(format!("{error} does not say where and why")));
        }
        named.insert(error["pointer"].as_str().unwrap_or_default());
    }
    let expected: BTreeSet<&str> = pointers.iter().copied().collect();
    if named != expected {
        return Err(answer.wrong(format!("expected errors at {expected:?}, found them at {named:?}")));
    }
    Ok(answer)
}

/// The answer, when it is a problem that mentions a text somewhere.
pub fn mentions(answer: Answer, text: &str) -> Outcome<Answer> {
    if answer.body.to_string().contains(text) { Ok(answer) } else { Err(answer.wrong(format!("it must name {text}"))) }
}

/// Two values must be equal.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, left: T, right: T) -> Outcome {
    ensure!(left == right, "{what}: {left:?} is not {right:?}");
    Ok(())
}

/// The quantity of a SKU in a cart; zero when it has no such line.
pub fn quantity_in(cart: &Answer, sku: &str) -> Outcome<i64> {
    let line = cart.list("/lines")?.iter().find(|line| line["sku"] == sku);
    Ok(line.and_then(|line| line["quantity"].as_i64()).unwrap_or(0))
}

/// After a refusal: the stock is whole, and the cart still has its line.
pub async fn untouched(shop: &Shop, sku: &str, units: u32, cart: &str, quantity: u32) -> Outcome {
    shop.stock_becomes(sku, Stock::sold(units, 0)).await?;
    let cart = shop.read_cart(cart).await?;
    same("the cart's line after a refusal", quantity_in(&cart, sku)?, i64::from(quantity))
}

/// Waits until a cart has so many units of a SKU.
pub async fn cart_becomes(shop: &Shop, cart: &str, sku: &str, quantity: i64) -> Outcome {
    let watch = Watch::start();
    for attempt in 0_u32.. {
        let seen = quantity_in(&shop.read_cart(cart).await?, sku)?;
        if seen == quantity {
            return Ok(());
        }
        ensure!(watch.elapsed() < SETTLES, "the cart keeps {seen} of {sku}, expected {quantity}");
        pause(ramp(attempt)).await;
    }
    Err(Stop::Failed("the cart never settled".into()))
}
