//! The ledger: every movement of a counter, read off the change of its item. Pure.
//!
//! A counter's `rev` rises by one with each movement, which is therefore known by its counter and that number: written
//! twice it is the same entry, and a number that is missing is a movement that was lost.

use std::collections::BTreeMap;

use kernel::counter::{Counter, Hold};
use kernel::{OrderId, ReservationId, Sku, Timestamp, TransferId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::WEB;
use crate::stock::CounterKey;

/// What a movement was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MovementKind {
    /// Units came in.
    Receipt,
    /// A count was corrected.
    Adjustment,
    /// Units went to another warehouse or shard.
    TransferOut,
    /// Units came from another warehouse or shard.
    TransferIn,
    /// Units were held for an operation.
    Hold,
    /// Held units were sold.
    Confirm,
    /// Held units were given back.
    Release,
    /// The number of units that may be sold before they are here was changed.
    Allowance,
}

/// Who moved units by hand, and why: it rides in the counter, where the stream shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Note {
    /// The operation.
    pub op: String,
    /// What it was.
    pub kind: String,
    /// The account.
    pub actor: String,
    /// The reason or reference.
    pub reason: String,
}

/// One movement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Movement {
    /// The item.
    pub sku: Sku,
    /// Where.
    pub warehouse: String,
    /// Which part.
    pub shard: u32,
    /// Its number on this counter, from 1, without gaps.
    pub version: i64,
    /// What it was.
    pub kind: MovementKind,
    /// How many units; negative when they left what can be sold.
    pub quantity: i64,
    /// The order, reservation, transfer or request.
    pub operation: String,
    /// Who: an account, or the sales channel.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// The sales channel; absent for movements by staff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// When, to the second.
    pub time: Timestamp,
}

/// A counter as its item stands in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterItem {
    /// The partition key.
    pub pk: String,
    /// The counter.
    #[serde(flatten)]
    pub counter: Counter,
    /// The last movement by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Note>,
    /// The threshold below which staff is told; the default's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<i64>,
}

/// The id that people know an operation by.
#[must_use]
pub fn operation_name(op: &str) -> String {
    let order = OrderId::from_op(op).map(|id| id.to_string());
    let reservation = || ReservationId::from_op(op).map(|id| id.to_string());
    let transfer = || TransferId::from_op(op).map(|id| id.to_string());
    order.or_else(reservation).or_else(transfer).unwrap_or_else(|| op.to_owned())
}

/// What one write moved; `None` when it only tidied up.
#[must_use]
pub fn movement(before: Option<&CounterItem>, after: &CounterItem, time: Timestamp) -> Option<Movement> {
    let key = CounterKey::parse(&after.pk)?;
    let empty = Counter::default();
    let old = before.map_or(&empty, |item| &item.counter);
    let new = &after.counter;
    if new.rev == old.rev {
        return None;
    }
    let entry = |kind, quantity, operation: &str, actor: String, reason: &str, channel: Option<String>| {
        Some(Movement {
            sku: key.sku.clone(),
            warehouse: key.warehouse.clone(),
            shard: key.shard,
            version: new.rev,
            kind,
            quantity,
            operation: operation_name(operation),
            actor,
            reason: reason.to_owned(),
            channel,
            time,
        })
    };
    let by_operation = |kind, op: &str, hold: &Hold, sign: i64, reason: &str| {
        let channel = hold.channel.clone().unwrap_or_else(|| WEB.to_owned());
        let actor = format!("channel:{channel}");
        entry(kind, sign * i64::from(hold.quantity), op, actor, reason, Some(channel))
    };
    if let Some((op, hold)) = missing_in(&old.holds, &new.holds) {
        return by_operation(MovementKind::Hold, op, hold, -1, "held");
    }
    if let Some((op, hold)) = missing_in(&new.holds, &old.holds) {
        return if new.taken > old.taken {
            by_operation(MovementKind::Confirm, op, hold, -1, "sold")
        } else {
            by_operation(MovementKind::Release, op, hold, 1, "not sold")
        };
    }
    let note = after.last.as_ref()?;
    if new.allowance != old.allowance {
        let more = new.allowance - old.allowance;
        return entry(MovementKind::Allowance, more, &note.op, note.actor.clone(), &note.reason, None);
    }
    missing_in(&old.receipts, &new.receipts)?;
    let quantity = new.received - old.received;
    let kind = match (note.kind.as_str(), quantity) {
        ("receipt", _) => MovementKind::Receipt,
        ("transfer", q) if q < 0 => MovementKind::TransferOut,
        ("transfer", _) => MovementKind::TransferIn,
        _ => MovementKind::Adjustment,
    };
    entry(kind, quantity, &note.op, note.actor.clone(), &note.reason, None)
}

/// The first entry of `there` whose key is not in `here`.
fn missing_in<'a, V>(here: &BTreeMap<String, V>, there: &'a BTreeMap<String, V>) -> Option<(&'a String, &'a V)> {
    there.iter().find(|(key, _)| !here.contains_key(*key))
}

