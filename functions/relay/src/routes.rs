//! What a change means to whom. Pure.

use std::time::Duration;

use aws::{Message, QueueSpec};
use cart::{Bought, OrderPaid};
use catalog::stale::{Seen, Stale};
use checkout::operations::expire_orders::{Due, DueHold, DueUse};
use checkout::operations::move_money::Movement;
use checkout::operations::retry_payment::{Reported, Unsettled};
use checkout::reports::Report;
use inventory::ledger::CounterItem;
use inventory::operations::expire_reservations::ReservationDue;
use inventory::reservation::{Reservation, State};
use inventory::settings::{LOW, Settings};
use inventory::{CounterKey, HoldDecision, StockSank};
use kernel::limits::QUEUE_DELAY;
use kernel::{OrderId, ProductId, ReservationId, Sku, Timestamp};
use lambda::Change;
use notifications::{AccountNotice, AccountNoticeKind, Notice, NoticeKind};
use orders::funds::RefundStatus;
use orders::{Order, PaymentStatus, Status};
use promotions::table::UseItem;
use promotions::{UseDecision, UseKey};
use recommendations::operations::build_recommendations::{Basket, Happened};
use search::operations::index_products::Changed;
use search::operations::run_reindex::Asked;
use search::table::Reindex;
use serde::{Deserialize, Serialize};
use users::Account;

