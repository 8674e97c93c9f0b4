//! The `orders` table: one item an order, which is its decision record. Every change is one conditional write whose
//! condition names the state it starts from.

pub mod funds;

use aws::table::{Written, attribute, from_item, n, s, to_item, written};
use aws::{DataError, IndexSpec, Item, TableSpec, capability};
use aws_sdk_dynamodb::operation::update_item::UpdateItemOutput;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use inventory::Part;
use kernel::limits::{ORDERS_LOOKED_AT, PAGE_MAX};
use kernel::{OrderId, ProductId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::order::{Decision, Order, OrderEvent, Payment, PaymentStatus, Status};

/// The index of a customer's orders, newest found first.
pub const BY_CUSTOMER: &str = "by-customer";

/// Orders and tombstones. The stream of this table is where every event of an order comes from.
pub const TABLE: TableSpec = TableSpec {
    name: "orders",
    partition_key: "pk",
    sort_key: None,
    indexes: &[IndexSpec {
        name: BY_CUSTOMER,
        partition_key: "customer",
        sort_key: Some("created_at"),
        numeric_sort: false,
        whole: false,
    }],
    ttl: None,
    stream: true,
};

capability!(
    /// Reads one order.
    LoadOrder on TABLE: ["dynamodb:GetItem"]
);

capability!(
    /// Writes a pending order.
    OpenOrder on TABLE: ["dynamodb:PutItem"]
);

capability!(
    /// Decides a pending order, and notes where its payment stands.
    DecideOrder on TABLE: ["dynamodb:UpdateItem"]
);

capability!(
    /// Writes the tombstone of an order that was never written.
    BuryOrder on TABLE: ["dynamodb:PutItem"]
);

capability!(
    /// Gives a guest's order to the customer who has its token.
    ClaimOrder on TABLE: ["dynamodb:UpdateItem"]
);

capability!(
    /// Lists a customer's orders.
    ListOrders on TABLE: ["dynamodb:BatchGetItem"], index "by-customer": ["dynamodb:Query"]
);

/// What stands under an order's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An order.
    Order(Box<Order>),
    /// The mark that there will never be one: its time was over before it was written.
    Tombstone,
}

/// The stored form of a tombstone.
#[derive(Serialize, Deserialize)]
struct Tombstone {
    #[serde(rename = "pk")]
    id: OrderId,
    tombstone: bool,
    status: Status,
    created_at: Timestamp,
}

fn record(item: Item) -> Result<Record, DataError> {
    if item.contains_key("tombstone") {
        return Ok(Record::Tombstone);
    }
    Ok(Record::Order(Box::new(from_item(item)?)))
}

impl LoadOrder {
    /// The order as it stands now; `None` also for a tombstone.
    pub async fn load(&self, id: &OrderId) -> Result<Option<Order>, DataError> {
        Ok(match self.record(id).await? {
            Some(Record::Order(order)) => Some(*order),
            Some(Record::Tombstone) | None => None,
        })
    }

    /// What stands under the id now.
    pub async fn record(&self, id: &OrderId) -> Result<Option<Record>, DataError> {
        self.table.get(self.table.key(id.as_str()), true).await?.map(record).transpose()
    }
}

/// What became of writing an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It stands.
    Yes,
    /// Something stood there before.
    Before(Record),
}

impl OpenOrder {
    /// Writes a pending order, unless its id is taken.
    pub async fn open(&self, order: &Order) -> Result<Opened, DataError> {
        put_new(&self.table, to_item(order)?).await
    }
}

impl BuryOrder {
    /// Writes a tombstone, unless the order was written meanwhile. From then on it can never be.
    pub async fn bury(&self, id: &OrderId, now: Timestamp) -> Result<Opened, DataError> {
        let tombstone = Tombstone { id: id.clone(), tombstone: true, status: Status::Expired, created_at: now };
        put_new(&self.table, to_item(&tombstone)?).await
    }
}

async fn put_new(table: &aws::Table, item: Item) -> Result<Opened, DataError> {
    let put = table.client().put_item().table_name(table.name()).set_item(Some(item));
    let put = put
        .condition_expression("attribute_not_exists(pk)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    match written(put.send().await)? {
        Written::Yes(_) => Ok(Opened::Yes),
        Written::No(Some(before)) => Ok(Opened::Before(record(before)?)),
        Written::No(None) => Err(DataError::Busy("the order came and went".into())),
    }
}

