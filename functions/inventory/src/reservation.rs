//! The record of another sales channel's operation: a point of sale, a marketplace. Pure.
//!
//! It is to a reservation what the order is to a checkout: decided once, and only what it says moves the holds.

use kernel::{Country, ReservationId, Sku, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::allot::Wanted;
use crate::stock::Part;

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ReservationStatus")]
pub enum State {
    /// Its units are being held.
    Pending,
    /// All its units are held.
    Held,
    /// They are sold.
    Committed,
    /// They were given back.
    Released,
    /// Nobody committed it in time.
    Expired,
    /// There were too few units.
    Refused,
}

/// How a reservation is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Sold.
    Commit,
    /// Given back by the channel.
    Release,
    /// Its time is over.
    Expire,
    /// Too few units.
    Refuse,
}

impl State {
    /// The one transition function. What was decided stays.
    #[must_use]
    pub fn decided(self, verdict: Verdict) -> Option<Self> {
        match (self, verdict) {
            (Self::Held, Verdict::Commit) => Some(Self::Committed),
            (Self::Pending | Self::Held, Verdict::Release) => Some(Self::Released),
            (Self::Pending | Self::Held, Verdict::Expire) => Some(Self::Expired),
            (Self::Pending, Verdict::Refuse) => Some(Self::Refused),
            _ => None,
        }
    }

    /// Whether it is decided.
    #[must_use]
    pub fn is_decided(self) -> bool {
        !matches!(self, Self::Pending | Self::Held)
    }

    /// Its text, as stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Committed => "committed",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Refused => "refused",
        }
    }
}

/// A line of a reservation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReservedLine {
    /// The item.
    pub sku: Sku,
    /// How many units.
    #[schemars(range(min = 1, max = kernel::limits::LINE_QUANTITY))]
    pub quantity: u32,
}

/// A reservation as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Its id; also the operation of its holds.
    pub id: ReservationId,
    /// The sales channel.
    pub channel: String,
    /// Who asked for it.
    pub actor: String,
    /// Where it stands.
    pub status: State,
    /// What is reserved, summed for each item.
    pub lines: Vec<ReservedLine>,
    /// Where the goods go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// The one warehouse that it may be served from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warehouse: Option<String>,
    /// The holds that are taken when it is committed.
    pub parts: Vec<Part>,
    /// The digest of the request.
    pub fingerprint: String,
    /// Rises with every change.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it may be tried to expire.
    pub expires_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl Reservation {
    /// What it wants of each item.
    #[must_use]
    pub fn wanted(&self) -> Vec<Wanted> {
        self.lines.iter().map(|line| Wanted { sku: line.sku.clone(), quantity: line.quantity }).collect()
    }
}

/// The lines with each item once: demand is summed before anything is held.
#[must_use]
pub fn summed(lines: Vec<ReservedLine>) -> Vec<ReservedLine> {
    let mut sums: Vec<ReservedLine> = Vec::with_capacity(lines.len());
    for line in lines {
        match sums.iter_mut().find(|known| known.sku == line.sku) {
            Some(known) => known.quantity = known.quantity.saturating_add(line.quantity),
            None => sums.push(line),
        }
    }
    sums
}

/// A reservation as its channel reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Reservation")]
pub struct ReservationView {
    /// Its id.
    pub id: ReservationId,
    /// The sales channel.
    pub channel: String,
    /// Where it stands.
    pub status: State,
    /// What is reserved.
    pub lines: Vec<ReservedLine>,
    /// Where the units lie.
    pub parts: Vec<ReservedPart>,
    /// Rises with every change.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it expires unless it is committed.
    pub expires_at: Timestamp,
}

/// Units of a reservation and the warehouse that they lie in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReservedPart {
    /// The item.
    pub sku: Sku,
    /// The warehouse.
    pub warehouse: String,
    /// How many units.
    pub quantity: u32,
}

impl From<Reservation> for ReservationView {
    fn from(reservation: Reservation) -> Self {
        let mut parts: Vec<ReservedPart> = Vec::new();
        for Part { key, quantity } in reservation.parts {
            match parts.iter_mut().find(|part| part.sku == key.sku && part.warehouse == key.warehouse) {
                Some(part) => part.quantity += quantity,
                None => parts.push(ReservedPart { sku: key.sku, warehouse: key.warehouse, quantity }),
            }
        }
        Self {
            id: reservation.id,
            channel: reservation.channel,
            status: reservation.status,
            lines: reservation.lines,
            parts,
            version: reservation.version,
            created_at: reservation.created_at,
            expires_at: reservation.expires_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_is_decided_once_and_only_committed_when_all_is_held() {
        use State::{Committed, Expired, Held, Pending, Refused, Released};
        assert_eq!(Pending.decided(Verdict::Commit), None);
        assert_eq!(Held.decided(Verdict::Commit), Some(Committed));
        for state in [Committed, Released, Expired, Refused] {
            assert!(state.is_decided());
            for verdict in [Verdict::Commit, Verdict::Release, Verdict::Expire, Verdict::Refuse] {
                assert_eq!(state.decided(verdict), None);
            }
        }
        for state in [Pending, Held, Committed, Released, Expired, Refused] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }

    #[test]
    fn demand_is_summed_for_each_item() {
        let line = |sku: &str, quantity| ReservedLine { sku: Sku::parse(sku).unwrap(), quantity };
        assert_eq!(summed(vec![line("A", 1), line("B", 2), line("A", 3)]), [line("A", 4), line("B", 2)]);
    }
}
