//! Carries the changes of one table to the queues.

use aws::{Capability, ConfigError, Grant, Message, Platform, Queue, QueueSpec, Resource};
use kernel::Timestamp;
use lambda::{Change, Consumer, Cx, Function, StreamFailure};

use crate::routes::{
    Outgoing, account_changed, order_changed, payment_reported, product_changed, promotion_changed, search_changed,
    stock_changed,
};

/// The relays, one per table.
#[must_use]
pub fn functions() -> Vec<Function> {
    vec![
        Consumer::new("relay-stream-orders")
            .summary("Carry changes of orders to the workers")
            .batch(100)
            .stream(&orders::table::TABLE, relay_orders)
            .binary("relay-stream"),
        Consumer::new("relay-stream-payments")
            .summary("Carry what the payment provider reported to the worker that settles")
            .batch(100)
            .stream(&checkout::reports::TABLE, relay_payments)
            .binary("relay-stream"),
        Consumer::new("relay-stream-inventory")
            .summary("Carry changes of stock to the workers")
            .batch(100)
            .stream(&inventory::table::TABLE, relay_inventory)
            .binary("relay-stream"),
        Consumer::new("relay-stream-promotions")
            .summary("Carry what orders hold of coupons and gift cards to their timers")
            .batch(100)
            .stream(&promotions::table::TABLE, relay_promotions)
            .binary("relay-stream"),
        Consumer::new("relay-stream-catalog")
            .summary("Carry changes of products to the workers that index them and drop them from the CDN")
            .batch(100)
            .stream(&catalog::table::TABLE, relay_catalog)
            .binary("relay-stream"),
        Consumer::new("relay-stream-search")
            .summary("Carry rebuildings of the search index to the worker that does them")
            .batch(100)
            .stream(&search::table::TABLE, relay_search)
            .binary("relay-stream"),
        Consumer::new("relay-stream-users")
            .summary("Carry what owners of accounts asked for to the worker that sends mail")
            .batch(100)
            .stream(&users::table::USERS, relay_users)
            .binary("relay-stream"),
    ]
}

fn sending(queues: &[&QueueSpec]) -> Vec<Grant> {
    queues.iter().map(|queue| Grant::new(&["sqs:SendMessage"], Resource::Queue { name: queue.name })).collect()
}

