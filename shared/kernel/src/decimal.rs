//! A number with decimals that stays what was written: no arithmetic happens on it, and its text is the same on every way
//! through JSON and DynamoDB. It holds what a product says of itself, as 5.5 inches; money is [`crate::Money`].

use std::fmt;

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// So many digits survive a float, which is what JSON parsers make of a number on the way.
const DIGITS: usize = 15;
/// The most digits behind the point.
const DECIMALS: usize = 9;

/// A decimal number that is not whole, as 5.5: at most 15 digits, 9 of them behind the point.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// In plain notation, without zeros that say nothing: `-0.5`, `12.25`.
    text: String,
}

impl Decimal {
    /// The rule, as it stands in error messages behind "must be".
    pub const RULE: &'static str = "a number of at most 15 digits, 9 of them behind the point";

    /// Reads plain notation, as `5.50`; `None` for what is whole, has too many digits or is no such number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, bare) = text.strip_prefix('-').map_or(("", text), |bare| ("-", bare));
        let (whole, decimals) = bare.split_once('.')?;
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) {
            return None;
        }
        let (whole, decimals) = (whole.trim_start_matches('0'), decimals.trim_end_matches('0'));
        let fits = whole.len() + decimals.len() <= DIGITS && (1..=DECIMALS).contains(&decimals.len());
        let whole = if whole.is_empty() { "0" } else { whole };
        fits.then(|| Self { text: format!("{sign}{whole}.{decimals}") })
    }

    /// Its text, in plain notation.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The nearest float: for ranges and facets, never to count with.
    #[must_use]
    pub fn approximate(&self) -> f64 {
        self.text.parse().unwrap_or_default()
    }

    /// From a float that a parser made of a decimal text: the shortest text that means this float is the one it was made of.
    #[must_use]
    pub fn of_float(value: f64) -> Option<Self> {
        Self::parse(&value.to_string())
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.approximate())
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Decimal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Decimal::RULE)
            }

            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Decimal, E> {
                Decimal::of_float(value).ok_or_else(|| E::custom(format!("must be {}", Decimal::RULE)))
            }
        }
        deserializer.deserialize_any(Number).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_decimal_survives_json(whole in -999_999_i64..=999_999, decimals in "[0-9]{1,9}") {
            let Some(decimal) = Decimal::parse(&format!("{whole}.{decimals}")) else { return Ok(()) };
            let json = serde_json::to_string(&decimal).unwrap();
            prop_assert_eq!(&json.parse::<f64>().unwrap().to_string(), decimal.as_str());
            prop_assert_eq!(serde_json::from_str::<Decimal>(&json).unwrap(), decimal);
        }
    }

    #[test]
    fn what_is_whole_or_too_long_is_none() {
        assert_eq!(Decimal::parse("05.50").unwrap().as_str(), "5.5");
        assert_eq!(Decimal::parse("-0.05").unwrap().as_str(), "-0.05");
        for bad in ["5", "5.0", "5.", ".5", "1e3", "1,5", "0.0123456789", "1234567890.123456", "", "-", "NaN"] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
        assert_eq!(Decimal::of_float(1e300), None);
        assert_eq!(Decimal::of_float(f64::NAN), None);
    }
}
