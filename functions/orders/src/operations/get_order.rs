//! `GET /v1/orders/{id}`: one order with its log, for its owner or for a guest who has its token.

use aws::SigningSecret;
use kernel::problem::code;
use kernel::{OrderId, Problem};
use lambda::{Auth, Call, Function, Http, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::order::Order;
use crate::table::LoadOrder;
use crate::view::{OrderView, opens};

/// The order in the path.
#[derive(Deserialize, JsonSchema)]
struct Path {
    /// The order's id.
    #[schemars(length(max = 64))]
    id: String,
}

/// How a guest proves it is theirs.
#[derive(Deserialize, JsonSchema)]
struct Query {
    /// The token from the answer to placing the order; the header `X-Order-Token` does as well.
    #[schemars(length(max = 200))]
    token: Option<String>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("get-order", "/v1/orders/{id}")
        .summary("One order with its log: for its owner, for staff, or for a guest with its token")
        .auth(Auth::Optional)
        .reply::<OrderView>(200, "the order")
        .problems(&[code::ORDER_NOT_FOUND])
        .handle(handle)
}

async fn handle(call: Call<Path, Query>, (orders, secret): (LoadOrder, SigningSecret)) -> Result<Reply, Problem> {
    // What is not an id, not there, and not yours all look the same.
    let missing = || Problem::new(code::ORDER_NOT_FOUND, "there is no such order, or it is not yours");
    let id = OrderId::parse(&call.path.id).ok_or_else(missing)?;
    let token = call.query.token.as_deref().or_else(|| call.cx.header("x-order-token"));
    let by_token = match token {
        Some(token) => opens(secret.key().await?, &id, token),
        None => false,
    };
    let order = orders.load(&id).await?.filter(|order| by_token || owns(&call, order)).ok_or_else(missing)?;
    let (version, updated) = (order.version, order.updated_at);
    Ok(Reply::ok(&OrderView::from(order)).version(version).last_modified(updated))
}

fn owns(call: &Call<Path, Query>, order: &Order) -> bool {
    let Some(caller) = call.cx.caller() else { return false };
    order.customer.as_ref() == Some(&caller.id) || caller.has(&["staff:orders", "admin"])
}
