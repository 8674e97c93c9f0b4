//! What serves several endpoints and workers: the end of a reservation, the door of an announced sale, and the spreading of
//! units over shards.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws::{Capability, ConfigError, DataError, Grant, Platform, SigningSecret};
use kernel::{CartId, Problem, ReservationId, Sku, Timestamp};
use lambda::Cx;

use crate::admission::{Block, DropMode, Ticket};
use crate::reservation::{Reservation, State, Verdict};
use crate::settings::Settings;
use crate::stock::CounterKey;
use crate::table::{
    Decided, DecideReservation, MoveUnits, ReadSettings, ReadStock, Sent, SettleHolds, TakePlaces, Target,
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

/// Gives out places of announced sales.
#[derive(Clone)]
pub struct Door {
    settings: ReadSettings,
    places: TakePlaces,
    secret: SigningSecret,
    memory: Arc<Mutex<DoorMemory>>,
}

#[derive(Default)]
struct DoorMemory {
    drops: HashMap<Sku, (Timestamp, Option<DropMode>)>,
    blocks: HashMap<(Sku, Timestamp), Block>,
}

impl Capability for Door {
    fn grants() -> Vec<Grant> {
        [ReadSettings::grants(), TakePlaces::grants(), SigningSecret::grants()].concat()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            settings: ReadSettings::connect(platform)?,
            places: TakePlaces::connect(platform)?,
            secret: SigningSecret::connect(platform)?,
            memory: Arc::default(),
        })
    }
}

impl Door {
    fn memory(&self) -> MutexGuard<'_, DoorMemory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How an item is sold, when it is with admission.
    pub async fn drop_of(&self, sku: &Sku, cx: &Cx) -> Result<Option<DropMode>, DataError> {
        let now = cx.now();
        let known = self.memory().drops.get(sku).filter(|(until, _)| *until > now).map(|(_, drop)| drop.clone());
        if let Some(known) = known {
            return Ok(known);
        }
        let drop = self.settings.of(sku).await?.drop;
        let mut memory = self.memory();
        if memory.drops.len() >= REMEMBERED {
            memory.drops.clear();
        }
        memory.drops.insert(sku.clone(), (now.after(DROP_LIFE), drop.clone()));
        Ok(drop)
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
            let mut memory = self.memory();
            if memory.blocks.len() >= REMEMBERED {
                memory.blocks.clear();
            }
            let block = memory.blocks.entry(id.clone()).or_default();
            (block.pop(), block.wanted(cx.now()))
        };
        let place = match place {
            Some(place) => place,
            None => {
                let end = self.places.take(sku, drop.opens_at, wanted).await?;
                let mut block = Block::default();
                block.fill(end, wanted, cx.now());
                let place = block.pop().unwrap_or(end);
                self.memory().blocks.insert(id, block);
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
    units: MoveUnits,
}

impl Capability for Spreader {
    fn grants() -> Vec<Grant> {
        [ReadStock::grants(), MoveUnits::grants()].concat()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { read: ReadStock::connect(platform)?, units: MoveUnits::connect(platform)? })
    }
}

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
    while let (Some(rich), Some(poor)) = (
        (from..left.len()).find(|index| left[*index] > 0),
        (to..left.len()).find(|index| left[*index] < 0),
    ) {
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
        for _ in 0..4 {
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
            for shift in plan {
                let target = Target {
                    exists: snapshot.counters.contains_key(&keys[shift.to]),
                    key: keys[shift.to].clone(),
                };
                let from = &keys[shift.from];
                missed |= !self.shift(from, &target, shift.quantity, &settings, actor, cx).await?;
            }
            if !missed {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One movement; `false` when the counters or the settings were not as they had been read, or too many writers met.
    async fn shift(
        &self,
        from: &CounterKey,
        to: &Target,
        quantity: i64,
        settings: &Settings,
        actor: &str,
        cx: &Cx,
    ) -> Result<bool, DataError> {
        let Ok(quantity) = u32::try_from(quantity) else { return Ok(true) };
        let op = format!("s{}", &kernel::id::fingerprint(&[&cx.random()])[..11]);
        let version = settings.version;
        let sent = patiently(cx, || self.units.shift(from, to, quantity, version, &op, actor, cx.now())).await;
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
        fn draining_empties_what_goes(available in prop::collection::vec(0_i64..50, 2..20), keep in 1_usize..2) {
            let after = apply(&available, &drained(&available, keep));
            prop_assert!(after.iter().skip(keep).all(|units| *units == 0));
        }
    }
}
