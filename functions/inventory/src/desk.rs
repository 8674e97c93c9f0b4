//! What serves several endpoints and workers: the end of a reservation, the door of an announced sale, and the spreading of
//! units over shards.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws::{Capability, ConfigError, DataError, Grant, Platform, SigningSecret};
use kernel::{CartId, Problem, ReservationId, Sku, Timestamp};
use lambda::Cx;

use crate::admission::{Block, DropMode, Ticket};
use crate::reservation::{Reservation, State, Verdict};
use crate::settings::Settings;
use crate::stock::{CounterKey, Part};
use crate::table::{
    DecideReservation, Decided, ReadSettings, ReadStock, Sent, SettleHolds, ShiftUnits, TakePlaces, Target,
};

/// Decides reservations and moves their holds.
#[derive(Clone)]
pub struct ReservationDesk {
    decide: DecideReservation,
    holds: SettleHolds,
}

impl Capability for ReservationDesk {
    fn grants() -> Vec<Grant> {
        [DecideReservation::grants(), SettleHolds::grants()].concat()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { decide: DecideReservation::connect(platform)?, holds: SettleHolds::connect(platform)? })
    }
}

impl ReservationDesk {
    /// Decides a reservation, once; what stands afterwards, `None` when there is no such reservation.
    pub async fn decide(
        &self,
        id: &ReservationId,
        verdict: Verdict,
        now: Timestamp,
    ) -> Result<Option<Reservation>, DataError> {
        Ok(match self.decide.decide(id, verdict, now).await? {
            Decided::Now(reservation) | Decided::Before(reservation) => Some(*reservation),
            Decided::Missing => None,
        })
    }

    /// Moves one hold as its record says: taken when it is committed and names this counter, given back otherwise. A
    /// reservation that is not decided moves nothing.
    pub async fn move_hold(
        &self,
        key: &CounterKey,
        id: &ReservationId,
        standing: Option<&Reservation>,
        now: Timestamp,
    ) -> Result<(), DataError> {
        let (committed, created) = match standing {
            Some(reservation) if !reservation.status.is_decided() => return Ok(()),
            Some(reservation) => {
                let named = reservation.parts.iter().any(|part| part.key == *key);
                (reservation.status == State::Committed && named, reservation.created_at)
            }
            // It is written before anything is held for it, so this is a hold of nobody.
            None => (false, now),
        };
        self.holds.settle(key, &id.op(), committed, created, now).await.map(|_| ())
    }

    /// Ends an overdue reservation and gives its hold on a counter back; whether that freed it.
    pub async fn end(&self, key: &CounterKey, id: &ReservationId, now: Timestamp) -> Result<bool, DataError> {
        let standing = self.decide(id, Verdict::Expire, now).await?;
        self.move_hold(key, id, standing.as_ref(), now).await?;
        Ok(true)
    }
}

/// How long a sandbox remembers whether an item is sold with admission: all its hopefuls ask at once.
const DROP_LIFE: Duration = Duration::from_secs(1);
/// The most items it remembers that of.
const REMEMBERED: usize = 200;

/// How items are sold, each until a moment.
type KnownDrops = HashMap<Sku, (Timestamp, Option<DropMode>)>;

/// Tells how items are sold, remembered for a second.
#[derive(Clone)]
pub struct Drops {
    settings: ReadSettings,
    memory: Arc<Mutex<KnownDrops>>,
}

impl Capability for Drops {
    fn grants() -> Vec<Grant> {
        ReadSettings::grants()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { settings: ReadSettings::connect(platform)?, memory: Arc::default() })
    }
}

impl Drops {
    fn memory(&self) -> MutexGuard<'_, KnownDrops> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How an item is sold, when it is with admission.
    pub async fn of(&self, sku: &Sku, cx: &Cx) -> Result<Option<DropMode>, DataError> {
        let now = cx.now();
        let known = self.memory().get(sku).filter(|(until, _)| *until > now).map(|(_, drop)| drop.clone());
        if let Some(known) = known {
            return Ok(known);
        }
        let drop = self.settings.of(sku).await?.drop;
        let mut memory = self.memory();
        if memory.len() >= REMEMBERED {
            memory.clear();
        }
        memory.insert(sku.clone(), (now.after(DROP_LIFE), drop.clone()));
        Ok(drop)
    }
}

/// Gives out places of announced sales.
#[derive(Clone)]
pub struct Door {
    places: TakePlaces,
    secret: SigningSecret,
    blocks: Arc<Mutex<HashMap<(Sku, Timestamp), Block>>>,
}

impl Capability for Door {
    fn grants() -> Vec<Grant> {
        [TakePlaces::grants(), SigningSecret::grants()].concat()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        let (places, secret) = (TakePlaces::connect(platform)?, SigningSecret::connect(platform)?);
        Ok(Self { places, secret, blocks: Arc::default() })
    }
}

