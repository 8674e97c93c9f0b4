//! `POST /v1/admin/coupons`: a code that makes orders cheaper.

use kernel::limits::{COUPON_CATEGORIES, COUPON_USES};
use kernel::problem::{FieldError, Place, code};
use kernel::{CategoryPath, CouponCode, Money, Problem, Timestamp};
use lambda::{Auth, Call, Function, Http, Idempotency, Nothing, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{CouponView, one_currency};
use crate::coupon::{Coupon, Reduction};
use crate::table::{CreatePromotion, Created};

/// A coupon: exactly one of `percent`, `amount` and `free_shipping`, and what limits it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewCoupon {
    /// What shoppers type, in any case.
    code: CouponCode,
    /// Takes off so many hundredths of the goods that it is for.
    #[schemars(range(min = 1, max = 100))]
    percent: Option<u32>,
    /// Takes off an amount, at most what the goods that it is for cost.
    amount: Option<Money>,
    /// Takes off what shipping costs.
    #[serde(default)]
    free_shipping: bool,
    /// What the goods that it is for must be worth.
    minimum: Option<Money>,
    /// The first moment it is good; at once without.
    starts_at: Option<Timestamp>,
    /// The first moment it is good no more; good for ever without.
    ends_at: Option<Timestamp>,
    /// The categories that it is for, each with all below it; everything without.
    #[serde(default)]
    #[schemars(length(max = COUPON_CATEGORIES))]
    categories: Vec<CategoryPath>,
    /// How many orders may use it; any number without. A limited one is a single counter, good for some hundreds of orders a
    /// second.
    #[schemars(range(min = 1, max = COUPON_USES))]
    uses: Option<u32>,
    /// How many orders of one e-mail address may use it; any number without.
    #[schemars(range(min = 1, max = COUPON_USES))]
    uses_per_customer: Option<u32>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("create-coupon", "/v1/admin/coupons")
        .summary("Make a coupon: percent, amount or free shipping, with a minimum, dates, categories and limits of use")
        .auth(Auth::STAFF_CATALOG)
        .idempotency(Idempotency::Inherent)
        .reply::<CouponView>(201, "the coupon")
        .problems(&[code::COUPON_EXISTS])
        .handle(handle)
}

async fn handle(call: Call<Nothing, Nothing, NewCoupon>, promotions: CreatePromotion) -> Result<Reply, Problem> {
    let coupon = checked(call.body, call.cx.now())?;
    let code = coupon.code.clone();
    match promotions.coupon(coupon, call.cx.fingerprint()).await? {
        Created::Yes(item) => {
            let view = CouponView::of(item.terms, &item.counter);
            Ok(Reply::created(&view, &format!("/v1/admin/coupons/{code}")))
        }
        Created::Taken => {
            let detail = format!("there is another coupon `{code}`; codes are never used twice");
            Err(Problem::new(code::COUPON_EXISTS, detail).with("coupon", code))
        }
    }
}

/// The rules between fields, all that are broken at once.
fn checked(new: NewCoupon, now: Timestamp) -> Result<Coupon, Problem> {
    let mut errors = Vec::new();
    let mut wrong = |pointer: &str, detail: &str| {
        let (pointer, detail) = (pointer.to_owned(), detail.to_owned());
        errors.push(FieldError { place: Place::Body, pointer, detail });
    };
    let reduction = match (new.percent, new.amount, new.free_shipping) {
        (Some(percent), None, false) => Reduction::Percent(percent),
        (None, Some(amount), false) => Reduction::Amount(amount),
        (None, None, true) => Reduction::FreeShipping,
        _ => {
            wrong("", "must have exactly one of `percent`, `amount` and `free_shipping`");
            Reduction::FreeShipping
        }
    };
    if new.amount.is_some_and(|amount| amount.amount == 0) {
        wrong("/amount/amount", "must be more than nothing");
    }
    if !one_currency(&[new.amount, new.minimum]) {
        wrong("/minimum/currency", "must be the currency of `amount`");
    }
    if new.starts_at.zip(new.ends_at).is_some_and(|(from, end)| end <= from) {
        wrong("/ends_at", "must be after `starts_at`");
    }
    if new.ends_at.is_some_and(|end| end <= now) {
        wrong("/ends_at", "must be in the future");
    }
    if new.uses.zip(new.uses_per_customer).is_some_and(|(all, each)| each > all) {
        wrong("/uses_per_customer", "must not be more than `uses`");
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    Ok(Coupon {
        code: new.code,
        reduction,
        minimum: new.minimum,
        starts_at: new.starts_at,
        ends_at: new.ends_at,
        categories: new.categories,
        uses: new.uses,
        uses_per_customer: new.uses_per_customer,
        created_at: now,
    })
}
