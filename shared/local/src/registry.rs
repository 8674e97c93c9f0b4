//! Every service with its functions, tables and queues: the list that all else is made from.

use aws::{QueueSpec, TableSpec};
use lambda::Function;

use crate::generate::{Service, Source};
use crate::shop::Registry;

/// The services, each with a line on what it is.
#[must_use]
pub fn services() -> Vec<Service> {
    let service = |name, about, functions| Service { name, about, functions };
    vec![
        service("catalog", "Products, categories and their lists.", catalog::functions()),
        service("reviews", "What customers think of what they bought.", reviews::functions()),
        service("exchange", "Catalogues that come in and go out.", exchange::functions()),
        service("cart", "What a shopper is about to buy.", cart::functions()),
        service("checkout", "From a cart to a paid order.", checkout::functions()),
        service("inventory", "Stock that cannot be oversold.", inventory::functions()),
        service("orders", "What was bought, and how it goes on.", orders::functions()),
        service("promotions", "Coupons and gift cards.", promotions::functions()),
        service("search", "Finding products.", search::functions()),
        service("recommendations", "What shoppers may want next.", recommendations::functions()),
        service("users", "Accounts and access tokens.", users::functions()),
        service("notifications", "Mail about orders.", notifications::functions()),
        service("relay", "From the tables' streams to the workers' queues.", relay::functions()),
    ]
}

/// Every function.
#[must_use]
pub fn functions() -> Vec<Function> {
    services().into_iter().flat_map(|service| service.functions).collect()
}

/// Every table.
#[must_use]
pub fn tables() -> Vec<TableSpec> {
    [
        &[lambda::ANSWERS],
        catalog::TABLES,
        reviews::TABLES,
        exchange::TABLES,
        cart::TABLES,
        checkout::TABLES,
        inventory::TABLES,
        orders::TABLES,
        users::TABLES,
        notifications::TABLES,
        payments::TABLES,
        promotions::TABLES,
        search::TABLES,
        recommendations::TABLES,
    ]
    .concat()
}

/// Every queue.
#[must_use]
pub fn queues() -> Vec<QueueSpec> {
    [
        cart::QUEUES,
        catalog::QUEUES,
        checkout::QUEUES,
        exchange::QUEUES,
        inventory::QUEUES,
        notifications::QUEUES,
        promotions::QUEUES,
        search::QUEUES,
        recommendations::QUEUES,
    ]
    .concat()
}

/// All of it, for a shop.
#[must_use]
pub fn registry() -> Registry {
    Registry { functions: functions(), tables: tables(), queues: queues() }
}

/// All of it, for what is generated.
#[must_use]
pub fn source() -> Source {
    Source { services: services(), tables: tables(), queues: queues() }
}
