//! What stock is to those who look at it, and the messages that move holds.

use kernel::counter::Counter;
use kernel::problem::code;
use kernel::{Problem, Sku, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The warehouse of a fresh shop.
pub const MAIN: &str = "main";
/// At or below so many units an item counts as low.
pub const LOW: i64 = 5;

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

/// Only `main` exists so far.
pub fn check_warehouse(name: &str) -> Result<(), Problem> {
    if name == MAIN {
        return Ok(());
    }
    let detail = format!("there is no warehouse `{name}`; there is `{MAIN}`");
    Err(Problem::new(code::WAREHOUSE_NOT_FOUND, detail))
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
    /// Where it may have held.
    pub lines: Vec<HeldLine>,
}

/// A place where an operation may have held units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldLine {
    /// The counter.
    #[serde(flatten)]
    pub key: CounterKey,
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
}

impl Availability {
    /// Of a counter.
    #[must_use]
    pub fn of(sku: Sku, counter: &Counter) -> Self {
        let status = match counter.available {
            available if available > LOW => Status::InStock,
            available if available > 0 => Status::Low,
            _ if counter.held() > 0 => Status::AllHeld,
            _ => Status::SoldOut,
        };
        Self { sku, status, available: counter.available }
    }
}

/// Stock, as staff sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Stock {
    /// The SKU.
    pub sku: Sku,
    /// One entry per warehouse and shard.
    pub items: Vec<StockItem>,
}

/// The stock of one counter; `available + held + taken = received`, always.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StockItem {
    /// Where.
    pub warehouse: String,
    /// Which part.
    pub shard: u32,
    /// Everything that came in, less what was written off.
    pub received: i64,
    /// What can be held now.
    pub available: i64,
    /// What orders under way hold.
    pub held: i64,
    /// What was sold.
    pub taken: i64,
}

impl Stock {
    /// Of a counter.
    #[must_use]
    pub fn of(key: &CounterKey, counter: &Counter) -> Self {
        let item = StockItem {
            warehouse: key.warehouse.clone(),
            shard: key.shard,
            received: counter.received,
            available: counter.available,
            held: counter.held(),
            taken: counter.taken,
        };
        Self { sku: key.sku.clone(), items: vec![item] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back() {
        let key = CounterKey::main(Sku::parse("TEA-1_a.b").unwrap());
        assert_eq!(CounterKey::parse(&key.partition()), Some(key));
        assert_eq!(CounterKey::parse("a|main"), None);
    }

    #[test]
    fn held_out_is_not_sold_out() {
        let sku = Sku::parse("A").unwrap();
        let now = Timestamp::from_millis(10);
        let mut counter = Counter::default();
        assert_eq!(Availability::of(sku.clone(), &counter).status, Status::SoldOut);
        counter.adjust("r", 6, "f", now);
        assert_eq!(Availability::of(sku.clone(), &counter).status, Status::InStock);
        counter.hold("a", 2, now, now);
        assert_eq!(Availability::of(sku.clone(), &counter).status, Status::Low);
        counter.hold("b", 4, now, now);
        assert_eq!(Availability::of(sku.clone(), &counter).status, Status::AllHeld);
        counter.confirm("a", now);
        counter.confirm("b", now);
        assert_eq!(Availability::of(sku, &counter).status, Status::SoldOut);
    }
}
