//! `POST /v1/checkout/quote`: what a cart costs, shipped somewhere.

use cart::table::LoadCart;
use catalog::table::FindProducts;
use kernel::problem::code;
use kernel::{CartId, Problem};
use lambda::{Call, Function, Http, Idempotency, Nothing, Reply, Throttle};
use orders::Totals;
use orders::order::Address;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::goods;
use crate::pricing::{Pricing, ShippingMethod};
use crate::rates::Rates;

/// What is to be shipped where.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct QuoteRequest {
    /// The cart.
    cart_id: CartId,
    /// Where it would go.
    shipping_address: Address,
    /// How; without it shipping is not in the total.
    #[schemars(length(min = 1, max = 40))]
    shipping_method: Option<String>,
}

/// What it costs.
#[derive(Serialize, JsonSchema)]
struct Quote {
    /// The ways to ship these goods there.
    methods: Vec<ShippingMethod>,
    /// The way the totals are for.
    #[serde(skip_serializing_if = "Option::is_none")]
    shipping_method: Option<String>,
    /// What to send as `expected_total`: `totals.total`.
    totals: Totals,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("quote", "/v1/checkout/quote")
        .summary("What a cart costs, shipped to an address")
        .idempotency(Idempotency::Inherent)
        .throttle(Throttle::Checkout)
        .reply::<Quote>(200, "the quote")
        .problems(&[
            code::CART_NOT_FOUND,
            code::CART_EMPTY,
            code::NOT_FOR_SALE,
            code::CURRENCY_MISMATCH,
            code::SHIPPING_UNAVAILABLE,
        ])
        .handle(handle)
}

async fn handle(
    call: Call<Nothing, Nothing, QuoteRequest>,
    (carts, products): (LoadCart, FindProducts),
) -> Result<Reply, Problem> {
    let QuoteRequest { cart_id, shipping_address, shipping_method } = call.body;
    let cart = carts.load(&cart_id).await?;
    let cart = cart.ok_or_else(|| Problem::new(code::CART_NOT_FOUND, "there is no such cart"))?;
    let goods = goods(&cart, &products).await?;
    let (rates, country) = (Rates::built_in(), &shipping_address.country);
    let pricing = Pricing::of(rates, &goods.items, cart.currency, country, None)?;
    let methods = pricing.methods();
    let priced = pricing.price(shipping_method.as_deref())?;
    Ok(Reply::ok(&Quote { methods, shipping_method, totals: priced.totals }))
}
