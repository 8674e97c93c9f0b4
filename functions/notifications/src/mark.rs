//! The two-phase mark that keeps a mail from being sent twice. Pure.
//!
//! E-mail has no conditional write: between handing a mail over and writing that down, a function can die. So the worker
//! first writes `sending` with a time at which the attempt counts as dead, then hands over, then writes `sent`. Dying in
//! between gives a second mail after that time; it never gives none. Every later delivery of a sent event does nothing.

use std::time::Duration;

use kernel::Timestamp;
use serde::{Deserialize, Serialize};

/// After so long an attempt counts as dead: twice the worker's time-out, so that it never overtakes a living one.
pub const ATTEMPT: Duration = Duration::from_secs(60);
/// How long a mark stays: SQS keeps a message 14 days, and its dead-letter queue as long again.
pub const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// How far a mail is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// An attempt is under way, or died.
    Sending,
    /// It was handed over.
    Sent,
    /// It was refused for good.
    Refused,
}

/// What is stored for an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// How far its mail is.
    pub state: State,
    /// Whose attempt it is: a random text.
    pub holder: String,
    /// When that attempt counts as dead, in milliseconds since the epoch.
    pub until: i64,
    /// When DynamoDB may drop the mark, in seconds since the epoch.
    pub expires: i64,
}

/// What a delivery may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Send the mail.
    Mine,
    /// Nothing: its mail was sent, or refused for good.
    Done,
    /// Come back after so long: another delivery is at it.
    Busy(Duration),
}

impl Mark {
    /// The mark of an attempt that begins now.
    #[must_use]
    pub fn begin(holder: &str, now: Timestamp) -> Self {
        Self {
            state: State::Sending,
            holder: holder.to_owned(),
            until: now.after(ATTEMPT).millis(),
            expires: now.after(KEPT).seconds(),
        }
    }

    /// What a delivery may do that finds this mark. An attempt is free again from `until` on.
    #[must_use]
    pub fn judge(&self, holder: &str, now: Timestamp) -> Claim {
        match self.state {
            State::Sent | State::Refused => Claim::Done,
            // The SDK may repeat a write whose answer was lost: then the mark that is in the way is our own.
            State::Sending if self.holder == holder || self.until <= now.millis() => Claim::Mine,
            State::Sending => Claim::Busy(Timestamp::from_millis(self.until).since(now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn one_attempt_at_a_time_and_a_dead_one_is_taken_over() {
        let mark = Mark::begin("a", at(1_000));
        assert_eq!(mark.judge("b", at(1_000)), Claim::Busy(ATTEMPT));
        assert_eq!(mark.judge("b", at(60_999)), Claim::Busy(Duration::from_millis(1)));
        assert_eq!(mark.judge("b", at(61_000)), Claim::Mine);
        assert_eq!(mark.judge("a", at(1_000)), Claim::Mine, "its own, written by a repeated call");
    }

    #[test]
    fn what_is_done_stays_done() {
        for state in [State::Sent, State::Refused] {
            let mark = Mark { state, ..Mark::begin("a", at(0)) };
            for (holder, now) in [("a", 0), ("b", 0), ("b", i64::MAX)] {
                assert_eq!(mark.judge(holder, at(now)), Claim::Done);
            }
        }
    }

    #[test]
    fn a_mark_outlives_every_redelivery() {
        let mark = Mark::begin("a", at(0));
        assert!(mark.expires > 28 * 24 * 3600);
        assert_eq!(serde_json::to_value(&mark).unwrap()["state"], "sending");
    }
}
