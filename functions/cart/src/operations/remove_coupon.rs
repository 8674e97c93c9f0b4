//! `DELETE /v1/carts/{id}/coupon`: takes the coupon off the cart. Of a cart without one nothing changes.

use kernel::Problem;
use kernel::problem::code;
use lambda::{Auth, Call, Function, Http, Reply};

use crate::operations::{CartPath, Shelves, changed, shown};
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

async fn handle(call: Call<CartPath>, (coupons, shelves): (ChangeCoupon, Shelves)) -> Result<Reply, Problem> {
    let (id, cx) = (call.path.cart()?, call.cx);
    let change = CouponChange {
        cart: &id,
        coupon: None,
        expected: cx.expected_version(),
        request: cx.request_id(),
        now: cx.now(),
    };
    shown(&changed(coupons.set(change).await?)?, &shelves, &cx).await
}
