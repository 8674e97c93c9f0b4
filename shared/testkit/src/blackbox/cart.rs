//! Carts: filled, read, changed; what cannot be bought stays out.

use serde_json::{Value, json};

use super::check::{names_fields, problem, quantity_in, same};
use super::{Case, case};
use crate::http::Answer;
use crate::shop::{Shop, Stock, Wanted};
use crate::{Outcome, ensure};

pub fn cases() -> Vec<Case> {
    vec![
        case("cart.a cart is made empty and is a secret", made),
        case("cart.lines are set, changed and removed, and the totals follow", lines),
        case("cart.a quantity of 0 removes the line", zero_removes),
        case("cart.a wrong quantity is refused and the cart stays", wrong_quantities),
        case("cart.an unknown cart is not found", unknown_cart),
        case("cart.an unknown SKU is not found", unknown_sku),
        case("cart.currencies do not mix", currency_mix),
        case("cart.a product off the shelf cannot be put in", not_for_sale),
        case("cart.a stale version is refused", stale_version),
        case("cart.a changed price shows, and what is short says so", fresh_prices),
        case("cart.putting something in holds nothing", holds_nothing),
        case("cart.a cart takes fifty lines and no more", full),
    ]
}

async fn remove(shop: &Shop, cart: &str, sku: &str) -> Outcome<Answer> {
    Ok(shop.client().delete(format!("/v1/carts/{cart}/lines/{sku}")).send().await?)
}

async fn made(shop: Shop) -> Outcome {
    let one = shop.client().post("/v1/carts").json(&json!({})).send().await?.expect(201)?;
    let id = one.text("/id")?;
    ensure!(id.starts_with("crt_") && id.len() >= 26, "{}", one.wrong("the id of a cart must be unguessable"));
    ensure!(
        one.header("location").is_some_and(|place| place.ends_with(&format!("/v1/carts/{id}"))),
        "{}",
        one.wrong("Location")
    );
    same("currency", one.text("/currency")?, "EUR")?;
    same("lines", one.list("/lines")?.len(), 0)?;
    same("total", one.at("/totals/total")?, &json!({ "amount": 0, "currency": "EUR" }))?;
    let two = shop.client().post("/v1/carts").json(&json!({ "currency": "USD" })).send().await?.expect(201)?;
    same("currency", two.text("/currency")?, "USD")?;
    ensure!(two.text("/id")? != id, "two carts have one id");
    let wrong = shop.client().post("/v1/carts").json(&json!({ "currency": "euro", "colour": 1 })).send().await?;
    names_fields(wrong, 422, &["/currency", "/colour"])?;
    Ok(())
}

async fn lines(shop: Shop) -> Outcome {
    let tea = shop.product(Wanted { units: 5, price: 350, name: "Testkit tea".into(), ..Wanted::default() }).await?;
    let pot = shop.product(Wanted { units: 5, price: 1_200, ..Wanted::default() }).await?;
    let cart = shop.cart().await?;
    shop.line(&cart, &tea.sku, &json!(2)).send().await?.expect(200)?;
    let both = shop.line(&cart, &pot.sku, &json!(1)).send().await?.expect(200)?;
    let read = shop.read_cart(&cart).await?;
    same("what the write answered and what is read", &both.body["lines"], &read.body["lines"])?;
    let line = read.list("/lines")?.iter().find(|line| line["sku"] == tea.sku.as_str());
    let line = line.ok_or_else(|| read.wrong("the tea is not in the cart"))?;
    same("product", &line["product_id"], &json!(tea.id))?;
    same("unit price", &line["unit_price"], &json!({ "amount": 350, "currency": "EUR" }))?;
    same("line total", &line["line_total"], &json!({ "amount": 700, "currency": "EUR" }))?;
    ensure!(
        line["name"].as_str().is_some_and(|name| name.starts_with("Testkit tea")),
        "{}",
        read.wrong("the line has no name")
    );
    same("subtotal", read.integer("/totals/subtotal/amount")?, 1_900)?;

    let changed = shop.line(&cart, &tea.sku, &json!(3)).send().await?.expect(200)?;
    same("subtotal", changed.integer("/totals/subtotal/amount")?, 2_250)?;
    ensure!(changed.integer("/version")? > read.integer("/version")?, "{}", changed.wrong("the version must rise"));
    let left = remove(&shop, &cart, &pot.sku).await?.expect(200)?;
    same("subtotal", left.integer("/totals/subtotal/amount")?, 1_050)?;
    let again = remove(&shop, &cart, &pot.sku).await?.expect(200)?;
    same("removing again", again.integer("/totals/subtotal/amount")?, 1_050)
}

