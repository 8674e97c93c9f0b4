//! A cart as its holder sees it: the stored lines at present prices, with what is left of each, and the totals.
//!
//! Pure: it is made of a [`Cart`], the products and the stock that were read for it. A line that cannot be bought as it
//! stands (not sold any more, or in another currency) says so and does not count.

use std::collections::{BTreeMap, HashMap};

use catalog::{Product, Variant};
use kernel::{CartId, CouponCode, Currency, Money, Problem, ProductId, Sku, Timestamp};
use promotions::coupon::Refusal;
use promotions::look::{Look, Viewer};
use schemars::JsonSchema;
use serde::Serialize;

use crate::cart::{Cart, Line, MergeNote};

/// A cart, as its holder sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CartView {
    /// Its id; whoever has it holds the cart.
    pub id: CartId,
    /// Goes up by one with every change of the lines.
    pub version: u64,
    /// The one currency of all lines.
    pub currency: Currency,
    /// What is in it, in the order it came in.
    pub lines: Vec<LineView>,
    /// The coupon that is to be used with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coupon: Option<CouponView>,
    /// What it comes to.
    pub totals: Totals,
    /// What of another cart did not simply go over into it; only in the answer to merging.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<MergeNote>,
}

/// The coupon of a cart, as things stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "CartCoupon")]
pub struct CouponView {
    /// Its code.
    pub code: CouponCode,
    /// Whether it may be used now. Whether this customer may is known at the checkout.
    pub applies: bool,
    /// Whether it takes off what shipping costs, which is known at the quote.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub free_shipping: bool,
    /// Why it may not be used: the code of the problem, as in `coupon-expired`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<&'static str>,
    /// Why it may not be used, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// One line, at its present price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LineView {
    /// The SKU.
    pub sku: Sku,
    /// Its product.
    pub product_id: ProductId,
    /// What the product is called.
    pub name: String,
    /// Which variant it is, by option.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// The address of a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// How many units are wanted.
    pub quantity: u32,
    /// What one costs now.
    pub unit_price: Money,
    /// What all cost now.
    pub line_total: Money,
    /// Present when the price is another one than when the line was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_changed: Option<PriceChange>,
    /// Present, and true, when it is not sold any more; the line does not count in the totals.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unavailable: bool,
    /// Whether there are units; left out when it is not sold any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability: Option<Availability>,
    /// How many units there are, when there are fewer than wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<i64>,
}

/// How a price changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "LinePriceChange")]
pub struct PriceChange {
    /// What it was when the line was set.
    pub from: Money,
}

/// Whether there are units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "LineAvailability")]
pub enum Availability {
    /// There are.
    InStock,
    /// There are a few.
    Low,
    /// There are none.
    SoldOut,
}

/// What a cart comes to. Shipping and tax are known at the quote; here they are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "CartTotals")]
pub struct Totals {
    /// All lines together.
    pub subtotal: Money,
    /// What is taken off.
    pub discount: Money,
    /// What sending it costs.
    pub shipping: Money,
    /// Tax on top.
    pub tax: Money,
    /// What is to be paid.
    pub total: Money,
}

impl CartView {
    /// A cart at the present prices of these products and with this stock; a SKU without stock is sold out.
    #[must_use]
    pub fn of(cart: &Cart, products: &[Product], stock: &HashMap<Sku, i64>) -> Self {
        let mut subtotal = Money::zero(cart.currency);
        let mut lines = Vec::with_capacity(cart.lines.len());
        for (sku, line) in cart.in_order() {
            let product = products.iter().find(|product| product.id == line.product_id && product.status.is_active());
            let offer = product.and_then(|product| Some((product, product.variant(sku)?)));
            // In the currency of the cart, and within what an amount may be, also together with the lines before.
            let priced = offer.and_then(|(product, variant)| {
                let price = variant.price_in(cart.currency)?;
                let line_total = price.times(line.quantity).ok()?;
                Some((product, variant, (price, line_total), subtotal.plus(line_total).ok()?))
            });
            lines.push(match priced {
                None => LineView::gone(sku, line),
                Some((product, variant, price, sum)) => {
                    subtotal = sum;
                    LineView::offered(line, product, variant, price, stock.get(sku).copied().unwrap_or(0))
                }
            });
        }
        let zero = Money::zero(cart.currency);
        let totals = Totals { subtotal, discount: zero, shipping: zero, tax: zero, total: subtotal };
        Self {
            id: cart.id.clone(),
            version: cart.version,
            currency: cart.currency,
            lines,
            coupon: None,
            totals,
            notes: Vec::new(),
        }
    }

