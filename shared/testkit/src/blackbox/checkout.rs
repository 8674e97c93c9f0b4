//! Quotes and orders: what is refused, what is not paid twice, what is never half done.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::cart::reprice;
use super::check::{cart_becomes, mentions, names_fields, problem, same, untouched};
use super::{Case, case};
use crate::http::Answer;
use crate::shop::{Shop, Stock, VISA, Wanted, checkout_body};
use crate::{Outcome, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("checkout.a quote adds up", quote_adds_up),
        case("checkout.a wrong quote is refused with every field", wrong_quote),
        case("checkout.an order without an Idempotency-Key is refused", key_missing),
        case("checkout.the same key is the same order", same_order),
        case("checkout.the same key with another body is refused", key_reused),
        case("checkout.eight clicks at once buy once", |shop| eight_clicks(shop, 10)),
        case("checkout.eight clicks at once for the last unit buy it", |shop| eight_clicks(shop, 1)),
        case("checkout.every wrong field is named at once and nothing is held", wrong_fields),
        case("checkout.an unknown cart is not found", unknown_cart),
        case("checkout.an empty cart is refused", empty_cart),
        case("checkout.a changed price is refused and named", price_changed),
        case("checkout.a total the shopper never saw is refused", wrong_total),
        case("checkout.a total in another currency is refused", other_currency),
        case("checkout.too little stock is refused with what is left", too_little),
        case("checkout.one short line leaves the others whole", one_short_line),
        case("checkout.a product off the shelf is refused", not_for_sale),
        case("checkout.where we do not ship is refused", no_such_method),
        case("checkout.the last unit goes to one of two", last_unit),
        case("checkout.units that others hold may come back", all_held),
    ]
}

async fn quote_adds_up(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted { units: 5, price: 1_234, ..Wanted::default() }).await?;
    let cart = shop.filled_cart(&[(&goods.sku, 3)]).await?;
    let quote = shop.ask_quote(&cart, None).await?.expect(200)?;
    ensure!(!quote.list("/methods")?.is_empty(), "{}", quote.wrong("no shipping method"));
    for method in quote.list("/methods")? {
        let id = method["id"].as_str().ok_or_else(|| quote.wrong("a method has no id"))?;
        ensure!(
            method["name"].is_string() && method["price"]["amount"].is_i64(),
            "{}",
            quote.wrong("a method needs name and price")
        );
        let priced = shop.ask_quote(&cart, Some(id)).await?.expect(200)?;
        same("the method asked for", priced.text("/shipping_method")?, id)?;
        let amount = |name: &str| priced.integer(&format!("/totals/{name}/amount"));
        same("subtotal", amount("subtotal")?, 3_702)?;
        same("shipping", amount("shipping")?, method["price"]["amount"].as_i64().unwrap_or(-1))?;
        let without_tax = amount("subtotal")? - amount("discount")? + amount("shipping")?;
        // Prices in Germany have their tax in them; elsewhere it is added.
        ensure!(
            [without_tax, without_tax + amount("tax")?].contains(&amount("total")?),
            "{}",
            priced.wrong("the total does not add up")
        );
        for part in ["subtotal", "discount", "shipping", "tax", "total"] {
            same(part, priced.text(&format!("/totals/{part}/currency"))?, "EUR")?;
        }
    }
    same("a quote holds nothing", shop.stock(&goods.sku).await?, Stock::sold(5, 0))
}

async fn wrong_quote(shop: Shop) -> Outcome {
    let body = json!({ "cart_id": "crt_", "shipping_address": { "name": "", "country": "XX" }, "colour": 1 });
    let answer = shop.client().post("/v1/checkout/quote").json(&body).send().await?;
    let address = ["name", "line1", "city", "postal_code", "country"].map(|field| format!("/shipping_address/{field}"));
    let mut wrong: Vec<&str> = address.iter().map(String::as_str).collect();
    wrong.extend(["/cart_id", "/colour"]);
    names_fields(answer, 422, &wrong)?;
    Ok(())
}

