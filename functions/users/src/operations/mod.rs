//! The endpoints, one a file, and what they share.

pub mod add_address;
pub mod confirm_email;
pub mod confirm_password_reset;
pub mod get_jwks;
pub mod get_me;
pub mod get_openid_configuration;
pub mod issue_token;
pub mod list_addresses;
pub mod register;
pub mod remove_address;
pub mod replace_address;
pub mod revoke_token;
pub mod set_roles;
pub mod start_password_reset;
pub mod update_me;

use kernel::problem::code;
use kernel::{AddressId, Problem};
use lambda::Cx;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::account::Account;

/// The path of an address.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct AddressPath {
    /// The address's id.
    #[schemars(length(max = 64))]
    id: String,
}

impl AddressPath {
    /// The id; what cannot be one is nobody's address.
    pub(crate) fn address(&self) -> Result<AddressId, Problem> {
        AddressId::parse(&self.id).ok_or_else(no_address)
    }
}

/// Another person's addresses look the same: each book is looked for under its owner only.
pub(crate) fn no_address() -> Problem {
    Problem::new(code::ADDRESS_NOT_FOUND, "there is no such address in your address book")
}

/// The account of a token that is valid, and is gone.
pub(crate) fn gone() -> Problem {
    Problem::new(code::UNAUTHENTICATED, "the account of this access token is gone")
}

/// The token of a mail that is not ours, was used, or is too old: which, nobody is told.
pub(crate) fn bad_token() -> Problem {
    Problem::new(code::MAILED_TOKEN, "the token is wrong, was used, or is too old; ask for another mail")
}

/// Refuses a change of an account that the caller saw in another version.
pub(crate) fn in_version(cx: &Cx, account: &Account) -> Result<(), Problem> {
    match cx.expected_version() {
        Some(expected) if expected != account.version => {
            let detail = format!("the account is in version {} now", account.version);
            Err(Problem::new(code::VERSION_MISMATCH, detail).with("version", account.version))
        }
        _ => Ok(()),
    }
}