impl Door {
    fn blocks(&self) -> MutexGuard<'_, HashMap<(Sku, Timestamp), Block>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A ticket with the next place, and its signed form.
    pub async fn place(
        &self,
        sku: &Sku,
        cart: &CartId,
        drop: &DropMode,
        cx: &Cx,
    ) -> Result<(Ticket, String), DataError> {
        let id = (sku.clone(), drop.opens_at);
        let (place, wanted) = {
            let mut blocks = self.blocks();
            if blocks.len() >= REMEMBERED {
                blocks.clear();
            }
            let block = blocks.entry(id.clone()).or_default();
            (block.pop(), block.wanted(cx.now()))
        };
        let place = match place {
            Some(place) => place,
            None => {
                let end = self.places.take(sku, drop.opens_at, wanted).await?;
                let mut block = Block::default();
                block.fill(end, wanted, cx.now());
                let place = block.pop().unwrap_or(end);
                self.blocks().insert(id, block);
                place
            }
        };
        let ticket = drop.ticket(sku, cart, place);
        let text = ticket.sign(self.secret.key().await?);
        Ok((ticket, text))
    }
}

/// Spreads the units of an item over its shards.
#[derive(Clone)]
pub struct Spreader {
    read: ReadStock,
    units: ShiftUnits,
}

impl Capability for Spreader {
    fn grants() -> Vec<Grant> {
        [ReadStock::grants(), ShiftUnits::grants()].concat()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { read: ReadStock::connect(platform)?, units: ShiftUnits::connect(platform)? })
    }
}

/// The most counters that one transaction takes units from: DynamoDB takes 100 actions, some of which are for its record,
/// its settings and its target.
const PARTS_AT_ONCE: u32 = 90;

/// How many counters a levelling transaction spans, from the first try on: the fewer, the likelier it gets through a
/// crowd; the more, the fewer marks stand in a counter that gives to all others.
const LEVELLED_AT_ONCE: [usize; 4] = [90, 16, 4, 2];

/// A movement between two shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shift {
    from: usize,
    to: usize,
    quantity: i64,
}

/// The movements that leave every shard with as much as any other, give or take one. Pure.
fn shifts(available: &[i64]) -> Vec<Shift> {
    let count = i64::try_from(available.len()).unwrap_or(1).max(1);
    let sum: i64 = available.iter().sum();
    let target = |index: usize| sum / count + i64::from(i64::try_from(index).unwrap_or(0) < sum % count);
    let mut left: Vec<i64> = available.iter().enumerate().map(|(index, units)| units - target(index)).collect();
    let mut shifts = Vec::new();
    let (mut from, mut to) = (0, 0);
    while let (Some(rich), Some(poor)) =
        ((from..left.len()).find(|index| left[*index] > 0), (to..left.len()).find(|index| left[*index] < 0))
    {
        let quantity = left[rich].min(-left[poor]);
        left[rich] -= quantity;
        left[poor] += quantity;
        shifts.push(Shift { from: rich, to: poor, quantity });
        (from, to) = (rich, poor);
    }
    shifts
}

impl Spreader {
    /// Evens out what is available in the shards `of` a warehouse. Units never leave sale on the way: each movement is one
    /// transaction. What a crowd of shoppers makes impossible now stays as it is: only evenness is lost.
    pub async fn spread(&self, sku: &Sku, warehouse: &str, actor: &str, cx: &Cx) -> Result<(), DataError> {
        self.level(sku, warehouse, None, actor, cx).await
    }

    /// What is available in all shards of a warehouse together.
    pub async fn available(&self, sku: &Sku, warehouse: &str) -> Result<i64, DataError> {
        let snapshot = self.read.all(std::slice::from_ref(sku), false, true).await?;
        let keys = snapshot.settings(sku).counters(sku).into_iter().filter(|key| key.warehouse == warehouse);
        Ok(keys.map(|key| snapshot.counter(&key).available).sum())
    }

    /// Moves all that is available out of the shards from `keep` on.
    pub async fn drain(&self, sku: &Sku, warehouse: &str, keep: u32, actor: &str, cx: &Cx) -> Result<(), DataError> {
        self.level(sku, warehouse, Some(keep), actor, cx).await
    }

