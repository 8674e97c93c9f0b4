//! The endpoints, one a file.

pub mod get_jwks;
pub mod get_openid_configuration;
pub mod issue_token;
pub mod register;
pub mod revoke_token;
