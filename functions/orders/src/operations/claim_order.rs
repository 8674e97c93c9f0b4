//! `POST /v1/me/orders`: a guest's order becomes the caller's, who has its token. From then on it stands in the caller's list,
//! and nobody else can have it. Repeated, it answers the same.

use aws::SigningSecret;
use kernel::problem::code;
use kernel::{OrderId, Problem};
use lambda::{Auth, Call, Function, Http, Idempotency, Nothing, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::order::Status;
use crate::table::{ClaimOrder, Decided, Record};
use crate::view::{OrderView, opens};

/// An order, and the proof that it is the caller's.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OrderClaim")]
struct Body {
    /// The order's id.
    #[schemars(length(min = 1, max = 64))]
    order_id: String,
    /// The token from the answer to placing it, or from its mail.
    #[schemars(length(min = 1, max = 200))]
    token: String,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("claim-order", "/v1/me/orders")
        .summary("Takes over an order that was placed as a guest")
        .auth(Auth::CUSTOMER)
        .idempotency(Idempotency::Inherent)
        .reply::<OrderView>(200, "the order, which is the caller's now")
        .problems(&[code::ORDER_NOT_FOUND, code::ORDER_PENDING])
        .handle(handle)
}

async fn handle(
    call: Call<Nothing, Nothing, Body>,
    (orders, secret): (ClaimOrder, SigningSecret),
) -> Result<Reply, Problem> {
    // What is not an id, not there, not proven, and somebody else's all look the same.
    let missing = || Problem::new(code::ORDER_NOT_FOUND, "there is no such order, or it is not yours");
    let (cx, body) = (&call.cx, &call.body);
    let id = OrderId::parse(&body.order_id).ok_or_else(missing)?;
    if !opens(secret.key().await?, &id, &body.token) {
        return Err(missing());
    }
    let caller = &cx.signed_in()?.id;
    let order = match orders.claim(&id, caller, cx.now()).await? {
        Decided::Now(order) => *order,
        Decided::Before(Record::Order(order)) if order.customer.as_ref() == Some(caller) => *order,
        Decided::Before(Record::Order(order)) if order.customer.is_none() && order.status == Status::Pending => {
            let detail = "its payment is under way; claim it once that is decided";
            return Err(Problem::new(code::ORDER_PENDING, detail).retry_after(5));
        }
        Decided::Before(_) | Decided::Missing => return Err(missing()),
    };
    let (version, updated) = (order.version, order.updated_at);
    Ok(Reply::ok(&OrderView::from(order)).version(version).last_modified(updated))
}
