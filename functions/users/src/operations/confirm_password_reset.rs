//! `POST /v1/auth/password-reset/confirm`: sets another password with the token of a mail, and ends every sign-in. It signs
//! nobody in: ask for a token next.

use aws::SigningSecret;
use kernel::Problem;
use kernel::limits::{PASSWORD_MAX, PASSWORD_MIN};
use kernel::problem::code;
use lambda::{Call, Function, Http, Idempotency, Nothing, Reply, Throttle};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::account::Account;
use crate::mailed::Purpose;
use crate::operations::bad_token;
use crate::password;
use crate::table::{ConfirmReset, FindAccount, Redeemed};

/// What the mail said, and the password from now on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ResetConfirmation {
    /// The token of the mail; it works once.
    #[schemars(length(min = 1, max = 200))]
    token: String,
    /// The new password, by the rules of registering.
    #[schemars(length(min = PASSWORD_MIN, max = PASSWORD_MAX))]
    password: String,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("confirm-password-reset", "/v1/auth/password-reset/confirm")
        .summary("Sets another password with the token of a mail, and ends every sign-in")
        .throttle(Throttle::Auth)
        // Not kept: a quick digest of the request would be one of the password.
        .idempotency(Idempotency::Inherent)
        .reply_empty(204, "The password is set; sign in with it")
        .problems(&[code::MAILED_TOKEN])
        .handle(handle)
}

async fn handle(
    call: Call<Nothing, Nothing, ResetConfirmation>,
    (secret, accounts, resets): (SigningSecret, FindAccount, ConfirmReset),
) -> Result<Reply, Problem> {
    let (cx, body) = (&call.cx, &call.body);
    let (user, nonce) = Purpose::PasswordReset.open(secret.key().await?, body.token.trim()).ok_or_else(bad_token)?;
    let account = accounts.by_id(&user).await?.ok_or_else(bad_token)?;
    if done(&account, &nonce, &body.password) {
        return Ok(Reply::empty());
    }
    let reset = account.reset.as_ref().filter(|reset| reset.nonce == nonce && reset.is_live(cx.now()));
    reset.ok_or_else(bad_token)?;
    // Before the token is spent: a password that is refused can be chosen better.
    if let Some(detail) = password::refusal(&body.password, &account.email, &account.name) {
        return Err(Problem::field("/password", detail));
    }
    let hash = password::hash(&body.password, cx.random()).map_err(Problem::internal)?;
    match resets.confirm(&user, &nonce, &hash, cx.now()).await? {
        Redeemed::Yes => {
            cx.note("password_reset_of", &user);
            Ok(Reply::empty())
        }
        Redeemed::No(Some(there)) if done(&there, &nonce, &body.password) => Ok(Reply::empty()),
        Redeemed::No(_) => Err(bad_token()),
    }
}

/// Whether this very reset was carried out, with this very password: the call is repeated because its answer was lost.
fn done(account: &Account, nonce: &str, password: &str) -> bool {
    account.reset_by.as_deref() == Some(nonce) && password::verify(password, Some(&account.password))
}
