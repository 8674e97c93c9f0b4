//! What stock is to those who look at it, where it lies, and the messages that move holds.

use kernel::counter::Counter;
use kernel::{Sku, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::{MAIN, Settings, Tracking, WEB};

/// Which counter: SKU, warehouse, shard. Its text form is the partition key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CounterKey {
    /// What is counted.
    pub sku: Sku,
    /// Where.
    pub warehouse: String,
    /// Which part of it.
    pub shard: u32,
}

impl CounterKey {
    /// The one counter of an item that was never split, in the main warehouse.
    #[must_use]
    pub fn main(sku: Sku) -> Self {
        Self { sku, warehouse: MAIN.to_owned(), shard: 0 }
    }

    /// The partition key. A SKU has no `|`, so it reads back.
    #[must_use]
    pub fn partition(&self) -> String {
        format!("{}|{}|{}", self.sku, self.warehouse, self.shard)
    }

    /// From a partition key.
    #[must_use]
    pub fn parse(partition: &str) -> Option<Self> {
        let mut parts = partition.split('|');
        let (sku, warehouse, shard) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { sku: Sku::parse(sku)?, warehouse: warehouse.to_owned(), shard: shard.parse().ok()? })
    }
}

/// Units of one counter that an operation holds, and that its record names: only these are taken when it is committed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    /// The counter.
    #[serde(flatten)]
    pub key: CounterKey,
    /// How many units.
    pub quantity: u32,
}

/// The record of an operation was decided: its holds are confirmed or released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldDecision {
    /// The operation.
    pub op: String,
    /// Committed: confirm. Not: release.
    pub committed: bool,
    /// When the record was created.
    pub created: Timestamp,
    /// The holds that the record names.
    pub parts: Vec<Part>,
}

/// A counter sank to its item's threshold: it may have to be ordered again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockSank {
    /// The item.
    pub sku: Sku,
}

/// Whether something can be bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "StockStatus")]
pub enum Status {
    /// Yes.
    InStock,
    /// Yes, a few.
    Low,
    /// Not now: other shoppers hold what is left, and units may come back.
    AllHeld,
    /// No.
    SoldOut,
}

/// Availability, as shoppers see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Availability {
    /// The SKU.
    pub sku: Sku,
    /// Whether it can be bought.
    pub status: Status,
    /// How many units can be bought now.
    pub available: i64,
    /// When units that are sold before they are here are expected; absent for what is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_at: Option<Timestamp>,
    /// Present, and true, when buying it takes an admission: `POST /v1/inventory/{sku}/admissions`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub admission: bool,
}

/// What an item that is not counted is said to have.
const UNCOUNTED: i64 = 999;

impl Availability {
    /// Of an item with these counters. What the web shop must leave to other channels, shoppers cannot buy.
    #[must_use]
    pub fn of<'a>(
        sku: Sku,
        settings: &Settings,
        counters: impl IntoIterator<Item = (&'a CounterKey, &'a Counter)>,
    ) -> Self {
        let (mut available, mut held, mut here) = (0, 0, 0);
        for (key, counter) in counters {
            available += (counter.available - i64::from(settings.reserve(WEB, key))).max(0);
            held += counter.held();
            here += counter.available - counter.allowance;
        }
        let drop = settings.drop.as_ref();
        let (status, available) = match (&settings.tracking, available) {
            _ if drop.is_some_and(|drop| drop.gone) => (Status::SoldOut, 0),
            (Tracking::None, _) => (Status::InStock, UNCOUNTED),
            (_, units) if units > settings.low_at => (Status::InStock, units),
            (_, units) if units > 0 => (Status::Low, units),
            _ if held > 0 => (Status::AllHeld, 0),
            _ => (Status::SoldOut, 0),
        };
        let expected_at = match &settings.tracking {
            Tracking::Backorder { expected_at, .. } if available > 0 && here <= 0 => *expected_at,
            _ => None,
        };
        Self { sku, status, available, expected_at, admission: drop.is_some() }
    }
}

/// Stock, as staff sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Stock {
    /// The SKU.
    pub sku: Sku,
    /// One entry per warehouse and shard.
    pub items: Vec<StockItem>,
    /// What left one warehouse and has not arrived in the other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub in_transit: Vec<InTransit>,
}

/// The stock of one counter; `available + held + taken = received + allowance`, always.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StockItem {
    /// Where.
    pub warehouse: String,
    /// Which part.
    pub shard: u32,
    /// Everything that came in, less what was written off or sent away.
    pub received: i64,
    /// What can be held now.
    pub available: i64,
    /// What orders and reservations under way hold.
    pub held: i64,
    /// What was sold.
    pub taken: i64,
    /// How many units may be sold before they are here.
    #[serde(skip_serializing_if = "is_zero")]
    pub allowance: i64,
    /// Rises with every movement; `If-Match` on an adjustment takes it.
    pub version: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Units between two warehouses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InTransit {
    /// The transfer.
    pub transfer: kernel::TransferId,
    /// Where from.
    pub from: String,
    /// Where to.
    pub to: String,
    /// How many units.
    pub quantity: u32,
    /// Since when.
    pub since: Timestamp,
}

impl StockItem {
    /// Of a counter.
    #[must_use]
    pub fn of(key: &CounterKey, counter: &Counter) -> Self {
        Self {
            warehouse: key.warehouse.clone(),
            shard: key.shard,
            received: counter.received,
            available: counter.available,
            held: counter.held(),
            taken: counter.taken,
            allowance: counter.allowance,
            version: counter.rev,
        }
    }
}

impl Stock {
    /// Of counters, in their order.
    #[must_use]
    pub fn of<'a>(sku: Sku, counters: impl IntoIterator<Item = (&'a CounterKey, &'a Counter)>) -> Self {
        let items = counters.into_iter().map(|(key, counter)| StockItem::of(key, counter)).collect();
        Self { sku, items, in_transit: Vec::new() }
    }

    /// The version of its one counter; `None` when there are several.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        match self.items.as_slice() {
            [item] => u64::try_from(item.version).ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::counter::{Adjustment, HoldRequest};

    use super::*;

    #[test]
    fn keys_read_back() {
        let key = CounterKey::main(Sku::parse("TEA-1_a.b").unwrap());
        assert_eq!(CounterKey::parse(&key.partition()), Some(key));
        assert_eq!(CounterKey::parse("a|main"), None);
        assert_eq!(CounterKey::parse("|warehouses"), None);
    }

    fn status(counters: &[Counter]) -> Status {
        let key = CounterKey::main(Sku::parse("A").unwrap());
        let counters = counters.iter().map(|counter| (&key, counter));
        Availability::of(key.sku.clone(), &Settings::default(), counters).status
    }

    #[test]
    fn held_out_is_not_sold_out_and_shards_count_together() {
        let now = Timestamp::from_millis(10);
        let mut shards = [Counter::default(), Counter::default()];
        assert_eq!(status(&shards), Status::SoldOut);
        for counter in &mut shards {
            counter.adjust(&Adjustment { op: "r", quantity: 3, fingerprint: "f", expected: None }, now);
        }
        assert_eq!(status(&shards), Status::InStock);
        let hold = |op, quantity| HoldRequest { op, quantity, reserve: 0, deadline: now, created: now, channel: None };
        shards[0].hold(&hold("a", 3));
        assert_eq!(status(&shards), Status::Low);
        shards[1].hold(&hold("b", 3));
        assert_eq!(status(&shards), Status::AllHeld);
        shards[0].confirm("a", now);
        shards[1].confirm("b", now);
        assert_eq!(status(&shards), Status::SoldOut);
    }
}
