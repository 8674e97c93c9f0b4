//! What an order costs: the one function that the quote and the placed order share. Pure, integers only.
//!
//! Rounding: the tax of an order is computed once, on goods and shipping together, and rounded half up; lines and shipping
//! share it by largest remainder, so that their taxes add up to exactly the order's.

use kernel::money::MoneyError;
use kernel::{Country, Currency, Money, ProductId, Sku};
use orders::{OrderLine, Totals};
use schemars::JsonSchema;
use serde::Serialize;

use crate::rates::Rates;

/// Something to be priced.
#[derive(Clone, Debug)]
pub struct Item {
    /// The SKU.
    pub sku: Sku,
    /// Its product.
    pub product_id: ProductId,
    /// What it is called.
    pub name: String,
    /// How many units.
    pub quantity: u32,
    /// The price of one, as it is now.
    pub unit_price: Money,
}

/// A way to ship, with its price for these goods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ShippingMethod {
    /// What to send as `shipping_method`.
    pub id: String,
    /// What people read.
    pub name: String,
    /// What it costs.
    pub price: Money,
    /// Working days it takes.
    pub days: u32,
}

/// What goods cost, line by line and together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced {
    /// The lines.
    pub lines: Vec<OrderLine>,
    /// Together.
    pub totals: Totals,
}

/// Why something has no price.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PricingError {
    /// We do not ship to the country.
    #[error("we do not ship to {0}")]
    CountryNotServed(Country),
    /// The method is not offered for this country and currency.
    #[error("the method is not offered; there is {}", .0.join(", "))]
    MethodNotOffered(Vec<String>),
    /// The sums go beyond what we compute with, or mix currencies.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

fn line_totals(items: &[Item]) -> Result<Vec<Money>, MoneyError> {
    items.iter().map(|item| item.unit_price.times(item.quantity)).collect()
}

/// The ways to ship these goods to a country.
pub fn shipping_methods(
    rates: &Rates,
    items: &[Item],
    currency: Currency,
    country: &Country,
) -> Result<Vec<ShippingMethod>, PricingError> {
    if rates.tax(country).is_none() {
        return Err(PricingError::CountryNotServed(country.clone()));
    }
    let subtotal = Money::sum(currency, line_totals(items)?)?;
    let offered = rates.methods().iter().filter_map(|method| {
        let price = method.price(country, subtotal)?;
        Some(ShippingMethod { id: method.id.clone(), name: method.name.clone(), price, days: method.days })
    });
    Ok(offered.collect())
}

/// What these goods cost, shipped so to a country. Without a method shipping counts as nothing.
pub fn price(
    rates: &Rates,
    items: &[Item],
    currency: Currency,
    country: &Country,
    method: Option<&str>,
) -> Result<Priced, PricingError> {
    let offered = shipping_methods(rates, items, currency, country)?;
    let tax_rule = rates.tax(country).ok_or_else(|| PricingError::CountryNotServed(country.clone()))?;
    let shipping = match method {
        None => Money::zero(currency),
        Some(id) => match offered.iter().find(|method| method.id == id) {
            Some(method) => method.price,
            None => return Err(PricingError::MethodNotOffered(offered.into_iter().map(|method| method.id).collect())),
        },
    };
    let line_totals = line_totals(items)?;
    let subtotal = Money::sum(currency, line_totals.iter().copied())?;
    let discount = Money::zero(currency);
    let taxed = subtotal.minus(discount)?.plus(shipping)?;
    let whole = if tax_rule.included { 10_000 + tax_rule.basis_points } else { 10_000 };
    let tax = taxed.fraction(tax_rule.basis_points, whole)?;
    let total = if tax_rule.included { taxed } else { taxed.plus(tax)? };
    let weights: Vec<i64> = line_totals.iter().map(|total| total.amount).chain([shipping.amount]).collect();
    let taxes = tax.allocate(&weights)?;
    let lines = items.iter().zip(line_totals).zip(taxes).map(|((item, line_total), tax)| OrderLine {
        sku: item.sku.clone(),
        product_id: item.product_id.clone(),
        name: item.name.clone(),
        quantity: item.quantity,
        unit_price: item.unit_price,
        line_total,
        tax,
    });
    Ok(Priced { lines: lines.collect(), totals: Totals { subtotal, discount, shipping, tax, total } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(amount: i64, quantity: u32) -> Item {
        Item {
            sku: Sku::parse("A").unwrap(),
            product_id: ProductId::new([1; 16]),
            name: "a".into(),
            quantity,
            unit_price: Money::new(amount, Currency::EUR),
        }
    }

    fn country(code: &str) -> Country {
        Country::parse(code).unwrap()
    }

    #[test]
    fn included_tax_is_contained_in_the_total() {
        let priced = price(Rates::built_in(), &[item(1190, 1)], Currency::EUR, &country("DE"), Some("pickup")).unwrap();
        let totals = priced.totals;
        assert_eq!((totals.subtotal.amount, totals.tax.amount, totals.total.amount), (1190, 190, 1190));
    }

    #[test]
    fn added_tax_is_on_top() {
        let items = [Item { unit_price: Money::new(1000, Currency::parse("CHF").unwrap()), ..item(0, 2) }];
        let priced =
            price(Rates::built_in(), &items, Currency::parse("CHF").unwrap(), &country("CH"), Some("standard"))
                .unwrap();
        let totals = priced.totals;
        assert_eq!((totals.shipping.amount, totals.tax.amount, totals.total.amount), (490, 202, 2692));
    }

    #[test]
    fn what_is_not_offered_is_said_with_what_is() {
        let rates = Rates::built_in();
        let none = price(rates, &[item(100, 1)], Currency::EUR, &country("AQ"), None);
        assert_eq!(none, Err(PricingError::CountryNotServed(country("AQ"))));
        let other = price(rates, &[item(100, 1)], Currency::EUR, &country("FR"), Some("pickup"));
        assert_eq!(other, Err(PricingError::MethodNotOffered(vec!["standard".into(), "express".into()])));
    }

    proptest::proptest! {
        #[test]
        fn sums_always_add_up(amounts in proptest::collection::vec((0_i64..1_000_000, 1_u32..20), 1..10), code in proptest::sample::select(vec!["DE", "FI", "US"]), method in proptest::option::of(proptest::sample::select(vec!["standard"]))) {
            let items: Vec<Item> = amounts.iter().map(|(amount, quantity)| item(*amount, *quantity)).collect();
            let country = country(code);
            let priced = price(Rates::built_in(), &items, Currency::EUR, &country, method).unwrap();
            let totals = priced.totals;
            let lines: i64 = priced.lines.iter().map(|line| line.line_total.amount).sum();
            let taxes: i64 = priced.lines.iter().map(|line| line.tax.amount).sum();
            proptest::prop_assert_eq!(lines, totals.subtotal.amount);
            proptest::prop_assert!(taxes <= totals.tax.amount);
            if totals.shipping.amount == 0 {
                proptest::prop_assert_eq!(taxes, totals.tax.amount);
            }
            let added = if code == "US" { totals.tax.amount } else { 0 };
            proptest::prop_assert_eq!(totals.total.amount, totals.subtotal.amount + totals.shipping.amount + added);
        }
    }
}
