//! The till: everything that decides an order and moves its holds goes through here, whoever asks.
//!
//! The order's record is decided once, by one conditional write; whoever comes second learns what stands. Money that turns
//! out to have been taken for an order that is dead goes back by itself.

use std::collections::BTreeSet;

use aws::breaker::State as BreakerState;
use aws::{Capability, ConfigError, DataError, Grant, Platform};
use futures_util::future::{join, try_join, try_join_all};
use inventory::table::SettleHolds;
use inventory::{CounterKey, Part};
use kernel::counter::Outcome as Moved;
use kernel::problem::code;
use kernel::{OrderId, Problem, Timestamp};
use lambda::{Alarm, Cx};
use orders::funds::Funds;
use orders::order::OrderEvent;
use orders::table::{BuryOrder, DecideOrder, Decided, LoadOrder, Opened, Record};
use orders::{Decision, Order, Payment, PaymentStatus, Status};
use payments::{Answer, Capture, Intent, Outcome, Payments, Provider as _, ProviderError, Refund, RefundOutcome};
use promotions::UseKey;
use promotions::table::SettleUses;

use crate::velocity::Refusals;

/// Money that came for a dead order went back by itself; people should know.
pub const ALARM: Alarm = Alarm { metric: "UnmatchedPayments", threshold: 1, period_s: 60, periods: 1 };

/// What deciding an order takes.
#[derive(Clone)]
pub struct Till {
    load: LoadOrder,
    decide: DecideOrder,
    bury: BuryOrder,
    holds: SettleHolds,
    uses: SettleUses,
    payments: Payments,
    refusals: Refusals,
}

impl Capability for Till {
    fn grants() -> Vec<Grant> {
        let record = [LoadOrder::grants(), DecideOrder::grants(), BuryOrder::grants()].concat();
        [record, SettleHolds::grants(), SettleUses::grants(), Payments::grants(), Refusals::grants()].concat()
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            load: LoadOrder::connect(platform)?,
            decide: DecideOrder::connect(platform)?,
            bury: BuryOrder::connect(platform)?,
            holds: SettleHolds::connect(platform)?,
            uses: SettleUses::connect(platform)?,
            payments: Payments::connect(platform)?,
            refusals: Refusals::connect(platform)?,
        })
    }
}

/// What became of asking the provider for money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The provider said where the payment stands.
    Known(Answer),
    /// It gave no answer.
    Unknown(String),
}

/// What became of calling a payment off.
enum Called {
    /// The provider said where it stands now.
    Off(Answer),
    /// The order was decided before it was asked.
    Decided(Standing),
}

/// An order that stands so, or the certainty that there will never be one.
pub type Standing = Record;

/// What becomes of something that an operation holds, and when its record was created: taken when the record is committed
/// and names this attempt and this counter, given back otherwise. `None` while the record is pending, but for what another
/// attempt at the order held.
fn fate(standing: &Standing, op: &str, named: impl Fn(&Order) -> bool, now: Timestamp) -> Option<(bool, Timestamp)> {
    match standing {
        Record::Order(order) if order.op() != op => Some((false, now)),
        Record::Order(order) if order.status == Status::Pending => None,
        Record::Order(order) => Some((order.status.is_committed() && named(order), order.created_at)),
        Record::Tombstone => Some((false, now)),
    }
}

fn event(cx: &Cx, kind: &str, detail: Option<String>) -> OrderEvent {
    OrderEvent { at: cx.now(), kind: kind.to_owned(), actor: cx.actor(), detail }
}

/// The payment of an order, as the provider is asked about it.
#[must_use]
pub fn intent_of(order: &Order) -> Intent {
    let capture = if order.payment.capture_later { Capture::Later } else { Capture::Now };
    Intent { order: order.id.clone(), amount: order.charged(), capture, id: order.payment.intent_id.clone() }
}

/// An answer that needs no provider: nothing is to be paid, or nothing was asked for.
fn without_provider(outcome: Outcome) -> Answer {
    Answer { intent: String::new(), outcome }
}

