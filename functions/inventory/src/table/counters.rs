//! Counters of stock: one item each. What a command writes stands in the crate `counters`; here is where.

use std::collections::HashMap;

use aws::table::{Written, attribute, from_item, to_item, written};
use aws::{Capability, ConfigError, DataError, Grant, Item, Platform, Resource, capability};
use counters::{Change, Settlement};
pub use counters::{Held, Moved};
use kernel::counter::{Adjustment, Counter, HoldRequest, Outcome};
use kernel::{Sku, Timestamp};

use super::settings::Shop;
use super::{TABLE, WAREHOUSES, settings_key};
use crate::ledger::{CounterItem, Note};
use crate::settings::{Settings, Warehouses};
use crate::stock::CounterKey;

/// The attribute in which the last movement by hand is remembered, for the ledger.
const LAST: &str = "last";

capability!(
    /// Reads one counter.
    ReadCounter on TABLE: ["dynamodb:GetItem"]
);

capability!(
    /// Reads many counters at once, and the settings of their items.
    ReadStock on TABLE: ["dynamodb:BatchGetItem"]
);

capability!(
    /// Holds units for an operation.
    HoldStock on TABLE: ["dynamodb:UpdateItem"]
);

capability!(
    /// Takes units in, also of an item that was never stocked.
    ReceiveStock on TABLE: ["dynamodb:UpdateItem", "dynamodb:PutItem"]
);

capability!(
    /// Corrects the count of an item.
    AdjustStock on TABLE: ["dynamodb:UpdateItem"]
);

/// Confirms or releases holds as their record says, and prunes marks.
#[derive(Clone)]
pub struct SettleHolds {
    table: aws::Table,
    marks: usize,
}

impl Capability for SettleHolds {
    fn grants() -> Vec<Grant> {
        vec![Grant::new(&["dynamodb:UpdateItem"], Resource::Table { name: TABLE.name })]
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { table: platform.table(&TABLE), marks: platform.config().done_marks })
    }
}

/// What one read of many items' stock found: their settings, and the counters that were asked for.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Items with settings of their own.
    pub settings: HashMap<Sku, Settings>,
    /// Counters that exist.
    pub counters: HashMap<CounterKey, Counter>,
    /// The warehouses of the shop, when they were asked for and are more than the one of a fresh shop.
    pub warehouses: Option<Warehouses>,
}

impl Snapshot {
    /// The settings of an item.
    #[must_use]
    pub fn settings(&self, sku: &Sku) -> Settings {
        self.settings.get(sku).cloned().unwrap_or_default()
    }

    /// A counter; of one that was never written, the default.
    #[must_use]
    pub fn counter(&self, key: &CounterKey) -> Counter {
        self.counters.get(key).cloned().unwrap_or_default()
    }

    fn add(&mut self, item: Item) -> Result<(), DataError> {
        let pk = item.get("pk").and_then(|pk| pk.as_s().ok()).cloned().unwrap_or_default();
        if pk == WAREHOUSES {
            self.warehouses = Some(from_item::<Shop>(item)?.shop);
        } else if let Some(key) = CounterKey::parse(&pk) {
            self.counters.insert(key, from_item(item)?);
        } else if let Some(sku) = pk.strip_suffix('|').and_then(Sku::parse) {
            self.settings.insert(sku, from_item(item)?);
        } else {
            return Err(DataError::Corrupt("an inventory item without a readable key".into()));
        }
        Ok(())
    }
}

impl ReadCounter {
    /// The counter as it stands now.
    pub async fn read(&self, key: &CounterKey) -> Result<Option<Counter>, DataError> {
        self.table.get(self.table.key(key.partition()), true).await?.map(from_item).transpose()
    }
}

impl ReadStock {
    async fn read(&self, keys: Vec<String>, consistent: bool) -> Result<Snapshot, DataError> {
        let keys = keys.into_iter().map(|key| self.table.key(key)).collect();
        let mut snapshot = Snapshot::default();
        for item in self.table.get_many(keys, consistent).await? {
            snapshot.add(item)?;
        }
        Ok(snapshot)
    }

    /// Settings of items and their first counter, which is all there is of most items; the settings only of others that are
    /// known to be split; these further counters, and the warehouses when asked.
    pub async fn first_look(
        &self,
        skus: &[Sku],
        split: &[Sku],
        more: &[CounterKey],
        with_warehouses: bool,
        consistent: bool,
    ) -> Result<Snapshot, DataError> {
        let of = |sku: &Sku| [settings_key(sku), CounterKey::main(sku.clone()).partition()];
        let shop = with_warehouses.then(|| WAREHOUSES.to_owned());
        let more = more.iter().map(CounterKey::partition);
        let split = split.iter().map(settings_key);
        self.read(skus.iter().flat_map(of).chain(split).chain(more).chain(shop).collect(), consistent).await
    }

    /// These counters, and nothing else.
    pub async fn only(&self, keys: &[CounterKey]) -> Result<HashMap<CounterKey, Counter>, DataError> {
        Ok(self.read(keys.iter().map(CounterKey::partition).collect(), true).await?.counters)
    }

    /// These counters, and the settings of their item.
    pub async fn counters(&self, sku: &Sku, keys: &[CounterKey], consistent: bool) -> Result<Snapshot, DataError> {
        let keys = keys.iter().map(CounterKey::partition).chain([settings_key(sku)]);
        self.read(keys.collect(), consistent).await
    }

