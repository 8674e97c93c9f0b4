//! Price lists: a variant has a price for each currency, and a cart takes the one of its own.

use http::Method;
use serde_json::{Value, json};

use super::check::{cart_becomes, names_fields, problem, same};
use super::{Case, case};
use crate::shop::{Goods, Shop, Stock, VISA, Wanted, checkout_body};
use crate::{Outcome, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("currencies.a product is shown in the currency that is asked for", shown),
        case("currencies.two prices in one currency are refused", twice),
        case("currencies.a cart is quoted and paid in its own currency", paid),
        case("currencies.what has no price in the cart's currency stays out of it", stays_out),
    ]
}

fn money(amount: i64, currency: &str) -> Value {
    json!({ "amount": amount, "currency": currency })
}

/// A product for 10.00 EUR that has these further prices.
async fn priced(shop: &Shop, prices: &Value) -> Outcome<Goods> {
    let goods = shop.product(Wanted { units: 5, price: 1_000, ..Wanted::default() }).await?;
    let answer = set_prices(shop, &goods, prices).await?.expect(200)?;
    same("prices", answer.at("/variants/0/prices")?, prices)?;
    Ok(goods)
}

async fn set_prices(shop: &Shop, goods: &Goods, prices: &Value) -> Outcome<crate::http::Answer> {
    let variant = json!({ "sku": goods.sku, "price": money(1_000, "EUR"), "prices": prices, "weight_grams": 300 });
    let request = shop.by_staff(Method::PATCH, format!("/v1/admin/products/{}", goods.id)).await?;
    Ok(request.header("if-match", "*").json(&json!({ "variants": [variant] })).send().await?)
}

async fn cart_in(shop: &Shop, currency: &str) -> Outcome<String> {
    let made = shop.client().post("/v1/carts").json(&json!({ "currency": currency })).send().await?.expect(201)?;
    Ok(made.text("/id")?.to_owned())
}

async fn shown(shop: Shop) -> Outcome {
    let goods = priced(&shop, &json!([money(1_100, "USD"), money(900, "GBP")])).await?;
    for (asked, amount, currency) in [
        ("", 1_000, "EUR"),
        ("?currency=USD", 1_100, "USD"),
        ("?currency=GBP", 900, "GBP"),
        ("?currency=JPY", 1_000, "EUR"),
    ] {
        let seen = shop.client().get(format!("/v1/products/{}{asked}", goods.id)).send().await?.expect(200)?;
        same("price", seen.at("/variants/0/price")?, &money(amount, currency))?;
        same("further prices", seen.list("/variants/0/prices")?.len(), 2)?;
    }
    let list = shop.client().get("/v1/products?category=testkit&limit=100&currency=USD").send().await?.expect(200)?;
    for product in list.list("/items")? {
        let price = &product["variants"][0]["price"];
        ensure!(product["id"] != goods.id || *price == money(1_100, "USD"), "{}", list.wrong("not in dollars"));
    }
    names_fields(shop.client().get("/v1/products?currency=euro").send().await?, 400, &["/currency"])?;
    Ok(())
}

async fn twice(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(1)).await?;
    let prices = json!([money(1, "EUR"), money(2, "USD"), money(3, "USD")]);
    let answer = set_prices(&shop, &goods, &prices).await?;
    names_fields(answer, 422, &["/variants/0/prices/0/currency", "/variants/0/prices/2/currency"])?;
    Ok(())
}

async fn paid(shop: Shop) -> Outcome {
    let goods = priced(&shop, &json!([money(1_100, "USD")])).await?;
    let cart = cart_in(&shop, "USD").await?;
    let filled = shop.line(&cart, &goods.sku, &json!(2)).send().await?.expect(200)?;
    same("unit price", filled.at("/lines/0/unit_price")?, &money(1_100, "USD"))?;
    same("subtotal", filled.at("/totals/subtotal")?, &money(2_200, "USD"))?;
    let quote = shop.quote(&cart).await?;
    same("currency of the quote", &quote.total["currency"], &json!("USD"))?;
    let body = checkout_body(&cart, &shop.email(), &quote, VISA);
    let order = shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    same("unit price of the order", order.at("/lines/0/unit_price")?, &money(1_100, "USD"))?;
    same("total", order.at("/totals/total")?, &quote.total)?;
    shop.stock_becomes(&goods.sku, Stock::sold(5, 2)).await?;
    cart_becomes(&shop, &cart, &goods.sku, 0).await?;
    // In euros it costs what it did.
    let (_, body) = shop.ready(&goods.sku, 1, VISA).await?;
    let order = shop.checkout(&shop.unique("key"), &body).await?.expect(201)?;
    same("unit price in euros", order.at("/lines/0/unit_price")?, &money(1_000, "EUR"))
}

async fn stays_out(shop: Shop) -> Outcome {
    let goods = priced(&shop, &json!([money(1_100, "USD")])).await?;
    let cart = cart_in(&shop, "GBP").await?;
    let refused = problem(shop.line(&cart, &goods.sku, &json!(1)).send().await?, 409, "currency-mismatch")?;
    same("currency", refused.text("/currency")?, "GBP")?;
    // A price that is taken away while it lies in a cart.
    let cart = cart_in(&shop, "USD").await?;
    shop.line(&cart, &goods.sku, &json!(1)).send().await?.expect(200)?;
    set_prices(&shop, &goods, &json!([])).await?.expect(200)?;
    let seen = shop.read_cart(&cart).await?;
    same("unavailable", seen.at("/lines/0/unavailable")?, &json!(true))?;
    problem(shop.ask_quote(&cart, None).await?, 409, "currency-mismatch")?;
    Ok(())
}
