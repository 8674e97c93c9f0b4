//! Carts: what a shopper wants, at the prices that were seen, and which order is paying for it.
//!
//! It owns [`Cart`], the stored form, and the pure steps on it. Prices here are memories: what a line costs now, and whether
//! there are units, is asked of the catalogue and the inventory each time a cart is shown ([`crate::view`]). It must never
//! hold stock or promise a price.

use std::collections::BTreeMap;

use kernel::limits::{CART_LIFE, CART_LINES, LINE_QUANTITY};
use kernel::{CartId, CouponCode, Currency, Money, OrderId, ProductId, Sku, Timestamp};
use schemars::JsonSchema;
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

/// What of a cart did not simply go over into another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "CartMergeNote")]
pub struct MergeNote {
    /// What happened.
    pub kind: MergeNoteKind,
    /// Which line it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<Sku>,
    /// Which coupon it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coupon: Option<CouponCode>,
}

/// What happens to what cannot simply go over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MergeNoteKind {
    /// Both together were more units than a line may have: it has as many as it may.
    QuantityCapped,
    /// The cart had no room for another line: it stays where it was.
    CartFull,
    /// It has no price in the cart's currency: it stays where it was.
    NotInCurrency,
    /// The cart has a coupon, which it keeps; the other one is gone.
    CouponDropped,
}

/// Two carts after the one went over into the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The cart that has everything now.
    pub into: Cart,
    /// The one it came from, with what could not go over.
    pub from: Cart,
    /// What did not simply go over.
    pub notes: Vec<MergeNote>,
}

impl Cart {
    /// What becomes of two carts when `from` goes over into this one, both from here on in another version. Units of one SKU
    /// are added up. A coupon comes along where this cart has none. `prices` are those of `from`'s lines in this cart's
    /// currency, where the carts have different ones. `None` when nothing would move: it did before.
    #[must_use]
    pub fn merged(&self, from: &Self, prices: &BTreeMap<Sku, Money>, now: Timestamp) -> Option<Merged> {
        let (mut into, mut left, mut notes) = (self.clone(), from.clone(), Vec::new());
        for (sku, line) in from.in_order() {
            match into.take_over(sku, line, from.added.get(sku).copied(), prices) {
                Ok(note) => {
                    left.lines.remove(sku);
                    left.added.remove(sku);
                    notes.extend(note.map(|kind| MergeNote { kind, sku: Some(sku.clone()), coupon: None }));
                }
                Err(kind) => notes.push(MergeNote { kind, sku: Some(sku.clone()), coupon: None }),
            }
        }
        match (left.coupon.take(), &into.coupon) {
            (Some(code), None) => into.coupon = Some(code),
            (Some(code), Some(kept)) if code != *kept => {
                notes.push(MergeNote { kind: MergeNoteKind::CouponDropped, sku: None, coupon: Some(code) });
            }
            _ => {}
        }
        if left.lines.len() == from.lines.len() && left.coupon == from.coupon {
            return None;
        }
        for cart in [&mut into, &mut left] {
            cart.version += 1;
            cart.updated_at = now.max(cart.updated_at);
            cart.expires = expiry(cart.updated_at);
        }
        Some(Merged { into, from: left, notes })
    }