    /// Settings and counters of many items: one round trip for items that are in one piece, two when some are split.
    /// `books` reads also the counters that are not sold from any more.
    pub async fn all(&self, skus: &[Sku], books: bool, consistent: bool) -> Result<Snapshot, DataError> {
        let mut snapshot = self.first_look(skus, &[], &[], false, consistent).await?;
        let keys = |(sku, settings): (&Sku, &Settings)| {
            let keys = if books { settings.books(sku) } else { settings.counters(sku) };
            keys.into_iter().filter(|key| *key != CounterKey::main(key.sku.clone()))
        };
        let more: Vec<String> = snapshot.settings.iter().flat_map(keys).map(|key| key.partition()).collect();
        if !more.is_empty() {
            snapshot.counters.extend(self.read(more, consistent).await?.counters);
        }
        Ok(snapshot)
    }

    /// How many units of many SKUs can be bought now, eventually consistent. SKUs that were never stocked are left out.
    pub async fn available(&self, skus: &[Sku]) -> Result<HashMap<Sku, i64>, DataError> {
        let snapshot = self.all(skus, false, false).await?;
        let of = |sku: &Sku| {
            let settings = snapshot.settings(sku);
            let keys = settings.counters(sku);
            let counters: Vec<_> = keys.iter().filter_map(|key| Some((key, snapshot.counters.get(key)?))).collect();
            let known = snapshot.settings.contains_key(sku) || !counters.is_empty();
            let availability = crate::Availability::of(sku.clone(), &settings, counters);
            known.then_some((sku.clone(), availability.available))
        };
        Ok(skus.iter().filter_map(of).collect())
    }
}

impl HoldStock {
    /// One conditional write. A repeated call of the same operation finds its own hold and says yes.
    pub async fn hold(&self, key: &CounterKey, hold: &HoldRequest<'_>) -> Result<Held, DataError> {
        counters::hold(&self.table, &key.partition(), hold).await
    }
}

impl SettleHolds {
    /// Moves the hold of an operation as its record says: committed → confirm, otherwise → release. `created` is the
    /// record's, and the time of the mark: no clock of a worker comes into it. Who knows no record gives the present time.
    pub async fn settle(
        &self,
        key: &CounterKey,
        op: &str,
        committed: bool,
        created: Timestamp,
        now: Timestamp,
    ) -> Result<Outcome, DataError> {
        let settlement = Settlement { op, committed, created, now, marks: self.marks };
        counters::settle(&self.table, &key.partition(), &settlement).await
    }
}

/// Units that staff moves.
#[derive(Clone, Debug)]
pub struct Movement<'a> {
    /// What is moved, and by which operation.
    pub adjustment: Adjustment<'a>,
    /// What kind of movement it is, as the ledger reads it: `receipt`, `adjustment`.
    pub kind: &'static str,
    /// Who.
    pub actor: &'a str,
    /// Why.
    pub reason: &'a str,
}

impl<'a> Movement<'a> {
    /// Units that come in without anybody's doing: an opening stock.
    #[must_use]
    pub fn opening(op: &'a str, quantity: i64, fingerprint: &'a str) -> Self {
        let adjustment = Adjustment { op, quantity, fingerprint, expected: None };
        Self { adjustment, kind: "receipt", actor: "system", reason: "opening stock" }
    }

    pub(super) fn note(&self) -> Note {
        Note {
            op: self.adjustment.op.to_owned(),
            kind: self.kind.to_owned(),
            actor: self.actor.to_owned(),
            reason: self.reason.to_owned(),
        }
    }
}

/// A movement, with its guard, for a part of a transaction.
pub(super) fn moving(movement: &Movement<'_>, now: Timestamp) -> Result<Change, DataError> {
    Change::moving(&movement.adjustment, Some((LAST, attribute(&movement.note())?)), now)
}

/// Another number of units that may be held beyond those received, from what it was.
pub(super) fn allowing(before: i64, after: i64, note: &Note) -> Result<Change, DataError> {
    Ok(Change::allowing(before, after, (LAST, attribute(note)?)))
}

/// Receives or adjusts by one conditional write.
async fn move_units(
    table: &aws::Table,
    key: &CounterKey,
    movement: &Movement<'_>,
    now: Timestamp,
) -> Result<Moved, DataError> {
    let note = (LAST, attribute(&movement.note())?);
    counters::adjust(table, &key.partition(), &movement.adjustment, Some(note), now).await
}

/// The item of a counter that is written for the first time.
pub(super) fn new_counter(key: &CounterKey, counter: Counter, last: Option<Note>) -> Result<Item, DataError> {
    to_item(&CounterItem { pk: key.partition(), counter, last, low: None })
}

impl ReceiveStock {
    /// Takes units in. The first receipt of an item makes its counter.
    pub async fn receive(&self, key: &CounterKey, movement: &Movement<'_>, now: Timestamp) -> Result<Moved, DataError> {
        // Two rounds are enough: whoever loses the race to make the counter finds it on the second.
        for _ in 0..2 {
            let moved = move_units(&self.table, key, movement, now).await?;
            if moved != Moved::Unknown {
                return Ok(moved);
            }
            let mut counter = Counter::default();
            counter.adjust(&movement.adjustment, now);
            let item = new_counter(key, counter.clone(), Some(movement.note()))?;
            let put = self.table.client().put_item().table_name(self.table.name()).set_item(Some(item));
            let put = put.condition_expression("attribute_not_exists(pk)").send().await;
            if matches!(written(put)?, Written::Yes(_)) {
                return Ok(Moved::Yes(counter));
            }
        }
        Err(DataError::Busy("the counter came and went".into()))
    }
}

impl AdjustStock {
    /// Corrects a count by a signed number of units.
    pub async fn adjust(&self, key: &CounterKey, movement: &Movement<'_>, now: Timestamp) -> Result<Moved, DataError> {
        move_units(&self.table, key, movement, now).await
    }
}
