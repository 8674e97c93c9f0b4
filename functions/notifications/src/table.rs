//! The table `notifications`: one [`Mark`] an event (`pk` = event id), dropped by TTL. Nothing else knows its items.

use aws::table::{Written, attribute, from_item, n, s, to_item, written};
use aws::{DataError, TableSpec, capability};
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure as OnFailure;
use kernel::{EventId, Timestamp};

use crate::mark::{Claim, Mark, State};

/// The table.
pub const NOTIFICATIONS: TableSpec = TableSpec {
    name: "notifications",
    partition_key: "pk",
    sort_key: None,
    indexes: &[],
    ttl: Some("expires"),
    stream: false,
};

capability!(
    /// Marks which event's mail is being sent, and which was.
    MarkMail on NOTIFICATIONS: ["dynamodb:PutItem", "dynamodb:UpdateItem"]
);

impl MarkMail {
    /// Begins an attempt, unless the mail was sent or another attempt is alive. `holder` is random.
    pub async fn claim(&self, event: &EventId, holder: &str, now: Timestamp) -> Result<Claim, DataError> {
        let mut item = to_item(&Mark::begin(holder, now))?;
        item.extend(self.table.key(event.as_str()));
        let put = self.table.client().put_item().table_name(self.table.name()).set_item(Some(item));
        let put = put
            .condition_expression("attribute_not_exists(pk) OR (#state = :sending AND #until <= :now)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":sending", attribute(&State::Sending)?)
            .expression_attribute_values(":now", n(now.millis()))
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        match written(put.send().await)? {
            Written::Yes(_) => Ok(Claim::Mine),
            Written::No(Some(item)) => Ok(from_item::<Mark>(item)?.judge(holder, now)),
            Written::No(None) => Err(DataError::Busy("the mark came and went".into())),
        }
    }

    /// Writes down how the attempt ended. An attempt that was taken over leaves the mark to its successor.
    pub async fn finish(&self, event: &EventId, holder: &str, state: State) -> Result<(), DataError> {
        let update = self.table.client().update_item().table_name(self.table.name());
        let update = update
            .set_key(Some(self.table.key(event.as_str())))
            .update_expression("SET #state = :state")
            .condition_expression("#holder = :holder")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#holder", "holder")
            .expression_attribute_values(":state", attribute(&state)?)
            .expression_attribute_values(":holder", s(holder));
        written(update.send().await).map(|_| ())
    }
}