/// The queues that changes of orders go to.
#[derive(Clone)]
struct OrderQueues(Vec<(&'static str, Queue)>);

const OF_ORDERS: [&QueueSpec; 8] = [
    &checkout::operations::expire_orders::QUEUE,
    &checkout::operations::retry_payment::QUEUE,
    &checkout::operations::move_money::QUEUE,
    &inventory::operations::confirm_holds::QUEUE,
    &promotions::operations::confirm_uses::QUEUE,
    &cart::operations::close_cart::QUEUE,
    &recommendations::operations::build_recommendations::QUEUE,
    &notifications::operations::send_email::QUEUE,
];

impl Capability for OrderQueues {
    fn grants() -> Vec<Grant> {
        sending(&OF_ORDERS)
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self(OF_ORDERS.iter().map(|queue| (queue.name, platform.queue(queue))).collect()))
    }
}

/// The queue that the provider's reports go to.
#[derive(Clone)]
struct PaymentQueues(Vec<(&'static str, Queue)>);

const OF_PAYMENTS: [&QueueSpec; 1] = [&checkout::operations::retry_payment::QUEUE];

impl Capability for PaymentQueues {
    fn grants() -> Vec<Grant> {
        sending(&OF_PAYMENTS)
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self(OF_PAYMENTS.iter().map(|queue| (queue.name, platform.queue(queue))).collect()))
    }
}

/// The queues that changes of stock go to.
#[derive(Clone)]
struct StockQueues(Vec<(&'static str, Queue)>);

const OF_STOCK: [&QueueSpec; 5] = [
    &checkout::operations::expire_orders::QUEUE,
    &inventory::operations::expire_reservations::QUEUE,
    &inventory::operations::confirm_holds::QUEUE,
    &notifications::operations::alert_low_stock::QUEUE,
    &search::operations::index_products::QUEUE,
];

impl Capability for StockQueues {
    fn grants() -> Vec<Grant> {
        sending(&OF_STOCK)
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self(OF_STOCK.iter().map(|queue| (queue.name, platform.queue(queue))).collect()))
    }
}

/// The queues that changes of coupons and gift cards go to.
#[derive(Clone)]
struct PromotionQueues(Vec<(&'static str, Queue)>);

const OF_PROMOTIONS: [&QueueSpec; 1] = [&checkout::operations::expire_orders::QUEUE];

impl Capability for PromotionQueues {
    fn grants() -> Vec<Grant> {
        sending(&OF_PROMOTIONS)
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self(OF_PROMOTIONS.iter().map(|queue| (queue.name, platform.queue(queue))).collect()))
    }
}

/// The queues that changes of products go to.
#[derive(Clone)]
struct CatalogQueues(Vec<(&'static str, Queue)>);

const OF_CATALOG: [&QueueSpec; 2] =
    [&search::operations::index_products::QUEUE, &catalog::operations::invalidate_cdn::QUEUE];

impl Capability for CatalogQueues {
    fn grants() -> Vec<Grant> {
        sending(&OF_CATALOG)
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self(OF_CATALOG.iter().map(|queue| (queue.name, platform.queue(queue))).collect()))
    }
}

/// The queue that rebuildings of the search index go to.
#[derive(Clone)]
struct SearchQueues(Vec<(&'static str, Queue)>);

const OF_SEARCH: [&QueueSpec; 1] = [&search::operations::run_reindex::QUEUE];

impl Capability for SearchQueues {
    fn grants() -> Vec<Grant> {
        sending(&OF_SEARCH)
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self(OF_SEARCH.iter().map(|queue| (queue.name, platform.queue(queue))).collect()))
    }
}

/// The queue that changes of accounts go to.
#[derive(Clone)]
struct UserQueues(Vec<(&'static str, Queue)>);

const OF_USERS: [&QueueSpec; 1] = [&notifications::operations::send_email::QUEUE];

impl Capability for UserQueues {
    fn grants() -> Vec<Grant> {
        sending(&OF_USERS)
    }

    fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self(OF_USERS.iter().map(|queue| (queue.name, platform.queue(queue))).collect()))
    }
}

async fn relay_orders(changes: Vec<Change>, cx: Cx, queues: OrderQueues) -> Result<(), StreamFailure> {
    relay(&changes, &cx, &queues.0, order_changed).await
}

async fn relay_payments(changes: Vec<Change>, cx: Cx, queues: PaymentQueues) -> Result<(), StreamFailure> {
    relay(&changes, &cx, &queues.0, payment_reported).await
}

async fn relay_inventory(changes: Vec<Change>, cx: Cx, queues: StockQueues) -> Result<(), StreamFailure> {
    relay(&changes, &cx, &queues.0, stock_changed).await
}

async fn relay_promotions(changes: Vec<Change>, cx: Cx, queues: PromotionQueues) -> Result<(), StreamFailure> {
    relay(&changes, &cx, &queues.0, promotion_changed).await
}

async fn relay_catalog(changes: Vec<Change>, cx: Cx, queues: CatalogQueues) -> Result<(), StreamFailure> {
    relay(&changes, &cx, &queues.0, product_changed).await
}

async fn relay_search(changes: Vec<Change>, cx: Cx, queues: SearchQueues) -> Result<(), StreamFailure> {
    relay(&changes, &cx, &queues.0, search_changed).await
}

async fn relay_users(changes: Vec<Change>, cx: Cx, queues: UserQueues) -> Result<(), StreamFailure> {
    relay(&changes, &cx, &queues.0, account_changed).await
}

/// Sends what all changes mean, a batch per queue. When a queue fails, everything comes again from the first change that
/// had something for it; what went to other queues goes twice, which every worker bears.
async fn relay(
    changes: &[Change],
    cx: &Cx,
    queues: &[(&'static str, Queue)],
    route: fn(&Change, Timestamp) -> Vec<Outgoing>,
) -> Result<(), StreamFailure> {
    let now = cx.now();
    let mut lanes: Vec<(&Queue, usize, Vec<Message>)> = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        for (spec, message) in route(change, now) {
            let queue = queues.iter().find(|(name, _)| *name == spec.name).map(|(_, queue)| queue);
            let queue =
                queue.ok_or_else(|| StreamFailure { at, reason: format!("no way to the queue {}", spec.name) })?;
            match lanes.iter_mut().find(|(known, _, _)| known.url() == queue.url()) {
                Some((_, _, messages)) => messages.push(message),
                None => lanes.push((queue, at, vec![message])),
            }
        }
    }
    let mut failure: Option<StreamFailure> = None;
    for (queue, at, messages) in lanes {
        if let Err(error) = queue.send(&messages).await
            && failure.as_ref().is_none_or(|known| at < known.at)
        {
            failure = Some(StreamFailure { at, reason: error.to_string() });
        }
    }
    failure.map_or(Ok(()), Err)
}
