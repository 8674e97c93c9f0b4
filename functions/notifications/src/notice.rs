//! What the queue carries: which order or account, and what to say about it. No address, no name and no token: queues are
//! copied and logged.

use kernel::{OrderId, UserId};
use serde::{Deserialize, Serialize};

/// A mail that is due, about whatever it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AnyNotice {
    /// About an order.
    Order(Notice),
    /// About an account.
    Account(AccountNotice),
}

/// A mail about an account that is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountNotice {
    /// About which account.
    pub user_id: UserId,
    /// What its owner asked for.
    pub kind: AccountNoticeKind,
}

/// What the owner of an account, or somebody who says so, asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountNoticeKind {
    /// To set another password: the token goes to the account's address.
    PasswordReset,
    /// To move to another address: the token goes to the new one.
    EmailChange,
    /// The same: the address that it has is told.
    EmailChangeAsked,
}

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
        assert_eq!(serde_json::from_str::<AnyNotice>(&text).unwrap(), AnyNotice::Order(notice));
        let notice = AccountNotice { user_id: UserId::new([1; 16]), kind: AccountNoticeKind::PasswordReset };
        let text = serde_json::to_string(&notice).unwrap();
        assert_eq!(text, format!(r#"{{"user_id":"{}","kind":"password-reset"}}"#, notice.user_id));
        assert_eq!(serde_json::from_str::<AnyNotice>(&text).unwrap(), AnyNotice::Account(notice));
    }
}