/// Where a payment stands after an answer, with its token dropped once it is of no more use.
fn payment_after(order: &Order, answer: &Answer) -> Payment {
    let before = &order.payment;
    let id = Some(answer.intent.clone()).filter(|id| !id.is_empty());
    let mut payment = Payment {
        status: PaymentStatus::Canceled,
        intent_id: id.or_else(|| before.intent_id.clone()),
        client_secret: None,
        decline_code: None,
        token: None,
        capture_later: before.capture_later,
        funds: None,
        capture: None,
    };
    match &answer.outcome {
        Outcome::Succeeded => {
            payment.status = PaymentStatus::Succeeded;
            payment.funds = Some(Funds::of(order.totals.total.amount));
        }
        Outcome::Authorized => payment.status = PaymentStatus::Authorized,
        Outcome::Declined { code } => {
            payment.status = PaymentStatus::Declined;
            payment.decline_code = Some(code.clone());
        }
        Outcome::RequiresAction { client_secret } => {
            payment.status = PaymentStatus::RequiresAction;
            payment.client_secret = Some(client_secret.clone());
            payment.token.clone_from(&before.token);
        }
        Outcome::Processing => {
            payment.status = PaymentStatus::Unknown;
            payment.token.clone_from(&before.token);
        }
        Outcome::Refunded => payment.status = PaymentStatus::Refunded,
        Outcome::Canceled | Outcome::Missing => {}
    }
    payment
}

impl Till {
    /// What stands under an order's id.
    pub async fn record(&self, id: &OrderId) -> Result<Option<Record>, DataError> {
        self.load.record(id).await
    }

    /// Asks the provider for the money of a pending order, for at most `limit`. A passing failure is tried once more.
    pub async fn charge(&self, order: &Order, limit: std::time::Duration, cx: &Cx) -> Asked {
        if order.charged().amount == 0 {
            return Asked::Known(without_provider(Outcome::Succeeded));
        }
        let (intent, token) = (intent_of(order), order.payment.token.as_deref().unwrap_or_default());
        let twice = async {
            match self.payments.charge(&intent, token).await {
                Err(ProviderError::Passing(_)) => self.payments.charge(&intent, token).await,
                answer => answer,
            }
        };
        let answer = cx.within(limit, twice).await;
        let state = self.payments.state();
        if state != BreakerState::Closed {
            cx.count("PaymentBreakerOpen", 1);
            cx.note("payment_breaker", if state == BreakerState::HalfOpen { "half-open" } else { "open" });
        }
        match answer {
            Some(Ok(answer)) => Asked::Known(answer),
            Some(Err(error)) => Asked::Unknown(error.to_string()),
            None => Asked::Unknown("time-out".into()),
        }
    }

    /// Where the payment of an order stands, at the provider.
    pub async fn retrieve(&self, order: &Order) -> Result<Answer, ProviderError> {
        if order.charged().amount == 0 {
            return Ok(without_provider(Outcome::Succeeded));
        }
        self.payments.retrieve(&intent_of(order)).await
    }

    /// **The one settle command.** What the provider says becomes what the order says; synchronous answer, webhook, retry
    /// worker, reconciler and timer all come here, in any order and any number. Whoever comes second changes nothing.
    pub async fn settle(&self, order: &Order, answer: &Answer, cx: &Cx) -> Result<Standing, Problem> {
        let payment = payment_after(order, answer);
        let decided = match &answer.outcome {
            Outcome::Succeeded | Outcome::Authorized => {
                self.decide.decide(&order.id, Decision::Pay, &payment, event(cx, "paid", None)).await?
            }
            Outcome::Declined { code } => {
                if order.payment.status == PaymentStatus::RequiresAction
                    && let Some(otherwise) = self.closed(order, cx).await?
                {
                    return Ok(otherwise);
                }
                let event = event(cx, "payment_declined", Some(code.clone()));
                let decided = self.decide.decide(&order.id, Decision::Cancel, &payment, event);
                join(decided, self.refusals.count(order, code, cx)).await.0?
            }
            Outcome::RequiresAction { .. } if order.payment.status == PaymentStatus::RequiresAction => {
                return Ok(Record::Order(Box::new(order.clone())));
            }
            Outcome::RequiresAction { .. } => {
                let event = event(cx, "payment_requires_action", None);
                self.decide.note_payment(&order.id, &payment, event).await?
            }
            Outcome::Processing if order.payment.status == PaymentStatus::Unknown => {
                return Ok(Record::Order(Box::new(order.clone())));
            }
            Outcome::Processing => {
                self.decide.note_payment(&order.id, &payment, event(cx, "payment_processing", None)).await?
            }
            Outcome::Canceled | Outcome::Refunded | Outcome::Missing => {
                self.decide.decide(&order.id, Decision::Expire, &payment, event(cx, "expired", None)).await?
            }
        };
        if matches!(&decided, Decided::Before(Record::Order(stands)) if stands.status == Status::Pending) {
            // The money is set aside, and somebody has begun to call the payment off: what the provider says to that decides.
            return Box::pin(self.end(&order.id, cx)).await;
        }
        self.standing(order, decided, answer, cx).await
    }

