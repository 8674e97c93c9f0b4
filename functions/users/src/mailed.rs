//! Tokens that travel by mail: a password reset, a new e-mail address.
//!
//! Pure. A token is made of the account, a random nonce and a signature of both, so nothing of it is stored: the account
//! keeps the nonce, which is worth nothing without the key. The stream, the queue and the log carry the account's id, and
//! only the worker that writes the mail makes the token. It must never be stored, logged, or made anywhere else.

use kernel::cursor::SigningKey;
use kernel::limits::{MAILED_LIFE, MAILED_TIMES};
use kernel::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// What a token is for. One for one thing does not open another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To set another password.
    PasswordReset,
    /// To confirm that an address is the account's owner's.
    EmailChange,
}

impl Purpose {
    const fn scope(self) -> &'static str {
        match self {
            Self::PasswordReset => "password-reset",
            Self::EmailChange => "email-change",
        }
    }

    /// The token that a mail carries.
    #[must_use]
    pub fn token(self, key: &SigningKey, user: &UserId, ticket: &Ticket) -> String {
        key.sign(self.scope(), format!("{user}.{}", ticket.nonce).as_bytes())
    }

    /// The account and the nonce of a token that is ours; whether it still counts, its account knows.
    #[must_use]
    pub fn open(self, key: &SigningKey, token: &str) -> Option<(UserId, String)> {
        let payload = String::from_utf8(key.open(self.scope(), token)?).ok()?;
        let (user, nonce) = payload.split_once('.')?;
        Some((UserId::parse(user)?, nonce.to_owned()))
    }
}

/// What the account keeps of a token that is out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Random; part of the token.
    pub nonce: String,
    /// When the token is over.
    pub expires_at: Timestamp,
    /// How many mails carried it: each one more is a change that the stream tells of.
    pub mails: u32,
}

impl Ticket {
    /// A ticket that nobody has, from 16 random bytes.
    #[must_use]
    pub fn new(random: [u8; 16], now: Timestamp) -> Self {
        Self { nonce: kernel::id::fingerprint(&[&random]), expires_at: now.after(MAILED_LIFE), mails: 1 }
    }

    /// Whether a token of it still counts.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// The ticket that another request for a mail leaves: the same one with one mail more, so that a stranger who asks
    /// again does not spoil the mail that its owner has. `None` when enough mails are under way.
    #[must_use]
    pub fn again(present: Option<&Self>, random: [u8; 16], now: Timestamp) -> Option<Self> {
        match present.filter(|ticket| ticket.is_live(now)) {
            None => Some(Self::new(random, now)),
            Some(ticket) if ticket.mails >= MAILED_TIMES => None,
            Some(ticket) => Some(Self { mails: ticket.mails + 1, ..ticket.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    #[test]
    fn a_token_opens_for_its_purpose_only_and_tells_account_and_nonce() {
        let (key, user) = (SigningKey::new(vec![7; 32]), UserId::new([1; 16]));
        let ticket = Ticket::new([2; 16], NOW);
        let token = Purpose::PasswordReset.token(&key, &user, &ticket);
        assert_eq!(Purpose::PasswordReset.open(&key, &token), Some((user.clone(), ticket.nonce.clone())));
        assert_eq!(Purpose::EmailChange.open(&key, &token), None);
        assert_eq!(Purpose::PasswordReset.open(&SigningKey::new(vec![8; 32]), &token), None);
        for bad in ["", "x", &token[1..], &format!("{token}A")] {
            assert_eq!(Purpose::PasswordReset.open(&key, bad), None, "{bad}");
        }
        let stored = serde_json::to_string(&ticket).unwrap();
        assert!(!stored.contains(&token) && !token.contains(&ticket.nonce));
    }

    #[test]
    fn asking_again_sends_the_same_token_a_few_times_and_a_fresh_one_when_it_is_over() {
        let first = Ticket::new([2; 16], NOW);
        let mut last = first.clone();
        for mails in 2..=MAILED_TIMES {
            last = Ticket::again(Some(&last), [9; 16], NOW).unwrap();
            assert_eq!((&last.nonce, last.expires_at, last.mails), (&first.nonce, first.expires_at, mails));
        }
        assert_eq!(Ticket::again(Some(&last), [9; 16], NOW), None);
        let fresh = Ticket::again(Some(&last), [9; 16], first.expires_at).unwrap();
        assert_eq!((fresh.nonce == first.nonce, fresh.mails), (false, 1));
        assert!(first.is_live(NOW) && !first.is_live(first.expires_at));
    }
}
