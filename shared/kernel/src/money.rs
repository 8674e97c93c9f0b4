//! Money: an integer amount of minor units and its currency. No floats, no silent overflow, no mixing of currencies.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::AMOUNT_MAX;

/// ISO 4217 codes in use, with two minor digits unless listed in [`Currency::digits`].
const CODES: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD \
CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL \
HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD \
MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR \
SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND \
VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG";

/// An ISO 4217 currency code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The euro.
    pub const EUR: Self = Self(*b"EUR");
    /// The US dollar.
    pub const USD: Self = Self(*b"USD");

    /// Reads a code in capitals; `None` when ISO 4217 has none such.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let code: [u8; 3] = text.as_bytes().try_into().ok()?;
        CODES.split_ascii_whitespace().any(|known| known == text).then_some(Self(code))
    }

    /// The three letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// How many decimal digits the minor unit stands behind the major one.
    #[must_use]
    pub fn digits(self) -> u32 {
        match self.as_str() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "VND" | "VUV"
            | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            _ => 2,
        }
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("must be an ISO 4217 currency code in capitals"))
    }
}

impl JsonSchema for Currency {
    fn schema_name() -> Cow<'static, str> {
        "Currency".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "currency", "description": "ISO 4217 code", "examples": ["EUR"] })
    }
}

/// Why a sum has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The two sides are of different currencies.
    #[error("currencies differ")]
    CurrencyMix,
    /// The result is beyond [`AMOUNT_MAX`] in either direction.
    #[error("amount out of range")]
    OutOfRange,
}

/// An amount in minor units (cents for EUR) of a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: Currency,
}

impl Money {
    /// An amount of minor units.
    #[must_use]
    pub const fn new(amount: i64, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// Nothing, in a currency.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    fn checked(amount: Option<i64>, currency: Currency) -> Result<Self, MoneyError> {
        match amount {
            Some(amount) if (-AMOUNT_MAX..=AMOUNT_MAX).contains(&amount) => Ok(Self { amount, currency }),
            _ => Err(MoneyError::OutOfRange),
        }
    }

    /// The sum.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMix);
        }
        Self::checked(self.amount.checked_add(other.amount), self.currency)
    }

    /// The difference; it may be negative.
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMix);
        }
        Self::checked(self.amount.checked_sub(other.amount), self.currency)
    }

    /// So many times this.
    pub fn times(self, quantity: u32) -> Result<Self, MoneyError> {
        Self::checked(self.amount.checked_mul(i64::from(quantity)), self.currency)
    }

    /// The sum of many, zero for none.
    pub fn sum(currency: Currency, all: impl IntoIterator<Item = Self>) -> Result<Self, MoneyError> {
        all.into_iter().try_fold(Self::zero(currency), Self::plus)
    }

    /// `self × numerator / denominator`, rounded half away from zero.
    pub fn fraction(self, numerator: i64, denominator: i64) -> Result<Self, MoneyError> {
        if denominator <= 0 {
            return Err(MoneyError::OutOfRange);
        }
        let product = i128::from(self.amount) * i128::from(numerator);
        let divisor = i128::from(denominator);
        let half = if product < 0 { -(divisor / 2) } else { divisor / 2 };
        Self::checked(i64::try_from((product + half) / divisor).ok(), self.currency)
    }

    /// Splits the amount by weights so that the parts add up to exactly the whole: every part is rounded down, and the
    /// units left over go to the largest remainders, the earlier part first on a tie (Hamilton's method).
    /// All weights zero counts as all equal. The amount and the weights must not be negative.
    pub fn allocate(self, weights: &[i64]) -> Result<Vec<Self>, MoneyError> {
        if self.amount < 0 || weights.iter().any(|weight| *weight < 0) {
            return Err(MoneyError::OutOfRange);
        }
        if weights.is_empty() {
            return if self.amount == 0 { Ok(Vec::new()) } else { Err(MoneyError::OutOfRange) };
        }
        let equal = weights.iter().all(|weight| *weight == 0);
        let weight = |index: usize| if equal { 1 } else { i128::from(weights[index]) };
        let total: i128 = (0..weights.len()).map(weight).sum();
        let shares: Vec<(i128, i128)> = (0..weights.len())
            .map(|index| i128::from(self.amount) * weight(index))
            .map(|product| (product / total, product % total))
            .collect();
        let given: i128 = shares.iter().map(|(whole, _)| whole).sum();
        let left = usize::try_from(i128::from(self.amount) - given).map_err(|_| MoneyError::OutOfRange)?;
        let mut order: Vec<usize> = (0..shares.len()).collect();
        order.sort_by_key(|index| (-shares[*index].1, *index));
        let lucky = &order[..left];
        (0..shares.len())
            .map(|index| shares[index].0 + i128::from(lucky.contains(&index)))
            .map(|amount| Self::checked(i64::try_from(amount).ok(), self.currency))
            .collect()
    }
}

