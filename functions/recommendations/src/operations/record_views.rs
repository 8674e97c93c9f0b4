//! `POST /v1/events`: what a shopper looked at, many at once. It is only put into the queue: nothing is read, nothing waits.

use std::time::Duration;

use aws::{Capability, ConfigError, Grant, Message, Platform, Queue, Resource};
use kernel::problem::{FieldError, Place};
use kernel::{CartId, EventId, Problem, ProductId};
use lambda::{Auth, Call, Envelope, Function, Http, Idempotency, Nothing, Reply};
use schemars::JsonSchema;
use serde::Deserialize;

use super::build_recommendations::{Happened, QUEUE, Viewed};
use crate::views::{REPORTED, Viewer};

/// What a shopper did.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ShopperEvents {
    /// The cart of a guest; whoever sends an access token needs none.
    cart_id: Option<CartId>,
    /// What was looked at, the last one last.
    #[schemars(length(min = 1, max = REPORTED))]
    views: Vec<ProductView>,
}

/// A product was looked at.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ProductView {
    /// The product.
    product_id: ProductId,
}

/// The way into the worker's queue.
#[derive(Clone)]
struct Report(Queue);

impl Capability for Report {
    fn grants() -> Vec<Grant> {
        vec![Grant::new(&["sqs:SendMessage"], Resource::Queue { name: QUEUE.name })]
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self(platform.queue(&QUEUE)))
    }
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("record-views", "/v1/events")
        .summary("Reports what a shopper looked at, many products at once")
        .auth(Auth::Optional)
        // A view that is reported twice is the same view.
        .idempotency(Idempotency::Inherent)
        .body_bytes(8 * 1024)
        .reply_empty(202, "They are noted within a moment")
        .handle(handle)
}

async fn handle(call: Call<Nothing, Nothing, ShopperEvents>, queue: Report) -> Result<Reply, Problem> {
    let (cx, body) = (&call.cx, call.body);
    let viewer = match (cx.caller(), &body.cart_id) {
        (Some(caller), _) => Viewer::customer(&caller.id),
        (None, Some(cart)) => Viewer::guest(cart),
        (None, None) => {
            let detail = "must be sent by who sends no access token".to_owned();
            return Err(Problem::invalid(vec![FieldError { place: Place::Body, pointer: "/cart_id".into(), detail }]));
        }
    };
    let products = body.views.into_iter().map(|view| view.product_id).collect();
    let (id, time) = (EventId::new(cx.random()), cx.now());
    let data = Happened::Viewed(Viewed { viewer, at: time, products });
    let envelope = Envelope { id: id.clone(), kind: "products.viewed.v1".into(), time, data };
    let body = serde_json::to_string(&envelope).map_err(Problem::internal)?;
    queue.0.send(&[Message { body, delay: Duration::ZERO, group: None, id: id.to_string() }]).await?;
    Ok(Reply::noted())
}
