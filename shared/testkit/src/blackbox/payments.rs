//! Payments: each token of the built-in provider, and what it leaves in stock, cart and order.

use std::time::Duration;

use serde_json::json;

use super::check::{cart_becomes, problem, same, untouched};
use super::{Case, case};
use crate::clock::{Watch, pause};
use crate::shop::{SETTLES, Shop, Stock, VISA, Wanted, checkout_body, ramp};
use crate::{Outcome, Stop, ensure};

/// A hold that was given up is released by a worker at the latest: locally at once, on an emulator after its next poll.
const MOMENTS: Duration = Duration::from_secs(30);

pub fn cases() -> Vec<Case> {
    vec![
        case("payments.a card that works is paid at once", visa),
        case("payments.a declined card releases the stock and keeps the cart", declined),
        case("payments.a declined shopper pays with another card", second_card),
        case("payments.a card that needs confirming waits with its stock held", requires_action),
        case("payments.a shopper's own hold never blocks that shopper", own_hold),
        case("payments.a card that fails once is paid in the end", processing_error),
        case("payments.a provider without an answer charges once and is paid by itself", slow),
        case("payments.a token nobody knows is declined", unknown_token),
        case("payments.the buyer is told by mail", mail),
    ]
}

async fn visa(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    let (cart, body) = shop.ready(&goods.sku, 2, VISA).await?;
    let order = shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    same("status", order.text("/status")?, "paid")?;
    same("total", order.at("/totals/total")?, &body["expected_total"])?;
    same("email", order.at("/email")?, &body["email"])?;
    same("sku", order.text("/lines/0/sku")?, &goods.sku)?;
    same("quantity", order.integer("/lines/0/quantity")?, 2)?;
    same("method", order.at("/shipping_method")?, &body["shipping_method"])?;
    same("address", order.at("/shipping_address/city")?, &json!("Berlin"))?;
    ensure!(
        !order.text("/number")?.is_empty() && !order.text("/token")?.is_empty(),
        "{}",
        order.wrong("number and token")
    );
    let id = order.text("/id")?;
    ensure!(order.header("location").is_some_and(|place| place.contains(id)), "{}", order.wrong("Location"));
    shop.stock_becomes(&goods.sku, Stock::sold(5, 2)).await?;
    cart_becomes(&shop, &cart, &goods.sku, 0).await
}

async fn declined(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(3)).await?;
    let (cart, body) = shop.ready(&goods.sku, 2, "pm_card_chargeDeclined").await?;
    let key = shop.unique("key");
    problem(shop.checkout(&key, &body).await?, 402, "payment-declined")?;
    untouched(&shop, &goods.sku, 3, &cart, 2).await?;
    // The same request again is the same refusal; it is not charged anew.
    problem(shop.checkout(&key, &body).await?, 402, "payment-declined")?;
    untouched(&shop, &goods.sku, 3, &cart, 2).await
}

async fn second_card(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(1)).await?;
    let (cart, body) = shop.ready(&goods.sku, 1, "pm_card_chargeDeclined").await?;
    problem(shop.checkout(&shop.unique("key"), &body).await?, 402, "payment-declined")?;
    pays_with_visa(&shop, &cart, &goods.sku).await
}

/// The shopper left the bank's page, the last unit still held for him, and brings another card.
async fn own_hold(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(1)).await?;
    let (cart, body) = shop.ready(&goods.sku, 1, "pm_card_authenticationRequired").await?;
    let first = shop.checkout(&shop.unique("key"), &body).await?.expect(202)?;
    pays_with_visa(&shop, &cart, &goods.sku).await?;
    let dead = shop.decided(first.text("/id")?, first.text("/token")?).await?;
    ensure!(
        ["cancelled", "expired"].contains(&dead.text("/status")?),
        "{}",
        dead.wrong("the first attempt must be dead")
    );
    Ok(())
}

/// Buys the only unit of a cart that was tried before. His own attempt must not block him for longer than moments.
async fn pays_with_visa(shop: &Shop, cart: &str, sku: &str) -> Outcome {
    let quote = shop.quote(cart).await?;
    let body = checkout_body(cart, &shop.email(), &quote, VISA);
    let watch = Watch::start();
    for attempt in 0_u32.. {
        let answer = shop.checkout(&shop.unique("key"), &body).await?.expect_any(&[201, 409])?;
        if answer.status == 201 {
            break;
        }
        ensure!(["all-held", "checkout-in-progress"].contains(&answer.code()), "{}", answer.wrong("another refusal"));
        ensure!(watch.elapsed() < MOMENTS, "{}", answer.wrong("his own earlier attempt still blocks him"));
        pause(ramp(attempt)).await;
    }
    shop.stock_becomes(sku, Stock::sold(1, 1)).await?;
    cart_becomes(shop, cart, sku, 0).await
}

