//! Streams to functions, as Lambda's event source mapping reads them: one batch at a time and table, in order, the place
//! remembered only after the batch was done, a partial failure taken up at the record that failed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws::TableSpec;
use engine::EngineError;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use super::{Step, wake};
use crate::bells::Bells;
use crate::setup;
use crate::shop::Shop;

/// The first wait after a failure; it doubles,
const BACK_OFF: Duration = Duration::from_millis(200);
/// up to this.
const BACK_OFF_MOST: Duration = Duration::from_secs(30);

/// One function's place in one table's stream.
pub(crate) struct Reader {
    pub unit: usize,
    pub consumer: &'static str,
    pub table: String,
    batch: usize,
    bell: Arc<Notify>,
    turn: tokio::sync::Mutex<Turn>,
    /// Why the last batch failed, until one is done.
    pub trouble: Mutex<Option<String>>,
}

/// What only who reads a batch may touch.
#[derive(Default)]
struct Turn {
    /// The most records of the next batch: after a batch that failed as a whole it is cut in halves, so that the records
    /// before the bad one get through.
    cut: Option<usize>,
}

impl Reader {
    pub fn new(unit: usize, consumer: &'static str, table: &TableSpec, batch: u32, bells: &mut Bells) -> Self {
        let table = setup::table_name(table.name);
        Self {
            unit,
            consumer,
            bell: bells.of_table(&table),
            table,
            batch: usize::try_from(batch).unwrap_or(100).max(1),
            turn: tokio::sync::Mutex::default(),
            trouble: Mutex::default(),
        }
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

/// How a function answered a batch.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// All of it is done.
    Done,
    /// Everything before this place is done.
    From(usize, String),
    /// Nothing is known to be done.
    Failed(String),
}

impl Shop {
    /// Reads one batch of a stream.
    pub(crate) async fn read_stream(&self, reader: &Reader) -> Step {
        let mut turn = reader.turn.lock().await;
        let step = self.read_batch(reader, &mut turn).await;
        let step = step.unwrap_or_else(|error| Step::Failed(0, format!("{}: {error}", reader.table)));
        reader.set_trouble(match &step {
            Step::Failed(_, reason) => Some(reason.clone()),
            Step::Idle | Step::Done(_) => None,
        });
        step
    }

    async fn read_batch(&self, reader: &Reader, turn: &mut Turn) -> Result<Step, EngineError> {
        let engine = self.engine();
        let after = engine.checkpoint(reader.consumer, &reader.table)?;
        let limit = turn.cut.unwrap_or(reader.batch);
        let records = engine.stream_records(&reader.table, after.as_deref(), limit).await?;
        if records.is_empty() {
            turn.cut = None;
            return Ok(Step::Idle);
        }
        let numbers: Vec<String> = records.iter().map(sequence_number).collect();
        let event = json!({ "Records": records }).to_string();
        let unit = &self.0.units[reader.unit];
        let answer = self.run(unit, event, &self.request_id(), Duration::MAX).await;
        let verdict = match answer {
            Ok(answer) => judge(&answer, &numbers),
            Err(error) => Verdict::Failed(error.to_string()),
        };
        let done = match &verdict {
            Verdict::Done => numbers.len(),
            Verdict::From(place, _) => *place,
            Verdict::Failed(_) => 0,
        };
        if let Some(last) = done.checked_sub(1).and_then(|last| numbers.get(last)) {
            engine.set_checkpoint(reader.consumer, &reader.table, last)?;
        }
        turn.cut = match &verdict {
            Verdict::Failed(_) => Some((numbers.len() / 2).max(1)),
            Verdict::Done | Verdict::From(..) => None,
        };
        Ok(match verdict {
            Verdict::Done => Step::Done(done),
            Verdict::From(_, reason) | Verdict::Failed(reason) => {
                Step::Failed(done, format!("{} on {}: {reason}", reader.consumer, reader.table))
            }
        })
    }

    /// Drops the records that every reader of their table has done.
    pub(crate) async fn prune_streams(&self) -> Result<usize, EngineError> {
        // A table with a reader that has not begun keeps everything.
        let mut slowest: BTreeMap<&str, Option<String>> = BTreeMap::new();
        for reader in &self.0.work.streams {
            let place = self.engine().checkpoint(reader.consumer, &reader.table)?;
            // Sequence numbers have one length: their text sorts as they do.
            slowest.entry(&reader.table).and_modify(|least| *least = place.clone().min(least.take())).or_insert(place);
        }
        let mut dropped = 0;
        for (table, place) in slowest {
            if let Some(place) = place {
                dropped += self.engine().prune_stream(table, &place).await?;
            }
        }
        Ok(dropped)
    }
}

fn sequence_number(record: &Value) -> String {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default().to_owned()
}

/// Reads `batchItemFailures` as Lambda does: nothing named is success, one named is where to go on, and a name that is not
/// of this batch fails it as a whole.
fn judge(answer: &str, numbers: &[String]) -> Verdict {
    let answer: Value = match serde_json::from_str(answer) {
        Ok(answer) => answer,
        Err(error) => return Verdict::Failed(format!("the answer is not JSON: {error}")),
    };
    let failures = answer["batchItemFailures"].as_array().map_or(&[][..], Vec::as_slice);
    let places: Option<Vec<usize>> = failures
        .iter()
        .map(|failure| {
            let number = failure["itemIdentifier"].as_str()?;
            numbers.iter().position(|known| known == number)
        })
        .collect();
    match places {
        None => Verdict::Failed("it named a record that is not of this batch".into()),
        Some(places) => match places.into_iter().min() {
            None => Verdict::Done,
            Some(place) => Verdict::From(place, format!("record {} failed", numbers[place])),
        },
    }
}

/// Reads a stream for as long as the pump runs.
pub(super) async fn run(shop: Shop, index: usize, mut stop: watch::Receiver<bool>) {
    let reader = &shop.0.work.streams[index];
    let mut writes = shop.engine().table_writes();
    let mut failures: u32 = 0;
    while !*stop.borrow() {
        writes.mark_unchanged();
        match shop.read_stream(reader).await {
            Step::Done(_) => failures = 0,
            Step::Idle => {
                failures = 0;
                if !wake(&reader.bell, None, &mut writes, &mut stop).await {
                    return;
                }
            }
            Step::Failed(done, reason) => {
                shop.log("error", reader.consumer, &reason);
                failures = if done > 0 { 0 } else { failures.saturating_add(1) };
                let wait = BACK_OFF.saturating_mul(2_u32.saturating_pow(failures)).min(BACK_OFF_MOST);
                if !super::pause(wait, &mut stop).await {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_a_batch_is_judged_as_lambda_does() {
        let numbers: Vec<String> = ["7", "8", "9"].map(str::to_owned).to_vec();
        let judged = |answer: &str| judge(answer, &numbers);
        for done in ["null", "{}", r#"{"batchItemFailures":[]}"#] {
            assert_eq!(judged(done), Verdict::Done, "{done}");
        }
        let two = r#"{"batchItemFailures":[{"itemIdentifier":"9"},{"itemIdentifier":"8"}]}"#;
        assert!(matches!(judged(two), Verdict::From(1, _)));
        for failed in [
            "",
            r#"{"batchItemFailures":[{"itemIdentifier":"1"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"item":"8"}]}"#,
        ] {
            assert!(matches!(judged(failed), Verdict::Failed(_)), "{failed}");
        }
    }
}
