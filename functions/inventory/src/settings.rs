//! How an item is kept: in which warehouses, split into how many shards, counted or not, and who may have the last units;
//! and the warehouses of the shop. Pure.
//!
//! An item without settings of its own, as most are, is counted in one shard of the warehouse `main`.

use std::collections::BTreeMap;

use kernel::{Country, EventId, Handle, Sku, Timestamp, TransferId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admission::DropMode;
use crate::stock::{CounterKey, InTransit};

/// The warehouse of a fresh shop.
pub const MAIN: &str = "main";
/// At or below so many units an item counts as low, when it does not say otherwise.
pub const LOW: i64 = 5;
/// The sales channel of the shop itself.
pub const WEB: &str = "web";

/// How a warehouse's stock of one item is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shards {
    /// So many counters are sold from.
    pub active: u32,
    /// So many there ever were: the books of all of them count.
    pub ever: u32,
}

impl Shards {
    /// Not split.
    pub const ONE: Self = Self { active: 1, ever: 1 };
}

/// Whether and how units are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "policy", rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "StockPolicy")]
pub enum Tracking {
    /// Counted: what is not here is not sold.
    #[default]
    Track,
    /// Not counted: there is always enough, as of a download.
    None,
    /// Counted, and sold before it is here: backorder, or preorder of what is yet to come.
    Backorder {
        /// So many units beyond those that are here.
        #[schemars(range(min = 1, max = 1_000_000))]
        limit: u32,
        /// When they are expected; shoppers are told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected_at: Option<Timestamp>,
    },
}

impl Tracking {
    /// How many units may be held beyond those that are here.
    #[must_use]
    pub fn allowance(&self) -> i64 {
        match self {
            Self::Backorder { limit, .. } => i64::from(*limit),
            Self::Track | Self::None => 0,
        }
    }
}

/// The settings of one item, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The warehouses that keep it, and how they split it.
    pub warehouses: BTreeMap<String, Shards>,
    /// Whether and how it is counted.
    pub tracking: Tracking,
    /// At or below so many units it counts as low, and staff is told.
    pub low_at: i64,
    /// Sales channel → units that this channel must leave to the others.
    pub safety: BTreeMap<String, u32>,
    /// How an announced sale of it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop: Option<DropMode>,
    /// What left one of its warehouses and has not arrived in another.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub in_transit: BTreeMap<TransferId, InTransit>,
    /// When staff was told that it is low; gone when units came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low_told_at: Option<Timestamp>,
    /// The event that told it: a delivery of it that is repeated tells again what may not have got through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low_told_by: Option<EventId>,
    /// Rises with every change.
    pub version: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            warehouses: BTreeMap::from([(MAIN.to_owned(), Shards::ONE)]),
            tracking: Tracking::Track,
            low_at: LOW,
            safety: BTreeMap::new(),
            drop: None,
            in_transit: BTreeMap::new(),
            low_told_at: None,
            low_told_by: None,
            version: 0,
        }
    }
}

impl Settings {
    /// How a warehouse splits it.
    #[must_use]
    pub fn shards(&self, warehouse: &str) -> Shards {
        self.warehouses.get(warehouse).copied().unwrap_or(Shards::ONE)
    }

    /// Whether one counter is all there is: then one look at it is exact.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.warehouses.len() == 1 && self.warehouses.get(MAIN).is_some_and(|shards| shards.active == 1)
    }

    /// The counters that are sold from.
    #[must_use]
    pub fn counters(&self, sku: &Sku) -> Vec<CounterKey> {
        self.keys(sku, |shards| shards.active)
    }

    /// Every counter there ever was: the books.
    #[must_use]
    pub fn books(&self, sku: &Sku) -> Vec<CounterKey> {
        self.keys(sku, |shards| shards.ever)
    }

    fn keys(&self, sku: &Sku, count: impl Fn(&Shards) -> u32) -> Vec<CounterKey> {
        let of = |(warehouse, shards): (&String, &Shards)| {
            let (sku, warehouse) = (sku.clone(), warehouse.clone());
            (0..count(shards)).map(move |shard| CounterKey { sku: sku.clone(), warehouse: warehouse.clone(), shard })
        };
        self.warehouses.iter().flat_map(of).collect()
    }

    /// What a channel must leave in a counter: its safety stock, spread evenly over all counters that are sold from.
    #[must_use]
    pub fn reserve(&self, channel: &str, key: &CounterKey) -> u32 {
        let Some(units) = self.safety.get(channel).copied().filter(|units| *units > 0) else { return 0 };
        let all: u32 = self.warehouses.values().map(|shards| shards.active).sum();
        let before: u32 =
            self.warehouses.range(..key.warehouse.clone()).map(|(_, shards)| shards.active).sum::<u32>() + key.shard;
        units / all.max(1) + u32::from(before < units % all.max(1))
    }
}