async fn zero_removes(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    let cart = shop.filled_cart(&[(&goods.sku, 2)]).await?;
    let empty = shop.line(&cart, &goods.sku, &json!(0)).send().await?.expect(200)?;
    same("lines", empty.list("/lines")?.len(), 0)?;
    same("lines", shop.read_cart(&cart).await?.list("/lines")?.len(), 0)
}

async fn wrong_quantities(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    let cart = shop.filled_cart(&[(&goods.sku, 2)]).await?;
    for wrong in [json!(-1), json!(1.5), json!(1_000), json!("2"), Value::Null, json!(true), json!([1])] {
        let answer = shop.line(&cart, &goods.sku, &wrong).send().await?;
        names_fields(answer, 422, &["/quantity"])?;
    }
    let path = format!("/v1/carts/{cart}/lines/{}", goods.sku);
    let none = shop.client().put(&path).json(&json!({})).send().await?;
    names_fields(none, 422, &["/quantity"])?;
    let extra = shop.client().put(&path).json(&json!({ "quantity": 5_000, "price": 1 })).send().await?;
    names_fields(extra, 422, &["/quantity", "/price"])?;
    let read = shop.read_cart(&cart).await?;
    same("the line after all refusals", quantity_in(&read, &goods.sku)?, 2)?;
    shop.line(&cart, &goods.sku, &json!(999)).send().await?.expect(200)?;
    Ok(())
}

async fn unknown_cart(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted { units: 0, ..Wanted::default() }).await?;
    let ghost = "crt_0000000000000000000000";
    problem(shop.client().get(format!("/v1/carts/{ghost}")).send().await?, 404, "cart-not-found")?;
    problem(shop.line(ghost, &goods.sku, &json!(1)).send().await?, 404, "cart-not-found")?;
    problem(remove(&shop, ghost, &goods.sku).await?, 404, "cart-not-found")?;
    let quote = shop.ask_quote(ghost, None).await?;
    problem(quote, 404, "cart-not-found")?;
    let answer = shop.client().get("/v1/carts/not-a-cart").send().await?;
    answer.expect_any(&[400, 404])?;
    Ok(())
}

async fn unknown_sku(shop: Shop) -> Outcome {
    let cart = shop.cart().await?;
    let answer = shop.line(&cart, &shop.unique("NO-SUCH-SKU"), &json!(1)).send().await?;
    problem(answer, 404, "sku-not-found")?;
    let wrong = shop.line(&cart, "not a sku", &json!(1)).send().await?;
    names_fields(wrong, 400, &["/sku"])?;
    same("lines", shop.read_cart(&cart).await?.list("/lines")?.len(), 0)
}

async fn currency_mix(shop: Shop) -> Outcome {
    let euros = shop.product(Wanted::units(5)).await?;
    let dollars = shop.product(Wanted { units: 5, currency: "USD", ..Wanted::default() }).await?;
    let cart = shop.filled_cart(&[(&euros.sku, 1)]).await?;
    problem(shop.line(&cart, &dollars.sku, &json!(1)).send().await?, 409, "currency-mismatch")?;
    let read = shop.read_cart(&cart).await?;
    same("lines after the refusal", read.list("/lines")?.len(), 1)?;
    same("the first line", quantity_in(&read, &euros.sku)?, 1)
}

