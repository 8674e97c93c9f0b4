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
    /// A path of the search domain, in a stage that has one.
    Search {
        /// The path, without the slash that it begins with; `{prefix}` stands for the stage's prefix.
        path: &'static str,
    },
    /// The objects in the stage's bucket whose keys begin with a folder.
    Objects {
        /// The folder, without a slash.
        name: &'static str,
    },
    /// The CDN, in a stage that has one.
    Distribution,
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
    /// Only in a stage with this payment provider (`OXCART_PAYMENTS`); in every stage when it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_with: Option<&'static str>,
}

impl Grant {
    /// Actions on a resource.
    #[must_use]
    pub fn new(actions: &[&'static str], resource: Resource) -> Self {
        Self { actions: actions.to_vec(), resource, only_with: None }
    }

    /// The same, only in a stage with this payment provider: the code of every provider is in the function, and what the
    /// others need it may not do.
    #[must_use]
    pub fn only_with(self, payments: &'static str) -> Self {
        Self { only_with: Some(payments), ..self }
    }

    /// Whether it is given in a stage with this payment provider.
    #[must_use]
    pub fn applies(&self, payments: &str) -> bool {
        self.only_with.is_none_or(|provider| provider == payments)
    }
}

/// Merges grants: one entry a resource and condition, actions sorted and without repetition.
#[must_use]
pub fn union(grants: impl IntoIterator<Item = Grant>) -> Vec<Grant> {
    let mut all: Vec<Grant> = Vec::new();
    for grant in grants {
        let same = |known: &&mut Grant| known.resource == grant.resource && known.only_with == grant.only_with;
        match all.iter_mut().find(same) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_keeps_grants_on_one_resource_apart() {
        let table = Resource::Table { name: "payments" };
        let always = Grant::new(&["dynamodb:PutItem", "dynamodb:GetItem"], table.clone());
        let builtin = Grant::new(&["dynamodb:UpdateItem"], table.clone()).only_with("builtin");
        let again = Grant::new(&["dynamodb:GetItem"], table.clone()).only_with("builtin");
        let all = union([always, builtin, again]);
        assert_eq!(all.len(), 2);
        let given = |payments: &str| -> Vec<&'static str> {
            all.iter().filter(|grant| grant.applies(payments)).flat_map(|grant| grant.actions.clone()).collect()
        };
        assert_eq!(given("stripe"), ["dynamodb:GetItem", "dynamodb:PutItem"]);
        assert_eq!(given("builtin").len(), 4);
        let text = serde_json::to_value(&all).unwrap();
        let conditions: Vec<_> = text.as_array().unwrap().iter().map(|grant| grant.get("only_with").cloned()).collect();
        assert!(conditions.contains(&None) && conditions.contains(&Some("builtin".into())));
    }
}
