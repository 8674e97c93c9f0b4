//! The address book of a customer: addresses in the form in which the checkout takes them.
//!
//! Pure. It owns what an entry is; orders keep copies of their own, so changing the book changes no order.

use kernel::{AddressId, Timestamp};
use orders::order::Address;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One address of a customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "AddressEntry")]
pub struct Entry {
    /// Its id.
    pub id: AddressId,
    /// The address, as the checkout takes it.
    pub address: Address,
    /// When it came in.
    pub added_at: Timestamp,
}

/// An entry as it is stored, under its id.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoredEntry {
    address: Address,
    added_at: Timestamp,
}

impl StoredEntry {
    pub(crate) fn under(self, id: AddressId) -> Entry {
        Entry { id, address: self.address, added_at: self.added_at }
    }
}

impl From<Entry> for StoredEntry {
    fn from(entry: Entry) -> Self {
        Self { address: entry.address, added_at: entry.added_at }
    }
}