async fn requires_action(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(3)).await?;
    let (_, body) = shop.ready(&goods.sku, 2, "pm_card_authenticationRequired").await?;
    let key = shop.unique("key");
    let order = shop.checkout(&key, &body).await?.expect(202)?;
    same("status", order.text("/status")?, "pending")?;
    same("payment", order.text("/payment/status")?, "requires_action")?;
    let secret = order.text("/payment/client_secret")?;
    ensure!(!secret.is_empty(), "{}", order.wrong("the shopper's browser needs the client secret"));
    order.text("/expires_at")?;
    same("stock", shop.stock(&goods.sku).await?, Stock::holding(3, 2))?;
    let again = shop.checkout(&key, &body).await?.expect(202)?;
    same("the same order", again.text("/id")?, order.text("/id")?)?;
    same("the same secret", again.text("/payment/client_secret")?, secret)?;
    let read = shop.order(order.text("/id")?, order.text("/token")?).await?;
    same("status", read.text("/status")?, "pending")?;
    same("stock", shop.stock(&goods.sku).await?, Stock::holding(3, 2))
}

/// Places an order whose payment is not decided at once, and waits until it is paid, by itself.
async fn paid_in_the_end(shop: &Shop, token: &str, allowed: &[u16]) -> Outcome {
    let goods = shop.product(Wanted::units(3)).await?;
    let (cart, body) = shop.ready(&goods.sku, 2, token).await?;
    let key = shop.unique("key");
    let order = shop.checkout(&key, &body).await?.expect_any(allowed)?;
    let (id, guest) = (order.text("/id")?, order.text("/token")?);
    if order.status == 202 {
        same("status", order.text("/status")?, "pending")?;
    }
    let decided = shop.decided(id, guest).await?;
    same("status in the end", decided.text("/status")?, "paid")?;
    shop.stock_becomes(&goods.sku, Stock::sold(3, 2)).await?;
    cart_becomes(shop, &cart, &goods.sku, 0).await?;
    let again = shop.checkout(&key, &body).await?.expect_any(&[200, 201])?;
    same("the same order", again.text("/id")?, id)?;
    same("stock", shop.stock(&goods.sku).await?, Stock::sold(3, 2))
}

async fn processing_error(shop: Shop) -> Outcome {
    paid_in_the_end(&shop, "pm_card_processingError", &[201, 202]).await
}

async fn slow(shop: Shop) -> Outcome {
    // The provider's own report may come before its answer, and settles the order as well.
    paid_in_the_end(&shop, "pm_slow", &[201, 202]).await
}

async fn unknown_token(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(2)).await?;
    let (cart, body) = shop.ready(&goods.sku, 1, "pm_card_fromTheFuture").await?;
    let answer = shop.checkout(&shop.unique("key"), &body).await?.expect_any(&[402, 422])?;
    let (status, code) = (answer.status, answer.code().to_owned());
    ensure!(["payment-declined", "invalid-body"].contains(&code.as_str()), "{}", answer.wrong("another refusal"));
    problem(answer, status, &code)?;
    untouched(&shop, &goods.sku, 2, &cart, 1).await
}

async fn mail(shop: Shop) -> Outcome {
    if !shop.target().local {
        return Err(Stop::Skipped(
            "mail leaves this target; only a local shop keeps an outbox that can be read".into(),
        ));
    }
    let goods = shop.product(Wanted::units(1)).await?;
    let (_, body) = shop.ready(&goods.sku, 1, VISA).await?;
    let order = shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    let (address, number) = (order.text("/email")?, order.text("/number")?);
    let watch = Watch::start();
    for attempt in 0_u32.. {
        let outbox = shop.client().get("/dev/outbox").send().await?.expect(200)?;
        let page = String::from_utf8_lossy(&outbox.bytes);
        if page.contains(address) && page.contains(number) {
            return Ok(());
        }
        ensure!(watch.elapsed() < SETTLES, "no mail about {number} to {address} in the outbox");
        pause(ramp(attempt)).await;
    }
    Err(Stop::Failed("no mail".into()))
}
