//! What an order adds up to. The quote, the placed order and whoever looks an order's numbers up again years later come
//! here, and nowhere else is a total computed. Pure, integers only.
//!
//! The rules, each of which rounds once, half up:
//!
//! 1. A line is its price times its quantity; the subtotal is all lines.
//! 2. A coupon's discount is computed on all lines that it is for together, and shared by largest remainder
//!    ([`promotions::Reduction::off`]).
//! 3. Shipping is taxed as its country has it ([`ShippingTax`]): at the rates of the goods, in proportion to what they cost
//!    after the discount; or at the standard rate; or not at all.
//! 4. Tax is computed once for each rate, on everything that is taxed at that rate together, and shared by largest
//!    remainder. So the taxes of lines and shipping add up to exactly the order's tax, and per rate to the rate's.
//! 5. `total = subtotal − discount + shipping`, plus the tax where prices do not include it.

use std::collections::BTreeMap;

use kernel::money::MoneyError;
use kernel::{Currency, Money};
use promotions::Reduction;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::order::{Order, Totals};

/// A hundred percent, in basis points.
const WHOLE: i64 = 10_000;

/// How shipping is taxed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShippingTax {
    /// As the goods are, in proportion to what they cost.
    #[default]
    Share,
    /// At the country's standard rate, whatever is in the parcel.
    Standard,
    /// Not at all.
    Untaxed,
}

/// The tax rules of the country where the goods go, as they were when the order was placed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxTerms {
    /// Whether prices have their tax in them.
    pub included: bool,
    /// The standard rate, in basis points: 1900 is 19 %.
    pub standard: i64,
    /// How shipping is taxed.
    pub shipping: ShippingTax,
}

/// A line on its way to be added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineBasis {
    /// The price of one.
    pub unit_price: Money,
    /// How many.
    pub quantity: u32,
    /// The rate it is taxed at, in basis points.
    pub rate: i64,
    /// Whether the coupon is for it.
    pub reduced: bool,
}

/// Everything that the numbers of an order follow from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    /// The one currency of it all.
    pub currency: Currency,
    /// The lines.
    pub lines: Vec<LineBasis>,
    /// What the coupon takes off.
    pub reduction: Option<Reduction>,
    /// What shipping costs without a coupon.
    pub shipping: Money,
    /// The tax rules.
    pub tax: TaxTerms,
}

/// What a line adds up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineSums {
    /// Price times quantity.
    pub line_total: Money,
    /// What the coupon takes off it.
    pub discount: Money,
    /// Its tax.
    pub tax: Money,
}

/// What an order adds up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Line by line, in their order.
    pub lines: Vec<LineSums>,
    /// The tax of shipping.
    pub shipping_tax: Money,
    /// Together.
    pub totals: Totals,
}

/// What is taxed at one rate: the nets of the lines by their index, and a part of shipping.
#[derive(Default)]
struct Taxed {
    lines: Vec<(usize, i64)>,
    shipping: i64,
}

/// Adds it all up.
pub fn add_up(basis: &Basis) -> Result<Sums, MoneyError> {
    let currency = basis.currency;
    let line_totals: Vec<Money> =
        basis.lines.iter().map(|line| line.unit_price.times(line.quantity)).collect::<Result<_, _>>()?;
    let subtotal = Money::sum(currency, line_totals.iter().copied())?;
    let chosen: Vec<Option<Money>> =
        basis.lines.iter().zip(&line_totals).map(|(line, total)| line.reduced.then_some(*total)).collect();
    let discounts = match &basis.reduction {
        Some(reduction) => reduction.off(currency, &chosen)?,
        None => vec![Money::zero(currency); line_totals.len()],
    };
    let discount = Money::sum(currency, discounts.iter().copied())?;
    let ships_free = basis.reduction.is_some_and(|reduction| reduction.ships_free());
    let shipping = if ships_free { Money::zero(currency) } else { basis.shipping };
    let net: Vec<i64> = line_totals.iter().zip(&discounts).map(|(total, off)| total.amount - off.amount).collect();
    let mut taxes = vec![Money::zero(currency); net.len()];
    let mut shipping_tax = Money::zero(currency);
    for (rate, taxed) in by_rate(basis, &net, shipping)? {
        let amounts: Vec<i64> = taxed.lines.iter().map(|(_, amount)| *amount).chain([taxed.shipping]).collect();
        let base = Money::sum(currency, amounts.iter().map(|amount| Money::new(*amount, currency)))?;
        let tax = base.fraction(rate, if basis.tax.included { WHOLE + rate } else { WHOLE })?;
        let mut parts = tax.allocate(&amounts)?;
        shipping_tax = shipping_tax.plus(parts.pop().unwrap_or(Money::zero(currency)))?;
        for ((index, _), part) in taxed.lines.iter().zip(parts) {
            taxes[*index] = part;
        }
    }
    let tax = Money::sum(currency, taxes.iter().copied().chain([shipping_tax]))?;
    let net = subtotal.minus(discount)?.plus(shipping)?;
    let total = if basis.tax.included { net } else { net.plus(tax)? };
    let lines = line_totals.into_iter().zip(discounts).zip(taxes);
    let lines = lines.map(|((line_total, discount), tax)| LineSums { line_total, discount, tax }).collect();
    Ok(Sums { lines, shipping_tax, totals: Totals { subtotal, discount, shipping, tax, total } })
}

