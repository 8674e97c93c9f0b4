//! What the queue carries: which order, and what to say about it. No address and no name: queues are copied and logged.

use kernel::OrderId;
use serde::{Deserialize, Serialize};

/// A mail that is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// About which order.
    pub order_id: OrderId,
    /// What happened to it.
    pub kind: NoticeKind,
}

/// What happened to an order that its owner should hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// It is paid: the confirmation.
    OrderPaid,
    /// It was not paid in time, and is off.
    OrderExpired,
    /// The bank declined its payment after the shopper was told to wait; it is off.
    OrderDeclined,
    /// Money of it went back.
    OrderRefunded,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_with_the_relay() {
        let notice = Notice { order_id: OrderId::new([1; 16]), kind: NoticeKind::OrderPaid };
        let text = serde_json::to_string(&notice).unwrap();
        assert_eq!(text, format!(r#"{{"order_id":"{}","kind":"order-paid"}}"#, notice.order_id));
        assert_eq!(serde_json::from_str::<Notice>(&text).unwrap(), notice);
    }
}
