//! Accounts and access tokens.