impl fmt::Display for Money {
    /// `12.99 EUR`: plain and unambiguous, for e-mails and terminals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.amount < 0 { "-" } else { "" };
        let minor = self.amount.unsigned_abs();
        let digits = self.currency.digits();
        if digits == 0 {
            return write!(f, "{sign}{minor} {}", self.currency);
        }
        let unit = 10_u64.pow(digits);
        let width = usize::try_from(digits).unwrap_or(2);
        write!(f, "{sign}{}.{:0width$} {}", minor / unit, minor % unit, self.currency)
    }
}

impl JsonSchema for Money {
    fn schema_name() -> Cow<'static, str> {
        "Money".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "An amount in minor units (cents for EUR) and its currency",
            "properties": {
                "amount": { "type": "integer", "format": "int64", "minimum": 0, "maximum": AMOUNT_MAX },
                "currency": generator.subschema_for::<Currency>(),
            },
            "required": ["amount", "currency"],
            "additionalProperties": false,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn currencies_do_not_mix_and_sums_do_not_overflow() {
        let euro = Money::new(1, Currency::EUR);
        assert_eq!(euro.plus(Money::new(1, Currency::USD)), Err(MoneyError::CurrencyMix));
        assert_eq!(Money::new(AMOUNT_MAX, Currency::EUR).plus(euro), Err(MoneyError::OutOfRange));
        assert_eq!(Money::new(i64::MAX, Currency::EUR).times(3), Err(MoneyError::OutOfRange));
    }

    #[test]
    fn text_has_the_digits_of_the_currency() {
        assert_eq!(Money::new(1299, Currency::EUR).to_string(), "12.99 EUR");
        assert_eq!(Money::new(5, Currency::EUR).to_string(), "0.05 EUR");
        assert_eq!(Money::new(500, Currency::parse("JPY").unwrap()).to_string(), "500 JPY");
        assert_eq!(Money::new(1_234, Currency::parse("KWD").unwrap()).to_string(), "1.234 KWD");
        assert_eq!(Currency::parse("eur"), None);
        assert_eq!(Currency::parse("ABC"), None);
    }

    #[test]
    fn fractions_round_half_away_from_zero() {
        let of = |amount| Money::new(amount, Currency::EUR).fraction(1, 2).unwrap().amount;
        assert_eq!([of(1), of(2), of(3), of(-1)], [1, 1, 2, -1]);
    }

    proptest! {
        #[test]
        fn allocation_adds_up_and_is_fair(amount in 0..=AMOUNT_MAX, weights in prop::collection::vec(0_i64..=AMOUNT_MAX, 1..20)) {
            let parts = Money::new(amount, Currency::EUR).allocate(&weights).unwrap();
            prop_assert_eq!(parts.iter().map(|part| part.amount).sum::<i64>(), amount);
            let total: i128 = weights.iter().map(|w| i128::from(*w)).sum();
            for (part, weight) in parts.iter().zip(&weights) {
                prop_assert!(part.amount >= 0);
                if total > 0 {
                    let exact = i128::from(amount) * i128::from(*weight);
                    let error = (i128::from(part.amount) * total - exact).abs();
                    prop_assert!(error < total, "a part is off by a whole unit");
                    prop_assert!(*weight > 0 || part.amount == 0);
                }
            }
        }
    }
}
