//! `DELETE /v1/carts/{id}/lines/{sku}`: takes a line out of the cart. Of a line that is not there nothing changes.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Reply};

use crate::operations::{LinePath, Shelves, change, changed, shown};
use crate::table::ChangeLines;
use crate::view::CartView;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::delete("remove-line", "/v1/carts/{id}/lines/{sku}")
        .summary("Takes a line out of a cart")
        .auth(Auth::Anyone)
        .reply::<CartView>(200, "The whole cart, without the line")
        .problems(&[code::CART_NOT_FOUND, code::VERSION_MISMATCH])
        .handle(handle)
}

async fn handle(call: Call<LinePath>, (carts, shelves): (ChangeLines, Shelves)) -> Result<Reply, Problem> {
    let outcome = carts.remove(change(&call.path.cart()?, &call.path.sku, &call.cx)).await?;
    shown(&changed(outcome)?, &shelves, &call.cx).await
}