async fn key_missing(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(2)).await?;
    let (cart, body) = shop.ready(&goods.sku, 1, VISA).await?;
    let answer = shop.client().post("/v1/checkout").json(&body).send().await?;
    problem(answer, 400, "idempotency-key-missing")?;
    let long = "k".repeat(256);
    let answer = shop.client().post("/v1/checkout").key(&long).json(&body).send().await?;
    names_fields(answer, 400, &["/Idempotency-Key"])?;
    untouched(&shop, &goods.sku, 2, &cart, 1).await
}

async fn same_order(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    let (cart, body) = shop.ready(&goods.sku, 2, VISA).await?;
    let key = shop.unique("key");
    let first = shop.checkout(&key, &body).await?.expect(201)?;
    let again = shop.checkout(&key, &body).await?.expect_any(&[200, 201])?;
    // The draft of the header writes the key in quotes; both forms are the same key.
    let quoted = shop.checkout(&format!("\"{key}\""), &body).await?.expect_any(&[200, 201])?;
    for field in ["id", "number", "totals", "lines", "status", "created_at"] {
        same(field, &again.body[field], &first.body[field])?;
        same(field, &quoted.body[field], &first.body[field])?;
    }
    shop.stock_becomes(&goods.sku, Stock::sold(5, 2)).await?;
    cart_becomes(&shop, &cart, &goods.sku, 0).await?;
    // Also when the cart is empty and everything is settled.
    let late = shop.checkout(&key, &body).await?.expect_any(&[200, 201])?;
    same("the order long after", late.text("/id")?, first.text("/id")?)?;
    same("stock", shop.stock(&goods.sku).await?, Stock::sold(5, 2))
}

async fn key_reused(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    let key = shop.unique("key");
    let (_, body) = shop.ready(&goods.sku, 1, VISA).await?;
    shop.checkout(&key, &body).await?.expect(201)?;
    for (field, value) in [("email", json!(shop.email())), ("payment_token", json!("pm_card_chargeDeclined"))] {
        let mut other = body.clone();
        other[field] = value;
        problem(shop.checkout(&key, &other).await?, 422, "idempotency-key-reused")?;
    }
    let mut dearer = body.clone();
    dearer["expected_total"]["amount"] = json!(1);
    problem(shop.checkout(&key, &dearer).await?, 422, "idempotency-key-reused")?;
    shop.stock_becomes(&goods.sku, Stock::sold(5, 1)).await?;
    // The key of one shopper is not in the way of another, who happened to choose the same.
    let (_, stranger) = shop.ready(&goods.sku, 1, VISA).await?;
    let theirs = shop.client().post("/v1/checkout").bearer(&shop.customer().await?.access).key(&key).json(&stranger);
    theirs.send().await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(5, 2)).await
}

async fn eight_clicks(shop: Shop, units: u32) -> Outcome {
    let goods = shop.product(Wanted::units(units)).await?;
    let (_, body) = shop.ready(&goods.sku, 1, VISA).await?;
    let key = shop.unique("key");
    let clicks = (0..8).map(|_| {
        let (client, key, body) = (shop.client().apart(), key.clone(), body.clone());
        async move { client.post("/v1/checkout").key(&key).json(&body).send().await }
    });
    let mut orders = BTreeSet::new();
    for answer in join_all(clicks).await {
        let answer = answer?.expect_any(&[200, 201, 202, 409])?;
        if answer.status == 409 {
            let told = answer.code().to_owned();
            ensure!(
                ["request-in-flight", "checkout-in-progress"].contains(&told.as_str()),
                "{}",
                answer.wrong("another refusal")
            );
        } else {
            orders.insert(answer.text("/id")?.to_owned());
        }
    }
    let settled = shop.checkout(&key, &body).await?.expect_any(&[200, 201])?;
    orders.insert(settled.text("/id")?.to_owned());
    same("orders of one key", orders.len(), 1)?;
    same("status", settled.text("/status")?, "paid")?;
    shop.stock_becomes(&goods.sku, Stock::sold(units, 1)).await
}

