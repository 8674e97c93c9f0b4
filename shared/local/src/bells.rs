//! Wakes exactly the reader that has something to read: a layer around the engine that hears every write to a table and
//! every message on a queue, by name. The engine's own signal says only that *some* table changed; with ten readers each
//! of them would look for nothing nine times out of ten. A write that passes by (there is none in the shop) is found
//! through that signal within a second. It must never change a call or its reply.

use std::collections::HashMap;
use std::sync::Arc;

use engine::{BoxFuture, Call, ConnectorFailure, Layer, Next, Reply, Service};
use serde_json::Value;
use tokio::sync::Notify;

/// One bell for each table that is read as a stream and each queue that is worked through.
#[derive(Default)]
pub(crate) struct Bells {
    tables: HashMap<String, Arc<Notify>>,
    queues: HashMap<String, Arc<Notify>>,
}

impl Bells {
    /// The bell of a table's stream.
    pub fn of_table(&mut self, name: &str) -> Arc<Notify> {
        self.tables.entry(name.to_owned()).or_default().clone()
    }

    /// The bell of a queue.
    pub fn of_queue(&mut self, name: &str) -> Arc<Notify> {
        self.queues.entry(name.to_owned()).or_default().clone()
    }

    /// Rings for every stream: after something that no call showed, as items that expired.
    pub fn ring_tables(&self) {
        self.tables.values().for_each(|bell| bell.notify_one());
    }

    /// The bells that a call must ring when it succeeds.
    fn for_call(&self, call: &Call) -> Vec<Arc<Notify>> {
        let name = |field: &str| call.json()[field].as_str().unwrap_or_default().to_owned();
        let tables = |names: Vec<String>| names.iter().filter_map(|name| self.tables.get(name).cloned()).collect();
        match (call.service, call.operation.as_str()) {
            (Service::DynamoDb, "PutItem" | "UpdateItem" | "DeleteItem") => tables(vec![name("TableName")]),
            (Service::DynamoDb, "BatchWriteItem") => tables(
                call.json()["RequestItems"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect(),
            ),
            (Service::DynamoDb, "TransactWriteItems") => tables(tables_of_transaction(call.json())),
            (Service::Sqs, operation) if operation.starts_with("Send") || operation.starts_with("Change") => {
                let url = name("QueueUrl");
                let queue = url.rsplit('/').next().unwrap_or_default();
                self.queues.get(queue).cloned().into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}

fn tables_of_transaction(body: &Value) -> Vec<String> {
    let actions = body["TransactItems"].as_array().into_iter().flatten().filter_map(Value::as_object).flatten();
    let mut names: Vec<String> =
        actions.filter_map(|(_, action)| action["TableName"].as_str().map(str::to_owned)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

impl Layer for Bells {
    fn call<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Result<Reply, ConnectorFailure>> {
        let bells = self.for_call(&call);
        if bells.is_empty() {
            return next.run(call);
        }
        Box::pin(async move {
            let reply = next.run(call).await?;
            if reply.is_success() {
                bells.iter().for_each(|bell| bell.notify_one());
            }
            Ok(reply)
        })
    }
}
