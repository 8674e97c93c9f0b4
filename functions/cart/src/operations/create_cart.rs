//! `POST /v1/carts`: an empty cart. Its id is the holder's secret, so it is always random: one derived from an
//! `Idempotency-Key` could be guessed by whoever guesses the key. A repeated call makes another empty cart, which expires.

use kernel::{CartId, Currency, Problem};
use lambda::{Auth, Call, Function, Http, Idempotency, Nothing, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::cart::Cart;
use crate::table::CreateCart;
use crate::view::CartView;

/// How the cart begins.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewCart {
    /// The one currency of all its lines; EUR when it is left out.
    currency: Option<Currency>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("create-cart", "/v1/carts")
        .summary("Creates an empty cart; whoever knows its id holds it")
        .auth(Auth::Anyone)
        .idempotency(Idempotency::Inherent)
        .reply::<CartView>(201, "The cart")
        .handle(handle)
}

async fn handle(call: Call<Nothing, Nothing, NewCart>, carts: CreateCart) -> Result<Reply, Problem> {
    let currency = call.body.currency.unwrap_or(Currency::EUR);
    let cart = Cart::new(CartId::new(call.cx.random()), currency, call.cx.now());
    // A retry of the SDK meets its own cart, and nobody else's: 128 random bits do not repeat.
    carts.create(&cart).await?;
    let view = CartView::of(&cart, &[], &Default::default());
    Ok(Reply::created(&view, &format!("/v1/carts/{}", cart.id)).version(cart.version))
}
