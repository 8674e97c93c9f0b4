//! The messages, in SQLite: what is where, who may have it next.
//!
//! Owns the tables of `queues.sqlite` and the order of a FIFO group. A message that stands behind another of its
//! group is parked: its `visible_at` is [`PARKED`], so that a receive never walks over it; whoever removes the head
//! puts the next in its place. It must never scan a queue to receive: 100,000 delayed messages may be waiting.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::message::{message_id, receipt_handle};
use super::settings::Redrive;

/// The `visible_at` of a message that waits behind its group's head.
pub(crate) const PARKED: i64 = i64::MAX;

/// How long SQS remembers a deduplication id.
pub(crate) const DEDUPLICATION_MS: i64 = 5 * 60 * 1000;

pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS queues (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    attributes TEXT NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue INTEGER NOT NULL,
    visible_at INTEGER NOT NULL,
    available_at INTEGER NOT NULL,
    received INTEGER NOT NULL DEFAULT 0,
    sent_at INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    body TEXT NOT NULL,
    attributes TEXT,
    trace TEXT,
    group_id TEXT,
    deduplication_id TEXT,
    receive_count INTEGER NOT NULL DEFAULT 0,
    first_received INTEGER,
    receipt TEXT,
    source TEXT
);
CREATE INDEX IF NOT EXISTS messages_due ON messages(queue, visible_at);
CREATE INDEX IF NOT EXISTS messages_age ON messages(queue, sent_at);
CREATE INDEX IF NOT EXISTS messages_order ON messages(queue, group_id, id) WHERE group_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS messages_in_flight ON messages(queue, group_id, visible_at) WHERE received = 1;
CREATE TABLE IF NOT EXISTS deduplication (
    queue INTEGER NOT NULL,
    id TEXT NOT NULL,
    sent_at INTEGER NOT NULL,
    message INTEGER NOT NULL,
    PRIMARY KEY (queue, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deduplication_age ON deduplication(queue, sent_at);
CREATE TABLE IF NOT EXISTS checkpoints (
    consumer TEXT NOT NULL,
    table_name TEXT NOT NULL,
    sequence TEXT NOT NULL,
    PRIMARY KEY (consumer, table_name)
) WITHOUT ROWID;
";

/// The part of a queue that the store needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shelf {
    pub(crate) id: i64,
    pub(crate) fifo: bool,
}

/// A message to insert.
pub(crate) struct Fresh<'a> {
    pub(crate) available_at: i64,
    pub(crate) body: &'a str,
    pub(crate) attributes: Option<String>,
    pub(crate) trace: Option<&'a str>,
    pub(crate) group_id: Option<&'a str>,
    pub(crate) deduplication_id: Option<&'a str>,
}

/// A message that was just received.
pub(crate) struct Delivered {
    pub(crate) row: i64,
    pub(crate) message_id: String,
    pub(crate) receipt: String,
    pub(crate) body: String,
    pub(crate) attributes: Option<String>,
    pub(crate) trace: Option<String>,
    pub(crate) group_id: Option<String>,
    pub(crate) deduplication_id: Option<String>,
    pub(crate) sent_at: i64,
    pub(crate) receive_count: i64,
    pub(crate) first_received: i64,
    pub(crate) source: Option<String>,
}

/// How a receipt stands.
pub(crate) enum Receipt {
    /// The message is gone.
    Gone,
    /// The message was received again since, or moved.
    Old,
    /// It is the last receipt. The message is still hidden by it, or visible again.
    Last { row: i64, group_id: Option<String>, hidden: bool },
}

/// What GetQueueAttributes counts.
pub(crate) struct Counts {
    pub(crate) visible: i64,
    pub(crate) in_flight: i64,
    pub(crate) delayed: i64,
}

type Result<T> = rusqlite::Result<T>;

/// Inserts a message; answers its row and id.
pub(crate) fn insert(db: &Connection, shelf: Shelf, salt: &str, now: i64, fresh: &Fresh<'_>) -> Result<(i64, String)> {
    let behind = shelf.fifo && head_of(db, shelf.id, fresh.group_id)?.is_some();
    let visible_at = if behind { PARKED } else { fresh.available_at };
    let mut statement = db.prepare_cached(
        "INSERT INTO messages (queue, visible_at, available_at, sent_at, message_id, body, attributes, trace, group_id,
                               deduplication_id) VALUES (?1, ?2, ?3, ?4, '', ?5, ?6, ?7, ?8, ?9)",
    )?;
    let Fresh { available_at, body, attributes, trace, group_id, deduplication_id } = fresh;
    statement.execute(params![
        shelf.id,
        visible_at,
        available_at,
        now,
        body,
        attributes,
        trace,
        group_id,
        deduplication_id
    ])?;
    let row = db.last_insert_rowid();
    let id = message_id(salt, row);
    db.prepare_cached("UPDATE messages SET message_id = ?2 WHERE id = ?1")?.execute(params![row, id])?;
    Ok((row, id))
}