/// What became of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It is decided, now and so.
    Now(Box<Order>),
    /// It had been decided; this is what stands.
    Before(Record),
    /// There is no such order.
    Missing,
}

impl DecideOrder {
    /// Decides a pending order, once. Whoever comes second learns what stands.
    pub async fn decide(
        &self,
        id: &OrderId,
        decision: Decision,
        payment: &Payment,
        event: OrderEvent,
    ) -> Result<Decided, DataError> {
        let status = Status::Pending.decided(decision).unwrap_or(Status::Pending);
        self.change(id, status, payment, event).await
    }

    /// Notes that the payment of a pending order is about to be called off. It comes before the provider is asked: an order must
    /// not become paid with money that the provider lets go of at the same time.
    pub async fn call_off(&self, id: &OrderId, now: Timestamp) -> Result<Decided, DataError> {
        let request = self.table.client().update_item().table_name(self.table.name());
        let result = request
            .set_key(Some(self.table.key(id.as_str())))
            .update_expression("SET calling_off = :yes, version = version + :one, updated_at = :at")
            .condition_expression("#status = :pending")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":yes", AttributeValue::Bool(true))
            .expression_attribute_values(":pending", s(Status::Pending.as_str()))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":at", attribute(&now)?)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        decided(written(result)?)
    }

    /// Notes where the payment of a pending order stands.
    pub async fn note_payment(&self, id: &OrderId, payment: &Payment, event: OrderEvent) -> Result<Decided, DataError> {
        self.change(id, Status::Pending, payment, event).await
    }

    /// Notes that money which came for a dead order went back.
    pub async fn note_given_back(&self, id: &OrderId, event: OrderEvent) -> Result<(), DataError> {
        let request = self.table.client().update_item().table_name(self.table.name());
        let result = request
            .set_key(Some(self.table.key(id.as_str())))
            .update_expression(
                "SET payment.#status = :refunded, events = list_append(events, :event), \
                 version = version + :one, updated_at = :at",
            )
            .condition_expression("#status IN (:cancelled, :expired) AND payment.#status <> :refunded")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":refunded", attribute(&PaymentStatus::Refunded)?)
            .expression_attribute_values(":cancelled", s(Status::Cancelled.as_str()))
            .expression_attribute_values(":expired", s(Status::Expired.as_str()))
            .expression_attribute_values(":at", attribute(&event.at)?)
            .expression_attribute_values(":event", AttributeValue::L(vec![attribute(&event)?]))
            .expression_attribute_values(":one", n(1))
            .send()
            .await;
        written(result).map(|_| ())
    }

    /// Names other holds of a pending order, before its money is asked for, unless somebody else changed it since.
    pub async fn name_holds(&self, order: &Order, holds: &[Part], now: Timestamp) -> Result<Decided, DataError> {
        let request = self.table.client().update_item().table_name(self.table.name());
        let result = request
            .set_key(Some(self.table.key(order.id.as_str())))
            .update_expression("SET #holds = :holds, version = version + :one, updated_at = :at")
            .condition_expression("#status = :pending AND version = :seen")
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#holds", "holds")
            .expression_attribute_values(":holds", attribute(&holds)?)
            .expression_attribute_values(":pending", s(Status::Pending.as_str()))
            .expression_attribute_values(":seen", attribute(&order.version)?)
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":at", attribute(&now)?)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        decided(written(result)?)
    }

    async fn change(
        &self,
        id: &OrderId,
        status: Status,
        payment: &Payment,
        event: OrderEvent,
    ) -> Result<Decided, DataError> {
        let at = attribute(&event.at)?;
        let mut condition = String::from("#status = :pending");
        if payment.status == PaymentStatus::Authorized {
            condition.push_str(" AND attribute_not_exists(calling_off)");
        }
        let request = self.table.client().update_item().table_name(self.table.name());
        let result = request
            .set_key(Some(self.table.key(id.as_str())))
            .update_expression(
                "SET #status = :status, payment = :payment, events = list_append(events, :event), \
                 version = version + :one, updated_at = :at",
            )
            .condition_expression(condition)
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":status", s(status.as_str()))
            .expression_attribute_values(":pending", s(Status::Pending.as_str()))
            .expression_attribute_values(":payment", attribute(payment)?)
            .expression_attribute_values(":event", AttributeValue::L(vec![attribute(&event)?]))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":at", at)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        decided(written(result)?)
    }
}

