//! The built-in provider: speaks Stripe's test tokens, keeps its intents in a table, moves no real money. It stands in for
//! a provider in local shops and emulators; a production stage must not be configured with it.

use std::collections::BTreeMap;
use std::time::Duration;

use aws::table::{Written, from_item, n, s, to_item, written};
use aws::{
    BoxFuture, Capability as _, ConfigError, DataError, Grant, Platform, Resource, SigningSecret, Table, TableSpec,
};
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use kernel::cursor::SigningKey;
use kernel::{IntentId, Money, OrderId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::provider::{
    Answer, Capture, Event, EventError, EventKind, Intent, Outcome, Provider, ProviderError, Refund, RefundOutcome,
};
use crate::signature;

/// Its intents, one item each.
pub const TABLE: TableSpec =
    TableSpec { name: "payments", partition_key: "pk", sort_key: None, indexes: &[], ttl: None, stream: false };

/// What using it takes.
#[must_use]
pub fn grants(work: Work) -> Vec<Grant> {
    let actions: &[&'static str] = match work {
        Work::Charge => &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
        Work::Refund => &["dynamodb:GetItem", "dynamodb:UpdateItem"],
        Work::Capture => &["dynamodb:UpdateItem"],
    };
    vec![Grant::new(actions, Resource::Table { name: TABLE.name })]
}

/// What a function asks of the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Taking money, calling payments off, finding out where they stand.
    Charge,
    /// Giving money back.
    Refund,
    /// Taking money that was set aside.
    Capture,
}

/// Where a stored intent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The money was taken.
    Succeeded,
    /// The money is set aside.
    RequiresCapture,
    /// The money was refused.
    Declined,
    /// The shopper must confirm it.
    RequiresAction,
    /// Failed in passing once; the next try works.
    Failed,
    /// Called off.
    Canceled,
}

impl Status {
    fn text(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::RequiresCapture => "requires_capture",
            Self::Declined => "declined",
            Self::RequiresAction => "requires_action",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

/// A stored intent: money in minor units of its currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Its id, which follows from the order's.
    #[serde(rename = "pk")]
    pub id: IntentId,
    /// The order.
    pub order: OrderId,
    /// Where it stands.
    pub status: Status,
    /// How much was asked for.
    pub amount: Money,
    /// Whether the money is taken at once.
    pub at_once: bool,
    /// How much was taken.
    pub captured: i64,
    /// How much of it went back.
    pub refunded: i64,
    /// The refunds by their keys.
    pub refunds: BTreeMap<String, i64>,
    /// Why it was declined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What the shopper's browser confirms it with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl Stored {
    fn answer(self) -> Result<Answer, ProviderError> {
        let outcome = match self.status {
            Status::Succeeded if self.captured > 0 && self.refunded == self.captured => Outcome::Refunded,
            Status::Succeeded => Outcome::Succeeded,
            Status::RequiresCapture => Outcome::Authorized,
            Status::Declined => Outcome::Declined { code: self.code.unwrap_or_else(|| "authentication_failed".into()) },
            Status::RequiresAction => Outcome::RequiresAction { client_secret: self.secret.unwrap_or_default() },
            Status::Failed => return Err(ProviderError::Passing("processing_error".into())),
            Status::Canceled => Outcome::Canceled,
        };
        Ok(Answer { intent: self.id.to_string(), outcome })
    }
}

/// The id of an order's intent. One order has one intent: whoever asks again asks about the same money.
#[must_use]
pub fn intent_id(order: &OrderId) -> IntentId {
    IntentId::derive(&[order.as_str().as_bytes(), b"payment"])
}

/// The built-in provider.
pub struct Builtin {
    table: Table,
    platform: Platform,
    secret: SigningSecret,
}

fn no_answer(error: DataError) -> ProviderError {
    ProviderError::NoAnswer(error.to_string())
}

fn missing(order: &OrderId) -> Answer {
    Answer { intent: intent_id(order).to_string(), outcome: Outcome::Missing }
}

impl Builtin {
    /// Over the tables of a platform.
    pub fn connect(platform: &Platform) -> Result<Self, ConfigError> {
        let secret = SigningSecret::connect(platform)?;
        Ok(Self { table: platform.table(&TABLE), platform: platform.clone(), secret })
    }

    /// What a token of a payment method leads to.
    fn judged(&self, intent: &Intent, token: &str) -> Stored {
        let (status, code) = match token {
            "pm_card_visa" | "pm_slow" => (taken(intent.capture), None),
            "pm_card_chargeDeclined" => (Status::Declined, Some("card_declined")),
            "pm_card_authenticationRequired" => (Status::RequiresAction, None),
            "pm_card_processingError" => (Status::Failed, None),
            _ => (Status::Declined, Some("unknown_payment_method")),
        };
        let random = kernel::id::fingerprint(&[&self.platform.random()]);
        let mut stored = blank(intent, status);
        stored.secret = (status == Status::RequiresAction).then(|| format!("{}_secret_{random}", stored.id));
        stored.code = code.map(str::to_owned);
        stored
    }

