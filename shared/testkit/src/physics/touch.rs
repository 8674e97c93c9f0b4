//! What a call touches: which items by which keys, in which way. It reads requests and knows no limits.
//!
//! It owns the reading of keys out of DynamoDB's request bodies, and taking items out of batches. It must never guess: a
//! call whose partition key it cannot tell touches nothing.

use engine::{Call, Reply};
use serde_json::{Value, json};

/// Reading or writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Read,
    Write,
}

/// The names of a table's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Schema {
    partition: String,
    sort: Option<String>,
}

/// One item, or one partition, that a call wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Touch {
    /// The table and the value of the partition key.
    pub place: (String, String),
    /// The value of the sort key (empty without one); `None` when a whole partition is read.
    pub item: Option<String>,
    pub way: Way,
    /// The half units that it costs at least.
    pub least: u64,
    /// The number of the action in its transaction, or of the item in its table's part of a batch.
    pub index: usize,
}

/// A place in a request that names an item or a partition.
pub(super) struct Access<'a> {
    pub table: &'a str,
    way: Way,
    least: u64,
    index: usize,
    names: Names<'a>,
}

enum Names<'a> {
    /// The attributes of an item, the keys among them.
    Item(&'a Value),
    /// A query's expression and its substitutes.
    Query(&'a Value),
}

/// Whether an operation reads.
pub(super) fn reads(operation: &str) -> bool {
    ["GetItem", "BatchGetItem", "TransactGetItems", "Query", "Scan"].contains(&operation)
}

/// Everything a call names. A transaction costs double.
pub(super) fn accesses(call: &Call) -> Vec<Access<'_>> {
    let body = call.json();
    let single = |way, least, names| {
        let table = body["TableName"].as_str();
        table.map(|table| Access { table, way, least, index: 0, names }).into_iter().collect()
    };
    match call.operation.as_str() {
        "GetItem" => single(Way::Read, least_read(body), Names::Item(&body["Key"])),
        "Query" if body["IndexName"].is_null() => single(Way::Read, least_read(body), Names::Query(body)),
        "PutItem" => single(Way::Write, 2, Names::Item(&body["Item"])),
        "UpdateItem" | "DeleteItem" => single(Way::Write, 2, Names::Item(&body["Key"])),
        "TransactGetItems" => of_transaction(body, Way::Read),
        "TransactWriteItems" => of_transaction(body, Way::Write),
        "BatchGetItem" => of_batch(body, Way::Read),
        "BatchWriteItem" => of_batch(body, Way::Write),
        _ => Vec::new(),
    }
}

/// The half units of the smallest read: half as many when it need not be consistent.
fn least_read(request: &Value) -> u64 {
    if request["ConsistentRead"] == true { 2 } else { 1 }
}

fn of_transaction(body: &Value, way: Way) -> Vec<Access<'_>> {
    let actions = body["TransactItems"].as_array().into_iter().flatten().enumerate();
    let actions = actions.filter_map(|(index, action)| Some((index, action.as_object()?.values().next()?)));
    actions
        .filter_map(|(index, action)| {
            let names = if action["Key"].is_null() { &action["Item"] } else { &action["Key"] };
            Some(Access { table: action["TableName"].as_str()?, way, least: 4, index, names: Names::Item(names) })
        })
        .collect()
}

fn of_batch(body: &Value, way: Way) -> Vec<Access<'_>> {
    let mut accesses = Vec::new();
    for (table, wanted) in body["RequestItems"].as_object().into_iter().flatten() {
        let list = if way == Way::Read { &wanted["Keys"] } else { wanted };
        for (index, entry) in list.as_array().into_iter().flatten().enumerate() {
            let item = if way == Way::Read { entry } else { written(entry) };
            let least = if way == Way::Read { least_read(wanted) } else { 2 };
            accesses.push(Access { table, way, least, index, names: Names::Item(item) });
        }
    }
    accesses
}

/// The attributes in one entry of a `BatchWriteItem`.
fn written(entry: &Value) -> &Value {
    let put = &entry["PutRequest"]["Item"];
    if put.is_null() { &entry["DeleteRequest"]["Key"] } else { put }
}