/// What is taxed at each rate. Goods that cost nothing leave shipping to the standard rate.
fn by_rate(basis: &Basis, net: &[i64], shipping: Money) -> Result<BTreeMap<i64, Taxed>, MoneyError> {
    let mut rates: BTreeMap<i64, Taxed> = BTreeMap::new();
    for (index, (line, amount)) in basis.lines.iter().zip(net).enumerate() {
        rates.entry(line.rate).or_default().lines.push((index, *amount));
    }
    let goods = |taxed: &Taxed| taxed.lines.iter().map(|(_, amount)| amount).sum::<i64>();
    let weights: Vec<i64> = rates.values().map(goods).collect();
    match basis.tax.shipping {
        ShippingTax::Share if weights.iter().any(|weight| *weight > 0) => {
            for (taxed, part) in rates.values_mut().zip(shipping.allocate(&weights)?) {
                taxed.shipping = part.amount;
            }
        }
        ShippingTax::Share | ShippingTax::Standard => {
            rates.entry(basis.tax.standard).or_default().shipping = shipping.amount;
        }
        ShippingTax::Untaxed => {}
    }
    Ok(rates)
}

impl Order {
    /// What its numbers follow from, as it was frozen when it was placed. No rate, price or coupon of today has a part in it.
    #[must_use]
    pub fn basis(&self) -> Basis {
        let coupon = self.terms.coupon.as_ref();
        let lines = self.lines.iter().map(|line| LineBasis {
            unit_price: line.unit_price,
            quantity: line.quantity,
            rate: line.tax_rate,
            reduced: line.discount.is_some(),
        });
        Basis {
            currency: self.totals.total.currency,
            lines: lines.collect(),
            reduction: coupon.map(|coupon| coupon.reduction),
            shipping: self.terms.shipping.unwrap_or(self.totals.shipping),
            tax: self.terms.tax,
        }
    }

    /// Its numbers, computed again from the order alone.
    pub fn recomputed(&self) -> Result<Sums, MoneyError> {
        add_up(&self.basis())
    }

