//! Refresh tokens and their families: one family for each sign-in, one valid token of it at a time.
//!
//! Pure. A token is `rft_<family>.<generation>.<secret>`; only a digest of it is stored. Each use replaces it by the next
//! generation. An older generation can only come from a thief, or from the owner after a thief was faster: whichever it
//! is, the family ends and both must sign in again (RFC 9700 §4.14.2). It must never give a spent token a second life.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::limits::REFRESH_LIFE;
use kernel::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::account::Account;

/// What every refresh token starts with, so that secret scanners know one.
const PREFIX: &str = "rft_";

/// A refresh token. It has no `Debug` and no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    family: String,
    generation: u64,
    secret: String,
}

impl RefreshToken {
    /// The first token of a family, from two times 16 random bytes.
    #[must_use]
    pub fn first(family: [u8; 16], secret: [u8; 16]) -> Self {
        Self { family: URL_SAFE_NO_PAD.encode(family), generation: 1, secret: URL_SAFE_NO_PAD.encode(secret) }
    }

    /// The token that follows this one, from 16 random bytes.
    #[must_use]
    pub fn next(&self, secret: [u8; 16]) -> Self {
        let generation = self.generation.saturating_add(1);
        Self { family: self.family.clone(), generation, secret: URL_SAFE_NO_PAD.encode(secret) }
    }

    /// Reads a token; `None` when it cannot be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(PREFIX)?.split('.');
        let (family, generation, secret) = (parts.next()?, parts.next()?, parts.next()?);
        let random = |part: &str| URL_SAFE_NO_PAD.decode(part).is_ok_and(|bytes| bytes.len() == 16);
        let plain = generation.bytes().all(|b| b.is_ascii_digit());
        if parts.next().is_some() || !random(family) || !random(secret) || !plain {
            return None;
        }
        Some(Self { family: family.to_owned(), generation: generation.parse().ok()?, secret: secret.to_owned() })
    }

    /// What the client keeps.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{PREFIX}{}.{}.{}", self.family, self.generation, self.secret)
    }

    /// The family's id.
    #[must_use]
    pub fn family(&self) -> &str {
        &self.family
    }

    /// What access tokens say of the sign-in: it tells one from another and gives nothing of the family's id away.
    #[must_use]
    pub fn session(&self) -> String {
        kernel::id::fingerprint(&[b"session", self.family.as_bytes()])
    }

    /// How many tokens the family had with this one.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// What is stored of it. The secret has 128 random bits, so a plain digest cannot be searched.
    #[must_use]
    pub fn digest(&self) -> String {
        kernel::id::fingerprint(&[self.family.as_bytes(), &self.generation.to_be_bytes(), self.secret.as_bytes()])
    }
}

/// What is stored of a family.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Family {
    /// Whose sign-in it is.
    pub user: UserId,
    /// The digest of the one token that is valid.
    pub current: String,
    /// That token's generation.
    pub generation: u64,
    /// When it ends unless it is refreshed, in seconds since the epoch: DynamoDB's TTL.
    pub expires: i64,
    /// Whether it was ended by signing out or by a token used twice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
    /// The account's epoch when its owner signed in.
    #[serde(default)]
    pub epoch: u64,
    /// When its owner signed in.
    pub created_at: Timestamp,
}

/// What a presented token is to its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The valid one.
    Current,
    /// One that was used before: the family must end.
    Spent,
    /// Of a family that is over, or not a token of it at all.
    Invalid,
}

impl Family {
    /// The family that begins with a token.
    #[must_use]
    pub fn begin(token: &RefreshToken, account: &Account, now: Timestamp) -> Self {
        Self {
            user: account.id.clone(),
            epoch: account.epoch,
            current: token.digest(),
            generation: token.generation(),
            expires: expiry(now),
            revoked: false,
            created_at: now,
        }
    }

    /// Judges a token that is presented now. DynamoDB may drop expired items days late, so the time is looked at here.
    #[must_use]
    pub fn judge(&self, token: &RefreshToken, now: Timestamp) -> Verdict {
        if self.revoked || self.expires <= now.seconds() {
            Verdict::Invalid
        } else if self.current == token.digest() {
            Verdict::Current
        } else if token.generation() < self.generation {
            Verdict::Spent
        } else {
            Verdict::Invalid
        }
    }
}

/// When a family ends that was refreshed at `now`, in seconds since the epoch.
#[must_use]
pub(crate) fn expiry(now: Timestamp) -> i64 {
    now.after(REFRESH_LIFE).seconds()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> Account {
        let email = kernel::Email::parse("ada@example.com").unwrap();
        Account::new(UserId::new([3; 16]), email, "Ada".into(), "hash".into(), Vec::new(), now())
    }

    fn now() -> Timestamp {
        Timestamp::from_millis(1_795_000_000_000)
    }

    #[test]
    fn a_token_reads_back_and_rubbish_does_not() {
        let token = RefreshToken::first([1; 16], [2; 16]);
        assert!(RefreshToken::parse(&token.text()) == Some(token.clone()));
        assert_eq!(RefreshToken::parse(&token.next([9; 16]).text()).unwrap().generation(), 2);
        let text = token.text();
        let bad = [
            String::new(),
            "rft_".into(),
            text.replace("rft_", "rt_"),
            format!("{text}.x"),
            text.replace(".1.", ".-1."),
            text.replace(".1.", ".+1."),
            text.replace(".1.", "."),
            text.replace(".1.", ".99999999999999999999999."),
            text[..text.len() - 1].to_owned(),
        ];
        for bad in bad {
            assert!(RefreshToken::parse(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn only_the_newest_token_is_current_and_older_ones_are_spent() {
        let first = RefreshToken::first([1; 16], [2; 16]);
        let mut family = Family::begin(&first, &user(), now());
        assert_eq!(family.judge(&first, now()), Verdict::Current);
        let second = first.next([3; 16]);
        assert_eq!(family.judge(&second, now()), Verdict::Invalid, "a generation that was never issued");
        (family.current, family.generation) = (second.digest(), second.generation());
        assert_eq!(family.judge(&first, now()), Verdict::Spent);
        assert_eq!(family.judge(&second, now()), Verdict::Current);
        assert_eq!(family.judge(&first.next([4; 16]), now()), Verdict::Invalid, "same generation, another secret");
    }

    #[test]
    fn a_family_that_is_over_knows_no_token() {
        let token = RefreshToken::first([1; 16], [2; 16]);
        let family = Family::begin(&token, &user(), now());
        let last = Timestamp::from_millis(family.expires * 1000 - 1);
        assert_eq!(family.judge(&token, last), Verdict::Current);
        assert_eq!(family.judge(&token, Timestamp::from_millis(family.expires * 1000)), Verdict::Invalid);
        assert_eq!(Family { revoked: true, ..family }.judge(&token, now()), Verdict::Invalid);
    }

    #[test]
    fn the_stored_digest_is_not_the_token() {
        let token = RefreshToken::first([1; 16], [2; 16]);
        assert!(!token.text().contains(&token.digest()));
        assert_ne!(token.digest(), token.next([2; 16]).digest(), "the generation is part of it");
    }
}
