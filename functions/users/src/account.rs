//! Accounts: an e-mail address, a password hash, a name, and the scopes that tokens will carry.
//!
//! Pure. It owns what a name may look like and which scopes there are. It must never grant a scope by itself beyond
//! `customer`: the others come from an administrator.

use kernel::{Email, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// The scope that every account has.
pub const CUSTOMER: &str = "customer";

/// Every scope there is.
pub const SCOPES: &[&str] = &[CUSTOMER, "staff:catalog", "staff:inventory", "staff:orders", "channel", "admin"];

/// A customer's or a staff member's account, as it is stored. It has no `Debug`: the hash stays out of logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id; also the partition key.
    #[serde(rename = "pk")]
    pub id: UserId,
    /// The address it signs in with.
    pub email: Email,
    /// The person's name.
    pub name: String,
    /// The password's argon2id hash, as a PHC string.
    pub password: String,
    /// What its tokens allow.
    pub scopes: Vec<String>,
    /// Rises with every change.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A person's name without the space around it; `Err` says what it must be.
pub(crate) fn tidy_name(name: &str) -> Result<String, &'static str> {
    let name = name.trim();
    if name.is_empty() {
        return Err("must not be blank");
    }
    // A line break in a name would be a header injection wherever somebody forgets to think of it.
    if name.chars().any(char::is_control) {
        return Err("must not have line breaks or other control characters");
    }
    Ok(name.to_owned())
}

/// The scopes that an account gets: those asked for and `customer`, once each, in the order of [`SCOPES`]. `Err` names
/// one that does not exist.
pub(crate) fn scopes(asked: &[&str]) -> Result<Vec<String>, String> {
    match asked.iter().find(|scope| !SCOPES.contains(*scope)) {
        Some(unknown) => Err((*unknown).to_owned()),
        None => {
            let given = SCOPES.iter().filter(|scope| **scope == CUSTOMER || asked.contains(*scope));
            Ok(given.map(|scope| (*scope).to_owned()).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_have_no_control_characters() {
        assert_eq!(tidy_name("  Ada Lovelace ").as_deref(), Ok("Ada Lovelace"));
        for bad in ["", "   ", "Ada\r\nBcc: x@example.com", "a\0b", "a\u{7f}"] {
            assert!(tidy_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn scopes_always_hold_customer_and_never_an_unknown_one() {
        assert_eq!(scopes(&[]), Ok(vec!["customer".to_owned()]));
        assert_eq!(scopes(&["admin", "customer", "admin"]), Ok(vec!["customer".to_owned(), "admin".to_owned()]));
        assert_eq!(scopes(&["root"]), Err("root".to_owned()));
    }
}