    /// Takes a line of another cart over; `Err` when it must stay there.
    fn take_over(
        &mut self,
        sku: &Sku,
        line: &Line,
        added: Option<Timestamp>,
        prices: &BTreeMap<Sku, Money>,
    ) -> Result<Option<MergeNoteKind>, MergeNoteKind> {
        let have = self.lines.get(sku).map_or(0, |line| line.quantity);
        let unit_price = match self.lines.get(sku) {
            Some(mine) => mine.unit_price,
            None if line.unit_price.currency == self.currency => line.unit_price,
            None => *prices.get(sku).ok_or(MergeNoteKind::NotInCurrency)?,
        };
        if have == 0 && self.lines.len() >= CART_LINES {
            return Err(MergeNoteKind::CartFull);
        }
        let both = have.saturating_add(line.quantity);
        // A sum that is no amount of money is as much too many.
        let fits = |quantity: u32| quantity <= LINE_QUANTITY && unit_price.times(quantity).is_ok();
        let quantity = [both, LINE_QUANTITY, have].into_iter().find(|quantity| fits(*quantity)).unwrap_or(have);
        let quantity = quantity.max(1);
        self.lines.insert(sku.clone(), Line { quantity, unit_price, ..line.clone() });
        self.added.entry(sku.clone()).or_insert(added.unwrap_or(self.updated_at));
        Ok((quantity < both).then_some(MergeNoteKind::QuantityCapped))
    }

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
    fn merging_adds_up_and_a_second_time_moves_nothing() {
        let now = Timestamp::from_millis(1_795_000_100_000);
        let mut mine = cart(&[("A", 2, 100), ("B", 998, 100)]);
        let mut guest = Cart { id: CartId::new([9; 16]), ..cart(&[("C", 1, 300), ("A", 3, 110), ("B", 5, 100)]) };
        guest.coupon = CouponCode::parse("SPRING");
        let merged = mine.merged(&guest, &BTreeMap::new(), now).unwrap();
        let lines: Vec<(&str, u32)> =
            merged.into.lines.iter().map(|(sku, line)| (sku.as_str(), line.quantity)).collect();
        assert_eq!(lines, [("A", 5), ("B", LINE_QUANTITY), ("C", 1)]);
        assert_eq!(merged.into.lines[&sku("A")].unit_price.amount, 100, "the price that this cart's shopper saw");
        assert_eq!(merged.into.coupon, guest.coupon);
        assert_eq!((merged.from.lines.len(), &merged.from.coupon, merged.from.added.len()), (0, &None, 0));
        assert_eq!((merged.into.version, merged.from.version), (2, 2));
        let kinds: Vec<_> = merged.notes.iter().map(|note| (note.kind, note.sku.clone())).collect();
        assert_eq!(kinds, [(MergeNoteKind::QuantityCapped, Some(sku("B")))]);
        assert_eq!(merged.into.merged(&merged.from, &BTreeMap::new(), now), None, "twice is once");
        mine.coupon = CouponCode::parse("MINE");
        let merged = mine.merged(&guest, &BTreeMap::new(), now).unwrap();
        assert_eq!(merged.into.coupon, mine.coupon, "the cart's own coupon stays");
        assert_eq!(merged.notes.last().unwrap().kind, MergeNoteKind::CouponDropped);
    }

    #[test]
    fn what_cannot_go_over_stays_where_it_was() {
        let now = Timestamp::from_millis(1_795_000_100_000);
        let names: Vec<String> = (0..CART_LINES).map(|number| format!("S{number}")).collect();
        let full: Vec<(&str, u32, i64)> = names.iter().map(|name| (name.as_str(), 1, 100)).collect();
        let guest = cart(&[("S0", 1, 100), ("NEW", 1, 100)]);
        let merged = cart(&full).merged(&guest, &BTreeMap::new(), now).unwrap();
        assert_eq!(merged.into.lines.len(), CART_LINES);
        assert_eq!(merged.from.lines.keys().map(Sku::as_str).collect::<Vec<_>>(), ["NEW"]);
        assert_eq!(merged.notes[0].kind, MergeNoteKind::CartFull);
        assert_eq!(merged.into.merged(&merged.from, &BTreeMap::new(), now), None);

        let mut dollars = cart(&[]);
        dollars.currency = Currency::USD;
        let prices = BTreeMap::from([(sku("S0"), Money::new(120, Currency::USD))]);
        let merged = dollars.merged(&guest, &prices, now).unwrap();
        assert_eq!(merged.into.lines[&sku("S0")].unit_price, prices[&sku("S0")]);
        assert_eq!(merged.notes[0].kind, MergeNoteKind::NotInCurrency);
        assert!(merged.from.lines.contains_key(&sku("NEW")));
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
