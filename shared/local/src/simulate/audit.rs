//! What is checked, and when: the invariants of stock at any instant, and everything once the storm is over.

use std::collections::{BTreeMap, BTreeSet};

use aws::table::from_item;
use aws::{Item, TableSpec};
use inventory::ledger::{CounterItem, Movement, Tally};
use inventory::reservation::{Reservation, State};
use inventory::{CounterKey, Part};
use kernel::OrderId;
use kernel::audit::{Books, Record, Standing, Violation};
use orders::funds::RefundStatus;
use orders::{Order, Payment, PaymentStatus, Status};
use payments::builtin::Stored;
use promotions::table::UseItem;

use super::Outcome;
use super::world::World;

/// The auditor of one run.
pub(super) struct Watch {
    world: World,
    outcome: Outcome,
    seen: BTreeSet<String>,
}

impl Watch {
    pub fn new(world: &World) -> Self {
        Self { world: world.clone(), outcome: Outcome::default(), seen: BTreeSet::new() }
    }

    fn note(&mut self, violations: Vec<Violation>) {
        let at = self.world.clock.elapsed();
        for Violation { invariant, what } in violations {
            let text = format!("{invariant}: {what}");
            if self.seen.insert(text.clone()) {
                self.outcome.violations.push(format!("{text} (after {at:?})"));
            }
        }
    }

    /// Looks at all tables at one instant.
    pub async fn look(&mut self) {
        let gate = self.world.gate.clone();
        let _nobody = gate.door.write().await;
        self.outcome.audits += 1;
        let violations = match self.books().await {
            Ok(books) => books.at_any_time(),
            Err(what) => vec![Violation { invariant: "readable", what }],
        };
        self.note(violations);
        let money = self.money(false).await;
        self.note(money);
    }

    /// The full audit, when nothing moves any more.
    pub async fn finish(mut self) -> Outcome {
        match self.books().await {
            Ok(books) => {
                let standing = |standing| books.records.values().filter(|record| record.standing == standing).count();
                (self.outcome.committed, self.outcome.dropped) =
                    (standing(Standing::Committed), standing(Standing::Dropped));
                self.note(books.when_settled());
                let drift = self.drift(&books).await;
                self.note(drift);
            }
            Err(what) => self.note(vec![Violation { invariant: "readable", what }]),
        }
        let money = self.money(true).await;
        self.note(money);
        let lies = self.world.gate.lies().into_iter();
        self.note(lies.map(|what| Violation { invariant: "false-sold-out", what }).collect());
        self.outcome
    }

    async fn items(&self, spec: &TableSpec) -> Result<Vec<Item>, String> {
        let table = self.world.shop.platform().table(spec);
        let scan = table.client().scan().table_name(table.name()).consistent_read(true).send().await;
        scan.map(|output| output.items.unwrap_or_default()).map_err(|error| error.to_string())
    }

    async fn books(&self) -> Result<Books<CounterKey>, String> {
        let mut books = Books::default();
        for item in self.items(&inventory::table::TABLE).await? {
            let key = item.get("pk").and_then(|pk| pk.as_s().ok()).cloned().unwrap_or_default();
            if let Some(key) = CounterKey::parse(&key) {
                let counter: CounterItem = from_item(item).map_err(|error| error.to_string())?;
                books.counters.insert(key, counter.counter);
            } else if key.starts_with("|rsv_") {
                let reservation: Reservation = from_item(item).map_err(|error| error.to_string())?;
                let standing = match reservation.status {
                    State::Pending | State::Held => Standing::Pending,
                    State::Committed => Standing::Committed,
                    State::Released | State::Expired | State::Refused => Standing::Dropped,
                };
                books.records.insert(reservation.id.op(), record(standing, reservation.parts));
            }
        }
        for item in self.items(&orders::table::TABLE).await? {
            let tombstone = item.contains_key("tombstone");
            let id = item.get("pk").and_then(|pk| pk.as_s().ok()).and_then(|pk| OrderId::parse(pk));
            let id = id.ok_or("an order without an id")?;
            let (op, found) = if tombstone {
                // It was never written, so it has no attempt, and names nothing.
                (id.op("---"), record(Standing::Dropped, Vec::new()))
            } else {
                let order: Order = from_item(item).map_err(|error| error.to_string())?;
                let standing = match order.status {
                    Status::Pending => Standing::Pending,
                    status if status.is_committed() => Standing::Committed,
                    _ => Standing::Dropped,
                };
                (order.op(), record(standing, order.holds))
            };
            books.records.insert(op, found);
        }
        Ok(books)
    }

    /// What the ledger adds up to must be what the counters say, to the unit and the movement.
    async fn drift(&self, books: &Books<CounterKey>) -> Vec<Violation> {
        let violation = |what: String| vec![Violation { invariant: "drift", what }];
        let mut tallies: BTreeMap<CounterKey, Tally> = BTreeMap::new();
        match self.items(&inventory::table::LEDGER).await {
            Err(what) => return violation(what),
            Ok(items) => {
                for item in items {
                    let movement: Movement = match from_item(item) {
                        Ok(movement) => movement,
                        Err(error) => return violation(error.to_string()),
                    };
                    let Movement { sku, warehouse, shard, .. } = movement.clone();
                    tallies.entry(CounterKey { sku, warehouse, shard }).or_default().add(&movement);
                }
            }
        }
        let differs = books.counters.iter().filter_map(|(key, counter)| {
            let ledger = tallies.get(key).copied().unwrap_or_default();
            let counter = Tally::of(counter);
            (ledger != counter).then(|| Violation {
                invariant: "drift",
                what: format!("{key:?}: ledger {ledger:?}, counter {counter:?}"),
            })
        });
        differs.collect()
    }

