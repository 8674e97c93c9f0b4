use aws_lambda_events::dynamodb::Event;
use serde_json::{Value, json};

use crate::support::{dynamo, memory, n, s, table};

fn sequence(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap()
}

#[tokio::test]
async fn records_have_lambdas_shape_and_order() {
    let (engine, _) = memory();
    let client = dynamo(&engine, vec![]);
    table(&client, "orders").await;
    let mut writes = engine.table_writes();
    writes.mark_unchanged();
    for status in ["pending", "paid"] {
        client.put_item().table_name("orders").item("pk", s("o1")).item("status", s(status)).send().await.unwrap();
    }
    assert!(writes.has_changed().unwrap());
    client.delete_item().table_name("orders").key("pk", s("o1")).send().await.unwrap();
    let records = engine.stream_records("orders", None, 100).await.unwrap();
    let names: Vec<_> = records.iter().map(|record| record["eventName"].as_str().unwrap()).collect();
    assert_eq!(names, ["INSERT", "MODIFY", "REMOVE"]);

    let event: Event = serde_json::from_value(json!({ "Records": records })).unwrap();
    let second = &event.records[1];
    assert_eq!(second.aws_region, "us-east-1");
    assert_eq!(second.event_source.as_deref(), Some("aws:dynamodb"));
    let arn = second.event_source_arn.as_deref().unwrap();
    assert!(arn.starts_with("arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/"), "{arn}");
    assert_eq!(second.change.sequence_number.as_ref().map(String::len), Some(21));
    let change = serde_json::to_value(&second.change).unwrap();
    assert_eq!(change["NewImage"]["status"]["S"], "paid");
    assert_eq!(change["OldImage"]["status"]["S"], "pending");

    let rest = engine.stream_records("orders", Some(sequence(&records[0])), 1).await.unwrap();
    assert_eq!(rest, records[1..2]);
    assert!(engine.stream_records("orders", Some("7"), 1).await.is_err());
    assert!(engine.stream_records("nothing", None, 1).await.is_err());
}

#[tokio::test]
async fn a_checkpoint_and_pruning_keep_the_place_even_when_time_stands_still() {
    let (engine, _) = memory();
    let client = dynamo(&engine, vec![]);
    table(&client, "orders").await;
    for number in 0..5 {
        client.put_item().table_name("orders").item("pk", s("o")).item("n", n(number)).send().await.unwrap();
    }
    assert_eq!(engine.checkpoint("relay", "orders").unwrap(), None);
    let records = engine.stream_records("orders", None, 100).await.unwrap();
    let last = sequence(records.last().unwrap()).to_owned();
    engine.set_checkpoint("relay", "orders", &last).unwrap();
    assert_eq!(engine.prune_stream("orders", &last).await.unwrap(), 4);
    assert_eq!(engine.stream_records("orders", None, 100).await.unwrap().len(), 1);
    client.delete_item().table_name("orders").key("pk", s("o")).send().await.unwrap();
    let place = engine.checkpoint("relay", "orders").unwrap().unwrap();
    let new = engine.stream_records("orders", Some(&place), 100).await.unwrap();
    assert_eq!(new.len(), 1);
    assert_eq!(new[0]["eventName"], "REMOVE");
    // A new table of the same name starts afresh.
    client.delete_table().table_name("orders").send().await.unwrap();
    table(&client, "orders").await;
    assert_eq!(engine.stream_records("orders", None, 100).await.unwrap(), Vec::<Value>::new());
    assert_eq!(engine.checkpoint("relay", "orders").unwrap(), None);
}

/// The cost of a write is what SQLite has to look at. With the index that is one entry, however many records stand.
#[tokio::test]
async fn thirty_thousand_writes_leave_one_record_when_they_are_pruned() {
    let (engine, _) = memory();
    let client = dynamo(&engine, vec![]);
    table(&client, "stock").await;
    let mut seen = 0;
    let mut place: Option<String> = None;
    for round in 0..60 {
        for number in 0..500 {
            let body = json!({
                "TableName": "stock",
                "Item": { "pk": { "S": format!("p{}", number % 7) }, "n": { "N": format!("{round}") } },
            });
            let reply = engine.handle("DynamoDB_20120810.PutItem", body.to_string().into()).await;
            assert_eq!(reply.status, 200);
        }
        let records = engine.stream_records("stock", place.as_deref(), 1000).await.unwrap();
        seen += records.len();
        let last = sequence(records.last().unwrap()).to_owned();
        engine.prune_stream("stock", &last).await.unwrap();
        // The record that pruning keeps, and nothing else: the table never grows.
        assert_eq!(engine.stream_records("stock", None, 1000).await.unwrap().len(), 1);
        place = Some(last);
    }
    assert_eq!(seen, 30_000);
}