async fn wrong_fields(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(3)).await?;
    let (cart, good) = shop.ready(&goods.sku, 1, VISA).await?;
    let mut body = good.clone();
    body["email"] = json!("nobody");
    body["shipping_address"]["country"] = json!("Germany");
    body["shipping_address"]["line1"] = json!("");
    body["expected_total"]["amount"] = json!("1999");
    body["payment_token"] = json!(7);
    body["gift_wrap"] = json!(true);
    let answer = shop.checkout(&shop.unique("key"), &body).await?;
    let wrong = [
        "/email",
        "/shipping_address/country",
        "/shipping_address/line1",
        "/expected_total/amount",
        "/payment_token",
        "/gift_wrap",
    ];
    names_fields(answer, 422, &wrong)?;
    let answer = shop.checkout(&shop.unique("key"), &json!({})).await?;
    let missing = ["/cart_id", "/email", "/shipping_address", "/shipping_method", "/payment_token", "/expected_total"];
    names_fields(answer, 422, &missing)?;
    untouched(&shop, &goods.sku, 3, &cart, 1).await
}

async fn unknown_cart(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(1)).await?;
    let (_, mut body) = shop.ready(&goods.sku, 1, VISA).await?;
    body["cart_id"] = json!("crt_0000000000000000000000");
    problem(shop.checkout(&shop.unique("key"), &body).await?, 404, "cart-not-found")?;
    same("stock", shop.stock(&goods.sku).await?, Stock::sold(1, 0))
}

async fn empty_cart(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(1)).await?;
    let (cart, body) = shop.ready(&goods.sku, 1, VISA).await?;
    shop.line(&cart, &goods.sku, &json!(0)).send().await?.expect(200)?;
    problem(shop.checkout(&shop.unique("key"), &body).await?, 409, "cart-empty")?;
    problem(shop.ask_quote(&cart, None).await?, 409, "cart-empty")?;
    same("stock", shop.stock(&goods.sku).await?, Stock::sold(1, 0))
}

async fn price_changed(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted { units: 3, price: 1_000, ..Wanted::default() }).await?;
    let (cart, body) = shop.ready(&goods.sku, 1, VISA).await?;
    reprice(&shop, &goods.id, 1_500).await?;
    let answer = problem(shop.checkout(&shop.unique("key"), &body).await?, 409, "price-changed")?;
    let answer = mentions(answer, &goods.sku)?;
    mentions(answer, "1500")?;
    untouched(&shop, &goods.sku, 3, &cart, 1).await?;
    // Seen and accepted, it is bought at the new price.
    let quote = shop.quote(&cart).await?;
    let body = checkout_body(&cart, &shop.email(), &quote, VISA);
    let order = shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    same("unit price", order.integer("/lines/0/unit_price/amount")?, 1_500)
}

async fn wrong_total(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(3)).await?;
    let (cart, mut body) = shop.ready(&goods.sku, 1, VISA).await?;
    for amount in [1, 0, 9_999_999] {
        body["expected_total"]["amount"] = json!(amount);
        problem(shop.checkout(&shop.unique("key"), &body).await?, 409, "price-changed")?;
    }
    untouched(&shop, &goods.sku, 3, &cart, 1).await
}

async fn other_currency(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(3)).await?;
    let (cart, mut body) = shop.ready(&goods.sku, 1, VISA).await?;
    body["expected_total"]["currency"] = json!("USD");
    let answer = shop.checkout(&shop.unique("key"), &body).await?.expect(409)?;
    let told = answer.code().to_owned();
    ensure!(["currency-mismatch", "price-changed"].contains(&told.as_str()), "{}", answer.wrong("another refusal"));
    problem(answer, 409, &told)?;
    untouched(&shop, &goods.sku, 3, &cart, 1).await
}

/// The line of a stock refusal that names a SKU.
fn short_line<'a>(answer: &'a Answer, sku: &str) -> Outcome<&'a Value> {
    let line = answer.list("/lines")?.iter().find(|line| line["sku"] == sku);
    line.ok_or_else(|| answer.wrong(format!("the refusal does not name {sku}")))
}

async fn too_little(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(3)).await?;
    let (cart, body) = shop.ready(&goods.sku, 5, VISA).await?;
    let answer = problem(shop.checkout(&shop.unique("key"), &body).await?, 409, "out-of-stock")?;
    let line = short_line(&answer, &goods.sku)?;
    same("asked for", &line["requested"], &json!(5))?;
    same("left", &line["available"], &json!(3))?;
    untouched(&shop, &goods.sku, 3, &cart, 5).await?;
    shop.line(&cart, &goods.sku, &json!(3)).send().await?.expect(200)?;
    let quote = shop.quote(&cart).await?;
    let body = checkout_body(&cart, &shop.email(), &quote, VISA);
    shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    shop.stock_becomes(&goods.sku, Stock::sold(3, 3)).await
}

