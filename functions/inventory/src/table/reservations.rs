//! Reservations: one item each, decided once.

use aws::table::{Written, attribute, from_item, n, s, to_item, written};
use aws::{DataError, Item, capability};
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use kernel::{ReservationId, Timestamp};

use super::TABLE;
use crate::reservation::{Reservation, State, Verdict};
use crate::stock::Part;

capability!(
    /// Reads a reservation.
    LoadReservation on TABLE: ["dynamodb:GetItem"]
);

capability!(
    /// Writes a reservation.
    OpenReservation on TABLE: ["dynamodb:PutItem"]
);

capability!(
    /// Notes what a reservation holds, and decides it.
    DecideReservation on TABLE: ["dynamodb:UpdateItem"]
);

fn key(id: &ReservationId) -> String {
    format!("|{id}")
}

/// What became of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It is so now.
    Now(Box<Reservation>),
    /// It could not be decided so: this is what stands.
    Before(Box<Reservation>),
    /// There is no such reservation.
    Missing,
}

impl LoadReservation {
    /// The reservation as it stands now.
    pub async fn load(&self, id: &ReservationId) -> Result<Option<Reservation>, DataError> {
        self.table.get(self.table.key(key(id)), true).await?.map(from_item).transpose()
    }
}

impl OpenReservation {
    /// Writes a pending reservation; the one that stands under its id when there is one.
    pub async fn open(&self, reservation: &Reservation) -> Result<Option<Reservation>, DataError> {
        let mut item: Item = to_item(reservation)?;
        item.insert("pk".to_owned(), s(key(&reservation.id)));
        let put = self.table.client().put_item().table_name(self.table.name()).set_item(Some(item));
        let put = put
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match written(put.send().await)? {
            Written::Yes(_) => Ok(None),
            Written::No(Some(before)) => from_item(before).map(Some),
            Written::No(None) => Err(DataError::Busy("the reservation came and went".into())),
        }
    }
}

impl DecideReservation {
    /// All its units are held, in these parts. Only these are taken when it is committed.
    pub async fn held(&self, id: &ReservationId, parts: &[Part], now: Timestamp) -> Result<Decided, DataError> {
        self.change(id, &[State::Pending], State::Held, Some(parts), now).await
    }

    /// Decides it, once. Whoever comes second learns what stands.
    pub async fn decide(&self, id: &ReservationId, verdict: Verdict, now: Timestamp) -> Result<Decided, DataError> {
        let from: Vec<State> =
            [State::Pending, State::Held].into_iter().filter(|state| state.decided(verdict).is_some()).collect();
        let to = from.first().and_then(|state| state.decided(verdict));
        let to = to.ok_or_else(|| DataError::Invalid("a verdict that decides nothing".into()))?;
        self.change(id, &from, to, None, now).await
    }

    async fn change(
        &self,
        id: &ReservationId,
        from: &[State],
        to: State,
        parts: Option<&[Part]>,
        now: Timestamp,
    ) -> Result<Decided, DataError> {
        let states: Vec<String> = (0..from.len()).map(|index| format!(":from{index}")).collect();
        let mut update = "SET #status = :to, version = version + :one, updated_at = :now".to_owned();
        let mut request = self.table.client().update_item().table_name(self.table.name());
        if let Some(parts) = parts {
            update.push_str(", parts = :parts");
            request = request.expression_attribute_values(":parts", attribute(&parts)?);
        }
        for (name, state) in states.iter().zip(from) {
            request = request.expression_attribute_values(name, s(state.as_str()));
        }
        let result = request
            .set_key(Some(self.table.key(key(id))))
            .update_expression(update)
            .condition_expression(format!("#status IN ({})", states.join(", ")))
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":to", s(to.as_str()))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":now", attribute(&now)?)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match written(result)? {
            Written::Yes(output) => Ok(Decided::Now(Box::new(from_item(output.attributes.unwrap_or_default())?))),
            Written::No(Some(item)) => Ok(Decided::Before(Box::new(from_item(item)?))),
            Written::No(None) => Ok(Decided::Missing),
        }
    }
}
