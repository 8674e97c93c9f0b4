//! `DELETE /v1/carts/{id}/coupon`: takes the coupon off the cart. Of a cart without one nothing changes.

use catalog::table::FindProducts;
use inventory::table::ReadStock;
use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Reply};

use crate::operations::{CartPath, changed, shown_without};
use crate::table::{ChangeCoupon, CouponChange};
use crate::view::CartView;

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::delete("remove-coupon", "/v1/carts/{id}/coupon")
        .summary("Takes the coupon off a cart")
        .auth(Auth::Anyone)
        .reply::<CartView>(200, "The whole cart, without a coupon")
        .problems(&[code::CART_NOT_FOUND, code::VERSION_MISMATCH])
        .handle(handle)
}

async fn handle(
    call: Call<CartPath>,
    (coupons, products, stock): (ChangeCoupon, FindProducts, ReadStock),
) -> Result<Reply, Problem> {
    let (id, cx) = (call.path.cart()?, call.cx);
    let change = CouponChange {
        cart: &id,
        coupon: None,
        expected: cx.expected_version(),
        request: cx.request_id(),
        now: cx.now(),
    };
    shown_without(&changed(coupons.set(change).await?)?, &products, &stock).await
}