    /// Writes an intent unless there is one; gives the one that stands.
    async fn open(&self, intent: Stored) -> Result<(Stored, bool), DataError> {
        let put = self.table.client().put_item().table_name(self.table.name()).set_item(Some(to_item(&intent)?));
        let put = put
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match written(put.send().await)? {
            Written::Yes(_) => Ok((intent, true)),
            Written::No(Some(item)) => Ok((from_item(item)?, false)),
            Written::No(None) => Err(DataError::Busy("the intent came and went".into())),
        }
    }

    /// Moves an intent from one of some states, with so much captured; gives the one that stands.
    async fn step(
        &self,
        order: &OrderId,
        from: &[Status],
        to: Status,
        captured: i64,
    ) -> Result<Option<Stored>, DataError> {
        let names: Vec<String> = (0..from.len()).map(|index| format!(":f{index}")).collect();
        let request = self.table.client().update_item().table_name(self.table.name());
        let mut request = request
            .set_key(Some(self.table.key(intent_id(order).as_str())))
            .update_expression("SET #status = :to, captured = :captured")
            .condition_expression(format!("#status IN ({})", names.join(", ")))
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":to", s(to.text()))
            .expression_attribute_values(":captured", n(captured))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for (name, status) in names.iter().zip(from) {
            request = request.expression_attribute_values(name, s(status.text()));
        }
        match written(request.send().await)? {
            Written::Yes(output) => Ok(Some(from_item(output.attributes.unwrap_or_default())?)),
            Written::No(item) => item.map(from_item).transpose(),
        }
    }

    async fn find(&self, order: &OrderId) -> Result<Option<Stored>, DataError> {
        let key = self.table.key(intent_id(order).as_str());
        self.table.get(key, true).await?.map(from_item).transpose()
    }

    async fn charge_(&self, intent: &Intent, token: &str) -> Result<Answer, ProviderError> {
        let (stored, fresh) = self.open(self.judged(intent, token)).await.map_err(no_answer)?;
        if fresh && token == "pm_slow" {
            // The money was taken, and the answer comes when nobody waits for it any more.
            self.platform.sleep(self.platform.config().payment_timeout + Duration::from_secs(2)).await;
        }
        if !fresh && stored.status == Status::Failed {
            return self.take(intent, &[Status::Failed]).await;
        }
        stored.answer()
    }

    /// Takes the money, or sets it aside, of an intent that waited for something.
    async fn take(&self, intent: &Intent, from: &[Status]) -> Result<Answer, ProviderError> {
        let to = taken(intent.capture);
        let captured = if to == Status::Succeeded { intent.amount.amount } else { 0 };
        let stands = self.step(&intent.order, from, to, captured).await.map_err(no_answer)?;
        stands.map_or_else(|| Ok(missing(&intent.order)), Stored::answer)
    }

    /// What the shopper's bank does when the shopper confirms a payment, or refuses to: known by the client secret that the
    /// shop handed out. One that was refused may be confirmed after all, as at Stripe, until it is called off. Where it stands
    /// then; `None` when nothing waits for that secret.
    pub async fn confirm(&self, client_secret: &str, approve: bool) -> Result<Option<Status>, DataError> {
        let id = client_secret.split_once("_secret_").and_then(|(id, _)| IntentId::parse(id));
        let Some(id) = id else { return Ok(None) };
        let stored: Option<Stored> =
            self.table.get(self.table.key(id.as_str()), true).await?.map(from_item).transpose()?;
        let Some(stored) = stored.filter(|stored| stored.secret.as_deref() == Some(client_secret)) else {
            return Ok(None);
        };
        let to = match (approve, stored.at_once) {
            (false, _) => Status::Declined,
            (true, true) => Status::Succeeded,
            (true, false) => Status::RequiresCapture,
        };
        let captured = if to == Status::Succeeded { stored.amount.amount } else { 0 };
        let open = [Status::RequiresAction, Status::Declined];
        let stands = self.step(&stored.order, &open, to, captured).await?;
        Ok(stands.map(|stored| stored.status))
    }

    async fn cancel_(&self, intent: &Intent) -> Result<Answer, ProviderError> {
        let (stored, fresh) = self.open(blank(intent, Status::Canceled)).await.map_err(no_answer)?;
        let open = [Status::RequiresAction, Status::Failed, Status::RequiresCapture, Status::Declined];
        if fresh || !open.contains(&stored.status) {
            return stored.answer();
        }
        let stands = self.step(&intent.order, &open, Status::Canceled, 0).await.map_err(no_answer)?;
        stands.map_or_else(|| Ok(missing(&intent.order)), Stored::answer)
    }

    async fn capture_(&self, intent: &Intent, amount: Money) -> Result<Answer, ProviderError> {
        let step = self.step(&intent.order, &[Status::RequiresCapture], Status::Succeeded, amount.amount);
        step.await.map_err(no_answer)?.map_or_else(|| Ok(missing(&intent.order)), Stored::answer)
    }

