//! `POST /v1/auth/register`: makes a customer's account. It signs nobody in: ask for a token next.

use kernel::limits::{PASSWORD_MAX, PASSWORD_MIN, PERSON_NAME};
use kernel::problem::{FieldError, Place, code};
use kernel::{Email, Problem, UserId};
use lambda::{Call, Function, Http, Idempotency, Nothing, Reply, Throttle};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::account::{self, Account};
use crate::password;
use crate::table::{CreateAccount, Created};

/// A new customer.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The address to sign in with.
    pub email: Email,
    /// Ten characters or more; not the address, the name, or one that everybody tries first.
    #[schemars(length(min = PASSWORD_MIN, max = PASSWORD_MAX))]
    pub password: String,
    /// The person's name.
    #[schemars(length(min = 1, max = PERSON_NAME))]
    pub name: String,
}

/// An account as its owner sees it.
#[derive(Serialize, JsonSchema)]
pub struct Registered {
    /// The account's id.
    pub id: UserId,
    /// The address to sign in with.
    pub email: Email,
    /// The person's name.
    pub name: String,
    /// What the account's tokens allow.
    pub scopes: Vec<String>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("register", "/v1/auth/register")
        .summary("Makes a customer's account.")
        .throttle(Throttle::Auth)
        // Not kept: a quick digest of the request would be one of the password.
        .idempotency(Idempotency::Derived)
        .reply::<Registered>(201, "The account.")
        .problems(&[code::EMAIL_TAKEN, code::KEY_REUSED])
        .handle(handle)
}

async fn handle(call: Call<Nothing, Nothing, Registration>, accounts: CreateAccount) -> Result<Reply, Problem> {
    let (cx, body) = (call.cx, call.body);
    let name = checked(&body)?;
    let hash = password::hash(&body.password, cx.random()).map_err(Problem::internal)?;
    let scopes = vec![account::CUSTOMER.to_owned()];
    let account = Account::new(UserId::new(cx.seed()), body.email, name, hash, scopes, cx.now());
    match accounts.create(&account).await? {
        Created::Yes => Ok(created(account)),
        Created::IdTaken(there) if same(&there, &account, &body.password) => Ok(created(*there)),
        Created::IdTaken(_) => Err(Problem::new(code::KEY_REUSED, "this key made another account; use a fresh one")),
        Created::EmailTaken => Err(Problem::new(code::EMAIL_TAKEN, "sign in, or reset the password")),
    }
}

/// The name, once everything is found good that the schema cannot say.
fn checked(body: &Registration) -> Result<String, Problem> {
    let error = |pointer: &str, detail: &str| FieldError {
        place: Place::Body,
        pointer: pointer.to_owned(),
        detail: detail.to_owned(),
    };
    let name = account::tidy_name(&body.name).map_err(|detail| error("/name", detail));
    let password = match password::refusal(&body.password, &body.email, &body.name) {
        Some(detail) => Err(error("/password", detail)),
        None => Ok(()),
    };
    match (name, password) {
        (Ok(name), Ok(())) => Ok(name),
        (name, password) => Err(Problem::invalid(name.err().into_iter().chain(password.err()).collect())),
    }
}

/// Whether the account is what a repetition of this call would have made. The password is compared through its hash, so
/// that no quick digest of it has to be stored for the comparison.
fn same(there: &Account, asked: &Account, password: &str) -> bool {
    there.email == asked.email && there.name == asked.name && password::verify(password, Some(&there.password))
}

fn created(account: Account) -> Reply {
    let Account { id, email, name, scopes, .. } = account;
    Reply::created(&Registered { id, email, name, scopes }, "/v1/me")
}
