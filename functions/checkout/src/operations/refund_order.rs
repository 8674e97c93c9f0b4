//! `POST /v1/admin/orders/{id}/refunds`: money goes back, by amount or by lines, never more than was taken.
//!
//! One conditional write on the order holds the money; then the provider is asked. When it gives no answer, a worker that
//! the order's stream starts goes on.

use std::time::Duration;

use kernel::problem::code;
use kernel::{Money, OrderId, Problem, RefundId};
use lambda::{Alarm, Auth, Call, Function, Http, Idempotency, Nothing, Reply};
use orders::Order;
use orders::funds::{LineError, Refund, RefundStatus, RefundedLine};
use orders::order::OrderEvent;
use orders::table::funds::Changed;
use orders::view::RefundView;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::cashier::{Carried, Refunder};

/// Kept back for the writes after the provider's answer.
const AFTER_PROVIDER: Duration = Duration::from_secs(3);
/// How often a hold is tried again that somebody else's change came before.
const ROUNDS: usize = 5;

/// The order in the path.
#[derive(Deserialize, JsonSchema)]
struct Path {
    /// The order's id.
    #[schemars(length(max = 64))]
    id: String,
}

/// What goes back: an amount, or lines.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RefundRequest {
    /// How much.
    amount: Option<Money>,
    /// Or for which units.
    #[schemars(length(min = 1, max = 100))]
    lines: Option<Vec<RefundedLine>>,
    /// Why.
    #[schemars(length(min = 1, max = 200))]
    reason: String,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("refund-order", "/v1/admin/orders/{id}/refunds")
        .summary("Give money of an order back, by amount or by lines")
        .auth(Auth::STAFF_ORDERS)
        .idempotency(Idempotency::DerivedRequired)
        .reply::<RefundView>(201, "the money went back, or the provider refused: see `status`")
        .reply::<RefundView>(202, "the provider has not answered yet: it is asked again")
        .problems(&[
            code::KEY_MISSING,
            code::KEY_REUSED,
            code::ORDER_NOT_FOUND,
            code::REFUND_TOO_LARGE,
            code::NOTHING_TO_REFUND,
        ])
        .handle(handle)
        .timeout(20)
        .alarm(Alarm { metric: "RefundsRefused", threshold: 1, period_s: 300, periods: 1 })
}

async fn handle(call: Call<Path, Nothing, RefundRequest>, cashier: Refunder) -> Result<Reply, Problem> {
    let Call { path, body, cx, .. } = call;
    let missing = || Problem::new(code::ORDER_NOT_FOUND, "there is no such order");
    let order_id = OrderId::parse(&path.id).ok_or_else(missing)?;
    let id = RefundId::derive(&[order_id.as_str().as_bytes(), cx.key().unwrap_or_default().as_bytes()]);
    cx.note("refund", &id);
    let mut order = cashier.load(&order_id).await?.ok_or_else(missing)?;
    let mut rounds = 0;
    let order = loop {
        let Some(funds) = &order.payment.funds else {
            return Err(Problem::new(code::NOTHING_TO_REFUND, "no money was taken for this order"));
        };
        if let Some(before) = funds.refunds.get(&id) {
            if before.fingerprint != cx.fingerprint() {
                return Err(Problem::new(code::KEY_REUSED, "use a fresh Idempotency-Key for another request"));
            }
            break order;
        }
        let amount = amount(&order, &body)?;
        if amount.amount > funds.counter.available {
            let rest = Money::new(funds.counter.available, amount.currency);
            let detail = format!("{amount} is more than the {rest} that can still go back");
            return Err(Problem::new(code::REFUND_TOO_LARGE, detail).with("refundable", rest));
        }
        if rounds == ROUNDS {
            let detail = "the order is being changed by others";
            return Err(Problem::new(code::REQUEST_IN_FLIGHT, detail).retry_after(1));
        }
        rounds += 1;
        let refund = Refund {
            amount: amount.amount,
            cards: order.to_cards(amount.amount),
            status: RefundStatus::Pending,
            lines: body.lines.clone().unwrap_or_default(),
            reason: body.reason.clone(),
            actor: cx.actor(),
            at: cx.now(),
            fingerprint: cx.fingerprint().to_owned(),
            code: None,
        };
        let detail = Some(format!("{amount}: {}", body.reason));
        let event = OrderEvent { at: cx.now(), kind: "refund_requested".into(), actor: cx.actor(), detail };
        match cashier.funds().hold(&order, &id, &refund, &event).await? {
            Changed::Yes(order) => break *order,
            Changed::No(stands) => order = *stands,
        }
    };
    let limit = cx.remaining().saturating_sub(AFTER_PROVIDER);
    let (status, order) = match cashier.refund(order.clone(), &id, limit, &cx).await? {
        Carried::Out(order) => (201, *order),
        Carried::NotYet(reason) => {
            cx.note("refund_unknown", reason);
            (202, order)
        }
    };
    let view = order.payment.funds.as_ref().and_then(|funds| funds.refunds.get(&id));
    let view = view.map(|refund| RefundView::of(&id, refund, order.totals.total.currency));
    let view = view.ok_or_else(|| Problem::internal("the refund is not on the order"))?;
    let location = format!("/v1/orders/{}", order.id);
    Ok(if status == 201 { Reply::created(&view, &location) } else { Reply::accepted(&view, &location) })
}

/// What is to go back.
fn amount(order: &Order, body: &RefundRequest) -> Result<Money, Problem> {
    let currency = order.totals.total.currency;
    match (&body.amount, &body.lines) {
        (Some(amount), None) if amount.currency != currency => {
            let detail = format!("the order is in {currency}, not in {}", amount.currency);
            Err(Problem::new(code::CURRENCY_MISMATCH, detail))
        }
        (Some(amount), None) if amount.amount < 1 => Err(Problem::field("/amount/amount", "must be at least 1")),
        (Some(amount), None) => Ok(*amount),
        (None, Some(lines)) => match order.worth(lines) {
            Ok(worth) if worth.amount < 1 => Err(Problem::field("/lines", "nothing was paid for these units")),
            Ok(worth) => Ok(worth),
            Err(error @ LineError::NoLine(_)) => Err(Problem::field("/lines", error.to_string())),
            Err(LineError::TooMany { sku, left }) => {
                let detail = format!("of `{sku}` {left} units can still be given back for");
                Err(Problem::new(code::REFUND_TOO_LARGE, detail).with("sku", sku).with("left", left))
            }
        },
        _ => Err(Problem::field("", "send either `amount` or `lines`")),
    }
}
