//! `PUT /v1/carts/{id}/coupon`: a coupon is to be used with the cart. One that may not be is refused and says why. A use of it
//! is held at the checkout, not here.

use kernel::problem::code;
use kernel::{CategoryPath, CouponCode, Money, Problem};
use lambda::{Auth, Call, Cx, Function, Http, Nothing, Reply};
use promotions::coupon::Refusal;
use promotions::look::Viewer;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::cart::Cart;
use crate::operations::{CartPath, Shelves, changed, look, shown, unknown};
use crate::table::{ChangeCoupon, CouponChange, LoadCart};
use crate::view::CartView;

/// A coupon.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ApplyCoupon {
    /// What it says on it, in any case.
    #[schemars(length(min = 1, max = 60))]
    code: String,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::put("apply-coupon", "/v1/carts/{id}/coupon")
        .summary("Puts a coupon on a cart; one that may not be used is refused and says why")
        .auth(Auth::Anyone)
        .reply::<CartView>(200, "The whole cart")
        .problems(&[
            code::CART_NOT_FOUND,
            code::VERSION_MISMATCH,
            code::COUPON_UNKNOWN,
            code::COUPON_NOT_YET,
            code::COUPON_EXPIRED,
            code::COUPON_USED_UP,
            code::COUPON_BELOW_MINIMUM,
            code::COUPON_NOT_APPLICABLE,
        ])
        .handle(handle)
}

async fn handle(
    call: Call<CartPath, Nothing, ApplyCoupon>,
    (carts, coupons, shelves): (LoadCart, ChangeCoupon, Shelves),
) -> Result<Reply, Problem> {
    let Call { path, body, cx, .. } = call;
    let code = CouponCode::parse(&body.code)
        .ok_or_else(|| Problem::new(code::COUPON_UNKNOWN, "there is no such coupon").with("coupon", &body.code))?;
    let id = path.cart()?;
    let cart = carts.load(&id).await?.ok_or_else(unknown)?;
    if let Some(refusal) = refused(&cart, &code, &shelves, &cx).await? {
        return Err(refusal.problem(&code, cx.now()));
    }
    let change = CouponChange {
        cart: &id,
        coupon: Some(&code),
        expected: cx.expected_version(),
        request: cx.request_id(),
        now: cx.now(),
    };
    shown(&changed(coupons.set(change).await?)?, &shelves, &cx).await
}

/// Why the coupon may not be used with what is in the cart now.
async fn refused(
    cart: &Cart,
    code: &CouponCode,
    (products, _, promotions): &Shelves,
    cx: &Cx,
) -> Result<Option<Refusal>, Problem> {
    let ids: Vec<_> = cart.lines.values().map(|line| line.product_id.clone()).collect();
    let (products, look) =
        futures_util::future::try_join(products.by_ids(&ids, false), look(promotions, Some(code))).await?;
    let may = || {
        let coupon = look.terms(cx.now())?;
        look.is_left(&Viewer { order: None, now: cx.now() })?;
        let goods: Vec<(&CategoryPath, Money)> = cart
            .lines
            .iter()
            .filter_map(|(sku, line)| {
                let product = products.iter().find(|product| product.id == line.product_id)?;
                let price = product.variant(sku)?.price_in(cart.currency)?;
                Some((&product.category, price.times(line.quantity).ok()?))
            })
            .collect();
        match coupon.lines(cart.currency, &goods) {
            // An empty cart has yet to be filled.
            Ok(Err(refusal)) if !goods.is_empty() => Err(refusal),
            _ => Ok(()),
        }
    };
    Ok(may().err())
}
