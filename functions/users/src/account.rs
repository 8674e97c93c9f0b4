//! Accounts: an e-mail address, a password hash, a name, and the scopes that tokens will carry.
//!
//! Pure. It owns what a name may look like and which scopes there are. It must never grant a scope by itself beyond
//! `customer`: the others come from an administrator.

use kernel::{Email, Timestamp, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mailed::Ticket;
use crate::session::Family;

/// The scope that every account has.
pub const CUSTOMER: &str = "customer";

/// The scope of administrators: who has it gives others theirs.
pub const ADMIN: &str = "admin";

/// Every scope there is.
pub const SCOPES: &[&str] = &[CUSTOMER, "staff:catalog", "staff:inventory", "staff:orders", "channel", ADMIN];

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
    /// Rises with every change of what its owner sees.
    pub version: u64,
    /// Rises when all sign-ins end: one that began under a lower number is over.
    #[serde(default)]
    pub epoch: u64,
    /// The one sign-in that did not end when `epoch` rose: the one that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spared: Option<String>,
    /// A password reset that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<Ticket>,
    /// The nonce of the last reset that was carried out: a repeated call finds itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_by: Option<String>,
    /// A change of the address that is not confirmed yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_change: Option<EmailChange>,
    /// The nonce of the last change of the address that was confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_by: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its owner or an administrator changed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// An address that is to become the account's, once somebody who reads mail there says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailChange {
    /// The new address.
    pub to: Email,
    /// What confirms it.
    pub ticket: Ticket,
}

impl Account {
    /// A new account.
    #[must_use]
    pub fn new(id: UserId, email: Email, name: String, password: String, scopes: Vec<String>, now: Timestamp) -> Self {
        Self {
            id,
            email,
            name,
            password,
            scopes,
            version: 1,
            epoch: 0,
            spared: None,
            reset: None,
            reset_by: None,
            email_change: None,
            confirmed_by: None,
            created_at: now,
            updated_at: None,
        }
    }

    /// Whether a sign-in has not been ended by a new password or by roles that were taken away.
    #[must_use]
    pub fn admits(&self, family: &Family, session: &str) -> bool {
        family.epoch >= self.epoch || self.spared.as_deref() == Some(session)
    }

    /// Whether it is an administrator's.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.scopes.iter().any(|scope| scope == ADMIN)
    }

    /// The address that waits to be confirmed.
    #[must_use]
    pub fn pending_email(&self, now: Timestamp) -> Option<&Email> {
        self.email_change.as_ref().filter(|change| change.ticket.is_live(now)).map(|change| &change.to)
    }

    /// When it was changed last.
    #[must_use]
    pub fn changed_at(&self) -> Timestamp {
        self.updated_at.unwrap_or(self.created_at)
    }
}

/// An account as its owner sees it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Profile {
    /// The account's id.
    pub id: UserId,
    /// The address to sign in with.
    pub email: Email,
    /// The address that will be it, once the token that was mailed there has come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_email: Option<Email>,
    /// The person's name.
    pub name: String,
    /// What the account's tokens allow.
    pub scopes: Vec<String>,
    /// Rises with every change.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl Profile {
    /// What the owner sees now.
    #[must_use]
    pub fn of(account: Account, now: Timestamp) -> Self {
        let (pending_email, updated_at) = (account.pending_email(now).cloned(), account.changed_at());
        let Account { id, email, name, scopes, version, created_at, .. } = account;
        Self { id, email, pending_email, name, scopes, version, created_at, updated_at }
    }
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
    use crate::session::RefreshToken;

    #[test]
    fn a_new_epoch_ends_every_sign_in_but_the_spared_one() {
        let now = Timestamp::from_millis(1_795_000_000_000);
        let email = Email::parse("ada@example.com").unwrap();
        let mut account = Account::new(UserId::new([1; 16]), email, "Ada".into(), "hash".into(), Vec::new(), now);
        let tokens = [RefreshToken::first([1; 16], [2; 16]), RefreshToken::first([3; 16], [4; 16])];
        let families = tokens.clone().map(|token| Family::begin(&token, &account, now));
        assert!(account.admits(&families[0], &tokens[0].session()));
        account.epoch += 1;
        account.spared = Some(tokens[1].session());
        assert!(!account.admits(&families[0], &tokens[0].session()));
        assert!(account.admits(&families[1], &tokens[1].session()));
        assert!(account.admits(&Family::begin(&tokens[0], &account, now), &tokens[0].session()), "signed in anew");
    }

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