    /// The same with its coupon, as a look found it: what it takes off, or why it does not.
    #[must_use]
    pub fn with_coupon(mut self, code: &CouponCode, look: &Look, products: &[Product], now: Timestamp) -> Self {
        let refused = |refusal: Refusal| refusal.problem(code, now);
        let (problem, free_shipping) = match self.reduced(look, products, now) {
            Ok(reduced) => {
                let (discount, free_shipping) = reduced.unwrap_or((Money::zero(self.currency), false));
                self.totals.discount = discount;
                self.totals.total = self.totals.subtotal.minus(discount).unwrap_or(self.totals.subtotal);
                (None, free_shipping)
            }
            Err(refusal) => (Some(refused(refusal)), false),
        };
        self.coupon = Some(CouponView {
            code: code.clone(),
            applies: problem.is_none(),
            free_shipping,
            problem: problem.as_ref().map(|problem| problem.code.name),
            detail: problem.map(|Problem { detail, .. }| detail.into_owned()),
        });
        self
    }

    /// What the coupon takes off the goods, and whether it takes off shipping; nothing of an empty cart.
    fn reduced(&self, look: &Look, products: &[Product], now: Timestamp) -> Result<Option<(Money, bool)>, Refusal> {
        let coupon = look.terms(now)?;
        look.is_left(&Viewer { order: None, now })?;
        let category = |line: &LineView| products.iter().find(|product| product.id == line.product_id);
        let lines = self.lines.iter().filter(|line| !line.unavailable);
        let goods: Vec<_> = lines.filter_map(|line| Some((&category(line)?.category, line.line_total))).collect();
        if goods.is_empty() {
            return Ok(None);
        }
        // Sums that go beyond any amount of money: the quote will say so.
        let Ok(chosen) = coupon.lines(self.currency, &goods) else { return Ok(None) };
        let off = coupon.reduction.off(self.currency, &chosen?).unwrap_or_default();
        let discount = Money::sum(self.currency, off).unwrap_or(Money::zero(self.currency));
        Ok(Some((discount, coupon.reduction.ships_free())))
    }
}

impl LineView {
    fn offered(
        line: &Line,
        product: &Product,
        variant: &Variant,
        (unit_price, line_total): (Money, Money),
        units: i64,
    ) -> Self {
        let availability = match units {
            units if units > inventory::settings::LOW => Availability::InStock,
            units if units > 0 => Availability::Low,
            _ => Availability::SoldOut,
        };
        Self {
            sku: variant.sku.clone(),
            product_id: product.id.clone(),
            name: product.name.clone(),
            options: variant.options.clone(),
            image: product.images.first().map(|image| image.url.clone()),
            quantity: line.quantity,
            unit_price,
            line_total,
            price_changed: (line.unit_price != unit_price).then_some(PriceChange { from: line.unit_price }),
            unavailable: false,
            availability: Some(availability),
            available: (units < i64::from(line.quantity)).then_some(units.max(0)),
        }
    }