    /// One conditional write: never above what was taken, and once for each key.
    async fn refund_(&self, intent: &Intent, refund: &Refund) -> Result<RefundOutcome, ProviderError> {
        let refused = |code: &str| Ok(RefundOutcome::Refused { code: code.to_owned() });
        let Some(stored) = self.find(&intent.order).await.map_err(no_answer)? else {
            return refused("no_such_payment");
        };
        if stored.refunds.contains_key(&refund.key) {
            return Ok(RefundOutcome::Succeeded);
        }
        let most = stored.captured - refund.amount.amount;
        let request = self.table.client().update_item().table_name(self.table.name());
        let request = request
            .set_key(Some(self.table.key(stored.id.as_str())))
            .update_expression("SET refunds.#key = :amount, refunded = refunded + :amount")
            .condition_expression("#status = :succeeded AND attribute_not_exists(refunds.#key) AND refunded <= :most")
            .expression_attribute_names("#key", &refund.key)
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":succeeded", s(Status::Succeeded.text()))
            .expression_attribute_values(":amount", n(refund.amount.amount))
            .expression_attribute_values(":most", n(most))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match written(request.send().await).map_err(no_answer)? {
            Written::Yes(_) => Ok(RefundOutcome::Succeeded),
            Written::No(None) => refused("no_such_payment"),
            Written::No(Some(item)) => {
                let stands: Stored = from_item(item).map_err(no_answer)?;
                if stands.refunds.contains_key(&refund.key) {
                    return Ok(RefundOutcome::Succeeded);
                }
                refused(if stands.status == Status::Succeeded { "amount_too_large" } else { "nothing_was_taken" })
            }
        }
    }
}

fn taken(capture: Capture) -> Status {
    match capture {
        Capture::Now => Status::Succeeded,
        Capture::Later => Status::RequiresCapture,
    }
}

fn blank(intent: &Intent, status: Status) -> Stored {
    Stored {
        id: intent_id(&intent.order),
        order: intent.order.clone(),
        status,
        amount: intent.amount,
        at_once: intent.capture == Capture::Now,
        captured: if status == Status::Succeeded { intent.amount.amount } else { 0 },
        refunded: 0,
        refunds: BTreeMap::new(),
        code: None,
        secret: None,
    }
}

impl Provider for Builtin {
    fn charge<'a>(&'a self, intent: &'a Intent, token: &'a str) -> BoxFuture<'a, Result<Answer, ProviderError>> {
        Box::pin(self.charge_(intent, token))
    }

    fn retrieve<'a>(&'a self, intent: &'a Intent) -> BoxFuture<'a, Result<Answer, ProviderError>> {
        Box::pin(async move {
            match self.find(&intent.order).await.map_err(no_answer)? {
                Some(stored) => stored.answer(),
                None => Ok(missing(&intent.order)),
            }
        })
    }

    fn cancel<'a>(&'a self, intent: &'a Intent) -> BoxFuture<'a, Result<Answer, ProviderError>> {
        Box::pin(self.cancel_(intent))
    }

    fn capture<'a>(&'a self, intent: &'a Intent, amount: Money) -> BoxFuture<'a, Result<Answer, ProviderError>> {
        Box::pin(self.capture_(intent, amount))
    }

    fn refund<'a>(
        &'a self,
        intent: &'a Intent,
        refund: &'a Refund,
    ) -> BoxFuture<'a, Result<RefundOutcome, ProviderError>> {
        Box::pin(self.refund_(intent, refund))
    }

    fn event<'a>(
        &'a self,
        signature: &'a str,
        body: &'a [u8],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Event, EventError>> {
        Box::pin(async move {
            let key = self.secret.key().await.map_err(|error| EventError::NoSecret(error.to_string()))?;
            signature::verify(&[webhook_secret(key)], signature, body, now)?;
            let told: Told = serde_json::from_slice(body).map_err(|error| EventError::Unreadable(error.to_string()))?;
            Ok(told.event())
        })
    }
}

/// The secret that reports of the built-in provider are signed with.
#[must_use]
pub fn webhook_secret(key: &SigningKey) -> Vec<u8> {
    key.derived("payments webhook")
}

/// A report as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its id: the same each time it is sent.
    pub id: String,
    /// When it happened.
    pub created: Timestamp,
    /// The intent as it then stood.
    pub intent: Stored,
}

impl Told {
    fn event(self) -> Event {
        let Self { id, created, intent } = self;
        let kind = match intent.status {
            Status::Succeeded if intent.refunded == 0 => {
                let amount = Money::new(intent.captured, intent.amount.currency);
                EventKind::Succeeded { intent: intent.id.to_string(), amount }
            }
            _ => EventKind::Changed,
        };
        Event { id, order: Some(intent.order), kind, created }
    }
}
