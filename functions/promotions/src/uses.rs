//! What of promotions an order holds: a use of a coupon, money of a gift card. Pure.

use kernel::cursor::SigningKey;
use kernel::{CouponCode, Email, GiftCardId, Money, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Which counter. Its text form is the partition key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UseKey {
    /// Uses of a coupon, in all.
    Coupon(CouponCode),
    /// Uses of a coupon by one customer, who is known by a digest of the e-mail address.
    Customer(CouponCode, String),
    /// Money of a gift card, in minor units.
    GiftCard(GiftCardId),
}

impl UseKey {
    /// The partition key.
    #[must_use]
    pub fn partition(&self) -> String {
        match self {
            Self::Coupon(code) => format!("coupon|{code}"),
            Self::Customer(code, customer) => format!("coupon|{code}|{customer}"),
            Self::GiftCard(id) => id.to_string(),
        }
    }

    /// From a partition key. A code has no `|`, so it reads back.
    #[must_use]
    pub fn parse(partition: &str) -> Option<Self> {
        if let Some(id) = GiftCardId::parse(partition) {
            return Some(Self::GiftCard(id));
        }
        let mut parts = partition.strip_prefix("coupon|")?.split('|');
        let code = CouponCode::parse(parts.next()?)?;
        Some(match parts.next() {
            Some(customer) => Self::Customer(code, customer.to_owned()),
            None => Self::Coupon(code),
        })
    }
}

impl Serialize for UseKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.partition())
    }
}

impl<'de> Deserialize<'de> for UseKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("must be the key of a coupon or a gift card"))
    }
}

/// What an order holds at one counter, and names in its record: only this is taken when the order is paid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    /// The counter.
    pub key: UseKey,
    /// How many uses, or minor units.
    pub quantity: u32,
}

impl Part {
    /// The gift card and the money of it; `None` for a use of a coupon.
    #[must_use]
    pub fn gift_card(&self, currency: kernel::Currency) -> Option<(&GiftCardId, Money)> {
        match &self.key {
            UseKey::GiftCard(id) => Some((id, Money::new(i64::from(self.quantity), currency))),
            UseKey::Coupon(_) | UseKey::Customer(..) => None,
        }
    }
}

/// An order was decided: what it holds is taken or given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseDecision {
    /// The operation.
    pub op: String,
    /// Committed: taken. Not: given back.
    pub committed: bool,
    /// When the order was created.
    pub created: Timestamp,
    /// What the order names.
    pub parts: Vec<Part>,
}

/// Who uses a coupon: a digest of the e-mail address that only this shop can make. `ada+shoes@example.com` is the same
/// customer as `Ada@Example.com`; dots are left alone, since they mean something to most mail servers.
#[must_use]
pub fn customer(key: &SigningKey, email: &Email) -> String {
    let (local, domain) = email.as_str().rsplit_once('@').unwrap_or((email.as_str(), ""));
    let plain = local.split('+').next().filter(|plain| !plain.is_empty()).unwrap_or(local);
    let token = key.sign("coupon-customer", format!("{plain}@{domain}").as_bytes());
    kernel::id::fingerprint(&[token.as_bytes()])
}

#[cfg(test)]
mod tests {
    use kernel::Currency;

    use super::*;

    #[test]
    fn keys_read_back() {
        let code = CouponCode::parse("SPRING").unwrap();
        let card = GiftCardId::new([7; 16]);
        for key in [UseKey::Coupon(code.clone()), UseKey::Customer(code, "0abc".into()), UseKey::GiftCard(card)] {
            assert_eq!(UseKey::parse(&key.partition()), Some(key.clone()));
            assert_eq!(serde_json::from_value::<UseKey>(serde_json::to_value(&key).unwrap()).unwrap(), key);
        }
        assert_eq!(UseKey::parse("coupon|"), None);
        assert_eq!(UseKey::parse("TEA|main|0"), None);
    }

    #[test]
    fn only_gift_cards_are_money() {
        let card = GiftCardId::new([7; 16]);
        let part = Part { key: UseKey::GiftCard(card.clone()), quantity: 250 };
        assert_eq!(part.gift_card(Currency::EUR), Some((&card, Money::new(250, Currency::EUR))));
        let coupon = Part { key: UseKey::Coupon(CouponCode::parse("AB").unwrap()), quantity: 1 };
        assert_eq!(coupon.gift_card(Currency::EUR), None);
    }

    #[test]
    fn a_customer_is_one_whatever_stands_behind_a_plus_and_nobody_else_can_tell() {
        let (key, other) = (SigningKey::new(vec![1; 32]), SigningKey::new(vec![2; 32]));
        let of = |text: &str| customer(&key, &Email::parse(text).unwrap());
        assert_eq!(of("ada@example.com"), of("Ada+shoes@Example.com"));
        assert_ne!(of("ada@example.com"), of("a.da@example.com"));
        assert_ne!(of("ada@example.com"), of("ada@example.org"));
        assert_ne!(of("ada@example.com"), customer(&other, &Email::parse("ada@example.com").unwrap()));
        assert_eq!(of("ada@example.com").len(), 22);
    }
}
