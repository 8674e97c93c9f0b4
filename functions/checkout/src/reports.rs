//! What the payment provider reported by itself: one item a report, so that a repeated one is found out, and so that none
//! is lost: the item's stream carries it to the worker that settles the order.

use aws::table::{Written, to_item, written};
use aws::{DataError, TableSpec, capability};
use kernel::{Money, OrderId, Timestamp};
use payments::{Event, EventKind};
use serde::{Deserialize, Serialize};

/// Reports. They are kept for 30 days, to be looked at by people.
pub const TABLE: TableSpec = TableSpec {
    name: "payment-reports",
    partition_key: "pk",
    sort_key: None,
    indexes: &[],
    ttl: Some("expires"),
    stream: true,
};

/// How long a report is kept: longer than any provider repeats one (Stripe: three days).
const KEPT: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3600);

/// A report as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The provider's id of it.
    #[serde(rename = "pk")]
    pub id: String,
    /// The order it is about.
    pub order: OrderId,
    /// The money that was taken, when it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Taken>,
    /// When it happened, by the provider's clock.
    pub created: Timestamp,
    /// When it came, here.
    pub received: Timestamp,
    /// When it may be dropped, in seconds since the epoch.
    pub expires: i64,
}

/// Money that a signed report says was taken: what can not be taken back is believed as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The provider's id of the payment.
    pub intent: String,
    /// How much.
    pub amount: Money,
}

impl Report {
    /// What is kept of an event; `None` when it is not about a payment of ours.
    #[must_use]
    pub fn of(event: Event, now: Timestamp) -> Option<Self> {
        let taken = match event.kind {
            EventKind::Succeeded { intent, amount } => Some(Taken { intent, amount }),
            EventKind::Changed => None,
            EventKind::Other => return None,
        };
        let expires = now.after(KEPT).seconds();
        Some(Self { id: event.id, order: event.order?, taken, created: event.created, received: now, expires })
    }
}

capability!(
    /// Keeps a report.
    KeepReport on TABLE: ["dynamodb:PutItem"]
);

impl KeepReport {
    /// Keeps it, unless it came before. Whether it is new.
    pub async fn keep(&self, report: &Report) -> Result<bool, DataError> {
        let put = self.table.client().put_item().table_name(self.table.name()).set_item(Some(to_item(report)?));
        let put = put.condition_expression("attribute_not_exists(pk)").send().await;
        Ok(matches!(written(put)?, Written::Yes(_)))
    }
}
