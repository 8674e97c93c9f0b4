//! `PATCH /v1/me`: changes the caller's account by a JSON merge patch (RFC 7396).
//!
//! Another password or another address takes the present password. A new password ends every other sign-in. A new address
//! is the account's only once the token that is mailed there has come back (`confirm-email`); until then nothing changes.

use kernel::limits::{PASSWORD_MAX, PASSWORD_MIN, PERSON_NAME};
use kernel::problem::{FieldError, Place, code};
use kernel::{Email, Problem};
use lambda::{Auth, Call, Cx, Function, Http, Idempotency, Nothing, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::account::{Account, EmailChange, Profile, tidy_name};
use crate::guard::SignInGuard;
use crate::mailed::Ticket;
use crate::operations::{gone, in_version};
use crate::password;
use crate::table::{ChangeProfile, FindAccount};

/// How often a change that met another one is tried.
const TRIES: usize = 3;

/// What is to be changed. What is left out stays; nothing of it can be removed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfilePatch {
    /// The person's name.
    #[serde(default)]
    #[schemars(with = "String", length(min = 1, max = PERSON_NAME))]
    name: Option<String>,
    /// Another address to sign in with; it counts once the token that is mailed there has come back.
    #[serde(default)]
    #[schemars(with = "Email")]
    email: Option<Email>,
    /// Another password, by the rules of registering.
    #[serde(default)]
    #[schemars(with = "String", length(min = PASSWORD_MIN, max = PASSWORD_MAX))]
    password: Option<String>,
    /// The present password; wanted for another address or password.
    #[serde(default)]
    #[schemars(with = "String", length(min = 1, max = PASSWORD_MAX))]
    current_password: Option<String>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::patch("update-me", "/v1/me")
        .summary("Changes the caller's name, password or e-mail address")
        .auth(Auth::CUSTOMER)
        // Not kept: a quick digest of the request would be one of the password.
        .idempotency(Idempotency::Inherent)
        .reply::<Profile>(200, "The account as it stands now")
        .problems(&[code::EMAIL_TAKEN, code::VERSION_MISMATCH, code::TOO_MANY_REQUESTS, code::TOO_MANY_SIGN_INS])
        .handle(handle)
}

async fn handle(
    call: Call<Nothing, Nothing, ProfilePatch>,
    (accounts, profiles, guard): (FindAccount, ChangeProfile, SignInGuard),
) -> Result<Reply, Problem> {
    let Call { body, cx, .. } = call;
    let id = &cx.signed_in()?.id;
    for _ in 0..TRIES {
        let before = accounts.by_id(id).await?.ok_or_else(gone)?;
        in_version(&cx, &before)?;
        prove(&body, &before, &guard, &cx).await?;
        if let Some(email) = body.email.as_ref().filter(|email| **email != before.email)
            && accounts.is_taken(email).await?
        {
            return Err(Problem::new(code::EMAIL_TAKEN, "another account has this address"));
        }
        let after = changed(&before, &body, &cx)?;
        if after == before || profiles.replace(&before, &after).await? {
            let (version, changed) = (after.version, after.changed_at());
            return Ok(Reply::ok(&Profile::of(after, cx.now())).version(version).last_modified(changed));
        }
    }
    Err(Problem::new(code::UNAVAILABLE, "the account is being changed by others; try again").retry_after(1))
}

/// Sees that whoever changes address or password knows the present password.
async fn prove(patch: &ProfilePatch, account: &Account, guard: &SignInGuard, cx: &Cx) -> Result<(), Problem> {
    if patch.email.is_none() && patch.password.is_none() {
        return Ok(());
    }
    let Some(current) = &patch.current_password else {
        return Err(Problem::field("/current_password", "is needed to change the e-mail address or the password"));
    };
    // A stolen access token must not be a way to guess the password.
    let seen = guard.look(&account.email, cx).await;
    seen.allow(cx)?;
    if password::verify(current, Some(&account.password)) {
        return Ok(());
    }
    guard.failed(&seen, cx).await;
    Err(Problem::field("/current_password", "is not the present password"))
}

/// The account after the change; the same one when there is nothing to change.
fn changed(before: &Account, patch: &ProfilePatch, cx: &Cx) -> Result<Account, Problem> {
    let (now, mut after, mut errors) = (cx.now(), before.clone(), Vec::new());
    let mut wrong = |pointer: &str, detail: &str| {
        errors.push(FieldError { place: Place::Body, pointer: pointer.to_owned(), detail: detail.to_owned() });
    };
    match patch.name.as_deref().map(tidy_name) {
        Some(Ok(name)) => after.name = name,
        Some(Err(detail)) => wrong("/name", detail),
        None => {}
    }
    if let Some(new) = &patch.password {
        let emails = [Some(&before.email), patch.email.as_ref()].into_iter().flatten();
        if let Some(detail) = emails.filter_map(|email| password::refusal(new, email, &after.name)).next() {
            wrong("/password", detail);
        } else if patch.current_password.as_ref() != Some(new) {
            after.password = password::hash(new, cx.random()).map_err(Problem::internal)?;
            after.epoch += 1;
            after.spared = cx.signed_in()?.session.clone();
        }
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    match &patch.email {
        // Back to the address that it has: what was pending is called off.
        Some(email) if *email == before.email => after.email_change = None,
        Some(email) => after.email_change = Some(asked(before, email, cx)?),
        None => {}
    }
    if after != *before {
        after.version += 1;
        after.updated_at = Some(now.max(before.changed_at()));
    }
    Ok(after)
}

/// The change of address that is asked for. A few mails an hour, to whichever addresses: this must not become a way to send
/// mail to strangers.
fn asked(before: &Account, to: &Email, cx: &Cx) -> Result<EmailChange, Problem> {
    let now = cx.now();
    let present = before.email_change.as_ref();
    let again = Ticket::again(present.map(|change| &change.ticket), cx.random(), now).ok_or_else(|| {
        let wait = present.map_or(0, |change| change.ticket.expires_at.since(now).as_secs());
        Problem::new(code::TOO_MANY_REQUESTS, "enough mails are under way; look for them, or try again later")
            .retry_after(wait.max(1))
    })?;
    let same = present.is_some_and(|change| change.to == *to);
    let ticket = if same { again } else { Ticket { mails: again.mails, ..Ticket::new(cx.random(), now) } };
    Ok(EmailChange { to: to.clone(), ticket })
}
