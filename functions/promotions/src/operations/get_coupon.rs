//! `GET /v1/admin/coupons/{code}`: a coupon and how often it was used.

use kernel::problem::code;
use kernel::{CouponCode, Problem};
use lambda::{Auth, Call, Function, Http, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use super::CouponView;
use crate::table::ReadPromotion;

/// The coupon in the path.
#[derive(Deserialize, JsonSchema)]
struct Path {
    /// Its code, in any case.
    #[schemars(length(max = 64))]
    code: String,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("get-coupon", "/v1/admin/coupons/{code}")
        .summary("A coupon and how often it was used")
        .auth(Auth::STAFF_CATALOG)
        .reply::<CouponView>(200, "the coupon")
        .problems(&[code::COUPON_NOT_FOUND])
        .handle(handle)
}

async fn handle(call: Call<Path>, promotions: ReadPromotion) -> Result<Reply, Problem> {
    let missing = || Problem::new(code::COUPON_NOT_FOUND, "there is no such coupon");
    let code = CouponCode::parse(&call.path.code).ok_or_else(missing)?;
    let item = promotions.coupon(&code).await?.ok_or_else(missing)?;
    Ok(Reply::ok(&CouponView::of(item.terms, &item.counter)).tag_body())
}