    /// Whether what is written in it is what it adds up to, line by line.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.recomputed().is_ok_and(|sums| {
            let nothing = Money::zero(self.totals.total.currency);
            let same = self.lines.iter().zip(&sums.lines).all(|(line, sums)| {
                let discount = line.discount.unwrap_or(nothing);
                (line.line_total, discount, line.tax) == (sums.line_total, sums.discount, sums.tax)
            });
            same && sums.lines.len() == self.lines.len() && sums.totals == self.totals
        })
    }

    /// The tax of its shipping: what the lines leave of the whole.
    pub fn shipping_tax(&self) -> Result<Money, MoneyError> {
        let lines = Money::sum(self.totals.tax.currency, self.lines.iter().map(|line| line.tax))?;
        self.totals.tax.minus(lines)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn euro(amount: i64) -> Money {
        Money::new(amount, Currency::EUR)
    }

    fn line(amount: i64, quantity: u32, rate: i64, reduced: bool) -> LineBasis {
        LineBasis { unit_price: euro(amount), quantity, rate, reduced }
    }

    fn basis(lines: Vec<LineBasis>, reduction: Option<Reduction>, shipping: i64, tax: TaxTerms) -> Basis {
        Basis { currency: Currency::EUR, lines, reduction, shipping: euro(shipping), tax }
    }

    const GERMANY: TaxTerms = TaxTerms { included: true, standard: 1900, shipping: ShippingTax::Share };
    const NORWAY: TaxTerms = TaxTerms { included: false, standard: 2500, shipping: ShippingTax::Standard };

    #[test]
    fn included_tax_is_in_the_total_and_shipping_shares_the_rates_of_the_goods() {
        // 20.00 at 7 %, 60.00 at 19 %; of 4.00 shipping a quarter goes with the books.
        let lines = vec![line(2000, 1, 700, false), line(2000, 3, 1900, false)];
        let sums = add_up(&basis(lines, None, 400, GERMANY)).unwrap();
        let at_seven = euro(2100).fraction(700, 10_700).unwrap().amount;
        let at_nineteen = euro(6300).fraction(1900, 11_900).unwrap().amount;
        assert_eq!((at_seven, at_nineteen), (137, 1006));
        assert_eq!((sums.totals.tax.amount, sums.totals.total.amount), (1143, 8400));
        let taxes: i64 = sums.lines.iter().map(|line| line.tax.amount).sum();
        assert_eq!(taxes + sums.shipping_tax.amount, 1143);
    }

    #[test]
    fn added_tax_is_on_top_and_shipping_may_be_at_the_standard_rate_or_untaxed() {
        let lines = vec![line(1000, 2, 0, false)];
        let sums = add_up(&basis(lines.clone(), None, 500, NORWAY)).unwrap();
        assert_eq!((sums.totals.tax, sums.shipping_tax, sums.totals.total), (euro(125), euro(125), euro(2625)));
        let untaxed = TaxTerms { shipping: ShippingTax::Untaxed, ..NORWAY };
        assert_eq!(add_up(&basis(lines, None, 500, untaxed)).unwrap().totals.tax, euro(0));
    }

    #[test]
    fn a_coupon_lowers_the_tax_with_the_price() {
        let lines = vec![line(1190, 1, 1900, true), line(1070, 1, 700, false)];
        let half = add_up(&basis(lines.clone(), Some(Reduction::Percent(50)), 0, GERMANY)).unwrap();
        assert_eq!((half.totals.discount, half.lines[0].tax, half.lines[1].tax), (euro(595), euro(95), euro(70)));
        let all = add_up(&basis(lines.clone(), Some(Reduction::Amount(euro(9999))), 490, GERMANY)).unwrap();
        assert_eq!((all.totals.discount, all.totals.total), (euro(1190), euro(1560)), "never more than the goods");
        let free = add_up(&basis(lines, Some(Reduction::FreeShipping), 490, GERMANY)).unwrap();
        assert_eq!((free.totals.shipping, free.totals.discount, free.totals.total), (euro(0), euro(0), euro(2260)));
    }

    #[test]
    fn goods_that_cost_nothing_leave_shipping_to_the_standard_rate() {
        let sums =
            add_up(&basis(vec![line(1000, 1, 700, true)], Some(Reduction::Percent(100)), 1190, GERMANY)).unwrap();
        assert_eq!((sums.totals.total, sums.totals.tax, sums.shipping_tax), (euro(1190), euro(190), euro(190)));
    }

    fn reduction() -> impl Strategy<Value = Option<Reduction>> {
        prop_oneof![
            Just(None),
            (1_u32..=100).prop_map(|percent| Some(Reduction::Percent(percent))),
            (1_i64..3_000_000).prop_map(|amount| Some(Reduction::Amount(euro(amount)))),
            Just(Some(Reduction::FreeShipping)),
        ]
    }

    fn tax() -> impl Strategy<Value = TaxTerms> {
        let shipping = prop_oneof![Just(ShippingTax::Share), Just(ShippingTax::Standard), Just(ShippingTax::Untaxed)];
        (any::<bool>(), 0_i64..3000, shipping).prop_map(|(included, standard, shipping)| TaxTerms {
            included,
            standard,
            shipping,
        })
    }

    proptest! {
        #[test]
        fn parts_always_add_up_to_the_whole(
            lines in prop::collection::vec((0_i64..1_000_000, 1_u32..20, prop::sample::select(vec![0_i64, 550, 700, 1900, 2550]), any::<bool>()), 1..12),
            reduction in reduction(), shipping in 0_i64..20_000, tax in tax(),
        ) {
            let lines: Vec<LineBasis> = lines.into_iter().map(|(amount, quantity, rate, reduced)| line(amount, quantity, rate, reduced)).collect();
            let basis = basis(lines, reduction, shipping, tax);
            let Sums { lines, shipping_tax, totals } = add_up(&basis).unwrap();
            let sum = |of: fn(&LineSums) -> Money| lines.iter().map(|line| of(line).amount).sum::<i64>();
            prop_assert_eq!(sum(|line| line.line_total), totals.subtotal.amount);
            prop_assert_eq!(sum(|line| line.discount), totals.discount.amount);
            prop_assert_eq!(sum(|line| line.tax) + shipping_tax.amount, totals.tax.amount);
            // The lines and shipping, as each is paid, are the total.
            let paid: i64 = lines.iter().map(|line| {
                line.line_total.amount - line.discount.amount + if tax.included { 0 } else { line.tax.amount }
            }).sum();
            let shipped = totals.shipping.amount + if tax.included { 0 } else { shipping_tax.amount };
            prop_assert_eq!(paid + shipped, totals.total.amount);
            // Per rate the tax is the one rounding of its rule, and no part is negative or above what it is the tax of.
            let mut by_rate: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
            for (line, rule) in lines.iter().zip(&basis.lines) {
                let net = line.line_total.amount - line.discount.amount;
                prop_assert!(line.tax.amount >= 0 && line.tax.amount <= net);
                let rate = by_rate.entry(rule.rate).or_default();
                *rate = (rate.0 + net, rate.1 + line.tax.amount);
            }
            if totals.shipping.amount == 0 {
                for (rate, (net, taxed)) in by_rate {
                    let whole = if tax.included { 10_000 + rate } else { 10_000 };
                    prop_assert_eq!(euro(net).fraction(rate, whole).unwrap().amount, taxed);
                }
            }
            prop_assert!(shipping_tax.amount >= 0 && totals.total.amount >= 0);
        }
    }
}
