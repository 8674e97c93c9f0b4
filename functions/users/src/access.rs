//! Access tokens: what they say and how one is made.
//!
//! RS256, because that is what API Gateway's JWT authorizer verifies. The private key stays in KMS: a function that was
//! broken into can ask for signatures while it runs, but carries no key away. It must never put more into a token than
//! who, what for and how long: tokens end up in logs of others.

use aws::keys::PublicKey;
use aws::{Capability, ConfigError, DataError, Grant, Platform, Signer};
use kernel::Timestamp;
use kernel::limits::ACCESS_LIFE;
use lambda::token::{AUDIENCE, Claims, assemble, key_id, signing_input};
use schemars::JsonSchema;
use serde::Serialize;

use crate::account::Account;
use crate::session::RefreshToken;

/// What a sign-in or a refresh answers (RFC 6749 §5.1).
#[derive(Serialize, JsonSchema)]
pub struct Token {
    /// The JWT for `Authorization: Bearer`.
    pub access_token: String,
    /// Gives the next pair of tokens, once.
    pub refresh_token: String,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// Seconds until the access token is no longer valid.
    pub expires_in: u64,
}

impl Token {
    pub(crate) fn new(access_token: String, refresh: &RefreshToken) -> Self {
        let expires_in = ACCESS_LIFE.as_secs();
        Self { access_token, refresh_token: refresh.text(), token_type: "Bearer", expires_in }
    }
}

/// Who issues tokens: the public base URL of the API. It takes no grant.
#[derive(Clone, Debug)]
pub struct Issuer(String);

impl Capability for Issuer {
    fn grants() -> Vec<Grant> {
        Vec::new()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self(platform.config().issuer.clone()))
    }
}

impl Issuer {
    /// The `iss` of tokens, exactly as configured.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address of a path of ours.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0.trim_end_matches('/'))
    }
}

/// The claims of a token for an account, valid from `now` on. `jti` is 16 random bytes.
pub(crate) fn claims(issuer: &str, account: &Account, session: String, jti: [u8; 16], now: Timestamp) -> Claims {
    Claims {
        iss: issuer.to_owned(),
        sub: account.id.to_string(),
        aud: AUDIENCE.to_owned(),
        iat: now.seconds(),
        exp: now.after(ACCESS_LIFE).seconds(),
        scope: account.scopes.join(" "),
        jti: kernel::id::fingerprint(&[&jti]),
        sid: session,
    }
}

/// Makes access tokens.
#[derive(Clone)]
pub struct TokenMint {
    signer: Signer,
    key: PublicKey,
    issuer: Issuer,
}

impl Capability for TokenMint {
    fn grants() -> Vec<Grant> {
        <(Signer, PublicKey, Issuer)>::grants()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        let (signer, key, issuer) = Capability::connect(platform)?;
        Ok(Self { signer, key, issuer })
    }
}

impl TokenMint {
    /// A token for an account, of the sign-in that a refresh token belongs to. `jti` is 16 random bytes.
    pub async fn access_token(
        &self,
        account: &Account,
        refresh: &RefreshToken,
        jti: [u8; 16],
        now: Timestamp,
    ) -> Result<String, DataError> {
        let key_id = key_id(self.key.der().await?);
        let input = signing_input(&key_id, &claims(self.issuer.as_str(), account, refresh.session(), jti, now));
        Ok(assemble(&input, &self.signer.sign(input.as_bytes()).await?))
    }
}

#[cfg(test)]
mod tests {
    use kernel::{Email, UserId};

    use super::*;

    #[test]
    fn claims_say_who_what_for_and_how_long_and_nothing_else() {
        let (id, email) = (UserId::new([1; 16]), Email::parse("ada@example.com").unwrap());
        let scopes = vec!["customer".into(), "staff:orders".into()];
        let account = Account::new(id, email, "Ada".into(), "$argon2id$…".into(), scopes, Timestamp::default());
        let now = Timestamp::from_millis(1_795_000_000_999);
        let claims = claims("https://shop.example", &account, "session".into(), [5; 16], now);
        assert_eq!((claims.iat, claims.exp), (1_795_000_000, 1_795_000_900));
        assert_eq!(claims.scope, "customer staff:orders");
        let caller = claims.caller().unwrap();
        assert_eq!((caller.id, caller.session.as_deref()), (account.id, Some("session")));
        let text = serde_json::to_string(&claims).unwrap();
        assert!(!text.contains("ada@") && !text.contains("argon2"));
    }

    #[test]
    fn addresses_do_not_double_the_slash() {
        assert_eq!(Issuer("https://a.example/".into()).url("/x"), "https://a.example/x");
    }
}
