//! `POST /v1/inventory/{sku}/admissions`: a place in an announced sale.

use kernel::problem::code;
use kernel::{CartId, Problem, Sku, Timestamp};
use lambda::{Call, Function, Http, Idempotency, Nothing, Reply, Throttle};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SkuPath;
use crate::admission::Ticket;
use crate::desk::{Door, Drops};

/// Who wants to be let in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AdmissionRequest {
    /// The cart that will buy it.
    cart_id: CartId,
}

/// A place, and what lets its cart in when its time has come.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Admission {
    /// The item.
    pub sku: Sku,
    /// The place, from 0.
    pub place: u64,
    /// What to send to the checkout among `admissions`, from `admitted_at` on. Good for one order of this cart.
    pub admission: String,
    /// When it lets in.
    pub admitted_at: Timestamp,
    /// When it is worth nothing any more.
    pub expires_at: Timestamp,
}

impl Admission {
    /// Of a ticket and its signed form.
    #[must_use]
    pub fn of(ticket: Ticket, admission: String) -> Self {
        let (admitted_at, expires_at) = (ticket.from(), ticket.until());
        Self { sku: ticket.sku, place: ticket.place, admission, admitted_at, expires_at }
    }
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("request-admission", "/v1/inventory/{sku}/admissions")
        .summary("A place in an announced sale, for a cart")
        .idempotency(Idempotency::Inherent)
        .throttle(Throttle::Checkout)
        .reply::<Admission>(201, "a place; keep it, another request gets a later one")
        .problems(&[code::ADMISSION_NOT_NEEDED, code::OUT_OF_STOCK])
        .handle(handle)
}

async fn handle(
    call: Call<SkuPath, Nothing, AdmissionRequest>,
    (drops, door): (Drops, Door),
) -> Result<Reply, Problem> {
    let (sku, cart) = (call.path.sku, call.body.cart_id);
    let Some(drop) = drops.of(&sku, &call.cx).await? else {
        let detail = format!("`{sku}` is sold without admission; put it into the cart and check out");
        return Err(Problem::new(code::ADMISSION_NOT_NEEDED, detail));
    };
    if drop.gone {
        return Err(Problem::new(code::OUT_OF_STOCK, format!("`{sku}` is gone")));
    }
    let (ticket, text) = door.place(&sku, &cart, &drop, &call.cx).await?;
    call.cx.note("place", ticket.place);
    Ok(Reply::created(&Admission::of(ticket, text), &format!("/v1/inventory/{sku}")))
}
