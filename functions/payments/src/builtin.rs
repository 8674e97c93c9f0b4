//! The built-in provider: speaks Stripe's test tokens, keeps its intents in a table, moves no real money. It stands in for
//! a provider in local shops and emulators; a production stage must not be configured with it.

use std::time::Duration;

use aws::table::{Written, from_item, s, to_item, written};
use aws::{BoxFuture, DataError, Grant, Platform, Resource, Table, TableSpec};
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use kernel::{IntentId, Money, OrderId};
use serde::{Deserialize, Serialize};

use crate::provider::{Charge, Outcome, Provider, ProviderError};

/// Its intents, one item each.
pub const TABLE: TableSpec =
    TableSpec { name: "payments", partition_key: "pk", sort_key: None, indexes: &[], ttl: None, stream: false };

/// What using it takes.
#[must_use]
pub fn grants() -> Vec<Grant> {
    let actions = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"];
    vec![Grant::new(&actions, Resource::Table { name: TABLE.name })]
}

/// Where a stored intent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Succeeded,
    Declined,
    RequiresAction,
    /// Failed in passing once; the next try works.
    Failed,
    Canceled,
    Refunded,
}

impl Status {
    fn text(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Declined => "declined",
            Self::RequiresAction => "requires_action",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Refunded => "refunded",
        }
    }
}

/// A stored intent.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Intent {
    #[serde(rename = "pk")]
    id: IntentId,
    order: OrderId,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl Intent {
    fn outcome(self) -> Result<Outcome, ProviderError> {
        Ok(match self.status {
            Status::Succeeded => Outcome::Succeeded,
            Status::Declined => Outcome::Declined { code: self.code.unwrap_or_default() },
            Status::RequiresAction => Outcome::RequiresAction { client_secret: self.secret.unwrap_or_default() },
            Status::Failed => return Err(ProviderError::Passing("processing_error".into())),
            Status::Canceled => Outcome::Canceled,
            Status::Refunded => Outcome::Refunded,
        })
    }
}

/// The built-in provider.
pub struct Builtin {
    table: Table,
    platform: Platform,
}

fn no_answer(error: DataError) -> ProviderError {
    ProviderError::NoAnswer(error.to_string())
}

impl Builtin {
    /// Over the tables of a platform.
    #[must_use]
    pub fn connect(platform: &Platform) -> Self {
        Self { table: platform.table(&TABLE), platform: platform.clone() }
    }

    /// What a token of a payment method leads to.
    fn judged(&self, charge: &Charge) -> Intent {
        let id = Charge::intent(&charge.order);
        let (status, code) = match charge.token.as_str() {
            "pm_card_visa" | "pm_slow" => (Status::Succeeded, None),
            "pm_card_chargeDeclined" => (Status::Declined, Some("card_declined")),
            "pm_card_authenticationRequired" => (Status::RequiresAction, None),
            "pm_card_processingError" => (Status::Failed, None),
            _ => (Status::Declined, Some("resource_missing")),
        };
        let random = kernel::id::fingerprint(&[&self.platform.random()]);
        let secret = (status == Status::RequiresAction).then(|| format!("{id}_secret_{random}"));
        let code = code.map(str::to_owned);
        Intent { id, order: charge.order.clone(), status, amount: Some(charge.amount), code, secret }
    }

    /// Writes an intent unless there is one; gives the one that stands.
    async fn open(&self, intent: Intent) -> Result<(Intent, bool), DataError> {
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

    /// Moves an intent from one of some states; gives the one that stands.
    async fn step(&self, order: &OrderId, from: &[Status], to: Status) -> Result<Option<Intent>, DataError> {
        let names: Vec<String> = (0..from.len()).map(|index| format!(":f{index}")).collect();
        let request = self.table.client().update_item().table_name(self.table.name());
        let mut request = request
            .set_key(Some(self.table.key(Charge::intent(order).as_str())))
            .update_expression("SET #status = :to")
            .condition_expression(format!("#status IN ({})", names.join(", ")))
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":to", s(to.text()))
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

    async fn find(&self, order: &OrderId) -> Result<Option<Intent>, DataError> {
        let key = self.table.key(Charge::intent(order).as_str());
        self.table.get(key, true).await?.map(from_item).transpose()
    }

    async fn charge_(&self, charge: &Charge) -> Result<Outcome, ProviderError> {
        let (intent, fresh) = self.open(self.judged(charge)).await.map_err(no_answer)?;
        if fresh && charge.token == "pm_slow" {
            // The money was taken, and the answer comes when nobody waits for it any more.
            self.platform.sleep(self.platform.config().payment_timeout + Duration::from_secs(2)).await;
        }
        if !fresh && intent.status == Status::Failed {
            let retried = self.step(&charge.order, &[Status::Failed], Status::Succeeded).await.map_err(no_answer)?;
            return retried.map_or(Ok(Outcome::Missing), Intent::outcome);
        }
        intent.outcome()
    }

    async fn cancel_(&self, order: &OrderId) -> Result<Outcome, ProviderError> {
        let id = Charge::intent(order);
        let called_off =
            Intent { id, order: order.clone(), status: Status::Canceled, amount: None, code: None, secret: None };
        let (intent, fresh) = self.open(called_off).await.map_err(no_answer)?;
        if fresh {
            return Ok(Outcome::Canceled);
        }
        match intent.status {
            Status::RequiresAction | Status::Failed => {
                let open = [Status::RequiresAction, Status::Failed];
                let stands = self.step(order, &open, Status::Canceled).await.map_err(no_answer)?;
                stands.map_or(Ok(Outcome::Missing), Intent::outcome)
            }
            _ => intent.outcome(),
        }
    }
}

impl Provider for Builtin {
    fn charge<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<Outcome, ProviderError>> {
        Box::pin(self.charge_(charge))
    }

    fn retrieve<'a>(&'a self, order: &'a OrderId) -> BoxFuture<'a, Result<Outcome, ProviderError>> {
        Box::pin(async move {
            match self.find(order).await.map_err(no_answer)? {
                Some(intent) => intent.outcome(),
                None => Ok(Outcome::Missing),
            }
        })
    }

    fn cancel<'a>(&'a self, order: &'a OrderId) -> BoxFuture<'a, Result<Outcome, ProviderError>> {
        Box::pin(self.cancel_(order))
    }

    fn refund<'a>(&'a self, order: &'a OrderId) -> BoxFuture<'a, Result<Outcome, ProviderError>> {
        Box::pin(async move {
            let stands = self.step(order, &[Status::Succeeded], Status::Refunded).await.map_err(no_answer)?;
            stands.map_or(Ok(Outcome::Missing), Intent::outcome)
        })
    }
}
