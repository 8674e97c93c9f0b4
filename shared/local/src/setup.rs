//! Makes what Terraform makes in the cloud: tables with their indexes, streams and expiry, queues with their dead letters.
//! What stands there already is brought up to date (a new index, a stream that is read now) and never dropped. It must
//! never read or write an item.

use std::collections::BTreeSet;

use aws::{IndexSpec, QueueSpec, TableSpec};
use engine::Engine;
use serde_json::{Value, json};

use crate::shop::{PREFIX, ShopError};

/// Dead letters stay for the longest time SQS keeps anything: 14 days.
const DEAD_LETTERS_KEPT_S: u32 = 14 * 24 * 3600;

/// Under this name the engine remembers, beside the places of readers, what a table was made like; it forgets it with the
/// table.
const SETUP: &str = "setup";

/// Why the engine refused a call.
#[derive(Debug)]
pub(crate) struct Refused {
    pub code: String,
    pub message: String,
}

/// One call on the engine, without a client and without a guard.
pub(crate) async fn call(engine: &Engine, target: &str, body: &Value) -> Result<Value, Refused> {
    let reply = engine.handle(target, body.to_string().into()).await;
    if reply.is_success() {
        return Ok(reply.json());
    }
    let json = reply.json();
    let message = json.get("message").or_else(|| json.get("Message")).and_then(Value::as_str).unwrap_or_default();
    Err(Refused { code: reply.error_code().unwrap_or_default(), message: message.to_owned() })
}

/// The full name of a table.
pub(crate) fn table_name(table: &str) -> String {
    format!("{PREFIX}-{table}")
}

/// The full name of a queue.
pub(crate) fn queue_name(queue: &QueueSpec) -> String {
    format!("{PREFIX}-{}{}", queue.name, suffix(queue))
}

/// The full name of a queue's dead-letter queue.
pub(crate) fn dead_letters_name(queue: &QueueSpec) -> String {
    format!("{PREFIX}-{}-dead{}", queue.name, suffix(queue))
}

fn suffix(queue: &QueueSpec) -> &'static str {
    if queue.fifo { ".fifo" } else { "" }
}

/// The ARN of a queue.
pub(crate) fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:{}:{}:{name}", engine::REGION, engine::ACCOUNT)
}

/// Makes a table, or adapts the one that is there. Without a reader its stream stays off: nobody could tell, and a big
/// import would fill it for nothing.
pub(crate) async fn table(engine: &Engine, spec: &TableSpec, stream_is_read: bool) -> Result<(), ShopError> {
    let name = table_name(spec.name);
    let wrong = |refused: Refused| ShopError::Setup {
        what: name.clone(),
        reason: format!("{}: {}", refused.code, refused.message),
    };
    let stream = spec.stream && stream_is_read;
    let mut create = json!({
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": attributes(spec),
        "KeySchema": keys(spec.partition_key, spec.sort_key),
    });
    if !spec.indexes.is_empty() {
        create["GlobalSecondaryIndexes"] = spec.indexes.iter().map(index).collect();
    }
    if stream {
        create["StreamSpecification"] = stream_specification();
    }
    // Describing a table counts its items, all of them: a second for 20,000 products. So what a table was made like is
    // remembered, and one that was made like this is left alone.
    let like = kernel::id::fingerprint(&[create.to_string().as_bytes(), spec.ttl.unwrap_or_default().as_bytes()]);
    match call(engine, "DynamoDB_20120810.CreateTable", &create).await {
        Ok(_) => {}
        Err(refused) if refused.code == "ResourceInUseException" => {
            if engine.checkpoint(SETUP, &name)?.as_ref() == Some(&like) {
                return Ok(());
            }
            adapt(engine, spec, stream).await?;
        }
        Err(refused) => return Err(wrong(refused)),
    }
    if let Some(attribute) = spec.ttl {
        expire_by(engine, &name, attribute).await.map_err(wrong)?;
    }
    Ok(engine.set_checkpoint(SETUP, &name, &like)?)
}

/// Items go when the time in this attribute is over.
async fn expire_by(engine: &Engine, name: &str, attribute: &str) -> Result<(), Refused> {
    let named = json!({ "TableName": name });
    let known = call(engine, "DynamoDB_20120810.DescribeTimeToLive", &named).await?;
    if known["TimeToLiveDescription"]["AttributeName"] != attribute {
        let specification = json!({ "Enabled": true, "AttributeName": attribute });
        let update = json!({ "TableName": name, "TimeToLiveSpecification": specification });
        call(engine, "DynamoDB_20120810.UpdateTimeToLive", &update).await?;
    }
    Ok(())
}