    /// A line that cannot be bought as it stands, as it was.
    fn gone(sku: &Sku, line: &Line) -> Self {
        Self {
            sku: sku.clone(),
            product_id: line.product_id.clone(),
            name: line.name.clone(),
            options: BTreeMap::new(),
            image: line.image.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price,
            line_total: line.unit_price.times(line.quantity).unwrap_or(line.unit_price),
            price_changed: None,
            unavailable: true,
            availability: None,
            available: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use catalog::{NewProduct, Status};
    use kernel::{Slug, Timestamp};
    use serde_json::json;

    use super::*;
    use crate::cart::tests::{cart, line, sku};

    /// The product of all lines in these tests, with variants A (100), B (250) and D (in dollars).
    fn products(status: Status) -> Vec<Product> {
        let variant = |sku: &str, amount: i64, currency: &str| json!({ "sku": sku, "price": { "amount": amount, "currency": currency } });
        let body = json!({
            "name": "Tea", "category": "tea", "images": [{ "url": "/tea.svg" }],
            "variants": [variant("A", 100, "EUR"), variant("B", 250, "EUR"), variant("D", 100, "USD")],
        });
        let new = NewProduct { status, ..serde_json::from_value(body).unwrap() };
        let product = Product::new(line(1, 1).product_id, Slug::parse("tea").unwrap(), new, Timestamp::from_millis(0));
        vec![product]
    }

    #[test]
    fn lines_are_at_present_prices_and_say_what_changed() {
        let stock = HashMap::from([(sku("A"), 6), (sku("B"), 2)]);
        let view = CartView::of(&cart(&[("B", 3, 300), ("A", 2, 100)]), &products(Status::Active), &stock);
        let shown = serde_json::to_value(&view.lines).unwrap();
        let euro = |amount: i64| json!({ "amount": amount, "currency": "EUR" });
        assert_eq!(shown[0]["price_changed"], json!({ "from": euro(300) }));
        assert_eq!((&shown[0]["unit_price"], &shown[0]["line_total"]), (&euro(250), &euro(750)));
        assert_eq!((&shown[0]["availability"], &shown[0]["available"]), (&json!("low"), &json!(2)));
        assert_eq!(shown[1]["availability"], "in_stock");
        for absent in ["price_changed", "unavailable", "available", "options"] {
            assert!(shown[1].get(absent).is_none(), "{absent}");
        }
        assert_eq!((view.totals.subtotal.amount, view.totals.total.amount, view.totals.tax.amount), (950, 950, 0));
    }

    #[test]
    fn what_is_not_sold_any_more_does_not_count() {
        let view = CartView::of(
            &cart(&[("A", 1, 100), ("GONE", 9, 100), ("D", 1, 100)]),
            &products(Status::Active),
            &HashMap::new(),
        );
        let flags: Vec<bool> = view.lines.iter().map(|line| line.unavailable).collect();
        assert_eq!((flags, view.totals.total.amount), (vec![false, true, true], 100));
        assert_eq!((view.lines[0].availability, view.lines[0].available), (Some(Availability::SoldOut), Some(0)));
        for status in [Status::Draft, Status::Archived] {
            let view = CartView::of(&cart(&[("A", 1, 100)]), &products(status), &HashMap::new());
            assert!(view.lines[0].unavailable);
            assert_eq!(view.totals.total.amount, 0);
        }
        assert!(CartView::of(&cart(&[("A", 1, 100)]), &[], &HashMap::new()).lines[0].unavailable);
    }

    #[test]
    fn a_sum_beyond_any_money_counts_only_as_far_as_it_goes() {
        let mut products = products(Status::Active);
        for variant in products.iter_mut().flat_map(|product| &mut product.variants) {
            variant.price.amount = kernel::limits::AMOUNT_MAX;
        }
        let view = CartView::of(&cart(&[("A", 1, 1), ("B", 2, 1)]), &products, &HashMap::new());
        assert_eq!(view.totals.total.amount, kernel::limits::AMOUNT_MAX);
        assert!(view.lines[1].unavailable);
    }
}