    async fn accounts(&self) -> Result<(Vec<Order>, Vec<Stored>), String> {
        let orders = self.items(&orders::table::TABLE).await?;
        let intents = self.items(&payments::builtin::TABLE).await?;
        let orders = orders.into_iter().filter(|item| !item.contains_key("tombstone")).map(from_item);
        let orders = orders.collect::<Result<Vec<Order>, _>>().map_err(|error| error.to_string())?;
        let intents = intents.into_iter().map(from_item).collect::<Result<Vec<Stored>, _>>();
        Ok((orders, intents.map_err(|error| error.to_string())?))
    }

    /// At any instant: an order's funds balance, one order has one charge, and no more went back than was taken. When all
    /// is over: what the provider took less what it gave back is what each order says, no order is paid without money, and
    /// no capture or refund is left open.
    async fn money(&self, settled: bool) -> Vec<Violation> {
        let (orders, intents) = match self.accounts().await {
            Ok(both) => both,
            Err(what) => return vec![Violation { invariant: "money", what }],
        };
        let mut wrong = Vec::new();
        let mut stuck = Vec::new();
        let mut used: BTreeMap<String, i64> = BTreeMap::new();
        let mut books: BTreeMap<OrderId, (i64, i64)> = BTreeMap::new();
        let mut charges: BTreeMap<OrderId, usize> = BTreeMap::new();
        for order in orders {
            for part in order.uses.iter().filter(|_| order.status.is_committed()) {
                *used.entry(part.key.partition()).or_default() += i64::from(part.quantity);
            }
            let Payment { status, capture, .. } = order.payment;
            if let Some(funds) = &order.payment.funds
                && !(funds.counter.balanced() && funds.counter.available >= 0)
            {
                wrong.push(format!("the funds of {} do not balance: {:?}", order.id, funds.counter));
            }
            let taken = order.payment.funds.as_ref().map(|_| order.taken());
            let owed = capture.unwrap_or(order.charged().amount);
            if order.status == Status::Paid && taken != Some(owed) && status != PaymentStatus::Authorized {
                wrong.push(format!("{} is paid and {taken:?} of {owed} was taken", order.id));
            }
            let open = order.payment.funds.iter().flat_map(|funds| funds.refunds.values());
            let open = open.filter(|refund| refund.status == RefundStatus::Pending).count();
            if open > 0 || capture.is_some() && status == PaymentStatus::Authorized {
                stuck.push(format!("{} has {open} open refunds, capture {capture:?}", order.id));
            }
            books.entry(order.id.clone()).or_default().0 = order.kept();
        }
        for intent in intents {
            if intent.refunded > intent.captured || intent.captured > intent.amount.amount {
                wrong.push(format!("{}: {} taken, {} gone back", intent.order, intent.captured, intent.refunded));
            }
            *charges.entry(intent.order.clone()).or_default() += usize::from(intent.captured > 0);
            books.entry(intent.order).or_default().1 += intent.captured - intent.refunded;
        }
        let twice = charges.into_iter().filter(|(_, count)| *count > 1);
        wrong.extend(twice.map(|(order, count)| format!("{order} was charged {count} times")));
        let mut violations = Vec::new();
        let promotions = match self.items(&promotions::table::TABLE).await {
            Ok(items) => items.into_iter().map(from_item).collect::<Result<Vec<UseItem>, _>>(),
            Err(what) => return vec![Violation { invariant: "money", what }],
        };
        for UseItem { pk, counter } in promotions.unwrap_or_default() {
            if !(counter.balanced() && counter.available >= 0) {
                wrong.push(format!("{pk} does not balance: {counter:?}"));
            }
            let paid = used.get(&pk).copied().unwrap_or_default();
            // At any instant a use may be held that will be taken; in the end it is.
            if counter.taken > paid || settled && counter.taken != paid {
                wrong.push(format!("{pk} was used {} times, orders that are paid name {paid}", counter.taken));
            }
            if settled && !counter.holds.is_empty() {
                stuck.push(format!("{pk} is held: {:?}", counter.holds));
            }
        }
        if settled {
            let differ = books.into_iter().filter(|(_, (says, has))| says != has);
            wrong.extend(differ.map(|(order, (says, has))| format!("{order} says {says}, the provider keeps {has}")));
            violations.extend(stuck.into_iter().map(|what| Violation { invariant: "stuck", what }));
        }
        violations.extend(wrong.into_iter().map(|what| Violation { invariant: "money", what }));
        violations
    }
}

fn record(standing: Standing, parts: Vec<Part>) -> Record<CounterKey> {
    Record { standing, parts: parts.into_iter().map(|part| (part.key, part.quantity)).collect() }
}