    /// Notes that the provider gave no answer; the stream then starts the retries.
    pub async fn note_unknown(&self, order: &Order, reason: &str, cx: &Cx) -> Result<Standing, Problem> {
        let payment = Payment { status: PaymentStatus::Unknown, ..order.payment.clone() };
        let event = event(cx, "payment_unknown", Some(reason.to_owned()));
        let decided = self.decide.note_payment(&order.id, &payment, event).await?;
        self.standing(order, decided, &without_provider(Outcome::Missing), cx).await
    }

    /// Calls a pending order off for a reason that is not the payment's; nothing was asked of the provider for it.
    pub async fn cancel(&self, order: &Order, reason: &str, cx: &Cx) -> Result<Standing, Problem> {
        let nothing = without_provider(Outcome::Canceled);
        let payment = payment_after(order, &nothing);
        let event = event(cx, "cancelled", Some(reason.to_owned()));
        let decided = self.decide.decide(&order.id, Decision::Cancel, &payment, event).await?;
        self.standing(order, decided, &nothing, cx).await
    }

    /// Ends a pending order whatever its time, unless its money was taken: the provider is asked to call the payment off
    /// first, and its answer decides. What was never written is buried, so that it can never come.
    pub async fn end(&self, id: &OrderId, cx: &Cx) -> Result<Standing, Problem> {
        let order = match self.load.record(id).await? {
            Some(Record::Order(order)) => order,
            Some(Record::Tombstone) => return Ok(Record::Tombstone),
            None => match self.bury.bury(id, cx.now()).await? {
                Opened::Yes | Opened::Before(Record::Tombstone) => return Ok(Record::Tombstone),
                Opened::Before(Record::Order(order)) => order,
            },
        };
        if order.status != Status::Pending {
            return Ok(Record::Order(order));
        }
        if order.charged().amount == 0 {
            return self.settle(&order, &without_provider(Outcome::Canceled), cx).await;
        }
        match self.call_off(&order, cx).await? {
            Called::Off(answer) => self.settle(&order, &answer, cx).await,
            Called::Decided(standing) => Ok(standing),
        }
    }

    /// Asks the provider to call off the payment of a pending order, and gives what it says to that. Before money that is set
    /// aside is let go, the order is marked, so that nobody makes it paid with that money meanwhile.
    async fn call_off(&self, order: &Order, cx: &Cx) -> Result<Called, Problem> {
        if order.payment.capture_later && !order.calling_off {
            match self.decide.call_off(&order.id, cx.now()).await? {
                Decided::Now(_) => {}
                Decided::Before(record) => return Ok(Called::Decided(record)),
                Decided::Missing => return Ok(Called::Decided(Record::Tombstone)),
            }
        }
        let answer = self.payments.cancel(&intent_of(order)).await.map_err(|error| {
            let detail = "the order stays as it is until the provider answers";
            Problem::new(code::PROVIDER_UNAVAILABLE, detail).because(error).retry_after(5)
        })?;
        if matches!(answer.outcome, Outcome::Processing | Outcome::Authorized) {
            let detail = "the bank has not decided yet; the order stays as it is until then";
            return Err(Problem::new(code::PROVIDER_UNAVAILABLE, detail).retry_after(60));
        }
        Ok(Called::Off(answer))
    }

    /// Sees to it that a payment that was refused at the bank's page stays refused: the shopper's browser has its secret and
    /// could pay it by another card, when its order is dead. `Some` when it was paid, or the order decided, before that.
    async fn closed(&self, order: &Order, cx: &Cx) -> Result<Option<Standing>, Problem> {
        match self.call_off(order, cx).await? {
            Called::Off(Answer {
                outcome: Outcome::Canceled | Outcome::Declined { .. } | Outcome::Missing, ..
            }) => Ok(None),
            Called::Off(paid) => Box::pin(self.settle(order, &paid, cx)).await.map(Some),
            Called::Decided(standing) => Ok(Some(standing)),
        }
    }

