//! What a call with an `Idempotency-Key` was answered, kept for a day and given again to whoever repeats the call
//! (draft-ietf-httpapi-idempotency-key-header).
//!
//! A conditional put claims the key for one run of the call, under a token that only this run knows; the handler runs; its
//! answer is kept by a conditional update that names the token. A run whose deadline is over is dead, and the next caller
//! takes the key over under a token of its own; the slow one's update then fails. It must never be what makes a handler
//! safe to repeat: a function may be killed after its work and before its answer is kept, so what a handler does is known by
//! an id that comes from the key ([`Cx::seed`]), and a second run of it finds its own work.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use aws::table::{Written, n, s, written};
use aws::{BoxFuture, Capability as _, ConfigError, DataError, Item, Platform, TableSpec};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use kernel::limits::{KEPT_ANSWER, KEPT_BODY};
use kernel::problem::code;
use kernel::{Code, Problem, Timestamp};

use crate::answer::{self, Answered};
use crate::call::Cx;
use crate::function::Route;

/// The table of keys: which request each was used for, and what it was answered.
pub const TABLE: TableSpec = TableSpec {
    name: "idempotency",
    partition_key: "pk",
    sort_key: None,
    indexes: &[],
    ttl: Some("expires"),
    stream: false,
};

/// What an answer says that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Lambda ends a function a little after its deadline, and clocks differ by a little: so long a run counts as alive.
const GRACE: Duration = Duration::from_secs(1);
/// A smaller body is not worth compressing.
const COMPRESS_BYTES: usize = 1024;

const OPEN: &str = "in_progress";
const DONE: &str = "done";

aws::capability!(
    /// Keeps what calls were answered.
    KeepAnswers on TABLE: ["dynamodb:PutItem", "dynamodb:UpdateItem"]
);

/// What a call with a key is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The digest of function, caller and key: where it is kept.
    pub id: String,
    /// The digest of the whole request: path, query, body, `If-Match`.
    pub fingerprint: String,
}

/// An answer as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    status: StatusCode,
    headers: HeaderMap,
    body: Option<String>,
}

/// A key that is in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    fingerprint: String,
    /// The run that has the key.
    owner: String,
    state: State,
    /// When the record is nothing any more, in seconds: the table drops such items, some day.
    expires: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// A run is under way, and dead after this.
    Open { deadline: i64 },
    /// A run has ended; `None` when its answer was too large to be kept.
    Done(Option<Kept>),
}

/// What a caller does who finds this under the key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Run the handler: the key is free, or its run is dead.
    Claim,
    /// Give the answer again.
    Replay(Kept),
    /// Run the handler without the key: it finds its own work, and says so.
    Again,
    /// Refuse: the key belongs to another request.
    Reused,
    /// Refuse for now: the same request is being carried out.
    InFlight,
}

/// The whole protocol, as far as it is decided by what stands in the table. [`CLAIM`] says the same to the database.
fn step(standing: Option<&Record>, fingerprint: &str, now: Timestamp) -> Step {
    let Some(record) = standing.filter(|record| record.expires > now.seconds()) else { return Step::Claim };
    if record.fingerprint != fingerprint {
        return Step::Reused;
    }
    match &record.state {
        State::Done(Some(kept)) => Step::Replay(kept.clone()),
        State::Done(None) => Step::Again,
        State::Open { deadline } if *deadline <= now.millis() => Step::Claim,
        State::Open { .. } => Step::InFlight,
    }
}

/// When a key may be claimed.
const CLAIM: &str = "attribute_not_exists(pk) OR expires <= :seconds OR \
                     (#state = :open AND fingerprint = :fingerprint AND deadline <= :now)";
/// A run has the key only as long as nobody else took it over.
const MINE: &str = "#owner = :owner AND #state = :open";

/// What becomes of a key once its call was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The answer is kept.
    Keep,
    /// The key is free for the same request: asked again, it may succeed.
    Free,
    /// The key is as if it had never been used: nothing was done, and the caller must send something else.
    Forget,
}

/// A refusal that is final is an answer like any other: a copy of the call that is late by minutes must not do what its
/// sender was told had failed. One that blames the request or the token, before anything was looked at, is forgotten, so
/// that the corrected request may use the same key.
fn fate(refused: Option<&Code>) -> Fate {
    match refused {
        None => Fate::Keep,
        Some(code) if code.status >= 500 || code.retryable => Fate::Free,
        Some(code) if matches!(code.status, 400 | 401 | 403 | 412 | 413 | 415 | 422 | 428) => Fate::Forget,
        Some(_) => Fate::Keep,
    }
}

