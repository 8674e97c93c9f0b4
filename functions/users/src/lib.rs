//! Accounts, passwords and tokens: who somebody is and what they may do.
//!
//! It owns the tables `users` (accounts, their e-mail locks, refresh-token families) and `sign-in-attempts`, and is the only service that asks
//! KMS to sign. Access tokens are RS256 JWTs that live 15 minutes and are verified elsewhere, without this service;
//! refresh tokens rotate on every use, and one that is used twice ends its family.
//! It must never store or log a password or a token in the clear, or answer faster when an account does not exist.

mod access;
mod account;
mod book;
pub mod guard;
pub mod mailed;
pub mod operations;
pub mod password;
mod session;
mod staff;
pub mod table;

pub use access::{Issuer, Token, TokenMint};
pub use account::{ADMIN, Account, CUSTOMER, EmailChange, Profile, SCOPES};
pub use book::Entry;
pub use session::{Family, RefreshToken, Verdict};
pub use staff::ensure_staff;

/// The tables of this service.
pub const TABLES: &[aws::TableSpec] = &[table::USERS, guard::TABLE];

/// The functions of this service.
#[must_use]
pub fn functions() -> Vec<lambda::Function> {
    vec![
        operations::register::function(),
        operations::issue_token::function(),
        operations::revoke_token::function(),
        operations::start_password_reset::function(),
        operations::confirm_password_reset::function(),
        operations::get_me::function(),
        operations::update_me::function(),
        operations::confirm_email::function(),
        operations::list_addresses::function(),
        operations::add_address::function(),
        operations::replace_address::function(),
        operations::remove_address::function(),
        operations::set_roles::function(),
        operations::get_jwks::function(),
        operations::get_openid_configuration::function(),
    ]
}