/// A warehouse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Warehouse {
    /// What requests call it.
    pub id: Handle,
    /// What people call it.
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
}

/// The warehouses of the shop, and which one serves which country first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Warehouses {
    /// All of them, in the order in which they serve a country that has no list of its own.
    #[schemars(length(min = 1, max = 50))]
    pub warehouses: Vec<Warehouse>,
    /// Country → the warehouses that serve it first, by id, in this order; the others follow.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 250, "propertyNames" = { "type": "string", "format": "country" }))]
    pub priorities: BTreeMap<Country, Vec<Handle>>,
}

impl Default for Warehouses {
    fn default() -> Self {
        let main = Handle::parse(MAIN).map(|id| Warehouse { id, name: "Main warehouse".to_owned() });
        Self { warehouses: main.into_iter().collect(), priorities: BTreeMap::new() }
    }
}

impl Warehouses {
    /// Whether there is one of this id.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.warehouses.iter().any(|warehouse| warehouse.id.as_str() == id)
    }

    /// Where an item is looked for, in order: the country's list, then the shop's, then whatever else keeps it.
    #[must_use]
    pub fn route(&self, settings: &Settings, country: Option<&Country>) -> Vec<String> {
        let first = country.and_then(|country| self.priorities.get(country)).into_iter().flatten();
        let own = self.warehouses.iter().map(|warehouse| &warehouse.id);
        let named = first.chain(own).map(Handle::as_str);
        let mut route: Vec<String> = Vec::with_capacity(settings.warehouses.len());
        for id in named.chain(settings.warehouses.keys().map(String::as_str)) {
            if settings.warehouses.contains_key(id) && !route.iter().any(|known| known == id) {
                route.push(id.to_owned());
            }
        }
        route
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split() -> Settings {
        let berlin = Shards { active: 2, ever: 4 };
        let warehouses = BTreeMap::from([("berlin".to_owned(), berlin), (MAIN.to_owned(), Shards::ONE)]);
        Settings { warehouses, ..Settings::default() }
    }

    #[test]
    fn counters_that_are_sold_from_and_those_in_the_books() {
        let sku = Sku::parse("A").unwrap();
        let text = |keys: Vec<CounterKey>| keys.iter().map(CounterKey::partition).collect::<Vec<_>>();
        assert_eq!(text(split().counters(&sku)), ["A|berlin|0", "A|berlin|1", "A|main|0"]);
        assert_eq!(split().books(&sku).len(), 5);
        assert!(Settings::default().is_whole() && !split().is_whole());
    }

    #[test]
    fn a_safety_stock_is_spread_without_loss() {
        let sku = Sku::parse("A").unwrap();
        for units in 0..8 {
            let settings = Settings { safety: BTreeMap::from([("pos".to_owned(), units)]), ..split() };
            let spread = settings.counters(&sku).iter().map(|key| settings.reserve("pos", key)).sum::<u32>();
            assert_eq!(spread, units);
            assert_eq!(settings.reserve(WEB, &CounterKey::main(sku.clone())), 0);
        }
    }

    #[test]
    fn a_country_is_served_by_its_list_first() {
        let handle = |id: &str| Handle::parse(id).unwrap();
        let warehouse = |id: &str| Warehouse { id: handle(id), name: id.to_owned() };
        let germany = Country::parse("DE").unwrap();
        let shop = Warehouses {
            warehouses: vec![warehouse(MAIN), warehouse("berlin"), warehouse("rome")],
            priorities: BTreeMap::from([(germany.clone(), vec![handle("rome"), handle("berlin")])]),
        };
        assert_eq!(shop.route(&split(), Some(&germany)), ["berlin", MAIN]);
        assert_eq!(shop.route(&split(), None), [MAIN, "berlin"]);
    }
}