/// The message that was sent under a deduplication id within the last five minutes, deleted or not.
pub(crate) fn duplicate_of(db: &Connection, queue: i64, id: &str, now: i64) -> Result<Option<i64>> {
    db.prepare_cached("DELETE FROM deduplication WHERE queue = ?1 AND sent_at <= ?2")?
        .execute(params![queue, now.saturating_sub(DEDUPLICATION_MS)])?;
    db.prepare_cached("SELECT message FROM deduplication WHERE queue = ?1 AND id = ?2")?
        .query_row(params![queue, id], |row| row.get(0))
        .optional()
}

pub(crate) fn remember_deduplication(db: &Connection, queue: i64, id: &str, now: i64, message: i64) -> Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO deduplication (queue, id, sent_at, message) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![queue, id, now, message])?;
    Ok(())
}

/// Takes up to `most` visible messages and hides them until `hidden_until`. What was received too often goes to the
/// dead letters instead; whether something did is the second answer.
pub(crate) fn receive(
    db: &Connection,
    shelf: Shelf,
    now: i64,
    hidden_until: i64,
    most: usize,
    dead_letters: Option<(&Redrive, Shelf, &str)>,
) -> Result<(Vec<Delivered>, bool)> {
    let mut delivered = Vec::new();
    let mut moved = false;
    loop {
        let wanted = most - delivered.len();
        let rows =
            if shelf.fifo { next_in_order(db, shelf.id, now, wanted)? } else { next_due(db, shelf.id, now, wanted)? };
        let mut moved_now = false;
        for row in rows {
            match dead_letters {
                Some((redrive, target, source)) if receive_count(db, row)? >= redrive.most_receives => {
                    move_to(db, shelf, row, now, target, source)?;
                    moved_now = true;
                }
                _ => delivered.push(deliver(db, row, now, hidden_until)?),
            }
            if moved_now && shelf.fifo {
                // What was chosen behind the moved message was chosen by its order; choose again.
                break;
            }
        }
        moved |= moved_now;
        // A message that stays visible (a time-out of 0) must not be taken twice in one call.
        if !moved_now || delivered.len() == most || (hidden_until <= now && !delivered.is_empty()) {
            return Ok((delivered, moved));
        }
    }
}

fn next_due(db: &Connection, queue: i64, now: i64, most: usize) -> Result<Vec<i64>> {
    let sql = "SELECT id FROM messages WHERE queue = ?1 AND visible_at <= ?2 ORDER BY visible_at, id LIMIT ?3";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![queue, now, i64::try_from(most).unwrap_or(i64::MAX)], |row| row.get(0))?;
    rows.collect()
}

/// The next messages of a FIFO queue: heads of groups of which nothing is in flight, each with those behind it.
fn next_in_order(db: &Connection, queue: i64, now: i64, most: usize) -> Result<Vec<i64>> {
    let sql = "SELECT id, group_id FROM messages WHERE queue = ?1 AND visible_at <= ?2 ORDER BY visible_at, id";
    let mut statement = db.prepare_cached(sql)?;
    let mut candidates = statement.query(params![queue, now])?;
    let mut chosen: Vec<i64> = Vec::new();
    while chosen.len() < most {
        let Some(candidate) = candidates.next()? else { break };
        let (row, group): (i64, String) = (candidate.get(0)?, candidate.get(1)?);
        let is_head = head_of(db, queue, Some(&group))? == Some(row);
        if !is_head || chosen.contains(&row) || in_flight(db, queue, &group, now)? {
            continue;
        }
        chosen.push(row);
        let more = i64::try_from(most - chosen.len()).unwrap_or(0);
        // All of one group were sent with the queue's delay, so the first that is not available ends the row.
        let mut behind = db.prepare_cached(
            "SELECT id FROM messages WHERE queue = ?1 AND group_id = ?2 AND id > ?3 AND available_at <= ?4
             ORDER BY id LIMIT ?5",
        )?;
        for next in behind.query_map(params![queue, group, row, now, more], |row| row.get(0))? {
            chosen.push(next?);
        }
    }
    Ok(chosen)
}

