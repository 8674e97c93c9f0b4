//! `PUT /v1/carts/{id}/lines/{sku}`: sets how many units of a SKU are wanted; 0 removes the line. The SKU must be sold, in
//! the cart's currency. Stock is not held: that happens when payment starts.

use catalog::Product;
use catalog::table::FindSku;
use kernel::limits::LINE_QUANTITY;
use kernel::problem::code;
use kernel::{Currency, Problem, Sku};
use lambda::{Auth, Call, Function, Http, Nothing, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::cart::Line;
use crate::operations::{LinePath, Shelves, change, changed, shown};
use crate::table::{ChangeLines, Changed};
use crate::view::CartView;

/// What is wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SetLine")]
struct Wanted {
    /// How many units; 0 removes the line.
    #[schemars(range(max = LINE_QUANTITY))]
    quantity: u32,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::put("set-line", "/v1/carts/{id}/lines/{sku}")
        .summary("Sets how many units of a SKU are wanted; 0 removes the line")
        .auth(Auth::Anyone)
        .reply::<CartView>(200, "The whole cart")
        .problems(&[
            code::CART_NOT_FOUND,
            code::SKU_NOT_FOUND,
            code::NOT_FOR_SALE,
            code::CURRENCY_MISMATCH,
            code::CART_FULL,
            code::VERSION_MISMATCH,
        ])
        .handle(handle)
}

async fn handle(
    call: Call<LinePath, Nothing, Wanted>,
    (skus, carts, shelves): (FindSku, ChangeLines, Shelves),
) -> Result<Reply, Problem> {
    let (cart, sku) = (call.path.cart()?, &call.path.sku);
    let outcome = match call.body.quantity {
        0 => carts.remove(change(&cart, sku, &call.cx)).await?,
        quantity => {
            let product = skus.find(sku).await?;
            let line = offered(product.as_ref(), sku, quantity, None)?;
            match carts.set(change(&cart, sku, &call.cx), &line).await? {
                // The cart is in another currency than most are: the line takes the price in that, where there is one.
                Changed::Currency(currency) => {
                    let line = offered(product.as_ref(), sku, quantity, Some(currency))?;
                    carts.set(change(&cart, sku, &call.cx), &line).await?
                }
                outcome => outcome,
            }
        }
    };
    shown(&changed(outcome)?, &shelves, &call.cx).await
}

/// The line for so many units of a SKU, at its present price: in its first currency, or in another.
fn offered(product: Option<&Product>, sku: &Sku, quantity: u32, currency: Option<Currency>) -> Result<Line, Problem> {
    let unknown = || Problem::new(code::SKU_NOT_FOUND, format!("there is no SKU {sku}"));
    let product = product.ok_or_else(unknown)?;
    let variant = product.variant(sku).ok_or_else(unknown)?;
    let unit_price = match currency {
        None => variant.price,
        Some(currency) => variant.price_in(currency).ok_or_else(|| {
            let detail = format!("the cart is in {currency}, and this is not sold in it");
            Problem::new(code::CURRENCY_MISMATCH, detail).with("currency", currency)
        })?,
    };
    if !product.status.is_active() {
        return Err(Problem::new(code::NOT_FOR_SALE, format!("{sku} is not for sale")).with("sku", sku));
    }
    if unit_price.times(quantity).is_err() {
        return Err(Problem::field("/quantity", "makes a sum that is larger than any amount of money here"));
    }
    let image = product.images.first().map(|image| image.url.clone());
    Ok(Line { product_id: product.id.clone(), quantity, unit_price, name: product.name.clone(), image })
}