/// A message and the queue it goes to.
pub type Outgoing = (&'static QueueSpec, Message);

/// A timer rings a little after its deadline, so that clocks that differ do not make it ring in vain.
const AFTER_DEADLINE: Duration = Duration::from_secs(1);
/// The first time the worker looks after a capture or a refund.
const FIRST_MOVE: Duration = Duration::from_secs(20);
/// The first time a payment without an answer is asked for again.
const FIRST_RETRY: Duration = Duration::from_secs(2);

fn message<T: Serialize>(change: &Change, kind: &str, part: &str, data: T, delay: Duration) -> Message {
    let envelope = change.envelope(kind, part, data);
    let body = serde_json::to_string(&envelope).unwrap_or_default();
    Message { body, delay, group: None, id: envelope.id.to_string() }
}

/// A change of an order: a timer when it comes into being, retries when its payment's outcome is not known, and when it is
/// decided, the moves of its holds, its cart, its mail and what it has for recommendations.
#[must_use]
pub fn order_changed(change: &Change, now: Timestamp) -> Vec<Outgoing> {
    let Some(order) = change.after::<Order>() else { return Vec::new() };
    let before = change.before::<Order>();
    let mut out = Vec::new();
    if before.is_none() && order.status == Status::Pending {
        let due = Due { order: order.id.clone(), hold: None, used: None };
        let delay = order.expires_at.since(now) + AFTER_DEADLINE;
        out.push((&checkout::operations::expire_orders::QUEUE, message(change, "order.due.v1", "", due, delay)));
    }
    let was_unknown = before.as_ref().is_some_and(|old| old.payment.status == PaymentStatus::Unknown);
    if order.status == Status::Pending && order.payment.status == PaymentStatus::Unknown && !was_unknown {
        let unsettled = Unsettled { order: order.id.clone(), report: None };
        let message = message(change, "payment.unknown.v1", "", unsettled, FIRST_RETRY);
        out.push((&checkout::operations::retry_payment::QUEUE, message));
    }
    money_moves(change, &order, before.as_ref(), &mut out);
    let was_pending = before.as_ref().is_none_or(|old| old.status == Status::Pending);
    if was_pending && order.status != Status::Pending {
        decided(change, &order, before.as_ref(), &mut out);
    }
    out
}

/// Captures and refunds that were asked for and not carried out. The call that asked does so itself, most times before the
/// worker comes.
fn money_moves(change: &Change, order: &Order, before: Option<&Order>, out: &mut Vec<Outgoing>) {
    let mut send = |part: &str, refund| {
        let movement = Movement { order: order.id.clone(), refund };
        let message = message(change, "money.moves.v1", part, movement, FIRST_MOVE);
        out.push((&checkout::operations::move_money::QUEUE, message));
    };
    let was_asked = before.is_some_and(|old| old.payment.capture.is_some());
    if order.payment.capture.is_some() && order.payment.status == PaymentStatus::Authorized && !was_asked {
        send("capture", None);
    }
    let old = before.and_then(|old| old.payment.funds.as_ref());
    let refunds = order.payment.funds.iter().flat_map(|funds| &funds.refunds);
    let mut gone_back = Vec::new();
    for (id, refund) in refunds {
        let before = old.and_then(|old| old.refunds.get(id)).map(|old| old.status);
        if refund.status == RefundStatus::Pending && before.is_none() {
            send(id.as_str(), Some(id.clone()));
        }
        if refund.status == RefundStatus::Succeeded && before == Some(RefundStatus::Pending) {
            gone_back.push(id);
        }
    }
    for id in gone_back {
        let notice = Notice { order_id: order.id.clone(), kind: NoticeKind::OrderRefunded };
        let mail = message(change, "order.refunded.v1", id.as_str(), notice, Duration::ZERO);
        out.push((&notifications::operations::send_email::QUEUE, mail));
    }
}

fn decided(change: &Change, order: &Order, before: Option<&Order>, out: &mut Vec<Outgoing>) {
    let committed = order.status.is_committed();
    let kind = format!("order.{}.v1", order.status);
    let parts = order.holds.clone();
    let decision = HoldDecision { op: order.op(), committed, created: order.created_at, parts };
    if !decision.parts.is_empty() {
        let holds = message(change, &kind, "holds", decision, Duration::ZERO);
        out.push((&inventory::operations::confirm_holds::QUEUE, holds));
    }
    if !order.uses.is_empty() {
        let parts = order.uses.clone();
        let decision = UseDecision { op: order.op(), committed, created: order.created_at, parts };
        let uses = message(change, &kind, "uses", decision, Duration::ZERO);
        out.push((&promotions::operations::confirm_uses::QUEUE, uses));
    }
    let notice = |kind| Notice { order_id: order.id.clone(), kind };
    if committed {
        let bought = order.lines.iter().map(|line| Bought { sku: line.sku.clone(), quantity: line.quantity }).collect();
        let paid = OrderPaid { cart_id: order.cart_id.clone(), order_id: order.id.clone(), bought };
        out.push((&cart::operations::close_cart::QUEUE, message(change, &kind, "cart", paid, Duration::ZERO)));
        let basket = message(change, &kind, "basket", Happened::Bought(basket(order)), Duration::ZERO);
        out.push((&recommendations::operations::build_recommendations::QUEUE, basket));
        let mail = message(change, &kind, "mail", notice(NoticeKind::OrderPaid), Duration::ZERO);
        out.push((&notifications::operations::send_email::QUEUE, mail));
    }
    // Only a shopper who was told to wait needs to be told that the wait is over.
    let told_to_wait =
        before.is_some_and(|old| matches!(old.payment.status, PaymentStatus::RequiresAction | PaymentStatus::Unknown));
    let declined = order.payment.status == PaymentStatus::Declined;
    if matches!(order.status, Status::Expired | Status::Cancelled) && told_to_wait {
        let kind_of_mail = if declined { NoticeKind::OrderDeclined } else { NoticeKind::OrderExpired };
        let mail = message(change, &kind, "mail", notice(kind_of_mail), Duration::ZERO);
        out.push((&notifications::operations::send_email::QUEUE, mail));
    }
}

/// What recommendations are made of: which products were bought together, and nothing of who bought them.
fn basket(order: &Order) -> Basket {
    let mut products: Vec<ProductId> = Vec::new();
    for line in &order.lines {
        if !products.contains(&line.product_id) {
            products.push(line.product_id.clone());
        }
    }
    Basket { order: order.id.clone(), placed_at: order.created_at, products }
}

/// What the provider reported goes to the worker that settles.
#[must_use]
pub fn payment_reported(change: &Change, _: Timestamp) -> Vec<Outgoing> {
    let (Some(report), None) = (change.after::<Report>(), change.before::<Report>()) else { return Vec::new() };
    let reported = Reported { id: report.id, taken: report.taken };
    let unsettled = Unsettled { order: report.order, report: Some(reported) };
    let message = message(change, "payment.reported.v1", "", unsettled, Duration::ZERO);
    vec![(&checkout::operations::retry_payment::QUEUE, message)]
}

/// A change of a coupon or a gift card: a timer for each hold that is new, which finds those that arrived after their order
/// was decided.
#[must_use]
pub fn promotion_changed(change: &Change, now: Timestamp) -> Vec<Outgoing> {
    let Some(after) = change.after::<UseItem>() else { return Vec::new() };
    let Some(key) = UseKey::parse(&after.pk) else { return Vec::new() };
    let before = change.before::<UseItem>().map(|item| item.counter).unwrap_or_default();
    let fresh = after.counter.holds.iter().filter(|(op, _)| !before.holds.contains_key(*op));
    let timers = fresh.filter_map(|(op, hold)| {
        let used = Some(DueUse { op: op.clone(), key: key.clone() });
        let due = Due { order: OrderId::from_op(op)?, hold: None, used };
        let delay = Timestamp::from_millis(hold.deadline).since(now) + AFTER_DEADLINE;
        Some((&checkout::operations::expire_orders::QUEUE, message(change, "use.due.v1", op, due, delay)))
    });
    timers.collect()
}

/// A change of a product goes to the worker that indexes it, and to the one that drops it from the CDN; markers, counts and rows of lists tell nobody.
#[must_use]
pub fn product_changed(change: &Change, _: Timestamp) -> Vec<Outgoing> {
    #[derive(Deserialize)]
    struct Key {
        pk: ProductId,
        sk: String,
    }
    let Some(key) = change.after::<Key>().filter(|key| key.sk == "product") else { return Vec::new() };
    let indexed = message(change, "product.changed.v1", "", Changed::Product(key.pk), Duration::ZERO);
    let mut out = vec![(&search::operations::index_products::QUEUE, indexed)];
    if let Some(stale) = Stale::of(change.before::<Seen>().as_ref(), change.after::<Seen>().as_ref()) {
        let dropped = message(change, "product.stale.v1", "", stale, Duration::ZERO);
        out.push((&catalog::operations::invalidate_cdn::QUEUE, dropped));
    }
    out
}

/// A change of an account: the mails that its tickets ask for, each time one is given out. Sign-ins, locks and address books
/// tell nobody.
#[must_use]
pub fn account_changed(change: &Change, _: Timestamp) -> Vec<Outgoing> {
    let Some(after) = change.after::<Account>() else { return Vec::new() };
    let before = change.before::<Account>();
    let mut out = Vec::new();
    let mut mail = |kind: &str, about| {
        let notice = AccountNotice { user_id: after.id.clone(), kind: about };
        let message = message(change, kind, "mail", notice, Duration::ZERO);
        out.push((&notifications::operations::send_email::QUEUE, message));
    };
    if after.reset.is_some() && before.as_ref().is_none_or(|old| old.reset != after.reset) {
        mail("password.reset_asked.v1", AccountNoticeKind::PasswordReset);
    }
    if after.email_change.is_some() && before.as_ref().is_none_or(|old| old.email_change != after.email_change) {
        mail("email.change_asked.v1", AccountNoticeKind::EmailChange);
        mail("email.change_told.v1", AccountNoticeKind::EmailChangeAsked);
    }
    out
}

/// A rebuilding of the search index that begins goes to its worker.
#[must_use]
pub fn search_changed(change: &Change, _: Timestamp) -> Vec<Outgoing> {
    let Some(reindex) = change.after::<Reindex>() else { return Vec::new() };
    if change.before::<Reindex>().is_some_and(|before| before.generation == reindex.generation) {
        return Vec::new();
    }
    let asked = Asked { generation: reindex.generation };
    let message = message(change, "reindex.asked.v1", "", asked, Duration::ZERO);
    vec![(&search::operations::run_reindex::QUEUE, message)]
}

/// A change of the inventory's table: of a counter, of an item's settings or of a reservation. Transfers tell nobody.
#[must_use]
pub fn stock_changed(change: &Change, now: Timestamp) -> Vec<Outgoing> {
    match change.after::<CounterItem>() {
        Some(after) => counter_changed(change, &after, now),
        None => [settings_changed(change), reservation_changed(change, now)].concat(),
    }
}

/// Whether a SKU can be bought may be another now.
fn restocked(change: &Change, sku: Sku) -> Outgoing {
    let message = message(change, "stock.turned.v1", "index", Changed::Stock(sku), Duration::ZERO);
    (&search::operations::index_products::QUEUE, message)
}

/// How an item is kept decides with its counters whether it can be bought.
fn settings_changed(change: &Change) -> Vec<Outgoing> {
    #[derive(Deserialize)]
    struct Key {
        pk: String,
    }
    let sku = change.after::<Key>().and_then(|key| Sku::parse(key.pk.strip_suffix('|')?));
    let (before, after) = (change.before::<Settings>(), change.after::<Settings>());
    match sku {
        Some(sku) if before.map(|before| before.version) != after.map(|after| after.version) => {
            vec![restocked(change, sku)]
        }
        _ => Vec::new(),
    }
}

/// A timer for each hold that is new: it finds holds that arrived after their record was decided, which no other event
/// would. And a look at the item when its units sank to the threshold.
fn counter_changed(change: &Change, after: &CounterItem, now: Timestamp) -> Vec<Outgoing> {
    let Some(key) = CounterKey::parse(&after.pk) else { return Vec::new() };
    let before = change.before::<CounterItem>().map(|item| item.counter).unwrap_or_default();
    let fresh = after.counter.holds.iter().filter(|(op, _)| !before.holds.contains_key(*op));
    let mut out: Vec<Outgoing> = fresh
        .filter_map(|(op, hold)| {
            let delay = Timestamp::from_millis(hold.deadline).since(now) + AFTER_DEADLINE;
            if let Some(order) = OrderId::from_op(op) {
                let hold = Some(DueHold { op: op.clone(), counter: key.clone() });
                let due = Due { order, hold, used: None };
                let message = message(change, "hold.due.v1", op, due, delay);
                return Some((&checkout::operations::expire_orders::QUEUE, message));
            }
            let due = ReservationDue { reservation: ReservationId::from_op(op)?, counter: Some(key.clone()) };
            let message = message(change, "hold.due.v1", op, due, delay.min(QUEUE_DELAY));
            Some((&inventory::operations::expire_reservations::QUEUE, message))
        })
        .collect();
    let (was, is) = (before.available, after.counter.available);
    // Of all counters of an item the index only wants to know whether anything is left.
    if (was > 0) != (is > 0) {
        out.push(restocked(change, key.sku.clone()));
    }
    if is < was && is <= after.low.unwrap_or(LOW) {
        let sank = message(change, "stock.sank.v1", "", StockSank { sku: key.sku }, Duration::ZERO);
        out.push((&notifications::operations::alert_low_stock::QUEUE, sank));
    }
    out
}

/// A reservation: a timer when it comes into being, and the moves of its holds when it is decided.
fn reservation_changed(change: &Change, now: Timestamp) -> Vec<Outgoing> {
    let Some(after) = change.after::<Reservation>() else { return Vec::new() };
    let before = change.before::<Reservation>();
    let mut out = Vec::new();
    if before.is_none() {
        let due = ReservationDue { reservation: after.id.clone(), counter: None };
        let delay = (after.expires_at.since(now) + AFTER_DEADLINE).min(QUEUE_DELAY);
        let message = message(change, "reservation.due.v1", "", due, delay);
        out.push((&inventory::operations::expire_reservations::QUEUE, message));
    }
    let was_open = before.is_none_or(|old| !old.status.is_decided());
    if was_open && after.status.is_decided() && !after.parts.is_empty() {
        let kind = format!("reservation.{}.v1", after.status.as_str());
        let (op, committed) = (after.id.op(), after.status == State::Committed);
        let decision = HoldDecision { op, committed, created: after.created_at, parts: after.parts };
        let holds = message(change, &kind, "holds", decision, Duration::ZERO);
        out.push((&inventory::operations::confirm_holds::QUEUE, holds));
    }
    out
}
