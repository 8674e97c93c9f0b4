//! `POST /v1/admin/orders/{id}/captures`: money that was set aside when the order was placed is taken, because its goods
//! leave. Once: what is not taken is let go.

use std::time::Duration;

use kernel::problem::code;
use kernel::{Money, OrderId, Problem};
use lambda::{Alarm, Auth, Call, Function, Http, Idempotency, Nothing, Reply};
use orders::OrderView;
use orders::order::OrderEvent;
use orders::table::funds::Changed;
use orders::{Order, PaymentStatus};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::cashier::{Capturer, Carried};

/// Kept back for the writes after the provider's answer.
const AFTER_PROVIDER: Duration = Duration::from_secs(3);
/// How often it is tried again when somebody else's change came before.
const ROUNDS: usize = 5;

/// The order in the path.
#[derive(Deserialize, JsonSchema)]
struct Path {
    /// The order's id.
    #[schemars(length(max = 64))]
    id: String,
}

/// How much is taken.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CaptureRequest {
    /// How much; all of it when it is not said.
    amount: Option<Money>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("capture-order", "/v1/admin/orders/{id}/captures")
        .summary("Take the money that was set aside for an order, because its goods leave")
        .auth(Auth::STAFF_ORDERS)
        .idempotency(Idempotency::Inherent)
        .reply::<OrderView>(200, "the money was taken")
        .reply::<OrderView>(202, "the provider has not answered yet: it is asked again")
        .problems(&[code::ORDER_NOT_FOUND, code::NOTHING_TO_CAPTURE, code::CAPTURE_TOO_LARGE, code::CURRENCY_MISMATCH])
        .handle(handle)
        .timeout(20)
        .alarm(Alarm { metric: "CapturesFailed", threshold: 1, period_s: 300, periods: 1 })
}

async fn handle(call: Call<Path, Nothing, CaptureRequest>, cashier: Capturer) -> Result<Reply, Problem> {
    let Call { path, body, cx, .. } = call;
    let missing = || Problem::new(code::ORDER_NOT_FOUND, "there is no such order");
    let id = OrderId::parse(&path.id).ok_or_else(missing)?;
    let mut order = cashier.load(&id).await?.ok_or_else(missing)?;
    let mut rounds = 0;
    let order = loop {
        let amount = amount(&order, &body)?;
        if order.payment.capture == Some(amount.amount) {
            // Asked for before: by this very call, or by another that means the same.
            break order;
        }
        if order.payment.status != PaymentStatus::Authorized || order.payment.capture.is_some() {
            let detail = match order.payment.capture {
                Some(before) => format!("{} was asked for before", Money::new(before, amount.currency)),
                None => "no money is set aside for this order".to_owned(),
            };
            return Err(Problem::new(code::NOTHING_TO_CAPTURE, detail));
        }
        if rounds == ROUNDS {
            let detail = "the order is being changed by others";
            return Err(Problem::new(code::REQUEST_IN_FLIGHT, detail).retry_after(1));
        }
        rounds += 1;
        let detail = Some(amount.to_string());
        let event = OrderEvent { at: cx.now(), kind: "capture_requested".into(), actor: cx.actor(), detail };
        match cashier.funds().capture(&order, amount, &event).await? {
            Changed::Yes(order) => break *order,
            Changed::No(stands) => order = *stands,
        }
    };
    let location = format!("/v1/orders/{}", order.id);
    let limit = cx.remaining().saturating_sub(AFTER_PROVIDER);
    Ok(match cashier.capture(order.clone(), limit, &cx).await? {
        Carried::Out(order) if order.payment.status == PaymentStatus::Canceled => {
            return Err(Problem::new(code::NOTHING_TO_CAPTURE, "the bank has let the money go"));
        }
        Carried::Out(order) => Reply::ok(&OrderView::from(*order)),
        Carried::NotYet(reason) => {
            cx.note("capture_unknown", reason);
            Reply::accepted(&OrderView::from(order), &location)
        }
    })
}

/// How much is to be taken.
fn amount(order: &Order, body: &CaptureRequest) -> Result<Money, Problem> {
    let most = order.charged();
    let amount = body.amount.unwrap_or(most);
    if amount.currency != most.currency {
        let detail = format!("the order is in {}, not in {}", most.currency, amount.currency);
        return Err(Problem::new(code::CURRENCY_MISMATCH, detail));
    }
    if amount.amount < 1 {
        return Err(Problem::field("/amount/amount", "must be at least 1"));
    }
    if amount.amount > most.amount {
        let detail = format!("{amount} is more than the {most} that were set aside");
        return Err(Problem::new(code::CAPTURE_TOO_LARGE, detail).with("authorized", most));
    }
    Ok(amount)
}