/// Adds the indexes and the stream that an older version of the shop did not have.
async fn adapt(engine: &Engine, spec: &TableSpec, stream: bool) -> Result<(), ShopError> {
    let name = table_name(spec.name);
    let wrong = |refused: Refused| ShopError::Setup {
        what: name.clone(),
        reason: format!("{}: {}", refused.code, refused.message),
    };
    let known = call(engine, "DynamoDB_20120810.DescribeTable", &json!({ "TableName": name })).await.map_err(wrong)?;
    let known = &known["Table"];
    if known["KeySchema"] != keys(spec.partition_key, spec.sort_key) {
        let reason = "its key is another than this version's; start with another --data folder".into();
        return Err(ShopError::Setup { what: name, reason });
    }
    let there: BTreeSet<&str> = known["GlobalSecondaryIndexes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|index| index["IndexName"].as_str())
        .collect();
    for missing in spec.indexes.iter().filter(|index| !there.contains(index.name)) {
        let update = json!({
            "TableName": name,
            "AttributeDefinitions": attributes(spec),
            "GlobalSecondaryIndexUpdates": [{ "Create": index(missing) }],
        });
        call(engine, "DynamoDB_20120810.UpdateTable", &update).await.map_err(wrong)?;
    }
    if stream && known["StreamSpecification"]["StreamEnabled"] != true {
        let update = json!({ "TableName": name, "StreamSpecification": stream_specification() });
        call(engine, "DynamoDB_20120810.UpdateTable", &update).await.map_err(wrong)?;
    }
    Ok(())
}

fn stream_specification() -> Value {
    json!({ "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" })
}

fn keys(partition: &str, sort: Option<&str>) -> Value {
    let mut schema = vec![json!({ "AttributeName": partition, "KeyType": "HASH" })];
    schema.extend(sort.map(|name| json!({ "AttributeName": name, "KeyType": "RANGE" })));
    Value::Array(schema)
}

fn index(spec: &IndexSpec) -> Value {
    json!({
        "IndexName": spec.name,
        "KeySchema": keys(spec.partition_key, spec.sort_key),
        "Projection": { "ProjectionType": if spec.whole { "ALL" } else { "KEYS_ONLY" } },
    })
}

/// Every attribute that is part of a key, once.
fn attributes(spec: &TableSpec) -> Value {
    let mut all: Vec<(&str, &str)> = vec![(spec.partition_key, "S")];
    all.extend(spec.sort_key.map(|name| (name, "S")));
    for index in spec.indexes {
        all.push((index.partition_key, "S"));
        all.extend(index.sort_key.map(|name| (name, if index.numeric_sort { "N" } else { "S" })));
    }
    let mut seen = BTreeSet::new();
    all.retain(|(name, _)| seen.insert(*name));
    all.into_iter().map(|(name, kind)| json!({ "AttributeName": name, "AttributeType": kind })).collect()
}

/// Makes a queue and its dead letters, or sets the attributes of those that are there.
pub(crate) async fn queue(engine: &Engine, spec: &QueueSpec) -> Result<(), ShopError> {
    let (name, dead) = (queue_name(spec), dead_letters_name(spec));
    one_queue(engine, &dead, spec.fifo, json!({ "MessageRetentionPeriod": DEAD_LETTERS_KEPT_S.to_string() })).await?;
    let redrive = json!({ "deadLetterTargetArn": queue_arn(&dead), "maxReceiveCount": spec.max_receives });
    let attributes = json!({
        "VisibilityTimeout": spec.visibility_s.to_string(),
        "RedrivePolicy": redrive.to_string(),
    });
    one_queue(engine, &name, spec.fifo, attributes).await
}

async fn one_queue(engine: &Engine, name: &str, fifo: bool, attributes: Value) -> Result<(), ShopError> {
    let mut all = attributes.clone();
    if fifo {
        all["FifoQueue"] = json!("true");
    }
    let made = call(engine, "AmazonSQS.CreateQueue", &json!({ "QueueName": name, "Attributes": all })).await;
    let made = match made {
        Err(refused) if refused.code == "QueueNameExists" => {
            let update = json!({ "QueueUrl": queue_url(name), "Attributes": attributes });
            call(engine, "AmazonSQS.SetQueueAttributes", &update).await
        }
        made => made,
    };
    let wrong = |refused: Refused| ShopError::Setup {
        what: name.into(),
        reason: format!("{}: {}", refused.code, refused.message),
    };
    made.map(drop).map_err(wrong)
}

/// The address of a queue, as the engine gives it out.
pub(crate) fn queue_url(name: &str) -> String {
    format!("http://sqs.local/{}/{name}", engine::ACCOUNT)
}