impl Schema {
    /// From the answer to a `DescribeTable`.
    pub fn read(described: &Value) -> Option<Self> {
        let keys = described["Table"]["KeySchema"].as_array()?;
        let name = |kind: &str| {
            let key = keys.iter().find(|key| key["KeyType"] == kind)?;
            key["AttributeName"].as_str().map(str::to_owned)
        };
        Some(Self { partition: name("HASH")?, sort: name("RANGE") })
    }

    /// What an access touches; `None` when it names no partition key.
    pub fn touch(&self, access: &Access<'_>) -> Option<Touch> {
        let (partition, item) = match access.names {
            Names::Item(attributes) => {
                let sort = self.sort.as_ref().map(|sort| key_text(&attributes[sort.as_str()]).unwrap_or_default());
                (key_text(&attributes[self.partition.as_str()])?, Some(sort.unwrap_or_default()))
            }
            Names::Query(body) => (self.queried(body)?, None),
        };
        let place = (access.table.to_owned(), partition);
        Some(Touch { place, item, way: access.way, least: access.least, index: access.index })
    }

    /// The partition key that a query asks for: `name = :value` somewhere in its key condition.
    fn queried(&self, body: &Value) -> Option<String> {
        let words = body["KeyConditionExpression"].as_str()?.replace('=', " = ").replace(['(', ')'], " ");
        let words: Vec<&str> = words.split_whitespace().collect();
        let named = |word: &str| {
            word == self.partition || body["ExpressionAttributeNames"][word].as_str() == Some(self.partition.as_str())
        };
        let found = words.windows(3).find(|three| named(three[0]) && three[1] == "=")?;
        key_text(&body["ExpressionAttributeValues"][found[2]])
    }
}

/// A key's value as text.
fn key_text(value: &Value) -> Option<String> {
    ["S", "N", "B"].into_iter().find_map(|kind| value[kind].as_str()).map(str::to_owned)
}

/// A batch without some of its items, and those as `UnprocessedKeys` or `UnprocessedItems` has them.
pub(super) fn without(call: Call, left: &[&Touch]) -> (Call, Value) {
    let mut left_over = json!({});
    if left.is_empty() {
        return (call, left_over);
    }
    let mut body = call.json().clone();
    for (table, wanted) in body["RequestItems"].as_object_mut().into_iter().flatten() {
        let mut other = wanted.clone();
        let is_left = |index: usize| left.iter().any(|touch| touch.place.0 == *table && touch.index == index);
        keep(wanted, |index| !is_left(index));
        keep(&mut other, is_left);
        if entries(&mut other).is_some_and(|entries| !entries.is_empty()) {
            left_over[table.as_str()] = other;
        }
    }
    if let Some(tables) = body["RequestItems"].as_object_mut() {
        tables.retain(|_, wanted| entries(wanted).is_some_and(|entries| !entries.is_empty()));
    }
    (call.with_json(body), left_over)
}

/// The list in one table's part of a batch.
fn entries(wanted: &mut Value) -> Option<&mut Vec<Value>> {
    let list = if wanted.is_array() { Some(wanted) } else { wanted.get_mut("Keys") };
    list.and_then(Value::as_array_mut)
}

fn keep(wanted: &mut Value, which: impl Fn(usize) -> bool) {
    let Some(entries) = entries(wanted) else { return };
    let mut index = 0;
    entries.retain(|_| {
        let kept = which(index);
        index += 1;
        kept
    });
}

/// A batch's answer that also names what was left over.
pub(super) fn with_left_over(mut reply: Reply, way: Way, left_over: Value) -> Reply {
    if reply.is_success() && left_over.as_object().is_some_and(|tables| !tables.is_empty()) {
        let mut body = reply.json();
        let name = if way == Way::Read { "UnprocessedKeys" } else { "UnprocessedItems" };
        body[name] = left_over;
        reply.body = body.to_string().into();
    }
    reply
}
