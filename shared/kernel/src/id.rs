//! Typed ids: a prefix that names the kind and a base-62 body. Mixing two kinds does not compile.
//!
//! An id is either made from 16 random bytes, or derived from what the caller chose (its `Idempotency-Key`), so that a
//! repeated command is the same command. Ids are opaque to clients.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `length` base-62 digits of a number, most significant first; higher digits are dropped.
fn base62(mut value: u128, length: usize) -> String {
    let mut digits = vec![b'0'; length];
    for digit in digits.iter_mut().rev() {
        let index = usize::try_from(value % 62).unwrap_or(0);
        *digit = ALPHABET[index];
        value /= 62;
    }
    String::from_utf8(digits).unwrap_or_default()
}

/// The first 16 bytes of SHA-256 over the parts, each preceded by its length so that parts cannot run together.
#[must_use]
pub fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let full = hash.finalize();
    let mut first = [0; 16];
    first.copy_from_slice(&full[..16]);
    first
}

/// The same digest as 22 base-62 digits: a fingerprint to store and compare.
#[must_use]
pub fn fingerprint(parts: &[&[u8]]) -> String {
    base62(u128::from_be_bytes(digest(parts)), 22)
}

/// SHA-256 of some bytes, in hexadecimal, as other programs write it.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// What every id of this kind starts with.
            pub const PREFIX: &'static str = concat!($prefix, "_");

            /// An id from 16 random bytes.
            #[must_use]
            pub fn new(random: [u8; 16]) -> Self {
                Self(format!("{}{}", Self::PREFIX, base62(u128::from_be_bytes(random), $length)))
            }

            /// The id that belongs to these parts: the same parts give the same id.
            #[must_use]
            pub fn derive(parts: &[&[u8]]) -> Self {
                Self::new(digest(parts))
            }

            /// Reads an id of this kind; `None` when the prefix, the length or a character is wrong.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let body = text.strip_prefix(Self::PREFIX)?;
                let good = (1..=40).contains(&body.len()) && body.bytes().all(|b| b.is_ascii_alphanumeric());
                good.then(|| Self(text.to_owned()))
            }

            /// The whole id, prefix and body.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The part behind the prefix.
            #[must_use]
            pub fn body(&self) -> &str {
                &self.0[Self::PREFIX.len()..]
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| D::Error::custom(concat!("must be an id that starts with ", $prefix, "_")))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": concat!("id-", $prefix), "examples": [concat!($prefix, "_0123456789a")] })
            }
        }
    };
}

id_type!(
    /// A product.
    ProductId, "prd", 14
);
id_type!(
    /// A cart. It is the guest's secret, so it carries a full 128 bits.
    CartId, "crt", 22
);
id_type!(
    /// An order: 65 bits, short because it is also the operation id inside stock counters, where each byte is paid for
    /// on every write. Two orders that met on one id would be told apart by their fingerprint and refused, never mixed.
    OrderId, "ord", 11
);
id_type!(
    /// A reservation of another sales channel.
    ReservationId, "rsv", 11
);
id_type!(
    /// A transfer of units between warehouses.
    TransferId, "trf", 11
);
id_type!(
    /// A gift card. Made from its secret code, one way: whoever reads the id cannot spend the card.
    GiftCardId, "gft", 22
);
id_type!(
    /// A customer or staff account.
    UserId, "usr", 16
);
id_type!(
    /// An address in a customer's address book.
    AddressId, "adr", 11
);
id_type!(
    /// A payment intent at the built-in provider.
    IntentId, "pi", 16
);
id_type!(
    /// A refund.
    RefundId, "ref", 14
);
id_type!(
    /// A customer's review of a product. Made from both, one way: it tells nothing of the customer.
    ReviewId, "rev", 14
);
id_type!(
    /// An import of products.
    ImportId, "imp", 14
);
id_type!(
    /// An export of products.
    ExportId, "exp", 14
);
id_type!(
    /// An event on its way to the workers.
    EventId, "evt", 22
);

macro_rules! operations {
    ($($name:ident $letter:literal)*) => {$(
        impl $name {
            /// Its operation id inside stock counters: 12 bytes, the first of which tells the kind of the operation.
            #[must_use]
            pub fn op(&self) -> String {
                format!("{}{}", $letter, self.body())
            }

            /// The one whose operation id this is; `None` when it is another kind of operation.
            #[must_use]
            pub fn from_op(op: &str) -> Option<Self> {
                Self::parse(&format!("{}{}", Self::PREFIX, op.strip_prefix($letter)?))
            }
        }
    )*};
}

operations! { ReservationId 'r' TransferId 't' }

/// How many characters tell the attempts at one order apart.
const ATTEMPT: usize = 3;

/// The mark of one run of a call that places an order. Two runs of the same call (the client asked twice) know nothing of
/// each other until one finds the other's record; what they hold until then must not be taken for the other's.
#[must_use]
pub fn attempt(random: [u8; 16]) -> String {
    base62(u128::from_be_bytes(random), ATTEMPT)
}

impl OrderId {
    /// The operation id of an attempt at this order inside stock counters: 15 bytes. Only the attempt that the order's
    /// record names ever takes what it holds.
    #[must_use]
    pub fn op(&self, attempt: &str) -> String {
        format!("o{}{attempt}", self.body())
    }

    /// The order whose operation id this is; `None` when it is another kind of operation.
    #[must_use]
    pub fn from_op(op: &str) -> Option<Self> {
        let body = op.strip_prefix('o')?;
        Self::parse(&format!("{}{}", Self::PREFIX, body.get(..body.len().checked_sub(ATTEMPT)?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_parts_same_id_and_parts_do_not_run_together() {
        assert_eq!(OrderId::derive(&[b"cart", b"key"]), OrderId::derive(&[b"cart", b"key"]));
        assert_ne!(OrderId::derive(&[b"cart", b"key"]), OrderId::derive(&[b"car", b"tkey"]));
    }

    #[test]
    fn operations_tell_their_kind() {
        let order = OrderId::new([7; 16]);
        let op = order.op(&attempt([9; 16]));
        assert_eq!(op.len(), 15);
        assert_eq!(OrderId::from_op(&op), Some(order.clone()));
        assert_eq!(OrderId::from_op("oab"), None);
        assert_eq!(ReservationId::from_op(&op), None);
        assert_eq!(OrderId::from_op(&ReservationId::new([7; 16]).op()), None);
    }

    #[test]
    fn ids_read_back_and_other_kinds_do_not() {
        let id = OrderId::new([7; 16]);
        assert_eq!(id.body().len(), 11);
        assert_eq!(OrderId::parse(id.as_str()), Some(id.clone()));
        assert_eq!(ProductId::parse(id.as_str()), None);
        assert_eq!(OrderId::parse("ord_"), None);
        assert_eq!(OrderId::parse("ord_a/b"), None);
    }
}