async fn one_short_line(shop: Shop) -> Outcome {
    let plenty = shop.product(Wanted::units(9)).await?;
    let short = shop.product(Wanted::units(1)).await?;
    let last = shop.product(Wanted::units(9)).await?;
    let cart = shop.filled_cart(&[(&plenty.sku, 4), (&short.sku, 2), (&last.sku, 1)]).await?;
    let quote = shop.quote(&cart).await?;
    let body = checkout_body(&cart, &shop.email(), &quote, VISA);
    let answer = problem(shop.checkout(&shop.unique("key"), &body).await?, 409, "out-of-stock")?;
    short_line(&answer, &short.sku)?;
    same("lines that are short", answer.list("/lines")?.len(), 1)?;
    untouched(&shop, &plenty.sku, 9, &cart, 4).await?;
    untouched(&shop, &short.sku, 1, &cart, 2).await?;
    untouched(&shop, &last.sku, 9, &cart, 1).await
}

async fn not_for_sale(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(3)).await?;
    let (_, body) = shop.ready(&goods.sku, 1, VISA).await?;
    let staff = shop.staff().await?;
    shop.client().delete(format!("/v1/admin/products/{}", goods.id)).bearer(&staff).send().await?.expect(204)?;
    let answer = problem(shop.checkout(&shop.unique("key"), &body).await?, 409, "not-for-sale")?;
    mentions(answer, &goods.sku)?;
    shop.stock_becomes(&goods.sku, Stock::sold(3, 0)).await
}

async fn no_such_method(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(3)).await?;
    let (cart, mut body) = shop.ready(&goods.sku, 1, VISA).await?;
    body["shipping_method"] = json!("catapult");
    problem(shop.checkout(&shop.unique("key"), &body).await?, 422, "shipping-unavailable")?;
    problem(shop.ask_quote(&cart, Some("catapult")).await?, 422, "shipping-unavailable")?;
    body["shipping_method"] = Value::Null;
    names_fields(shop.checkout(&shop.unique("key"), &body).await?, 422, &["/shipping_method"])?;
    untouched(&shop, &goods.sku, 3, &cart, 1).await
}

async fn last_unit(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(1)).await?;
    let mut bodies = Vec::new();
    for _ in 0..2 {
        bodies.push(shop.ready(&goods.sku, 1, VISA).await?.1);
    }
    let tries = bodies.iter().map(|body| {
        let (client, key) = (shop.client().apart(), shop.unique("key"));
        async move { client.post("/v1/checkout").key(&key).json(body).send().await }
    });
    let mut bought = 0;
    for answer in join_all(tries).await {
        let answer = answer?.expect_any(&[201, 409])?;
        if answer.status == 201 {
            bought += 1;
        } else {
            let told = answer.code().to_owned();
            ensure!(["out-of-stock", "all-held"].contains(&told.as_str()), "{}", answer.wrong("another refusal"));
        }
    }
    same("buyers of one unit", bought, 1)?;
    shop.stock_becomes(&goods.sku, Stock::sold(1, 1)).await
}

async fn all_held(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(1)).await?;
    let (_, body) = shop.ready(&goods.sku, 1, "pm_card_authenticationRequired").await?;
    shop.checkout(&shop.unique("key"), &body).await?.expect(202)?;
    let (cart, body) = shop.ready(&goods.sku, 1, VISA).await?;
    let answer = problem(shop.checkout(&shop.unique("key"), &body).await?, 409, "all-held")?;
    let wait = answer.retry_after().ok_or_else(|| answer.wrong("it must say when to try again"))?;
    ensure!((1..=600).contains(&wait.as_secs()), "{}", answer.wrong("Retry-After is not within the time of a hold"));
    same("stock", shop.stock(&goods.sku).await?, Stock::holding(1, 1))?;
    cart_becomes(&shop, &cart, &goods.sku, 1).await
}