/// What the ledger says that a counter must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Tally {
    /// Units that came in, less those that went.
    pub received: i64,
    /// Units in holds.
    pub held: i64,
    /// Units sold.
    pub taken: i64,
    /// Units that may be sold before they are here.
    pub allowance: i64,
    /// How many movements there are.
    pub movements: i64,
}

impl Tally {
    /// Adds a movement.
    pub fn add(&mut self, movement: &Movement) {
        self.movements += 1;
        match movement.kind {
            MovementKind::Hold => self.held -= movement.quantity,
            MovementKind::Confirm => {
                self.held += movement.quantity;
                self.taken -= movement.quantity;
            }
            MovementKind::Release => self.held -= movement.quantity,
            MovementKind::Allowance => self.allowance += movement.quantity,
            MovementKind::Receipt | MovementKind::Adjustment | MovementKind::TransferIn | MovementKind::TransferOut => {
                self.received += movement.quantity
            }
        }
    }

    /// What the counter itself says.
    #[must_use]
    pub fn of(counter: &Counter) -> Self {
        Self {
            received: counter.received,
            held: counter.held(),
            taken: counter.taken,
            allowance: counter.allowance,
            movements: counter.rev,
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::counter::{Adjustment, HoldRequest, Outcome};
    use proptest::prelude::*;

    use super::*;

    fn item(counter: &Counter, note: &Note) -> CounterItem {
        CounterItem { pk: "A|main|0".into(), counter: counter.clone(), last: Some(note.clone()), low: None }
    }

    fn note(op: &str, kind: &str) -> Note {
        Note { op: op.into(), kind: kind.into(), actor: "usr_1".into(), reason: "why".into() }
    }

    #[test]
    fn a_movement_says_who_and_why() {
        let now = Timestamp::from_millis(5_000);
        let mut counter = Counter::default();
        counter.adjust(&Adjustment { op: "m1", quantity: 5, fingerprint: "f", expected: None }, now);
        let first = item(&counter, &note("m1", "receipt"));
        let receipt = movement(None, &first, now).unwrap();
        assert_eq!((receipt.kind, receipt.quantity, receipt.actor.as_str()), (MovementKind::Receipt, 5, "usr_1"));
        let op = ReservationId::new([1; 16]).op();
        let hold = HoldRequest { op: &op, quantity: 2, reserve: 0, deadline: now, created: now, channel: Some("pos") };
        counter.hold(&hold);
        let second = item(&counter, &note("m1", "receipt"));
        let held = movement(Some(&first), &second, now).unwrap();
        assert_eq!((held.kind, held.quantity, held.channel.as_deref()), (MovementKind::Hold, -2, Some("pos")));
        assert!(held.operation.starts_with("rsv_"), "{}", held.operation);
        assert_eq!(movement(Some(&second), &second, now), None, "a write that changed nothing is no movement");
    }

    #[derive(Clone, Debug)]
    enum Command {
        Hold(u8, u32),
        Confirm(u8),
        Release(u8),
        Adjust(i64),
        Allow(i64),
        Prune,
    }

    fn command() -> impl Strategy<Value = Command> {
        prop_oneof![
            (0_u8..6, 1_u32..4).prop_map(|(op, q)| Command::Hold(op, q)),
            (0_u8..6).prop_map(Command::Confirm),
            (0_u8..6).prop_map(Command::Release),
            (-3_i64..6).prop_map(Command::Adjust),
            (0_i64..5).prop_map(Command::Allow),
            Just(Command::Prune),
        ]
    }

    proptest! {
        #[test]
        fn the_ledger_adds_up_to_the_counter(commands in prop::collection::vec(command(), 1..60)) {
            let (mut counter, mut tally, mut last) = (Counter::default(), Tally::default(), note("", ""));
            let mut before: Option<CounterItem> = None;
            for (step, command) in commands.into_iter().enumerate() {
                let now = Timestamp::from_millis(i64::try_from(step).unwrap() * 60_000 + 1);
                let outcome = match command {
                    Command::Hold(op, quantity) => counter.hold(&HoldRequest {
                        op: &format!("o{op}"), quantity, reserve: 0, deadline: now, created: now, channel: None,
                    }),
                    Command::Confirm(op) => counter.confirm(&format!("o{op}"), now),
                    Command::Release(op) => counter.release(&format!("o{op}"), now),
                    Command::Adjust(quantity) => {
                        last = note(&format!("m{step}"), "receipt");
                        counter.adjust(&Adjustment { op: &last.op, quantity, fingerprint: "f", expected: None }, now)
                    }
                    Command::Allow(units) => {
                        last = note(&format!("m{step}"), "policy");
                        counter.allow(units)
                    }
                    Command::Prune => counter.prune(now),
                };
                let after = item(&counter, &last);
                let moved = movement(before.as_ref(), &after, now);
                prop_assert_eq!(moved.is_some(), outcome == Outcome::Applied && !matches!(command, Command::Prune));
                if let Some(moved) = moved {
                    prop_assert_eq!(moved.version, counter.rev);
                    tally.add(&moved);
                }
                before = Some(after);
            }
            prop_assert_eq!(tally, Tally::of(&counter));
        }
    }
}
