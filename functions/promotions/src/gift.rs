//! Gift cards, pure: the secret code of one, and what it pays.
//!
//! The code is 80 random bits in letters that are not mistaken for others. It is told once, to whoever makes the card; the
//! table knows the card by its id, which follows from the code one way.

use kernel::cursor::SigningKey;
use kernel::problem::code;
use kernel::{Currency, GiftCardId, Money, Problem, Timestamp};
use serde::{Deserialize, Serialize};

/// Crockford's base 32: no I, L, O and U.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// How many letters a code has: five bits each.
const LENGTH: usize = 16;

/// The secret code of a gift card. It has no `Debug` and no `Display`, so that it does not get into a log by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct GiftCode(String);

impl GiftCode {
    /// The code that belongs to a request: the same one again when the request is repeated, and nobody's guess.
    #[must_use]
    pub fn of_request(key: &SigningKey, seed: [u8; 16]) -> Self {
        let token = key.sign("gift-card", &seed);
        let digest = kernel::id::digest(&[token.as_bytes(), b"code"]);
        Self(digest.iter().take(LENGTH).map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
    }

    /// Reads what people type: in any case, with or without hyphens and spaces, O for 0 and I or L for 1.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let letter = |c: char| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        let code: String = text.chars().filter(|c| !matches!(c, '-' | ' ')).map(letter).collect();
        let known = |byte: u8| LETTERS.contains(&byte);
        (code.len() == LENGTH && code.bytes().all(known)).then_some(Self(code))
    }

    /// The id of the card with this code.
    #[must_use]
    pub fn id(&self) -> GiftCardId {
        GiftCardId::derive(&[b"gift-card", self.0.as_bytes()])
    }

    /// The code for whoever made the card, in groups of four.
    #[must_use]
    pub fn reveal(&self) -> String {
        let groups: Vec<&str> = (0..LENGTH).step_by(4).filter_map(|start| self.0.get(start..start + 4)).collect();
        groups.join("-")
    }
}

/// A gift card, beside its counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiftCard {
    /// What its money is.
    pub currency: Currency,
    /// The first moment it is good no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub actor: String,
}

/// Why a gift card does not pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No card has this code.
    Unknown,
    /// Its time is over.
    Expired(Timestamp),
    /// Its money is of this currency, the order's is not.
    OtherCurrency(Currency),
    /// So much is left on it, which is too little. The time is when an order that holds some may give it back.
    Empty(Money, Option<Timestamp>),
}

impl Refusal {
    /// The refusal as shoppers read it. The card is named by its place in the request, never by its code.
    #[must_use]
    pub fn problem(self, index: usize, now: Timestamp) -> Problem {
        let which = format!("gift card {}", index + 1);
        let problem = match self {
            Self::Unknown => Problem::new(code::GIFT_CARD_UNKNOWN, format!("{which} has a code that no card has")),
            Self::Expired(at) => {
                Problem::new(code::GIFT_CARD_EXPIRED, format!("{which} was good until {at}")).with("ended_at", at)
            }
            Self::OtherCurrency(currency) => {
                let detail = format!("{which} is in {currency}, the cart is not");
                Problem::new(code::CURRENCY_MISMATCH, detail).with("currency", currency)
            }
            Self::Empty(left, back_at) => {
                let detail = format!("on {which} is {left}; what another order holds of it may come back");
                let problem = Problem::new(code::GIFT_CARD_EMPTY, detail).with("left", left);
                crate::coupon::back(problem, back_at, now)
            }
        };
        problem.with("gift_card", index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it_and_its_id_tells_nothing_of_it() {
        let key = SigningKey::new(vec![1; 32]);
        let code = GiftCode::of_request(&key, [3; 16]);
        assert!(code == GiftCode::of_request(&key, [3; 16]) && code != GiftCode::of_request(&key, [4; 16]));
        let shown = code.reveal();
        assert_eq!((shown.len(), shown.matches('-').count()), (19, 3));
        for typed in [
            shown.clone(),
            shown.to_lowercase(),
            shown.replace('-', " "),
            shown.replace('-', "").replace('0', "o").replace('1', "l"),
        ] {
            assert!(GiftCode::parse(&typed).is_some_and(|read| read == code), "{typed}");
        }
        assert!(code.id().as_str().starts_with("gft_") && !code.id().as_str().contains(&shown[..4]));
        for bad in ["", "ABCD", "ABCD-ABCD-ABCD-ABCU", "ABCD-ABCD-ABCD-ABCDE", "ÄBCD-ABCD-ABCD-ABC"] {
            assert!(GiftCode::parse(bad).is_none(), "{bad}");
        }
    }
}