fn head_of(db: &Connection, queue: i64, group: Option<&str>) -> Result<Option<i64>> {
    let Some(group) = group else { return Ok(None) };
    db.prepare_cached("SELECT MIN(id) FROM messages WHERE queue = ?1 AND group_id = ?2")?
        .query_row(params![queue, group], |row| row.get(0))
}

fn in_flight(db: &Connection, queue: i64, group: &str, now: i64) -> Result<bool> {
    db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM messages
                        WHERE received = 1 AND queue = ?1 AND group_id = ?2 AND visible_at > ?3)",
    )?
    .query_row(params![queue, group, now], |row| row.get(0))
}

fn receive_count(db: &Connection, row: i64) -> Result<i64> {
    db.prepare_cached("SELECT receive_count FROM messages WHERE id = ?1")?.query_row([row], |row| row.get(0))
}

fn deliver(db: &Connection, row: i64, now: i64, hidden_until: i64) -> Result<Delivered> {
    let sql = "UPDATE messages
        SET visible_at = ?2, received = 1, receive_count = receive_count + 1,
            first_received = COALESCE(first_received, ?3)
        WHERE id = ?1
        RETURNING message_id, body, attributes, trace, group_id, deduplication_id, sent_at, receive_count,
                  first_received, source";
    let read = |found: &Row<'_>| {
        let (message_id, receive_count): (String, i64) = (found.get(0)?, found.get(7)?);
        Ok(Delivered {
            row,
            receipt: receipt_handle(row, &message_id, receive_count),
            message_id,
            body: found.get(1)?,
            attributes: found.get(2)?,
            trace: found.get(3)?,
            group_id: found.get(4)?,
            deduplication_id: found.get(5)?,
            sent_at: found.get(6)?,
            receive_count,
            first_received: found.get(8)?,
            source: found.get(9)?,
        })
    };
    let delivered = db.prepare_cached(sql)?.query_row(params![row, hidden_until, now], read)?;
    db.prepare_cached("UPDATE messages SET receipt = ?2 WHERE id = ?1")?.execute(params![row, delivered.receipt])?;
    Ok(delivered)
}

/// Moves a message to the dead letters. Its id, age and receive count stay, as in SQS.
fn move_to(db: &Connection, from: Shelf, row: i64, now: i64, target: Shelf, source: &str) -> Result<()> {
    let group: Option<String> =
        db.prepare_cached("SELECT group_id FROM messages WHERE id = ?1")?.query_row([row], |row| row.get(0))?;
    let behind = target.fifo && head_of(db, target.id, group.as_deref())?.is_some();
    let visible_at = if behind { PARKED } else { now };
    db.prepare_cached(
        "UPDATE messages SET queue = ?2, visible_at = ?3, available_at = ?4, received = 0, receipt = NULL, source = ?5
         WHERE id = ?1",
    )?
    .execute(params![row, target.id, visible_at, now, source])?;
    promote(db, from, group.as_deref())?;
    // Rows keep their order of sending, so an older message may now stand before the dead letters' head.
    promote(db, target, group.as_deref())
}

/// Lets the first of a group be received, after the one before it is gone.
fn promote(db: &Connection, shelf: Shelf, group: Option<&str>) -> Result<()> {
    if !shelf.fifo {
        return Ok(());
    }
    let Some(head) = head_of(db, shelf.id, group)? else { return Ok(()) };
    db.prepare_cached("UPDATE messages SET visible_at = available_at WHERE id = ?1 AND visible_at = ?2")?
        .execute(params![head, PARKED])?;
    Ok(())
}

/// Looks up a receipt handle's message.
pub(crate) fn receipt(db: &Connection, queue: i64, row: i64, handle: &str, now: i64) -> Result<Receipt> {
    let sql = "SELECT queue, receipt, group_id, visible_at FROM messages WHERE id = ?1";
    let found = db.prepare_cached(sql)?.query_row([row], |found| {
        let (at, last): (i64, Option<String>) = (found.get(0)?, found.get(1)?);
        let (group_id, visible_at): (Option<String>, i64) = (found.get(2)?, found.get(3)?);
        Ok(if at == queue && last.as_deref() == Some(handle) {
            Receipt::Last { row, group_id, hidden: visible_at > now }
        } else {
            Receipt::Old
        })
    });
    Ok(found.optional()?.unwrap_or(Receipt::Gone))
}

