//! One module an endpoint or worker.

pub mod capture_order;
pub mod expire_orders;
pub mod move_money;
pub mod place_order;
pub mod quote;
pub mod reconcile_orders;
pub mod refund_order;
pub mod retry_payment;
pub mod stripe_webhook;

use cart::Cart;
use catalog::table::FindProducts;
use kernel::problem::code;
use kernel::{Money, Problem, Sku, Timestamp};
use promotions::Coupon;
use serde::Serialize;

use crate::pricing::{Item, PricingError};

/// A line whose price is not the one that was put into the cart.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PriceChange {
    sku: Sku,
    from: Money,
    to: Money,
}

/// What is in a cart, at today's prices.
pub(crate) struct Goods {
    pub items: Vec<Item>,
    pub changes: Vec<PriceChange>,
}

/// Reads today's prices, never from a cache. A line that is not sold any more, or in another currency, is a problem that
/// names it.
pub(crate) async fn goods(cart: &Cart, products: &FindProducts) -> Result<Goods, Problem> {
    if cart.lines.is_empty() {
        return Err(Problem::new(code::CART_EMPTY, "put something into the cart first"));
    }
    let mut ids: Vec<_> = cart.lines.values().map(|line| line.product_id.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    let found = products.by_ids(&ids, true).await?;
    let mut goods = Goods { items: Vec::with_capacity(cart.lines.len()), changes: Vec::new() };
    let mut gone: Vec<&Sku> = Vec::new();
    for (sku, line) in &cart.lines {
        let product = found.iter().find(|product| product.id == line.product_id && product.status.is_active());
        let Some((product, variant)) = product.and_then(|product| Some((product, product.variant(sku)?))) else {
            gone.push(sku);
            continue;
        };
        let Some(price) = variant.price_in(cart.currency) else {
            let detail = format!("`{sku}` is not sold in {}, which the cart is in", cart.currency);
            return Err(Problem::new(code::CURRENCY_MISMATCH, detail).with("currency", cart.currency));
        };
        if price != line.unit_price {
            goods.changes.push(PriceChange { sku: sku.clone(), from: line.unit_price, to: price });
        }
        goods.items.push(Item {
            sku: sku.clone(),
            product_id: product.id.clone(),
            name: product.name.clone(),
            quantity: line.quantity,
            unit_price: price,
            category: product.category.clone(),
            grams: variant.weight_grams.unwrap_or(0),
        });
    }
    if !gone.is_empty() {
        let names: Vec<String> = gone.iter().map(|sku| format!("`{sku}`")).collect();
        let detail = format!("{} is not for sale any more; take it out of the cart", names.join(", "));
        return Err(Problem::new(code::NOT_FOR_SALE, detail).with("skus", gone));
    }
    Ok(goods)
}

/// Why something has no price, to the shopper; a coupon says why itself.
pub(crate) fn unpriced(error: PricingError, coupon: Option<&Coupon>, now: Timestamp) -> Problem {
    match (error, coupon) {
        (PricingError::Coupon(refusal), Some(coupon)) => refusal.problem(&coupon.code, now),
        (error, _) => error.into(),
    }
}

impl From<PricingError> for Problem {
    fn from(error: PricingError) -> Self {
        let detail = error.to_string();
        match error {
            PricingError::CountryNotServed(_) => Self::new(code::SHIPPING_UNAVAILABLE, detail),
            PricingError::MethodNotOffered(offered) => {
                Self::new(code::SHIPPING_UNAVAILABLE, detail).with("allowed", offered)
            }
            PricingError::CurrencyNotServed(..) => Self::new(code::SHIPPING_UNAVAILABLE, detail),
            // Whoever knows the coupon says why: [`unpriced`].
            PricingError::Coupon(_) => Self::new(code::COUPON_NOT_APPLICABLE, detail),
            PricingError::Money(_) => Self::field("", "the sums are larger than we compute with"),
        }
    }
}
