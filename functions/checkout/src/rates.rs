//! Tax rates and shipping methods, read from `rates.toml`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use kernel::{CategoryPath, Country, Currency, Money};
use orders::sums::{ShippingTax, TaxTerms};
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
    shipping: ShippingTax,
    rates: BTreeMap<Country, i64>,
    #[serde(default)]
    reduced: BTreeMap<Country, BTreeMap<CategoryPath, i64>>,
}

/// The tax of a country.
#[derive(Clone, Copy, Debug)]
pub struct Tax<'a> {
    /// Its rules, as an order keeps them.
    pub terms: TaxTerms,
    reduced: Option<&'a BTreeMap<CategoryPath, i64>>,
}

impl Tax<'_> {
    /// The rate of goods of a category, in basis points: that of the longest path that is named, or the standard one.
    #[must_use]
    pub fn rate(&self, category: &CategoryPath) -> i64 {
        let named = |level: &str| {
            let mut all = self.reduced.into_iter().flatten();
            all.find(|(path, _)| path.as_str() == level).map(|(_, rate)| *rate)
        };
        category.levels().find_map(named).unwrap_or(self.terms.standard)
    }
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parcel<'a> {
    /// Where it goes.
    pub country: &'a Country,
    /// What the goods cost, less the discount.
    pub worth: Money,
    /// What they weigh.
    pub grams: u64,
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
    rows: Vec<Row>,
}

/// A price of a method, and what it is for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    countries: Option<Vec<Country>>,
    above_grams: Option<u64>,
    up_to_grams: Option<u64>,
    #[serde(default)]
    from: BTreeMap<Currency, i64>,
    price: BTreeMap<Currency, i64>,
}

impl Row {
    fn price(&self, parcel: &Parcel<'_>) -> Option<Money> {
        let currency = parcel.worth.currency;
        let served = self.countries.as_ref().is_none_or(|all| all.contains(parcel.country));
        let heavy = self.above_grams.is_none_or(|grams| parcel.grams > grams);
        let light = self.up_to_grams.is_none_or(|grams| parcel.grams <= grams);
        let worth = self.from.is_empty() || self.from.get(&currency).is_some_and(|from| parcel.worth.amount >= *from);
        let price = self.price.get(&currency).filter(|_| served && heavy && light && worth)?;
        Some(Money::new(*price, currency))
    }
}

impl Method {
    /// What it costs; `None` when it is not offered for this.
    #[must_use]
    pub fn price(&self, parcel: &Parcel<'_>) -> Option<Money> {
        self.rows.iter().find_map(|row| row.price(parcel))
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
    pub fn tax(&self, country: &Country) -> Option<Tax<'_>> {
        self.tax.iter().find_map(|group| {
            let standard = *group.rates.get(country)?;
            let terms = TaxTerms { included: group.included, standard, shipping: group.shipping };
            Some(Tax { terms, reduced: group.reduced.get(country) })
        })
    }

    /// All shipping methods.
    #[must_use]
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// The countries that are served.
    pub fn countries(&self) -> impl Iterator<Item = &Country> {
        self.tax.iter().flat_map(|group| group.rates.keys())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn country(code: &str) -> Country {
        Country::parse(code).unwrap()
    }

    fn rate(code: &str, category: &str) -> i64 {
        Rates::built_in().tax(&country(code)).unwrap().rate(&CategoryPath::parse(category).unwrap())
    }

    #[test]
    fn the_built_in_rates_are_sound() {
        let rates = Rates::built_in();
        let ids: HashSet<_> = rates.methods().iter().map(|method| &method.id).collect();
        assert_eq!(ids.len(), rates.methods().len());
        let seen: Vec<_> = rates.countries().collect();
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), seen.len(), "a country stands twice");
        assert!(rates.tax(&country("AQ")).is_none());
        for group in &rates.tax {
            let reduced = group.reduced.values().flat_map(BTreeMap::values);
            assert!(group.rates.values().chain(reduced).all(|rate| (0..=10_000).contains(rate)), "a rate is no rate");
            assert!(group.reduced.keys().all(|country| group.rates.contains_key(country)), "reduced, and not served");
        }
        let rows = rates.methods().iter().flat_map(|method| &method.rows);
        assert!(rows.flat_map(|row| row.price.values().chain(row.from.values())).all(|amount| *amount >= 0));
    }

    #[test]
    fn the_longest_category_that_is_named_has_the_rate() {
        assert_eq!((rate("DE", "books"), rate("DE", "books/fiction"), rate("DE", "bookshelves")), (700, 700, 1900));
        assert_eq!((rate("DE", "coffee-tea/tea"), rate("DE", "coffee-tea/mugs")), (700, 1900));
        assert_eq!((rate("GB", "food/bread"), rate("US", "food"), rate("FI", "books")), (0, 0, 2550));
        let text = r#"
            methods = []
            [[tax]]
            included = true
            shipping = "standard"
            rates = { DE = 1900 }
            reduced = { DE = { food = 700, "food/wine" = 1900 } }
        "#;
        let rates = Rates::parse(text).unwrap();
        let rate = |path: &str| rates.tax(&country("DE")).unwrap().rate(&CategoryPath::parse(path).unwrap());
        assert_eq!((rate("food/bread"), rate("food/wine"), rate("food/wine/red")), (700, 1900, 1900));
    }

    #[test]
    fn a_method_is_offered_by_country_weight_and_value() {
        let rates = Rates::built_in();
        let price = |id: &str, code: &str, worth: i64, grams: u64, currency: Currency| {
            let method = rates.methods().iter().find(|method| method.id == id).unwrap();
            let parcel = Parcel { country: &country(code), worth: Money::new(worth, currency), grams };
            method.price(&parcel).map(|price| price.amount)
        };
        let euro = Currency::EUR;
        assert_eq!(price("standard", "DE", 4999, 10_000, euro), Some(490));
        assert_eq!(price("standard", "DE", 4999, 10_001, euro), Some(990));
        assert_eq!(price("standard", "DE", 5000, 31_500, euro), Some(0));
        assert_eq!(price("standard", "DE", 5000, 31_501, euro), None);
        assert_eq!(
            (price("freight", "DE", 1, 31_500, euro), price("freight", "DE", 1, 31_501, euro)),
            (None, Some(4900))
        );
        assert_eq!((price("express", "FI", 1, 1, euro), price("express", "DE", 1, 1, euro)), (None, Some(1290)));
        assert_eq!((price("pickup", "DE", 1, 1, euro), price("pickup", "DE", 1, 1, Currency::USD)), (Some(0), None));
        assert_eq!(price("standard", "DE", 1, 1, Currency::parse("JPY").unwrap()), None);
    }
}