    async fn level(
        &self,
        sku: &Sku,
        warehouse: &str,
        keep: Option<u32>,
        actor: &str,
        cx: &Cx,
    ) -> Result<(), DataError> {
        for at_once in LEVELLED_AT_ONCE {
            let snapshot = self.read.all(std::slice::from_ref(sku), false, true).await?;
            let settings = snapshot.settings(sku);
            let keys: Vec<CounterKey> =
                settings.counters(sku).into_iter().filter(|key| key.warehouse == warehouse).collect();
            let available: Vec<i64> = keys.iter().map(|key| snapshot.counter(key).available).collect();
            let plan = match keep.and_then(|keep| usize::try_from(keep).ok()) {
                Some(keep) => drained(&available, keep),
                None => shifts(&available),
            };
            let mut missed = false;
            for batch in batches(&plan, at_once) {
                let change = |(index, units): (usize, i64)| {
                    let key = keys[index].clone();
                    (Target { exists: snapshot.counters.contains_key(&key), key }, units)
                };
                let changes: Vec<(Target, i64)> = batch.into_iter().map(change).collect();
                missed |= !self.shift(sku, &changes, &settings, actor, cx).await?;
            }
            if !missed {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Brings units together that lie in more counters than one transaction has room for; whether it had to.
    pub async fn gather(&self, parts: &[Part], actor: &str, cx: &Cx) -> Result<bool, DataError> {
        let fits = u32::try_from(parts.len()).is_ok_and(|count| count <= PARTS_AT_ONCE);
        let Some(Part { key, .. }) = parts.first().filter(|_| !fits) else { return Ok(false) };
        self.drain(&key.sku, &key.warehouse, PARTS_AT_ONCE, actor, cx).await?;
        Ok(true)
    }

    /// One transaction; `false` when the counters or the settings were not as they had been read, or too many writers met.
    async fn shift(
        &self,
        sku: &Sku,
        changes: &[(Target, i64)],
        settings: &Settings,
        actor: &str,
        cx: &Cx,
    ) -> Result<bool, DataError> {
        let op = format!("s{}", &kernel::id::fingerprint(&[&cx.random()])[..11]);
        let sent = patiently(cx, || self.units.shift(sku, changes, settings.version, &op, actor, cx.now())).await;
        match sent {
            Ok(sent) => Ok(sent == Sent::Yes),
            Err(DataError::Busy(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The movements that empty the shards from `keep` on into those before. Pure.
fn drained(available: &[i64], keep: usize) -> Vec<Shift> {
    let from = available.iter().enumerate().skip(keep).filter(|(_, units)| **units > 0);
    from.map(|(from, units)| Shift { from, to: from % keep.max(1), quantity: *units }).collect()
}

/// The movements as transactions that span so many counters each: what each counter gains or gives in it, in sum nothing.
/// Pure.
fn batches(plan: &[Shift], at_once: usize) -> Vec<BTreeMap<usize, i64>> {
    let mut batches: Vec<BTreeMap<usize, i64>> = Vec::new();
    for Shift { from, to, quantity } in plan {
        let fits = |batch: &BTreeMap<usize, i64>| {
            let more = [from, to].into_iter().filter(|index| !batch.contains_key(index)).count();
            batch.len() + more <= at_once
        };
        if !batches.last().is_some_and(fits) {
            batches.push(BTreeMap::new());
        }
        if let Some(batch) = batches.last_mut() {
            *batch.entry(*from).or_default() -= quantity;
            *batch.entry(*to).or_default() += quantity;
        }
    }
    batches
}

/// Runs a transaction again when it met another writer: a few times, with growing pauses.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, DataError>>>(
    cx: &Cx,
    mut run: impl FnMut() -> F,
) -> Result<T, DataError> {
    let mut pause = Duration::from_millis(20);
    for _ in 0..6 {
        match run().await {
            Err(DataError::Busy(_)) => cx.sleep(pause).await,
            other => return other,
        }
        pause *= 2;
    }
    run().await
}

/// A problem for whoever asks for a reservation that does not exist.
pub(crate) fn no_reservation() -> Problem {
    Problem::new(kernel::problem::code::RESERVATION_NOT_FOUND, "there is no such reservation")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn apply(available: &[i64], plan: &[Shift]) -> Vec<i64> {
        let mut after = available.to_vec();
        for Shift { from, to, quantity } in plan {
            assert!(*quantity > 0 && after[*from] >= *quantity, "{plan:?} on {available:?}");
            after[*from] -= quantity;
            after[*to] += quantity;
        }
        after
    }

    proptest! {
        #[test]
        fn spreading_evens_out_and_loses_nothing(available in prop::collection::vec(0_i64..50, 1..20)) {
            let plan = shifts(&available);
            let after = apply(&available, &plan);
            prop_assert_eq!(after.iter().sum::<i64>(), available.iter().sum::<i64>());
            prop_assert!(after.iter().max().unwrap() - after.iter().min().unwrap() <= 1);
            prop_assert!(plan.len() < available.len());
        }

        #[test]
        fn transactions_come_to_what_was_planned_and_have_room(
            available in prop::collection::vec(0_i64..50, 1..40), at_once in 2_usize..12,
        ) {
            let plan = shifts(&available);
            let mut after = available.clone();
            for batch in batches(&plan, at_once) {
                prop_assert!(batch.len() <= at_once && batch.values().sum::<i64>() == 0);
                prop_assert!(batch.values().all(|units| *units != 0), "{batch:?}");
                for (index, units) in batch {
                    after[index] += units;
                    prop_assert!(after[index] >= 0);
                }
            }
            prop_assert_eq!(after, apply(&available, &plan));
        }

        #[test]
        fn draining_empties_what_goes(available in prop::collection::vec(0_i64..50, 2..20), keep in 1_usize..2) {
            let after = apply(&available, &drained(&available, keep));
            prop_assert!(after.iter().skip(keep).all(|units| *units == 0));
        }
    }
}