pub(crate) fn delete(db: &Connection, shelf: Shelf, row: i64, group: Option<&str>) -> Result<()> {
    db.prepare_cached("DELETE FROM messages WHERE id = ?1")?.execute([row])?;
    promote(db, shelf, group)
}

pub(crate) fn set_visible_at(db: &Connection, row: i64, visible_at: i64) -> Result<()> {
    db.prepare_cached("UPDATE messages SET visible_at = ?2 WHERE id = ?1")?.execute(params![row, visible_at])?;
    Ok(())
}

/// Deletes what is older than the queue keeps.
pub(crate) fn expire(db: &Connection, shelf: Shelf, sent_until: i64) -> Result<()> {
    let mut groups = db.prepare_cached(
        "SELECT DISTINCT group_id FROM messages WHERE queue = ?1 AND sent_at <= ?2 AND group_id IS NOT NULL",
    )?;
    let groups: Vec<String> =
        groups.query_map(params![shelf.id, sent_until], |row| row.get(0))?.collect::<Result<_>>()?;
    db.prepare_cached("DELETE FROM messages WHERE queue = ?1 AND sent_at <= ?2")?
        .execute(params![shelf.id, sent_until])?;
    groups.iter().try_for_each(|group| promote(db, shelf, Some(group)))
}

pub(crate) fn count(db: &Connection, queue: i64, now: i64) -> Result<Counts> {
    let one = |sql: &str, values: &[i64]| -> Result<i64> {
        db.prepare_cached(sql)?.query_row(rusqlite::params_from_iter(values), |row| row.get(0))
    };
    let all = one("SELECT COUNT(*) FROM messages WHERE queue = ?1", &[queue])?;
    let due = one("SELECT COUNT(*) FROM messages WHERE queue = ?1 AND visible_at <= ?2", &[queue, now])?;
    let in_flight_sql =
        "SELECT COUNT(*) FROM messages WHERE received = 1 AND queue = ?1 AND visible_at > ?2 AND visible_at < ?3";
    let in_flight = one(in_flight_sql, &[queue, now, PARKED])?;
    let parked_sql = "SELECT COUNT(*) FROM messages WHERE queue = ?1 AND visible_at = ?2 AND available_at <= ?3";
    let visible = due + one(parked_sql, &[queue, PARKED, now])?;
    Ok(Counts { visible, in_flight, delayed: all - visible - in_flight })
}

/// Lets everything that was received and not deleted be received again.
pub(crate) fn return_in_flight(db: &Connection, now: i64) -> Result<usize> {
    db.prepare_cached("UPDATE messages SET visible_at = ?1 WHERE received = 1 AND visible_at > ?1 AND visible_at < ?2")?
        .execute(params![now, PARKED])
}

/// When the next message that is hidden now becomes visible.
pub(crate) fn next_visible(db: &Connection, queue: i64, now: i64) -> Result<Option<i64>> {
    db.prepare_cached("SELECT MIN(visible_at) FROM messages WHERE queue = ?1 AND visible_at > ?2 AND visible_at < ?3")?
        .query_row(params![queue, now, PARKED], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a receive runs must touch no message but those it takes.
    #[test]
    fn receiving_uses_an_index_and_sorts_nothing() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(SCHEMA).unwrap();
        for (sql, index) in [
            (
                "SELECT id FROM messages WHERE queue = 1 AND visible_at <= 2 ORDER BY visible_at, id LIMIT 3",
                "messages_due",
            ),
            ("SELECT MIN(id) FROM messages WHERE queue = 1 AND group_id = 'g'", "messages_order"),
            (
                "SELECT 1 FROM messages WHERE received = 1 AND queue = 1 AND group_id = 'g' AND visible_at > 2",
                "messages_in_flight",
            ),
            (
                "SELECT MIN(visible_at) FROM messages WHERE queue = 1 AND visible_at > 2 AND visible_at < 3",
                "messages_due",
            ),
        ] {
            let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = plan.query_map([], |row| row.get::<_, String>(3)).unwrap();
            let steps = steps.collect::<Result<Vec<_>>>().unwrap().join("; ");
            assert!(steps.contains("SEARCH messages") && steps.contains(index), "{sql}: {steps}");
            assert!(!steps.contains("TEMP B-TREE"), "{sql}: {steps}");
        }
    }
}
