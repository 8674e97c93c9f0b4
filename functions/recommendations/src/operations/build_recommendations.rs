//! The worker behind paid orders and views: what was bought together, what sells, and what each viewer looked at last.

use std::collections::BTreeMap;

use aws::{DataError, QueueSpec};
use catalog::table::FindProducts;
use kernel::{CategoryPath, OrderId, ProductId, Timestamp};
use lambda::{Consumer, Delivery, Fault, Function};
use serde::{Deserialize, Serialize};

use crate::rank::written;
use crate::sample::Lot;
use crate::table::{BASKETS, KeepRecommendations, Key, News, OTHERS, SALES, levels};
use crate::views::Viewer;

/// What happened, in any order, any number of times.
pub const QUEUE: QueueSpec = QueueSpec {
    name: "build-recommendations",
    fifo: false,
    visibility_s: 180,
    max_receives: 10,
    max_age_alarm_s: 3600,
};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happened {
    /// An order was paid.
    Bought(Basket),
    /// Somebody looked at products.
    Viewed(Viewed),
}

/// What a paid order has. Nothing of who bought it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basket {
    /// The order: what makes it count once.
    pub order: OrderId,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// Its products, each once.
    pub products: Vec<ProductId>,
}

/// Products that somebody looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewed {
    /// Who.
    pub viewer: Viewer,
    /// When they were reported.
    pub at: Timestamp,
    /// The products, in the order in which they were looked at.
    pub products: Vec<ProductId>,
}

/// The declaration.
#[must_use]
pub fn function() -> Function {
    Consumer::new("build-recommendations")
        .summary("Keep samples of what was bought together and what sells, and the last views of each viewer")
        .batch(10)
        .queue_together(&QUEUE, handle)
}

async fn handle(
    deliveries: Vec<Delivery<Happened>>,
    (kept, products): (KeepRecommendations, FindProducts),
) -> Vec<Result<(), Fault>> {
    let done = build(&deliveries, &kept, &products).await.map_err(Fault::from);
    vec![done; deliveries.len()]
}

async fn build(
    deliveries: &[Delivery<Happened>],
    kept: &KeepRecommendations,
    products: &FindProducts,
) -> Result<(), DataError> {
    let Some(first) = deliveries.first() else { return Ok(()) };
    let of = |delivery: &Delivery<Happened>| delivery.event.data.clone();
    let (mut baskets, mut news) = (Vec::new(), News::default());
    for happened in deliveries.iter().map(of) {
        match happened {
            Happened::Bought(basket) => baskets.push(basket),
            Happened::Viewed(views) => news.view(
                views.viewer,
                (0_i64..).zip(views.products).map(|(step, product)| {
                    // What was looked at last is the newest.
                    (product, Timestamp::from_millis(views.at.millis().saturating_add(step)))
                }),
            ),
        }
    }
    let sold: Vec<ProductId> = baskets.iter().flat_map(|basket| basket.products.iter().cloned()).collect();
    let categories: BTreeMap<ProductId, CategoryPath> = match sold.is_empty() {
        true => BTreeMap::new(),
        false => products.by_ids(&sold, false).await?.into_iter().map(|one| (one.id, one.category)).collect(),
    };
    for basket in &baskets {
        count(basket, &categories, &mut news);
    }
    let written = kept.keep(news, first.cx.now()).await?;
    first.cx.count("RecommendationsWritten", i64::try_from(written).unwrap_or(i64::MAX));
    Ok(())
}

/// What a basket is for the samples. It hangs on the basket alone: its lots are its order's, its periods are of when it was
/// placed.
fn count(basket: &Basket, categories: &BTreeMap<ProductId, CategoryPath>, news: &mut News) {
    let order = basket.order.as_str().as_bytes();
    let (baskets, sales) = (BASKETS.at(basket.placed_at), SALES.at(basket.placed_at));
    for product in &basket.products {
        let others = written(basket.products.iter().filter(|other| *other != product).take(OTHERS));
        if !others.is_empty() {
            news.thing(Key::Baskets(product.clone(), baskets), Lot::of(&[b"basket", order]), others);
        }
        let lot = Lot::of(&[b"sale", order, product.as_str().as_bytes()]);
        for level in categories.get(product).into_iter().flat_map(levels) {
            news.thing(Key::Sales(level.to_owned(), sales), lot, written([product]));
        }
    }
}