async fn not_for_sale(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    let cart = shop.filled_cart(&[(&goods.sku, 1)]).await?;
    let staff = shop.staff().await?;
    shop.client().delete(format!("/v1/admin/products/{}", goods.id)).bearer(&staff).send().await?.expect(204)?;
    let other = shop.cart().await?;
    problem(shop.line(&other, &goods.sku, &json!(1)).send().await?, 409, "not-for-sale")?;
    let read = shop.read_cart(&cart).await?;
    same("the line is not sold any more", read.at("/lines/0/unavailable")?, &json!(true))?;
    same("and costs nothing", read.integer("/totals/total/amount")?, 0)
}

async fn stale_version(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(5)).await?;
    let cart = shop.cart().await?;
    let tag = shop.read_cart(&cart).await?.header("etag").unwrap_or_default().to_owned();
    shop.line(&cart, &goods.sku, &json!(1)).header("if-match", &tag).send().await?.expect(200)?;
    let late = shop.line(&cart, &goods.sku, &json!(4)).header("if-match", &tag).send().await?;
    problem(late, 412, "version-mismatch")?;
    same("the line after the refusal", quantity_in(&shop.read_cart(&cart).await?, &goods.sku)?, 1)?;
    shop.line(&cart, &goods.sku, &json!(4)).header("if-match", "*").send().await?.expect(200)?;
    Ok(())
}

/// Sets the price of a product's only variant.
pub async fn reprice(shop: &Shop, id: &str, price: i64) -> Outcome {
    let read = shop.client().get(format!("/v1/products/{id}")).send().await?.expect(200)?;
    let mut variants = read.at("/variants")?.clone();
    variants[0]["price"]["amount"] = json!(price);
    let tag = read.header("etag").unwrap_or_default();
    let staff = shop.staff().await?;
    let patch = shop.client().patch(format!("/v1/admin/products/{id}")).bearer(&staff).header("if-match", tag);
    patch.json(&json!({ "variants": variants })).send().await?.expect(200)?;
    Ok(())
}

async fn fresh_prices(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted { units: 2, price: 1_000, ..Wanted::default() }).await?;
    let cart = shop.filled_cart(&[(&goods.sku, 5)]).await?;
    reprice(&shop, &goods.id, 1_100).await?;
    let read = shop.read_cart(&cart).await?;
    same("unit price", read.integer("/lines/0/unit_price/amount")?, 1_100)?;
    same("line total", read.integer("/lines/0/line_total/amount")?, 5_500)?;
    same("what it was", read.integer("/lines/0/price_changed/from/amount")?, 1_000)?;
    same("what is left", read.integer("/lines/0/available")?, 2)
}

async fn holds_nothing(shop: Shop) -> Outcome {
    let goods = shop.product(Wanted::units(3)).await?;
    for _ in 0..3 {
        shop.filled_cart(&[(&goods.sku, 3)]).await?;
    }
    same("stock", shop.stock(&goods.sku).await?, Stock::sold(3, 0))
}

async fn full(shop: Shop) -> Outcome {
    let skus: Vec<String> = (0..51).map(|_| shop.unique("SKU")).collect();
    let mut body = crate::shop::product_body(&Wanted::default(), &shop.unique("Many sizes"), &skus[0]);
    let sizes: Vec<String> = (0..51).map(|size| size.to_string()).collect();
    let variant = |(sku, size): (&String, &String)| json!({ "sku": sku, "options": { "size": size }, "price": { "amount": 100, "currency": "EUR" } });
    body["options"] = json!([{ "name": "size", "values": sizes }]);
    body["variants"] = skus.iter().zip(&sizes).map(variant).collect();
    shop.create(&body, None).await?.expect(201)?;
    let cart = shop.cart().await?;
    for sku in &skus[..50] {
        shop.line(&cart, sku, &json!(1)).send().await?.expect(200)?;
    }
    problem(shop.line(&cart, &skus[50], &json!(1)).send().await?, 409, "cart-full")?;
    shop.line(&cart, &skus[0], &json!(2)).send().await?.expect(200)?;
    same("lines", shop.read_cart(&cart).await?.list("/lines")?.len(), 50)
}
