//! `GET /v1/me/recommendations`: what a customer may want next, from their own orders and views. What they bought of late is not
//! among it.

use std::collections::BTreeSet;

use kernel::{CartId, Currency, Problem, ProductId};
use lambda::{Auth, Call, Function, Http, Nothing, Reply};
use orders::table::ListOrders;
use orders::{Order, Status};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::shelf::{DEFAULT, MOST, Reason, Recommendations, Shelf, once};
use crate::views::Viewer;

/// So many orders of the customer are looked at, the newest first.
const ORDERS: u32 = 10;
/// Of so many products, bought and viewed each, it is looked up what goes with them.
const SEEDS: usize = 5;
/// To so many products similar ones are looked for.
const LIKED: usize = 2;

/// How many, and how they are shown.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "OwnRecommendationQuery")]
struct Query {
    /// The most products.
    #[schemars(range(min = 1, max = MOST))]
    limit: Option<u32>,
    /// Which currency prices are in, where products have one in it.
    currency: Option<Currency>,
    /// The cart that was filled before signing in: what its holder looked at counts too.
    cart_id: Option<CartId>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Http::get("recommend-for-me", "/v1/me/recommendations")
        .summary("What a customer may want next, from own orders and views")
        .auth(Auth::CUSTOMER)
        .reply::<Recommendations>(200, "Products that can be bought, the best first")
        .handle(handle)
}

async fn handle(call: Call<Nothing, Query>, (orders, shelf): (ListOrders, Shelf)) -> Result<Reply, Problem> {
    let (cx, query) = (&call.cx, call.query);
    let customer = &cx.signed_in()?.id;
    let guest = query.cart_id.as_ref().map(Viewer::guest);
    let viewers: Vec<Viewer> = [Viewer::customer(customer)].into_iter().chain(guest).collect();
    let (orders, viewed) =
        futures_util::future::try_join(orders.of_customer(customer, ORDERS, None), shelf.known.views(&viewers)).await?;
    let products = |order: &Order| order.lines.iter().map(|line| line.product_id.clone()).collect::<Vec<_>>();
    let (paid, open) = (|order: &&Order| order.status.is_committed(), |order: &&Order| order.status == Status::Pending);
    let bought: Vec<ProductId> = once(orders.0.iter().filter(paid).flat_map(products));
    let buying = orders.0.iter().filter(open).flat_map(products);
    let without: BTreeSet<ProductId> = bought.iter().cloned().chain(buying).collect();
    let viewed = once(viewed.into_iter().map(|(id, _)| id).filter(|id| !without.contains(id)));

    let some = usize::try_from(query.limit.unwrap_or(DEFAULT)).unwrap_or(1).div_ceil(4);
    let seeds: Vec<ProductId> = once(viewed.iter().take(SEEDS).chain(bought.iter().take(SEEDS)).cloned());
    let liked: Vec<ProductId> = once(viewed.iter().take(1).chain(&bought).chain(&viewed).cloned());
    let liked = shelf.products(&liked.into_iter().take(LIKED).collect::<Vec<_>>()).await?;
    let mut row = shelf.row(cx, query.limit, query.currency, without);
    row.add_together(&seeds, some * 2).await?;
    row.add(viewed, Reason::Viewed, some).await?;
    for product in &liked {
        row.add_similar(product, some * 2).await?;
    }
    row.fill(liked.first().map(|product| &product.category)).await?;
    Ok(Reply::ok(&row.filled()))
}
