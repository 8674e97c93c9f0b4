//! Carts: what a shopper wants, at the prices that were seen, and which order is paying for it.
//!
//! It owns [`Cart`], the stored form, and the pure steps on it. Prices here are memories: what a line costs now, and whether
//! there are units, is asked of the catalogue and the inventory each time a cart is shown ([`crate::view`]). It must never
//! hold stock or promise a price.

use std::collections::BTreeMap;

use kernel::limits::CART_LIFE;
use kernel::{CartId, CouponCode, Currency, Money, OrderId, ProductId, Sku, Timestamp};
use serde::{Deserialize, Serialize};

/// A cart as it is stored: one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cart {
    /// Its id, the holder's secret; also the key of the item.
    #[serde(rename = "pk")]
    pub id: CartId,
    /// Goes up by one with every change of the lines.
    pub version: u64,
    /// The one currency of all lines.
    pub currency: Currency,
    /// What is in it.
    pub lines: BTreeMap<Sku, Line>,
    /// When each line came in: the order in which they are shown, whatever is changed later.
    pub added: BTreeMap<Sku, Timestamp>,
    /// The coupon that is to be used with it. Whether it may be is asked each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon: Option<CouponCode>,
    /// The order that is paying for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimMark>,
    /// Admissions to announced sales, and the order that each was used for.
    #[serde(default)]
    pub used: BTreeMap<String, OrderId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its lines were changed last.
    pub updated_at: Timestamp,
    /// When it may be dropped, in seconds since the epoch.
    pub expires: i64,
    /// The request that changed the lines last: a write that is sent again because its answer was lost finds itself here.
    #[serde(default)]
    pub changed_by: String,
}

/// What is wanted of one SKU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The product that had the SKU.
    pub product_id: ProductId,
    /// How many units, at least one.
    pub quantity: u32,
    /// What one cost when the line was set.
    pub unit_price: Money,
    /// What the product was called.
    pub name: String,
    /// The address of its picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// Which order is paying for a cart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimMark {
    /// The order.
    pub order: OrderId,
    /// Since when.
    pub at: Timestamp,
}

/// What close-cart is told: an order was paid, and this cart is where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderPaid {
    /// The cart.
    pub cart_id: CartId,
    /// The order.
    pub order_id: OrderId,
    /// What was bought.
    pub bought: Vec<Bought>,
}

/// Units that were bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bought {
    /// Of which SKU.
    pub sku: Sku,
    /// How many.
    pub quantity: u32,
}

/// When a cart that is changed now may be dropped.
#[must_use]
pub fn expiry(now: Timestamp) -> i64 {
    now.after(CART_LIFE).seconds()
}

impl Cart {
    /// An empty cart.
    #[must_use]
    pub fn new(id: CartId, currency: Currency, now: Timestamp) -> Self {
        Self {
            id,
            version: 1,
            currency,
            lines: BTreeMap::new(),
            added: BTreeMap::new(),
            coupon: None,
            claim: None,
            used: BTreeMap::new(),
            created_at: now,
            updated_at: now,
            expires: expiry(now),
            changed_by: String::new(),
        }
    }

    /// The lines in the order they came in.
    #[must_use]
    pub fn in_order(&self) -> Vec<(&Sku, &Line)> {
        let mut lines: Vec<(&Sku, &Line)> = self.lines.iter().collect();
        lines.sort_by_key(|(sku, _)| (self.added.get(*sku), *sku));
        lines
    }

    /// The cart after an order for it was paid: what was bought is gone, and so is the coupon; what came in or grew meanwhile
    /// stays, and the claim is lifted. `None` when the claim is not this order's: it was done before, or another order is paying.
    #[must_use]
    pub fn closed(&self, order: &OrderId, bought: &[(Sku, u32)], now: Timestamp) -> Option<Self> {
        self.claim.as_ref().filter(|claim| claim.order == *order)?;
        let mut cart = Self { version: self.version + 1, claim: None, coupon: None, ..self.clone() };
        for (sku, quantity) in bought {
            let Some(line) = cart.lines.get_mut(sku) else { continue };
            if line.quantity > *quantity {
                line.quantity -= quantity;
            } else {
                cart.lines.remove(sku);
                cart.added.remove(sku);
            }
        }
        cart.updated_at = now.max(self.updated_at);
        cart.expires = expiry(cart.updated_at);
        Some(cart)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sku(text: &str) -> Sku {
        Sku::parse(text).unwrap()
    }

    pub(crate) fn line(quantity: u32, cents: i64) -> Line {
        let (product_id, unit_price) = (ProductId::new([1; 16]), Money::new(cents, Currency::EUR));
        Line { product_id, quantity, unit_price, name: "Tea".into(), image: None }
    }

    pub(crate) fn cart(lines: &[(&str, u32, i64)]) -> Cart {
        let now = Timestamp::from_millis(1_795_000_000_000);
        let mut cart = Cart::new(CartId::new([2; 16]), Currency::EUR, now);
        for (index, (name, quantity, cents)) in lines.iter().enumerate() {
            cart.lines.insert(sku(name), line(*quantity, *cents));
            let later = std::time::Duration::from_secs(u64::try_from(index).unwrap());
            cart.added.insert(sku(name), now.after(later));
        }
        cart
    }

    #[test]
    fn it_reads_back_from_an_item() {
        let mut cart = cart(&[("A", 1, 100), ("B.1", 2, 200)]);
        for claim in [None, Some(ClaimMark { order: OrderId::new([3; 16]), at: cart.created_at })] {
            cart.claim = claim;
            let item = aws::table::to_item(&cart).unwrap();
            assert_eq!(item.contains_key("claim"), cart.claim.is_some());
            assert_eq!(aws::table::from_item::<Cart>(item).unwrap(), cart);
        }
    }

    #[test]
    fn lines_are_shown_as_they_came_in() {
        let shown: Vec<String> =
            cart(&[("B", 1, 1), ("C", 1, 1), ("A", 1, 1)]).in_order().iter().map(|(sku, _)| sku.to_string()).collect();
        assert_eq!(shown, ["B", "C", "A"]);
    }

    #[test]
    fn closing_takes_out_what_was_bought_once() {
        let (order, other) = (OrderId::new([3; 16]), OrderId::new([4; 16]));
        let mut cart = cart(&[("A", 2, 100), ("B", 5, 100), ("C", 1, 100)]);
        let now = cart.updated_at;
        let bought = [(sku("A"), 2), (sku("B"), 3), (sku("GONE"), 1)];
        assert_eq!(cart.closed(&order, &bought, now), None);
        cart.claim = Some(ClaimMark { order: order.clone(), at: now });
        assert_eq!(cart.closed(&other, &bought, now), None);
        let closed = cart.closed(&order, &bought, now).unwrap();
        let left: Vec<(&str, u32)> = closed.lines.iter().map(|(sku, line)| (sku.as_str(), line.quantity)).collect();
        assert_eq!((left, closed.version, &closed.claim), (vec![("B", 2), ("C", 1)], 2, &None));
        assert_eq!(closed.added.len(), 2);
        assert_eq!(closed.closed(&order, &bought, now), None);
    }
}
