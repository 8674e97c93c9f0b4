//! Tax rates and shipping methods, read from `rates.toml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use kernel::{Country, Currency, Money};
use serde::Deserialize;

/// The shop's rates.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    tax: Vec<TaxGroup>,
    methods: Vec<Method>,
}

/// Countries whose prices have tax in them, or added.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TaxGroup {
    included: bool,
    rates: BTreeMap<Country, i64>,
}

/// The tax of a country.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tax {
    /// In basis points: 1900 is 19 %.
    pub basis_points: i64,
    /// Whether prices have it in them.
    pub included: bool,
}

/// A way to ship.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    /// What clients send.
    pub id: String,
    /// What people read.
    pub name: String,
    /// Working days it takes.
    pub days: u32,
    price: BTreeMap<Currency, i64>,
    #[serde(default)]
    free_from: BTreeMap<Currency, i64>,
    countries: Option<Vec<Country>>,
}

impl Method {
    /// What it costs for goods worth `subtotal`; `None` when it is not offered there or in that currency.
    #[must_use]
    pub fn price(&self, country: &Country, subtotal: Money) -> Option<Money> {
        let served = self.countries.as_ref().is_none_or(|all| all.contains(country));
        let price = *self.price.get(&subtotal.currency).filter(|_| served)?;
        let free = self.free_from.get(&subtotal.currency).is_some_and(|from| subtotal.amount >= *from);
        Some(Money::new(if free { 0 } else { price }, subtotal.currency))
    }
}

impl Rates {
    /// Reads the file's text.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Those built into this binary.
    #[must_use]
    pub fn built_in() -> &'static Self {
        static RATES: LazyLock<Rates> =
            LazyLock::new(|| Rates::parse(include_str!("../rates.toml")).expect("rates.toml is read by a test"));
        &RATES
    }

    /// The tax of a country; `None` when it is not served.
    #[must_use]
    pub fn tax(&self, country: &Country) -> Option<Tax> {
        self.tax.iter().find_map(|group| {
            let basis_points = *group.rates.get(country)?;
            Some(Tax { basis_points, included: group.included })
        })
    }

    /// All shipping methods.
    #[must_use]
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_rates_are_sound() {
        let rates = Rates::built_in();
        let ids: std::collections::HashSet<_> = rates.methods().iter().map(|method| &method.id).collect();
        assert_eq!(ids.len(), rates.methods().len());
        let germany = Country::parse("DE").unwrap();
        assert_eq!(rates.tax(&germany), Some(Tax { basis_points: 1900, included: true }));
        assert_eq!(rates.tax(&Country::parse("AQ").unwrap()), None);
        let seen: Vec<_> = rates.tax.iter().flat_map(|group| group.rates.keys()).collect();
        assert_eq!(seen.iter().collect::<std::collections::HashSet<_>>().len(), seen.len(), "a country stands twice");
    }
}
