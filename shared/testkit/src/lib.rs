//! Everything that talks to a shop over HTTP from outside: the black-box suite, the demo race, the crash audit. And what a
//! simulation of one is made of: virtual time, faults and the limits of DynamoDB, as layers around the engine.
//!
//! It knows the contract (paths, fields, status codes) and nothing of the code behind it: it must never depend on a
//! service's crate, so that the same suite says the same thing about a local process, an emulator and the cloud.

pub mod blackbox;
pub mod clock;
pub mod crash;
pub mod data;
pub mod faults;
pub mod http;
pub mod physics;
pub mod race;
pub mod shop;
pub mod stats;
#[cfg(test)]
mod test_support;
pub mod virtual_time;

/// A shop to talk to.
#[derive(Clone)]
pub struct Target {
    /// Where it is: scheme, host and, behind an emulator, a path that stands before `/v1`.
    pub base_url: String,
    /// A staff account with the scope `admin`; empty when there is none to be had.
    pub admin_email: String,
    /// Its password; empty when there is none to be had.
    pub admin_password: String,
    /// The secret of the CDN before it, so that what was written is read at once: `OXCART_ORIGIN_SECRET`. Empty without a CDN,
    /// and where it is not known.
    pub origin_secret: String,
    /// Whether this is our own gateway. Elsewhere API Gateway answers some requests itself, with bodies of its own.
    pub local: bool,
}

/// Why a piece of work against a shop ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Something was not as it must be.
    Failed(String),
    /// It cannot be tried on this target; why.
    Skipped(String),
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(reason) => f.write_str(reason),
            Self::Skipped(reason) => write!(f, "skipped: {reason}"),
        }
    }
}

impl std::error::Error for Stop {}

/// The result of a piece of work against a shop.
pub type Outcome<T = ()> = Result<T, Stop>;

/// Fails a case with a message unless a condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::Stop::Failed(format!($($message)+)));
        }
    };
}
