//! `POST /v1/auth/email-change/confirm`: the token that was mailed to a new address came back, so the address is the
//! account's. Whoever has the token reads mail there; more is not asked, for the change itself took the password.

use aws::SigningSecret;
use kernel::Problem;
use kernel::problem::code;
use lambda::{Call, Function, Http, Idempotency, Nothing, Reply, Throttle};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mailed::Purpose;
use crate::operations::bad_token;
use crate::table::{ConfirmEmail, FindAccount, MovedTo};

/// What the mail said.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EmailConfirmation {
    /// The token.
    #[schemars(length(min = 1, max = 200))]
    token: String,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("confirm-email", "/v1/auth/email-change/confirm")
        .summary("Confirms a new e-mail address with the token that was mailed there")
        .throttle(Throttle::Auth)
        .idempotency(Idempotency::Inherent)
        .reply_empty(204, "The address is the account's")
        .problems(&[code::MAILED_TOKEN, code::EMAIL_TAKEN])
        .handle(handle)
}

async fn handle(
    call: Call<Nothing, Nothing, EmailConfirmation>,
    (secret, accounts, emails): (SigningSecret, FindAccount, ConfirmEmail),
) -> Result<Reply, Problem> {
    let (user, nonce) = Purpose::EmailChange.open(secret.key().await?, call.body.token.trim()).ok_or_else(bad_token)?;
    let account = accounts.by_id(&user).await?.ok_or_else(bad_token)?;
    if account.confirmed_by.as_ref() == Some(&nonce) {
        return Ok(Reply::empty());
    }
    let now = call.cx.now();
    let change = account.email_change.as_ref().filter(|change| change.ticket.nonce == nonce);
    let change = change.filter(|change| change.ticket.is_live(now)).ok_or_else(bad_token)?;
    match emails.confirm(&account, change, now).await? {
        MovedTo::Yes => Ok(Reply::empty()),
        MovedTo::Taken => Err(Problem::new(code::EMAIL_TAKEN, "another account has this address by now")),
        // Somebody was faster: most likely the same call.
        MovedTo::Over => match accounts.by_id(&user).await? {
            Some(account) if account.confirmed_by.as_ref() == Some(&nonce) => Ok(Reply::empty()),
            _ => Err(bad_token()),
        },
    }
}
