//! `POST /v1/carts/{id}/merge`: one cart goes over into another, as when a guest signs in. Both are written in one
//! transaction: whatever fails, each line is in one of them. What went over is gone from the other cart, so a repeated call
//! moves nothing. What cannot go over stays where it was, and a note says so.
//!
//! A cart that an order is paying for does not move: its lines would be bought there and wanted here.

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::table::FindProducts;
use kernel::problem::code;
use kernel::{CartId, Money, Problem, ProductId, Sku};
use lambda::{Auth, Call, Cx, Function, Http, Idempotency, Nothing, Reply};
use orders::Status;
use orders::table::{LoadOrder, Record};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::cart::Cart;
use crate::operations::{CartPath, Shelves, shown_with, unknown};
use crate::table::{Merge, MergeCarts};
use crate::view::CartView;

/// How often a merge that met a change of a cart is tried.
const TRIES: usize = 5;
/// A claim this old of an order that was never written is dead: its function is.
const CLAIM_LIFE: Duration = Duration::from_secs(60);

/// Where the lines come from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MergeCart {
    /// The other cart's id.
    #[schemars(length(min = 1, max = 64))]
    from: String,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::post("merge-cart", "/v1/carts/{id}/merge")
        .summary("Moves what is in one cart into another, in one write")
        .auth(Auth::CUSTOMER)
        // Not kept: a cart's id is its holder's secret.
        .idempotency(Idempotency::Inherent)
        .reply::<CartView>(200, "The whole cart")
        .problems(&[code::CART_NOT_FOUND, code::VERSION_MISMATCH, code::CHECKOUT_IN_PROGRESS])
        .handle(handle)
}

async fn handle(
    call: Call<CartPath, Nothing, MergeCart>,
    (carts, orders, shelves): (MergeCarts, LoadOrder, Shelves),
) -> Result<Reply, Problem> {
    let Call { path, body, cx, .. } = call;
    let into = path.cart()?;
    let from = CartId::parse(&body.from).ok_or_else(unknown)?;
    if into == from {
        return Err(Problem::field("/from", "must be another cart"));
    }
    for attempt in 0..TRIES {
        let (Some(into), Some(from)) = carts.load(&into, &from).await? else { return Err(unknown()) };
        // A version is what the caller saw before the first try.
        if attempt == 0
            && let Some(version) = cx.expected_version().filter(|version| *version != into.version)
        {
            let detail = format!("the cart is in version {}, not {version}", into.version);
            return Err(Problem::new(code::VERSION_MISMATCH, detail).with("version", into.version));
        }
        let prices = prices(&into, &from, &shelves.0).await?;
        let Some(merged) = into.merged(&from, &prices, cx.now()) else {
            return shown_with(&into, &shelves, Vec::new(), &cx).await;
        };
        free(&from, &orders, &cx).await?;
        let dead = from.claim.as_ref().map(|claim| &claim.order);
        let merge = Merge { into: &into, from: &from, dead, merged: &merged, request: cx.request_id() };
        if carts.merge(merge).await? {
            return shown_with(&merged.into, &shelves, merged.notes, &cx).await;
        }
    }
    Err(Problem::new(code::UNAVAILABLE, "the carts keep changing; try again").retry_after(1))
}

/// What the lines of the other cart cost in this cart's currency, where that is another one.
async fn prices(into: &Cart, from: &Cart, products: &FindProducts) -> Result<BTreeMap<Sku, Money>, Problem> {
    if into.currency == from.currency {
        return Ok(BTreeMap::new());
    }
    let ids: Vec<ProductId> = from.lines.values().map(|line| line.product_id.clone()).collect();
    let products = products.by_ids(&ids, false).await?;
    let price = |sku: &Sku| {
        let variant = products.iter().find_map(|product| product.variant(sku))?;
        Some((sku.clone(), variant.price_in(into.currency)?))
    };
    Ok(from.lines.keys().filter_map(price).collect())
}

/// Sees that no order is paying for a cart, or was just paid with it. The claim of an order that came to nothing is none.
async fn free(cart: &Cart, orders: &LoadOrder, cx: &Cx) -> Result<(), Problem> {
    let Some(claim) = &cart.claim else { return Ok(()) };
    let dead = match orders.record(&claim.order).await? {
        Some(Record::Tombstone) => true,
        Some(Record::Order(order)) => matches!(order.status, Status::Cancelled | Status::Expired),
        None => cx.now().since(claim.at) >= CLAIM_LIFE,
    };
    if dead {
        return Ok(());
    }
    let detail = "an order is paying for the other cart, or was just paid with it";
    Err(Problem::new(code::CHECKOUT_IN_PROGRESS, detail).retry_after(1))
}