fn decided(written: Written<UpdateItemOutput>) -> Result<Decided, DataError> {
    match written {
        Written::Yes(output) => Ok(Decided::Now(Box::new(from_item(output.attributes.unwrap_or_default())?))),
        Written::No(Some(item)) => Ok(Decided::Before(record(item)?)),
        Written::No(None) => Ok(Decided::Missing),
    }
}

impl ClaimOrder {
    /// Makes a guest's order a customer's, once: an order has one owner for good. Only when it is decided: until then the
    /// call that places it relies on nobody else changing it.
    pub async fn claim(&self, id: &OrderId, customer: &UserId, now: Timestamp) -> Result<Decided, DataError> {
        let event = OrderEvent { at: now, kind: "claimed".into(), actor: customer.to_string(), detail: None };
        let request = self.table.client().update_item().table_name(self.table.name());
        let result = request
            .set_key(Some(self.table.key(id.as_str())))
            .update_expression(
                "SET #customer = :customer, events = list_append(events, :event), version = version + :one, \
                 updated_at = :at",
            )
            .condition_expression(
                "attribute_exists(events) AND attribute_not_exists(#customer) AND #status <> :pending",
            )
            .expression_attribute_names("#customer", "customer")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":customer", s(customer.as_str()))
            .expression_attribute_values(":event", AttributeValue::L(vec![attribute(&event)?]))
            .expression_attribute_values(":pending", s(Status::Pending.as_str()))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":at", attribute(&now)?)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        decided(written(result)?)
    }
}

/// Where a page of a customer's orders ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Position {
    id: OrderId,
    created_at: Timestamp,
}

impl ListOrders {
    /// A page of a customer's orders, newest first, and where the next one starts.
    pub async fn of_customer(
        &self,
        customer: &UserId,
        limit: u32,
        from: Option<Position>,
    ) -> Result<(Vec<Order>, Option<Position>), DataError> {
        let request = self.table.client().query().table_name(self.table.name()).index_name(BY_CUSTOMER);
        let start = from.map(|position| {
            let mut key = self.table.key(position.id.as_str());
            key.insert("customer".into(), s(customer.as_str()));
            key.insert("created_at".into(), s(position.created_at.to_string()));
            key
        });
        let answer = request
            .key_condition_expression("customer = :customer")
            .expression_attribute_values(":customer", s(customer.as_str()))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(100))
            .set_exclusive_start_key(start)
            .send()
            .await?;
        let next = answer.last_evaluated_key.map(position).transpose()?;
        let found: Vec<Position> =
            answer.items.unwrap_or_default().into_iter().map(position).collect::<Result<_, _>>()?;
        let keys = found.iter().map(|position| self.table.key(position.id.as_str())).collect();
        let items = self.table.get_many(keys, false).await?;
        let mut orders: Vec<Order> = items.into_iter().map(from_item).collect::<Result<_, _>>()?;
        orders.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        Ok((orders, next))
    }
}

impl ListOrders {
    /// Whether a customer's paid orders have a product: looked for among the newest [`ORDERS_LOOKED_AT`].
    pub async fn bought(&self, customer: &UserId, product: &ProductId) -> Result<bool, DataError> {
        let (mut from, mut seen) = (None, 0);
        while seen < ORDERS_LOOKED_AT {
            let (orders, next) = self.of_customer(customer, PAGE_MAX, from).await?;
            let has = |order: &Order| {
                order.status.is_committed() && order.lines.iter().any(|line| line.product_id == *product)
            };
            if orders.iter().any(has) {
                return Ok(true);
            }
            if next.is_none() {
                return Ok(false);
            }
            seen += orders.len();
            from = next;
        }
        Ok(false)
    }
}

fn position(key: Item) -> Result<Position, DataError> {
    #[derive(Deserialize)]
    struct Key {
        pk: OrderId,
        created_at: Timestamp,
    }
    let key: Key = from_item(key)?;
    Ok(Position { id: key.pk, created_at: key.created_at })
}