/// Stands around the work of a call.
pub(crate) type Keeper =
    Arc<dyn Fn(Asked, Cx, BoxFuture<'static, Answered>) -> BoxFuture<'static, Answered> + Send + Sync>;

/// How a declaration gets its keeper: by pointers, so that a binary whose route keeps nothing does not link any of this.
#[derive(Clone, Copy)]
pub(crate) struct Keeping {
    pub grants: fn() -> Vec<aws::Grant>,
    pub connect: fn(&Platform, Arc<Route>) -> Result<Keeper, ConfigError>,
}

/// The one there is.
pub(crate) const KEEPING: Keeping = Keeping { grants: KeepAnswers::grants, connect };

fn connect(platform: &Platform, route: Arc<Route>) -> Result<Keeper, ConfigError> {
    let answers = KeepAnswers::connect(platform)?;
    Ok(Arc::new(move |asked, cx, work| {
        let (answers, route) = (answers.clone(), route.clone());
        Box::pin(async move { answers.around(&asked, &route, &cx, work).await })
    }))
}

impl KeepAnswers {
    async fn around(&self, asked: &Asked, route: &Route, cx: &Cx, work: BoxFuture<'static, Answered>) -> Answered {
        let refused = |problem: Problem| answer::answered(Err(problem), cx, route);
        let owner = kernel::id::fingerprint(&[&cx.random()]);
        match self.claim(asked, &owner, cx).await {
            Ok(Step::Claim) => {}
            Ok(Step::Replay(kept)) => return replayed(kept, cx),
            Ok(Step::Again) => return work.await,
            Ok(Step::Reused) => {
                let detail = "the Idempotency-Key was used for another request; use a fresh one";
                return refused(Problem::new(code::KEY_REUSED, detail));
            }
            Ok(Step::InFlight) => {
                let detail = "the same request is being carried out; ask again for its answer";
                return refused(Problem::new(code::REQUEST_IN_FLIGHT, detail).retry_after(1));
            }
            Err(error) => return refused(error.into()),
        }
        let answered = work.await;
        let ended = match fate(answered.refused) {
            Fate::Keep => self.keep(asked, &owner, &answered).await,
            Fate::Free => self.free(asked, &owner, None).await,
            Fate::Forget => self.free(asked, &owner, Some(cx.now())).await,
        };
        // The work is done, and the caller is told. What is missing in the table is found by the next run of the call.
        match ended {
            Ok(true) => {}
            Ok(false) => {
                cx.count("KeysTakenOver", 1);
                cx.note("idempotency", "another run took the key over");
            }
            Err(error) => {
                cx.count("AnswersNotKept", 1);
                cx.note("idempotency", error.to_string());
            }
        }
        answered
    }

    /// Takes the key for this run, or says what to do instead.
    async fn claim(&self, asked: &Asked, owner: &str, cx: &Cx) -> Result<Step, DataError> {
        let now = cx.now();
        let record = Record {
            fingerprint: asked.fingerprint.clone(),
            owner: owner.to_owned(),
            state: State::Open { deadline: cx.deadline().after(GRACE).millis() },
            expires: now.after(KEPT_ANSWER).seconds(),
        };
        let put = self
            .table
            .client()
            .put_item()
            .table_name(self.table.name())
            .set_item(Some(record.item(&asked.id)))
            .condition_expression(CLAIM)
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":open", s(OPEN))
            .expression_attribute_values(":fingerprint", s(&asked.fingerprint))
            .expression_attribute_values(":now", n(now.millis()))
            .expression_attribute_values(":seconds", n(now.seconds()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match written(put.send().await)? {
            Written::Yes(_) => Ok(Step::Claim),
            Written::No(item) => {
                let standing = item.map(Record::read).transpose()?;
                match standing {
                    // The SDK sent the put again after its answer was lost.
                    Some(record) if record.owner == owner => Ok(Step::Claim),
                    standing => match step(standing.as_ref(), &asked.fingerprint, now) {
                        // What the database refused is not to be claimed, whatever it is.
                        Step::Claim => Ok(Step::InFlight),
                        other => Ok(other),
                    },
                }
            }
        }
    }

    /// Keeps an answer; false when the key is another run's by now.
    async fn keep(&self, asked: &Asked, owner: &str, answered: &Answered) -> Result<bool, DataError> {
        let kept = Kept { status: answered.status, headers: answered.headers.clone(), body: answered.body.clone() };
        let mut set = vec!["#state = :done".to_owned()];
        let mut values = vec![(":done".to_owned(), s(DONE))];
        for (name, value) in kept.attributes() {
            set.push(format!("{name} = :{name}"));
            values.push((format!(":{name}"), value));
        }
        self.end(asked, owner, format!("SET {} REMOVE deadline", set.join(", ")), values).await
    }

    /// Gives the key back; with a time it is as if it had never been used. False when it is another run's by now.
    async fn free(&self, asked: &Asked, owner: &str, forget: Option<Timestamp>) -> Result<bool, DataError> {
        let mut set = "SET deadline = :zero".to_owned();
        let mut values = vec![(":zero".to_owned(), n(0))];
        if let Some(now) = forget {
            set.push_str(", expires = :now");
            values.push((":now".to_owned(), n(now.seconds())));
        }
        self.end(asked, owner, set, values).await
    }

    async fn end(
        &self,
        asked: &Asked,
        owner: &str,
        set: String,
        values: Vec<(String, AttributeValue)>,
    ) -> Result<bool, DataError> {
        let mut update = self
            .table
            .client()
            .update_item()
            .table_name(self.table.name())
            .set_key(Some(self.table.key(&asked.id)))
            .update_expression(set)
            .condition_expression(MINE)
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":open", s(OPEN))
            .expression_attribute_values(":owner", s(owner))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for (name, value) in values {
            update = update.expression_attribute_values(name, value);
        }
        match written(update.send().await)? {
            Written::Yes(_) => Ok(true),
            // Mine and done: the SDK sent the update again after its answer was lost.
            Written::No(Some(item)) => Ok(Record::read(item)?.owner == owner),
            Written::No(None) => Ok(false),
        }
    }
}

fn replayed(kept: Kept, cx: &Cx) -> Answered {
    cx.note("replayed", true);
    let Kept { status, mut headers, body } = kept;
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Answered { status, headers, body, refused: None, internal: None }
}

impl Record {
    fn item(&self, id: &str) -> Item {
        let mut item = Item::from([
            ("pk".to_owned(), s(id)),
            ("fingerprint".to_owned(), s(&self.fingerprint)),
            ("owner".to_owned(), s(&self.owner)),
            ("expires".to_owned(), n(self.expires)),
        ]);
        let (state, more) = match &self.state {
            State::Open { deadline } => (OPEN, vec![("deadline", n(*deadline))]),
            State::Done(kept) => (DONE, kept.as_ref().map(Kept::attributes).unwrap_or_default()),
        };
        item.insert("state".to_owned(), s(state));
        item.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
        item
    }

    fn read(item: Item) -> Result<Self, DataError> {
        let corrupt = || DataError::Corrupt("a kept answer cannot be read".into());
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().ok_or_else(corrupt);
        let number = |name: &str| {
            let value = item.get(name).and_then(|value| value.as_n().ok());
            value.and_then(|value| value.parse::<i64>().ok()).ok_or_else(corrupt)
        };
        let state = match text("state")?.as_str() {
            OPEN => State::Open { deadline: number("deadline")? },
            DONE if item.contains_key("answer_status") => State::Done(Some(Kept::read(&item).ok_or_else(corrupt)?)),
            DONE => State::Done(None),
            _ => return Err(corrupt()),
        };
        Ok(Self { fingerprint: text("fingerprint")?, owner: text("owner")?, state, expires: number("expires")? })
    }
}

impl Kept {
    /// What is written of it; nothing at all when the body is too large.
    fn attributes(&self) -> Vec<(&'static str, AttributeValue)> {
        let text = |value: &HeaderValue| value.to_str().ok().map(s);
        let headers = self.headers.iter().filter_map(|(name, value)| Some((name.to_string(), text(value)?))).collect();
        let status = n(i64::from(self.status.as_u16()));
        let mut all = vec![("answer_status", status), ("answer_headers", AttributeValue::M(headers))];
        if let Some(body) = &self.body {
            let zipped = (body.len() >= COMPRESS_BYTES).then(|| zipped(body.as_bytes()));
            if zipped.as_ref().map_or(body.len(), Vec::len) > KEPT_BODY {
                return Vec::new();
            }
            all.push(("answer_body", zipped.map_or_else(|| s(body), |bytes| AttributeValue::B(Blob::new(bytes)))));
        }
        all
    }

    fn read(item: &Item) -> Option<Self> {
        let status = item.get("answer_status")?.as_n().ok()?.parse().ok()?;
        let mut headers = HeaderMap::new();
        for (name, value) in item.get("answer_headers")?.as_m().ok()? {
            headers.insert(HeaderName::try_from(name).ok()?, HeaderValue::from_str(value.as_s().ok()?).ok()?);
        }
        let body = match item.get("answer_body") {
            None => None,
            Some(AttributeValue::B(bytes)) => Some(unzipped(bytes.as_ref())?),
            Some(text) => Some(text.as_s().ok()?.clone()),
        };
        Some(Self { status: StatusCode::from_u16(status).ok()?, headers, body })
    }
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    // Writing to memory does not fail.
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 3), Compression::default());
    let written = encoder.write_all(bytes);
    debug_assert!(written.is_ok());
    encoder.finish().unwrap_or_default()
}

