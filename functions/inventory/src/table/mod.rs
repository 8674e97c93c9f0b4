//! The tables of the inventory: counters, settings, warehouses, reservations and transfers in `inventory`, and the ledger.
//!
//! Each command of [`kernel::counter`] is one `UpdateItem` on one counter, its guard in the condition; when the condition
//! fails DynamoDB returns the item, and the pure counter explains what that means. The two commands that span counters
//! (units sent from one to another, shards taken out of sale) are transactions: rare, made by staff, never in a
//! shopper's way.

mod counters;
mod ledger;
mod reservations;
mod settings;
mod transfers;

use aws::TableSpec;

pub use counters::{
    AdjustStock, Held, HoldStock, Moved, Movement, ReadCounter, ReadStock, ReceiveStock, SettleHolds, Snapshot,
};
pub use ledger::{LEDGER, Position, ReadLedger, WriteLedger};
pub use reservations::{DecideReservation, Decided, LoadReservation, OpenReservation};
pub use settings::{
    ChangeSettings, ChangeWarehouses, Changed, NoteLow, ReadSettings, SplitStock, TakePlaces, settings_key,
};
pub use transfers::{Arrived, LoadTransfer, MoveUnits, Sent, ShiftUnits, Target, Transfer, TransferState};

/// Counters, and what belongs to them; the partition key spreads shards over partitions. The stream carries every movement.
pub const TABLE: TableSpec =
    TableSpec { name: "inventory", partition_key: "pk", sort_key: None, indexes: &[], ttl: None, stream: true };

/// The key of the warehouses of the shop.
pub(crate) const WAREHOUSES: &str = "|warehouses";
