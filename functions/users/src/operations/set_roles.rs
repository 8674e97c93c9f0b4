//! `PUT /v1/admin/users/{id}/roles`: says what an account may do.
//!
//! Who calls must be an administrator at that moment, not only when the token was issued, and somebody must be one
//! afterwards. A role that is taken away ends the account's sign-ins; access tokens that are out run out within 15 minutes.

use kernel::problem::code;
use kernel::{Email, Problem, UserId};
use lambda::{Auth, Call, Function, Http, Nothing, Reply};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::account::{self, Account};
use crate::operations::in_version;
use crate::table::{FindAccount, GiveRoles, Given};

/// How often a change that met another one is tried.
const TRIES: usize = 3;

/// The account in the path.
#[derive(Deserialize, JsonSchema)]
struct Path {
    /// The account's id.
    #[schemars(length(max = 64))]
    id: String,
}

/// What an account may do.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
enum Role {
    /// Buying; everybody has it.
    #[serde(rename = "customer")]
    Customer,
    /// Products, categories, reviews, imports.
    #[serde(rename = "staff:catalog")]
    Catalog,
    /// Stock and warehouses.
    #[serde(rename = "staff:inventory")]
    Inventory,
    /// Orders, refunds, coupons.
    #[serde(rename = "staff:orders")]
    Orders,
    /// Another sales channel.
    #[serde(rename = "channel")]
    Channel,
    /// Everything, roles too.
    #[serde(rename = "admin")]
    Admin,
}

impl Role {
    const fn scope(self) -> &'static str {
        match self {
            Self::Customer => account::CUSTOMER,
            Self::Catalog => "staff:catalog",
            Self::Inventory => "staff:inventory",
            Self::Orders => "staff:orders",
            Self::Channel => "channel",
            Self::Admin => account::ADMIN,
        }
    }
}

/// All that an account is to be allowed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SetRoles {
    /// The roles; `customer` comes by itself.
    #[schemars(length(max = 6))]
    roles: Vec<Role>,
}

/// An account as administrators see it.
#[derive(Serialize, JsonSchema)]
struct RoleHolder {
    /// The account's id.
    id: UserId,
    /// The address it signs in with.
    email: Email,
    /// The person's name.
    name: String,
    /// What its tokens allow from now on.
    roles: Vec<String>,
    /// Rises with every change.
    version: u64,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::put("set-roles", "/v1/admin/users/{id}/roles")
        .summary("Says what an account may do; somebody stays an administrator")
        .auth(Auth::ADMIN)
        .reply::<RoleHolder>(200, "The account with its roles")
        .problems(&[code::USER_NOT_FOUND, code::VERSION_MISMATCH, code::LAST_ADMIN, code::TOO_MANY_ADMINS])
        .handle(handle)
}

async fn handle(
    call: Call<Path, Nothing, SetRoles>,
    (accounts, roles): (FindAccount, GiveRoles),
) -> Result<Reply, Problem> {
    let Call { path, body, cx, .. } = call;
    let missing = || Problem::new(code::USER_NOT_FOUND, "there is no account with this id");
    let id = UserId::parse(&path.id).ok_or_else(missing)?;
    let asked: Vec<&str> = body.roles.into_iter().map(Role::scope).collect();
    let scopes = account::scopes(&asked).map_err(|name| Problem::internal(format!("the role {name} is no scope")))?;
    let actor = &cx.signed_in()?.id;
    for _ in 0..TRIES {
        let account = accounts.by_id(&id).await?.ok_or_else(missing)?;
        in_version(&cx, &account)?;
        match roles.give(&account, &scopes, actor, cx.now()).await? {
            Given::Yes => {
                cx.note("roles_of", &id);
                cx.note("roles", &scopes);
                return Ok(shown(account, scopes));
            }
            Given::Changed => {}
            Given::NoAdmin => return Err(Problem::new(code::FORBIDDEN, "you are not an administrator any more")),
            Given::LastAdmin => {
                return Err(Problem::new(code::LAST_ADMIN, "make somebody else an administrator first"));
            }
            Given::TooMany => {
                let most = kernel::limits::ADMINS;
                let detail = format!("there are {most} administrators, and no more are allowed");
                return Err(Problem::new(code::TOO_MANY_ADMINS, detail).with("limit", most));
            }
        }
    }
    Err(Problem::new(code::UNAVAILABLE, "roles are being changed by others; try again").retry_after(1))
}

fn shown(account: Account, roles: Vec<String>) -> Reply {
    let Account { id, email, name, version, .. } = account;
    let version = version + 1;
    Reply::ok(&RoleHolder { id, email, name, roles, version }).version(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_is_a_scope_and_every_scope_a_role() {
        for scope in account::SCOPES {
            let role: Role = serde_json::from_value((*scope).into()).unwrap();
            assert_eq!(role.scope(), *scope);
        }
    }
}
