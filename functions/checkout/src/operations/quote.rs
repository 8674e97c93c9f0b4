//! `POST /v1/checkout/quote`: what a cart costs, shipped somewhere.

use cart::table::LoadCart;
use catalog::table::FindProducts;
use futures_util::future::try_join;
use kernel::limits::GIFT_CARDS;
use kernel::problem::code;
use kernel::{CartId, CouponCode, Money, Problem};
use lambda::{Call, Function, Http, Idempotency, Nothing, Reply, Throttle};
use orders::Totals;
use orders::order::Address;
use orders::view::GiftCardShare;
use promotions::look::Viewer;
use promotions::table::LookAtPromotions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{goods, unpriced};
use crate::pricing::{Pricing, ShippingMethod};
use crate::rates::Rates;
use crate::wallet::Brought;

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
    /// Codes of gift cards, in the order in which they pay.
    #[serde(default)]
    #[schemars(length(max = GIFT_CARDS), inner(length(min = 1, max = 40)))]
    gift_cards: Vec<String>,
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
    /// The coupon that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    coupon: Option<CouponCode>,
    /// What each gift card pays.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gift_cards: Vec<GiftCardShare>,
    /// What is left to pay: the total less what gift cards pay. To be sent as `expected_to_pay`.
    to_pay: Money,
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
            code::COUPON_UNKNOWN,
            code::COUPON_NOT_YET,
            code::COUPON_EXPIRED,
            code::COUPON_USED_UP,
            code::COUPON_BELOW_MINIMUM,
            code::COUPON_NOT_APPLICABLE,
            code::GIFT_CARD_UNKNOWN,
            code::GIFT_CARD_EXPIRED,
            code::GIFT_CARD_EMPTY,
        ])
        .handle(handle)
}

async fn handle(
    call: Call<Nothing, Nothing, QuoteRequest>,
    (carts, products, promotions): (LoadCart, FindProducts, LookAtPromotions),
) -> Result<Reply, Problem> {
    let QuoteRequest { cart_id, shipping_address, shipping_method, gift_cards } = call.body;
    let now = call.cx.now();
    let cart = carts.load(&cart_id).await?;
    let cart = cart.ok_or_else(|| Problem::new(code::CART_NOT_FOUND, "there is no such cart"))?;
    let brought = Brought::of(cart.coupon.as_ref(), &gift_cards);
    let look = async { Ok(promotions.look(brought.coupon.as_ref(), None, &brought.cards).await?) };
    let (goods, look) = try_join(goods(&cart, &products), look).await?;
    let coupon = brought.terms(&look, now)?;
    let viewer = Viewer { order: None, now };
    if let Some(code) = &brought.coupon {
        look.is_left(&viewer).map_err(|refusal| refusal.problem(code, now))?;
    }
    let (rates, country) = (Rates::built_in(), &shipping_address.country);
    let pricing = Pricing::of(rates, &goods.items, cart.currency, country, coupon);
    let pricing = pricing.map_err(|error| unpriced(error, coupon, now))?;
    let methods = pricing.methods();
    let totals = pricing.price(shipping_method.as_deref())?.totals;
    let paid = look.pay(&brought.cards, totals.total, &viewer);
    let paid = paid.map_err(|(index, refusal)| refusal.problem(index, now))?;
    let shares = paid.iter().filter_map(|part| part.gift_card(cart.currency));
    let gift_cards: Vec<_> = shares.map(|(id, amount)| GiftCardShare { id: id.clone(), amount }).collect();
    let by_cards: i64 = gift_cards.iter().map(|share| share.amount.amount).sum();
    let to_pay = Money::new(totals.total.amount - by_cards, cart.currency);
    Ok(Reply::ok(&Quote { methods, shipping_method, totals, coupon: brought.coupon, gift_cards, to_pay }))
}
