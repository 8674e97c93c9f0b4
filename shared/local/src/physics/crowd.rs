//! The shoppers: each wants one unit, holds it as `place-order` does, pays, and has it confirmed as `confirm-holds` does.
//!
//! It owns the arrivals and what is counted of the shoppers. They arrive at a constant rate whatever becomes of those
//! before them, and come once. It must never look at a counter: what a shopper is told is what the real code says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws::BoxFuture;
use inventory::allocation::{Attempt, EndOverdue, Operation, Shortage};
use inventory::allot::Wanted;
use inventory::{CounterKey, Part};
use kernel::audit::Standing;
use kernel::{Problem, Timestamp, limits};
use lambda::Cx;
use tokio::task::JoinSet;

use super::Failure;
use super::ledger::Moment;
use super::world::{Sandbox, World};
use inventory::allocation::AllotStock;

/// What the queue does with a message whose worker met a busy database: another try after so long, so many in all.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What became of the shoppers so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    /// Who came.
    pub arrived: u64,
    /// Who holds, or held, a unit; and how long it took to get it.
    pub holds: Vec<Duration>,
    /// Orders that were confirmed at their counter.
    pub confirmed: u64,
    /// Orders that were given back at their counter.
    pub released: u64,
    /// Who was told to try again: the database or the crowd was too busy.
    pub busy: u64,
    /// Who was told that it is sold out.
    pub sold_out: u64,
    /// Who was told that others hold what is left.
    pub all_held: u64,
    /// Of those two, who was told so although it was not true at any instant of the attempt, or sold out although units
    /// were not sold yet.
    pub untrue: u64,
    /// Whose hold came too late, or was decided already.
    pub late: u64,
    /// Deliveries to the worker that met a busy database.
    pub redelivered: u64,
    /// Decided orders whose messages ended among the dead letters.
    pub dead: u64,
}

/// How shoppers behave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// How many come in a second.
    pub per_second: u64,
    /// How long the payment takes.
    pub pays_for: Duration,
    /// How many of a hundred are declined: their units go back.
    pub declined: u64,
}

/// A crowd at work.
pub(super) struct Crowd {
    world: Arc<World>,
    manner: Manner,
    counted: Mutex<Counted>,
}

impl Crowd {
    pub fn new(world: World, manner: Manner) -> Arc<Self> {
        Arc::new(Self { world: Arc::new(world), manner, counted: Mutex::default() })
    }

    pub fn world(&self) -> &World {
        &self.world
    }

    /// What is counted so far.
    pub fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets shoppers come, up to a number of them, and waits until all is over for all of them.
    pub async fn come(self: Arc<Self>, most: u64) -> Result<(), Failure> {
        let mut shoppers = JoinSet::new();
        let mut millis: u64 = 0;
        let mut came = 0;
        while came < most {
            millis = millis.saturating_add(1);
            self.world.until(Duration::from_millis(millis)).await;
            let due = (self.manner.per_second.saturating_mul(millis) / 1000).min(most);
            for _ in came..due {
                shoppers.spawn(self.clone().shop());
            }
            came = due;
        }
        while let Some(ended) = shoppers.join_next().await {
            ended??;
        }
        Ok(())
    }

    async fn shop(self: Arc<Self>) -> Result<(), Failure> {
        self.counted().arrived += 1;
        let sandbox = self.world.checkouts.take(&self.world)?;
        let op = self.world.order().op("run");
        let cx = sandbox.cx();
        let (began, created) = (self.world.ledger.moment(), cx.now());
        let attempt = self.hold(&op, &sandbox, &cx).await;
        let parts = match attempt.result {
            Ok(parts) => parts,
            Err(shortage) => {
                self.told(&shortage, began);
                // As `place-order` does it: the order is dropped, and what may be held for it given back.
                if matches!(shortage, Shortage::Short(_)) {
                    self.world.record(&op, Standing::Dropped, &[]);
                    for key in attempt.touched {
                        self.settle(&key, &op, false, created).await?;
                    }
                }
                self.world.checkouts.give_back(sandbox);
                return Ok(());
            }
        };
        self.counted().holds.push(cx.now().since(created));
        self.world.record(&op, Standing::Pending, &parts);
        cx.sleep(self.manner.pays_for).await;
        let paid = self.world.below(100) >= self.manner.declined;
        self.world.record(&op, if paid { Standing::Committed } else { Standing::Dropped }, &parts);
        self.world.checkouts.give_back(sandbox);
        for Part { key, .. } in &parts {
            self.settle(key, &op, paid, created).await?;
        }
        let mut counted = self.counted();
        let sum = if paid { &mut counted.confirmed } else { &mut counted.released };
        *sum += 1;
        Ok(())
    }

    /// The way of `place-order` to a unit: a first look, a plan, the hold.
    async fn hold(&self, op: &str, sandbox: &Sandbox<AllotStock>, cx: &Cx) -> Attempt {
        let busy = |result| Attempt { result: Err(result), touched: Vec::new() };
        let (sku, stock) = (&self.world.sku, &sandbox.can);
        let now = cx.now();
        let operation = Operation {
            op,
            created: now,
            deadline: now.after(limits::HOLD),
            channel: None,
            country: None,
            warehouse: None,
        };
        let wanted = [Wanted { sku: sku.clone(), quantity: 1 }];
        let outlook = match stock.outlook(&operation, std::slice::from_ref(sku), cx).await {
            Ok(outlook) => outlook,
            Err(error) => return busy(error.into()),
        };
        let parts = match stock.plan(&operation, &wanted, &outlook, cx).await {
            Ok(parts) => parts,
            Err(shortage) => return busy(shortage),
        };
        // No hold is overdue within a run: deadlines are ten minutes away.
        let end = |_: CounterKey, _: String| -> BoxFuture<'_, Result<bool, Problem>> { Box::pin(async { Ok(false) }) };
        let end: &EndOverdue<'_> = &end;
        stock.hold(&operation, &wanted, &parts, &outlook, end, cx).await
    }

    /// The worker of decided orders: a delivery that meets a busy database comes again.
    async fn settle(&self, key: &CounterKey, op: &str, committed: bool, created: Timestamp) -> Result<(), Failure> {
        for _ in 0..inventory::operations::confirm_holds::QUEUE.max_receives {
            let worker = self.world.workers.take(&self.world)?;
            let outcome = worker.can.settle(key, op, committed, created, worker.cx().now()).await;
            self.world.workers.give_back(worker);
            if outcome.is_ok() {
                return Ok(());
            }
            self.counted().redelivered += 1;
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        self.counted().dead += 1;
        Ok(())
    }

    /// Counts an answer, and whether it was true.
    fn told(&self, shortage: &Shortage, began: Moment) {
        let ledger = &self.world.ledger;
        let (_, untaken) = ledger.left();
        let mut counted = self.counted();
        match shortage {
            Shortage::Busy(_) => counted.busy += 1,
            Shortage::Decided | Shortage::TooLate | Shortage::Tangled => counted.late += 1,
            Shortage::Short(lines) => {
                let for_good = lines.iter().any(|line| line.back_at.is_none());
                if ledger.had_some_since(began) || for_good && untaken > 0 {
                    counted.untrue += 1;
                }
                let sum = if for_good { &mut counted.sold_out } else { &mut counted.all_held };
                *sum += 1;
            }
        }
    }
}
