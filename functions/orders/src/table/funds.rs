//! The money of an order: conditional writes on the order's own item, so that the state and the event are one write.

use aws::table::{Written, attribute, from_item, n, s, was_cancelled, written};
use aws::{DataError, capability};
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use kernel::counter::Hold;
use kernel::{Money, RefundId};

use super::TABLE;
use crate::funds::{Funds, Refund, RefundStatus};
use crate::order::{Order, OrderEvent, PaymentStatus};

capability!(
    /// Holds, confirms and releases refunds, and notes captures.
    MoveFunds on TABLE: ["dynamodb:UpdateItem"]
);

/// What became of a write that starts from what the caller saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is done; this stands now.
    Yes(Box<Order>),
    /// Something else had happened since; this stands.
    No(Box<Order>),
}

impl MoveFunds {
    fn change(
        &self,
        order: &Order,
        update: &str,
        condition: &str,
        event: &OrderEvent,
    ) -> Result<UpdateItemFluentBuilder, DataError> {
        let request = self.table.client().update_item().table_name(self.table.name());
        Ok(request
            .set_key(Some(self.table.key(order.id.as_str())))
            .update_expression(update)
            .condition_expression(condition)
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":at", attribute(&event.at)?)
            .expression_attribute_values(":event", AttributeValue::L(vec![attribute(event)?]))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld))
    }

    /// The same, unless anything about the order changed since it was seen.
    fn change_of(
        &self,
        order: &Order,
        update: &str,
        condition: &str,
        event: &OrderEvent,
    ) -> Result<UpdateItemFluentBuilder, DataError> {
        let request = self.change(order, update, &format!("version = :seen AND {condition}"), event)?;
        Ok(request.expression_attribute_values(":seen", attribute(&order.version)?))
    }

    async fn send(request: UpdateItemFluentBuilder) -> Result<Changed, DataError> {
        match written(request.send().await)? {
            Written::Yes(output) => Ok(Changed::Yes(Box::new(from_item(output.attributes.unwrap_or_default())?))),
            Written::No(Some(item)) => Ok(Changed::No(Box::new(from_item(item)?))),
            Written::No(None) => Err(DataError::Corrupt("the order is gone".into())),
        }
    }

    /// Holds a refund: from now on that money cannot go back twice.
    pub async fn hold(
        &self,
        order: &Order,
        id: &RefundId,
        refund: &Refund,
        event: &OrderEvent,
    ) -> Result<Changed, DataError> {
        let quantity =
            u32::try_from(refund.amount).map_err(|_| DataError::Invalid("the amount is too large".into()))?;
        let hold = Hold { quantity, deadline: refund.at.millis(), channel: None };
        let update = "SET payment.funds.available = payment.funds.available - :q, payment.funds.holds.#id = :hold, \
            payment.funds.refunds.#id = :refund, payment.funds.rev = payment.funds.rev + :one, \
            events = list_append(events, :event), version = version + :one, updated_at = :at";
        let condition = "payment.funds.available >= :q AND attribute_not_exists(payment.funds.refunds.#id)";
        // What lines are worth, and what goes to a gift card, depends on the refunds before; an amount that the provider gives
        // back depends on nothing but what is left.
        let request = if refund.lines.is_empty() && order.by_cards() == 0 {
            self.change(order, update, condition, event)?
        } else {
            self.change_of(order, update, condition, event)?
        };
        let request = request
            .expression_attribute_names("#id", id.as_str())
            .expression_attribute_values(":q", n(quantity))
            .expression_attribute_values(":hold", attribute(&hold)?)
            .expression_attribute_values(":refund", attribute(refund)?);
        Self::send(request).await
    }

    /// Confirms a refund that went back: the order says so in the same write.
    pub async fn confirm(
        &self,
        order: &Order,
        id: &RefundId,
        amount: i64,
        event: &OrderEvent,
    ) -> Result<Changed, DataError> {
        Self::send(self.confirmation(order, id, amount, event)?).await
    }

    /// The same, together with what puts its part on gift cards: both or neither, and never twice. Whether it was done; if
    /// not, something else had happened to the order since, or to a card at this moment.
    pub async fn confirm_with(
        &self,
        order: &Order,
        id: &RefundId,
        amount: i64,
        event: &OrderEvent,
        credits: Vec<TransactWriteItem>,
    ) -> Result<bool, DataError> {
        let request = self.confirmation(order, id, amount, event)?;
        let confirmation = Update::builder()
            .table_name(self.table.name())
            .set_key(request.get_key().clone())
            .set_update_expression(request.get_update_expression().clone())
            .set_condition_expression(request.get_condition_expression().clone())
            .set_expression_attribute_names(request.get_expression_attribute_names().clone())
            .set_expression_attribute_values(request.get_expression_attribute_values().clone())
            .build()
            .map_err(|error| DataError::Invalid(error.to_string()))?;
        let actions = std::iter::once(TransactWriteItem::builder().update(confirmation).build()).chain(credits);
        let request = self.table.client().transact_write_items().set_transact_items(Some(actions.collect()));
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) if was_cancelled(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn confirmation(
        &self,
        order: &Order,
        id: &RefundId,
        amount: i64,
        event: &OrderEvent,
    ) -> Result<UpdateItemFluentBuilder, DataError> {
        let funds = order.payment.funds.as_ref();
        let (status, payment) = match funds {
            Some(funds) => funds.after(amount, order.status, order.payment.status),
            None => (order.status, order.payment.status),
        };
        let update = "SET payment.funds.taken = payment.funds.taken + payment.funds.holds.#id.q, \
            payment.funds.refunds.#id.#status = :succeeded, payment.funds.rev = payment.funds.rev + :one, \
            #status = :status, payment.#status = :payment, \
            events = list_append(events, :event), version = version + :one, updated_at = :at \
            REMOVE payment.funds.holds.#id";
        let request = self.change_of(order, update, "attribute_exists(payment.funds.holds.#id)", event)?;
        let request = request
            .expression_attribute_names("#id", id.as_str())
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":succeeded", attribute(&RefundStatus::Succeeded)?)
            .expression_attribute_values(":status", s(status.as_str()))
            .expression_attribute_values(":payment", attribute(&payment)?);
        Ok(request)
    }

    /// Releases a refund that the provider refused for good.
    pub async fn release(
        &self,
        order: &Order,
        id: &RefundId,
        code: &str,
        event: &OrderEvent,
    ) -> Result<Changed, DataError> {
        let update = "SET payment.funds.available = payment.funds.available + payment.funds.holds.#id.q, \
            payment.funds.inc = payment.funds.inc + :one, payment.funds.rev = payment.funds.rev + :one, \
            payment.funds.refunds.#id.#status = :refused, payment.funds.refunds.#id.code = :code, \
            events = list_append(events, :event), version = version + :one, updated_at = :at \
            REMOVE payment.funds.holds.#id";
        let request = self.change(order, update, "attribute_exists(payment.funds.holds.#id)", event)?;
        let request = request
            .expression_attribute_names("#id", id.as_str())
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":refused", attribute(&RefundStatus::Refused)?)
            .expression_attribute_values(":code", s(code));
        Self::send(request).await
    }

    /// Asks for money that was set aside to be taken: so much of it, once.
    pub async fn capture(&self, order: &Order, amount: Money, event: &OrderEvent) -> Result<Changed, DataError> {
        let update = "SET payment.capture = :amount, events = list_append(events, :event), \
            version = version + :one, updated_at = :at";
        let condition = "payment.#status = :authorized AND attribute_not_exists(payment.capture)";
        let request = self.change(order, update, condition, event)?;
        let request = request
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":authorized", attribute(&PaymentStatus::Authorized)?)
            .expression_attribute_values(":amount", n(amount.amount));
        Self::send(request).await
    }

    /// Notes how a capture ended: with so much money, or without any when it was called off meanwhile. What gift cards paid
    /// was taken with the order.
    pub async fn captured(&self, order: &Order, taken: Option<i64>, event: &OrderEvent) -> Result<Changed, DataError> {
        let status = if taken.is_some() { PaymentStatus::Succeeded } else { PaymentStatus::Canceled };
        let funds = Funds::of(taken.unwrap_or(0) + order.by_cards());
        let update = "SET payment.#status = :status, payment.funds = :funds, events = list_append(events, :event), \
            version = version + :one, updated_at = :at";
        let request =
            self.change(order, update, "payment.#status = :authorized AND attribute_exists(payment.capture)", event)?;
        let request = request
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":authorized", attribute(&PaymentStatus::Authorized)?)
            .expression_attribute_values(":status", attribute(&status)?)
            .expression_attribute_values(":funds", attribute(&funds)?);
        Self::send(request).await
    }
}
