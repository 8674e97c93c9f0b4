//! `POST /v1/auth/password-reset`: asks for a mail with which another password can be set.
//!
//! The answer is the same whether or not an account has the address, and so are the reads and the write behind it: for an
//! unknown address they go to an account that cannot be. The mail follows from the write.

use kernel::{Email, Problem, UserId};
use lambda::{Call, Function, Http, Idempotency, Nothing, Reply, Throttle};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mailed::Ticket;
use crate::table::{AskReset, FindAccount};

/// Whose password is to be set anew.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ResetRequest {
    /// The address the account was registered with.
    email: Email,
}

/// What happens now.
#[derive(Serialize, JsonSchema)]
struct ResetStarted {
    /// For a person.
    detail: &'static str,
    /// Seconds that the token in the mail is good.
    expires_in: u64,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("start-password-reset", "/v1/auth/password-reset")
        .summary("Mails a token with which another password can be set")
        .throttle(Throttle::Auth)
        .idempotency(Idempotency::Inherent)
        .reply::<ResetStarted>(202, "A mail is on its way, if an account has the address")
        .handle(handle)
}

async fn handle(
    call: Call<Nothing, Nothing, ResetRequest>,
    (accounts, resets): (FindAccount, AskReset),
) -> Result<Reply, Problem> {
    let (cx, email) = (&call.cx, &call.body.email);
    let account = accounts.by_email(email).await?;
    let present = account.as_ref().and_then(|account| account.reset.as_ref());
    // When enough mails are under way the one that stands is written again, which changes nothing and takes as long.
    let next = Ticket::again(present, cx.random(), cx.now()).or_else(|| present.cloned());
    let next = next.unwrap_or_else(|| Ticket::new(cx.random(), cx.now()));
    let id = account.as_ref().map_or_else(|| UserId::derive(&[b"nobody"]), |account| account.id.clone());
    resets.ask(&id, present, &next).await?;
    let detail = "if an account has this address, a mail with a token is on its way to it";
    let expires_in = kernel::limits::MAILED_LIFE.as_secs();
    Ok(Reply::accepted(&ResetStarted { detail, expires_in }, "/v1/auth/password-reset/confirm"))
}