fn unzipped(bytes: &[u8]) -> Option<String> {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_766_400_000);

    fn kept(body: &str) -> Kept {
        let headers = HeaderMap::from_iter([(http::header::LOCATION, HeaderValue::from_static("/v1/things/1"))]);
        Kept { status: StatusCode::CREATED, headers, body: Some(body.to_owned()) }
    }

    fn record(state: State) -> Record {
        Record {
            fingerprint: "request".into(),
            owner: "first".into(),
            state,
            expires: NOW.after(KEPT_ANSWER).seconds(),
        }
    }

    #[test]
    fn what_stands_under_the_key_decides() {
        let open = |deadline: Timestamp| record(State::Open { deadline: deadline.millis() });
        let done = record(State::Done(Some(kept("{}"))));
        let late = NOW.after(Duration::from_millis(1));
        assert_eq!(step(None, "request", NOW), Step::Claim);
        assert_eq!(step(Some(&open(late)), "request", NOW), Step::InFlight);
        assert_eq!(step(Some(&open(NOW)), "request", NOW), Step::Claim, "its run is dead");
        assert_eq!(step(Some(&done), "request", NOW), Step::Replay(kept("{}")));
        assert_eq!(step(Some(&record(State::Done(None))), "request", NOW), Step::Again);
        for other in [open(late), open(NOW), done.clone(), record(State::Done(None))] {
            assert_eq!(step(Some(&other), "another", NOW), Step::Reused);
            // The table drops items late; what is over is over all the same.
            let over = Record { expires: NOW.seconds(), ..other };
            assert_eq!(step(Some(&over), "another", NOW), Step::Claim);
        }
    }

    #[test]
    fn what_is_kept_and_what_is_not() {
        assert_eq!(fate(None), Fate::Keep);
        let fates = |wanted: Fate| code::ALL.iter().filter(move |code| fate(Some(code)) == wanted);
        assert!(fates(Fate::Free).all(|code| code.status >= 500 || code.retryable));
        assert!(fates(Fate::Keep).all(|code| matches!(code.status, 402 | 404 | 405 | 409 | 410) && !code.retryable));
        for free in
            [code::INTERNAL, code::UNAVAILABLE, code::TIMED_OUT, code::TOO_MANY_REQUESTS, code::REQUEST_IN_FLIGHT]
        {
            assert_eq!(fate(Some(free)), Fate::Free, "{}", free.name);
        }
        for forgotten in
            [code::UNAUTHENTICATED, code::FORBIDDEN, code::INVALID_BODY, code::KEY_REUSED, code::VERSION_MISMATCH]
        {
            assert_eq!(fate(Some(forgotten)), Fate::Forget, "{}", forgotten.name);
        }
        for kept in [code::BELOW_HELD, code::SLUG_TAKEN, code::SKU_NOT_FOUND, code::PAYMENT_DECLINED] {
            assert_eq!(fate(Some(kept)), Fate::Keep, "{}", kept.name);
        }
    }

    #[test]
    fn an_answer_reads_back_as_it_was_written() {
        for body in ["{}".to_owned(), "[\"ä\"]".repeat(1_000)] {
            let record = record(State::Done(Some(kept(&body))));
            assert_eq!(Record::read(record.item("x")).unwrap(), record);
        }
        let empty = record(State::Done(Some(Kept { body: None, ..kept("") })));
        assert_eq!(Record::read(empty.item("x")).unwrap(), empty);
        let open = record(State::Open { deadline: 7 });
        assert_eq!(Record::read(open.item("x")).unwrap(), open);
    }

    #[test]
    fn of_an_answer_that_is_too_large_only_that_it_was_given_is_kept() {
        // Text that cannot be compressed much.
        let digest = |index: usize| kernel::id::fingerprint(&[&index.to_be_bytes()]);
        let body: String = (0..20_000).map(digest).collect();
        let record = record(State::Done(Some(kept(&body))));
        assert_eq!(Record::read(record.item("x")).unwrap().state, State::Done(None));
    }
}
