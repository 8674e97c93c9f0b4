//! `GET /v1/carts/{id}`: the cart at present prices, with what is left of each line.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Freshness, Function, Http, Reply};

use crate::operations::{CartPath, Shelves, shown, unknown};
use crate::table::LoadCart;
use crate::view::CartView;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("get-cart", "/v1/carts/{id}")
        .summary("A cart at present prices; lines whose price or availability changed say so")
        .auth(Auth::Anyone)
        .cache(Freshness::NoStore)
        .reply::<CartView>(200, "The cart")
        .problems(&[code::CART_NOT_FOUND])
        .handle(handle)
}

async fn handle(call: Call<CartPath>, (carts, shelves): (LoadCart, Shelves)) -> Result<Reply, Problem> {
    let cart = carts.load(&call.path.cart()?).await?.ok_or_else(unknown)?;
    // The version covers the lines; prices and stock change without it, and belong to the tag too.
    shown(&cart, &shelves, &call.cx).await.map(Reply::tag_body)
}
