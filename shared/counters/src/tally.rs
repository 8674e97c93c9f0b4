//! How often something happened of late: refused payments of one cart, failed sign-ins from one network.
//!
//! A tally counts what has one thing in common, in one window of time, as the set of the events themselves: whoever tells of
//! one again changes nothing. Items are known by digests, so what was counted cannot be read back, and go when their window
//! is over. It must never be what safety hangs on: reads are eventually consistent, and a burst passes until its first events
//! are written.

use std::collections::BTreeMap;
use std::time::Duration;

use aws::table::n;
use aws::{DataError, Item, Limit, Table};
use aws_sdk_dynamodb::types::AttributeValue;
use kernel::Timestamp;

/// One tally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// What the events have in common.
    pub kind: &'static str,
    /// The key of its item.
    pub id: String,
    /// How many are too many.
    pub most: u32,
    /// When the window is over.
    pub until: Timestamp,
}

impl Tally {
    /// The tally of a thing at a time. Windows of different things begin at different times, so that nobody can wait for the
    /// one moment at which all of them do.
    #[must_use]
    pub fn of(kind: &'static str, thing: &str, limit: Limit, now: Timestamp) -> Self {
        let window = i64::try_from(limit.window.as_secs()).unwrap_or(i64::MAX).max(1);
        let digest = kernel::id::digest(&[kind.as_bytes(), thing.as_bytes()]);
        let phase = i64::from(u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])) % window;
        let index = (now.seconds() + phase).div_euclid(window);
        let until = Timestamp::from_millis(((index + 1) * window - phase) * 1000);
        let id = kernel::id::fingerprint(&[kind.as_bytes(), thing.as_bytes(), &index.to_be_bytes()]);
        Self { kind, id, most: limit.most, until }
    }
}

/// The kinds that have reached their limits, and when the last of them begins anew.
#[must_use]
pub fn over<'a>(
    tallies: impl IntoIterator<Item = &'a Tally>,
    counted: &BTreeMap<String, u32>,
) -> Option<(Vec<&'static str>, Timestamp)> {
    let full = |tally: &&Tally| counted.get(&tally.id).is_some_and(|counted| *counted >= tally.most);
    let full: Vec<&Tally> = tallies.into_iter().filter(full).collect();
    let until = full.iter().map(|tally| tally.until).max()?;
    Some((full.iter().map(|tally| tally.kind).collect(), until))
}

/// How many events a tally's item has, by its key; `None` when it is no tally's.
#[must_use]
pub fn count(item: &Item) -> Option<(String, u32)> {
    let events = item.get("events")?.as_ss().ok()?;
    Some((item.get("pk")?.as_s().ok()?.clone(), u32::try_from(events.len()).unwrap_or(u32::MAX)))
}

/// Counts an event. The table's TTL attribute is `expires`.
pub async fn add(table: &Table, tally: &Tally, event: &str) -> Result<(), DataError> {
    let update = table.client().update_item().table_name(table.name());
    let update = update
        .set_key(Some(table.key(&tally.id)))
        .update_expression("SET expires = :until ADD events :event")
        .expression_attribute_values(":until", n(tally.until.after(Duration::from_secs(60)).seconds()))
        .expression_attribute_values(":event", AttributeValue::Ss(vec![event.to_owned()]));
    update.send().await?;
    Ok(())
}
