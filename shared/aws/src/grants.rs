//! What a handler can reach is what its function may do: each capability type says which IAM actions on which resources it
//! takes, a function's policy is the union over its capabilities, and the local engine enforces the same list.

use serde::Serialize;

use crate::config::ConfigError;
use crate::platform::Platform;

/// Something a policy names. Names are without the stage's prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Resource {
    /// A table.
    Table {
        /// Its name.
        name: &'static str,
    },
    /// A global secondary index.
    Index {
        /// The table's name.
        table: &'static str,
        /// The index's name.
        name: &'static str,
    },
    /// A table's stream.
    Stream {
        /// The table's name.
        table: &'static str,
    },
    /// A queue.
    Queue {
        /// Its name.
        name: &'static str,
    },
    /// A queue's dead-letter queue.
    DeadLetters {
        /// The queue's name.
        name: &'static str,
    },
    /// An asymmetric key.
    Key {
        /// Its name.
        name: &'static str,
    },
    /// A secret.
    Secret {
        /// Its name.
        name: &'static str,
    },
    /// The verified sender of mail.
    Sender,
}

/// IAM actions on one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Grant {
    /// Actions, as in `dynamodb:GetItem`; never with a wildcard.
    pub actions: Vec<&'static str>,
    /// What they may be done to.
    pub resource: Resource,
}

impl Grant {
    /// Actions on a resource.
    #[must_use]
    pub fn new(actions: &[&'static str], resource: Resource) -> Self {
        Self { actions: actions.to_vec(), resource }
    }
}

/// Merges grants: one entry a resource, actions sorted and without repetition.
#[must_use]
pub fn union(grants: impl IntoIterator<Item = Grant>) -> Vec<Grant> {
    let mut all: Vec<Grant> = Vec::new();
    for grant in grants {
        match all.iter_mut().find(|known| known.resource == grant.resource) {
            Some(known) => known.actions.extend(grant.actions),
            None => all.push(grant),
        }
    }
    for grant in &mut all {
        grant.actions.sort_unstable();
        grant.actions.dedup();
    }
    all.sort();
    all
}

/// Something a handler is given to act with.
pub trait Capability: Clone + Send + Sync + 'static {
    /// What using it takes.
    fn grants() -> Vec<Grant>;
    /// Builds it; nothing is sent yet.
    fn connect(platform: &Platform) -> Result<Self, ConfigError>;
}

impl Capability for () {
    fn grants() -> Vec<Grant> {
        Vec::new()
    }

    fn connect(_: &Platform) -> Result<Self, ConfigError> {
        Ok(())
    }
}

macro_rules! tuples {
    ($(($($name:ident),+))*) => {$(
        impl<$($name: Capability),+> Capability for ($($name,)+) {
            fn grants() -> Vec<Grant> {
                [$($name::grants()),+].concat()
            }

            fn connect(platform: &Platform) -> Result<Self, ConfigError> {
                Ok(($($name::connect(platform)?,)+))
            }
        }
    )*};
}

tuples! { (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) }

/// Declares a capability over one table: a struct that holds the [`crate::Table`], and its grants.
///
/// `capability!(/** doc */ FindProduct on TABLE: ["dynamodb:GetItem"], index "by-slug": ["dynamodb:Query"]);`
#[macro_export]
macro_rules! capability {
    ($(#[$doc:meta])* $name:ident on $table:path: [$($action:literal),*] $(, index $index:literal: [$($on_index:literal),+])*) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            table: $crate::Table,
        }

        impl $crate::Capability for $name {
            fn grants() -> Vec<$crate::Grant> {
                let mut grants: Vec<$crate::Grant> = Vec::new();
                let actions: &[&'static str] = &[$($action),*];
                if !actions.is_empty() {
                    grants.push($crate::Grant::new(actions, $crate::Resource::Table { name: $table.name }));
                }
                $(grants.push($crate::Grant::new(
                    &[$($on_index),+],
                    $crate::Resource::Index { table: $table.name, name: $index },
                ));)*
                grants
            }

            fn connect(platform: &$crate::Platform) -> Result<Self, $crate::ConfigError> {
                Ok(Self { table: platform.table(&$table) })
            }
        }
    };
}
