//! What is refused before it does any harm: the numbers of cards, and one card after the other.

use http::Method;
use serde_json::{Value, json};

use super::check::{problem, same, untouched};
use super::{Case, case};
use crate::http::Answer;
use crate::shop::{Quote, Shop, Stock, VISA, Wanted, checkout_body, product_body};
use crate::{Outcome, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("abuse.a card number is refused wherever it stands", card_numbers),
        case("abuse.a card number is refused of shoppers everywhere", card_everywhere),
        case("abuse.numbers that are no card numbers are taken", no_card),
        case("abuse.too many refused payments stop a cart", cart_limit),
        case("abuse.one payment method is tried a few times", method_limit),
        case("abuse.a stranger does not lock a customer out", locked_out),
    ]
}

/// Numbers that the schemes publish for tests.
const CARD: &str = "4242 4242 4242 4242";

/// The refusal of a card number, which names its places and nothing of it.
fn refused(answer: Answer, pointers: &[&str]) -> Outcome<Answer> {
    let answer = problem(answer, 422, "card-number-refused")?;
    let named: Vec<&str> = answer.list("/errors")?.iter().filter_map(|error| error["pointer"].as_str()).collect();
    same("the places", named, pointers.to_vec())?;
    let digits: String = String::from_utf8_lossy(&answer.bytes).chars().filter(char::is_ascii_digit).collect();
    ensure!(!digits.contains("42424242"), "{}", answer.wrong("it carries the number on"));
    Ok(answer)
}

async fn card_numbers(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(2)).await?;
    let (cart, body) = shop.ready(&goods.sku, 1, VISA).await?;
    let places = [
        ("/payment_token", json!("4242424242424242")),
        ("/payment_token", json!(4_242_424_242_424_242_u64)),
        ("/shipping_address/name", json!("Ada 4242-4242-4242-4242 12/30")),
        ("/shipping_address/line2", json!("5555.5555.5555.4444")),
        ("/email", json!("378282246310005@example.com")),
    ];
    for (pointer, value) in places {
        let mut wrong = body.clone();
        *wrong.pointer_mut(pointer).ok_or_else(|| crate::Stop::Failed(pointer.into()))? = value;
        refused(shop.checkout(&shop.unique("key"), &wrong).await?, &[pointer])?;
    }
    // Also where no member of that name is known, and as a name.
    let mut card = body.clone();
    card["card"] = json!({ "number": CARD, "cvc": "123" });
    refused(shop.checkout(&shop.unique("key"), &card).await?, &["/card/number"])?;
    let mut named = body.clone();
    named[CARD] = json!(true);
    refused(shop.checkout(&shop.unique("key"), &named).await?, &[""])?;
    untouched(&shop, &goods.sku, 2, &cart, 1).await?;
    shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    Ok(())
}

async fn card_everywhere(shop: Shop) -> Outcome {
    let registration = json!({ "email": shop.email(), "password": shop.unique("Secret"), "name": CARD });
    refused(shop.client().post("/v1/auth/register").json(&registration).send().await?, &["/name"])?;
    let quote = json!({ "cart_id": shop.cart().await?, "shipping_address": { "name": CARD } });
    refused(shop.client().post("/v1/checkout/quote").json(&quote).send().await?, &["/shipping_address/name"])?;
    refused(shop.client().post("/v1/carts").json(&json!({ "currency": CARD })).send().await?, &["/currency"])?;
    // A header that is logged and sent back does not carry one either.
    let answer =
        shop.client().get("/v1/products?limit=1").header("x-correlation-id", "4242-4242-4242-4242").send().await?;
    ensure!(
        answer.header("x-correlation-id").is_none_or(|id| !id.contains("4242-4242")),
        "{}",
        answer.wrong("the number came back")
    );
    Ok(())
}

async fn no_card(shop: Shop) -> Outcome {
    // Staff's endpoints carry barcodes; one in ten of those that begin with a 4 looks like a card of 13 digits.
    let mut product = product_body(&Wanted::default(), &shop.unique("Barcoded"), &shop.unique("SKU"));
    product["variants"][0]["barcode"] = json!("4222222222222");
    shop.create(&product, None).await?.expect(201)?;
    let goods = shop.product(Wanted::units(2)).await?;
    let (_, mut body) = shop.ready(&goods.sku, 1, VISA).await?;
    body["shipping_address"]["name"] = json!("4242 4242 4242 4241");
    body["shipping_address"]["line2"] = json!("Tel. +49 170 1234567, DHL 00340434161094042557");
    shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    Ok(())
}

async fn attempt(shop: &Shop, mut body: Value, token: &str) -> Outcome<Answer> {
    body["payment_token"] = token.into();
    Ok(shop.checkout(&shop.unique("key"), &body).await?)
}

/// The answer to somebody who tried too often.
fn stopped(answer: Answer) -> Outcome {
    let answer = problem(answer, 429, "too-many-attempts")?;
    ensure!(answer.retry_after().is_some(), "{}", answer.wrong("no Retry-After"));
    Ok(())
}

const DECLINED: &str = "pm_card_chargeDeclined";

async fn cart_limit(shop: Shop) -> Outcome {
    // A unit of a refused order comes back a moment later: there are enough for all attempts.
    let goods = shop.product(Wanted::units(8)).await?;
    let (cart, body) = shop.ready(&goods.sku, 1, VISA).await?;
    for _ in 0..5 {
        problem(attempt(&shop, body.clone(), DECLINED).await?, 402, "payment-declined")?;
    }
    for token in [DECLINED, VISA] {
        stopped(attempt(&shop, body.clone(), token).await?)?;
    }
    untouched(&shop, &goods.sku, 8, &cart, 1).await?;
    // Another cart of somebody else is none of it.
    shop.buy(&goods.sku, 1).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(8, 1)).await
}

async fn method_limit(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    let token = format!("pm_{}", shop.unique("stolen").replace('-', ""));
    for _ in 0..3 {
        let (_, body) = shop.ready(&goods.sku, 1, VISA).await?;
        problem(attempt(&shop, body, &token).await?, 402, "payment-declined")?;
    }
    let (_, body) = shop.ready(&goods.sku, 1, VISA).await?;
    stopped(attempt(&shop, body.clone(), &token).await?)?;
    attempt(&shop, body, VISA).await?.expect(201)?;
    Ok(())
}

async fn locked_out(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(13)).await?;
    let (customer, home) = (shop.customer().await?, shop.cart().await?);
    let body = async |token: &str| {
        let cart = shop.filled_cart(&[(&goods.sku, 1)]).await?;
        let quote: Quote = shop.quote(&cart).await?;
        let mut body = checkout_body(&cart, &customer.email, &quote, token);
        body["shipping_address"]["line2"] = home.as_str().into();
        Outcome::Ok(body)
    };
    // A stranger knows the address, and nothing else.
    for _ in 0..10 {
        problem(shop.checkout(&shop.unique("key"), &body(DECLINED).await?).await?, 402, "payment-declined")?;
    }
    stopped(shop.checkout(&shop.unique("key"), &body(VISA).await?).await?)?;
    let request = shop.client().request(Method::POST, "/v1/checkout").bearer(&customer.access).key(&shop.unique("key"));
    request.json(&body(VISA).await?).send().await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(13, 1)).await
}