    /// What stands after a write on the record; money that was taken for a dead order goes back.
    async fn standing(&self, order: &Order, decided: Decided, answer: &Answer, cx: &Cx) -> Result<Standing, Problem> {
        let standing = match decided {
            Decided::Now(order) => return Ok(Record::Order(order)),
            Decided::Before(record) => record,
            Decided::Missing => Record::Tombstone,
        };
        let committed = matches!(&standing, Record::Order(order) if order.status.is_committed());
        let gone_back = matches!(&standing, Record::Order(order) if order.payment.status == PaymentStatus::Refunded);
        if matches!(answer.outcome, Outcome::Succeeded | Outcome::Authorized) && !committed && !gone_back {
            self.give_back(order, answer, cx).await?;
        }
        Ok(standing)
    }

    /// Money that came for a dead order goes back, and the order says so.
    async fn give_back(&self, order: &Order, answer: &Answer, cx: &Cx) -> Result<(), Problem> {
        cx.count("UnmatchedPayments", 1);
        cx.note("unmatched_payment_of", &order.id);
        let retried = |error: &dyn std::fmt::Display| {
            Problem::new(code::PROVIDER_UNAVAILABLE, "the refund is tried again").because(error.to_string())
        };
        let intent = Intent { id: Some(answer.intent.clone()).filter(|id| !id.is_empty()), ..intent_of(order) };
        if answer.outcome == Outcome::Authorized {
            self.payments.cancel(&intent).await.map_err(|error| retried(&error))?;
        } else {
            let refund = Refund { key: format!("{}-unmatched", order.id), amount: order.charged() };
            match self.payments.refund(&intent, &refund).await.map_err(|error| retried(&error))? {
                RefundOutcome::Succeeded => {}
                RefundOutcome::Refused { code } => return Err(retried(&code)),
            }
        }
        self.decide.note_given_back(&order.id, event(cx, "payment_given_back", None)).await?;
        Ok(())
    }

    /// Moves one hold as the record of its order says: taken when it is committed and names this attempt and this counter,
    /// given back otherwise. A pending record moves nothing, but for what another attempt at the order held. Whether it
    /// was moved.
    pub async fn move_hold(
        &self,
        key: &CounterKey,
        op: &str,
        standing: &Standing,
        now: Timestamp,
    ) -> Result<bool, DataError> {
        let named = |order: &Order| order.holds.iter().any(|part| part.key == *key);
        let Some((committed, created)) = fate(standing, op, named, now) else { return Ok(false) };
        Ok(self.holds.settle(key, op, committed, created, now).await? == Moved::Applied)
    }

    /// The same for what it holds of a coupon or a gift card.
    pub async fn move_use(
        &self,
        key: &UseKey,
        op: &str,
        standing: &Standing,
        now: Timestamp,
    ) -> Result<bool, DataError> {
        let named = |order: &Order| order.uses.iter().any(|part| part.key == *key);
        let Some((committed, created)) = fate(standing, op, named, now) else { return Ok(false) };
        Ok(self.uses.settle(key, op, committed, created, now).await? == Moved::Applied)
    }

    /// Gives back what an attempt held that turned out not to be the one that wrote the order.
    pub async fn step_back(&self, order: &Order, touched: &[CounterKey], now: Timestamp) -> Result<(), DataError> {
        let op = order.op();
        let moves = touched.iter().map(|key| self.holds.settle(key, &op, false, now, now));
        let uses = order.uses.iter().map(|part| self.uses.settle(&part.key, &op, false, now, now));
        try_join(try_join_all(moves), try_join_all(uses)).await.map(|_| ())
    }

    /// Moves the holds of a decided order at once, for whoever needs the units now; the stream would do it soon after for
    /// those that the order names, and their timers for others that it may have `touched`.
    pub async fn move_holds(
        &self,
        standing: &Standing,
        touched: &[CounterKey],
        now: Timestamp,
    ) -> Result<(), DataError> {
        let Record::Order(order) = standing else { return Ok(()) };
        let keys: BTreeSet<&CounterKey> = order.holds.iter().map(|part| &part.key).chain(touched).collect();
        let op = order.op();
        let moves = keys.into_iter().map(|key| self.move_hold(key, &op, standing, now));
        let uses = order.uses.iter().map(|part| self.move_use(&part.key, &op, standing, now));
        try_join(try_join_all(moves), try_join_all(uses)).await.map(|_| ())
    }

    /// Lets a pending order name the holds in which its units are, when they are not where they had been looked for.
    pub async fn name_holds(&self, order: &Order, holds: &[Part], cx: &Cx) -> Result<Decided, DataError> {
        self.decide.name_holds(order, holds, cx.now()).await
    }
}
