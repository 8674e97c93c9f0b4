use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Put, ReturnConsumedCapacity, TransactWriteItem};
use engine::{Cost, Meter, Units};

use crate::support::{dynamo, memory, s, table};

fn old_item(error: &UpdateItemError) -> Option<&HashMap<String, AttributeValue>> {
    match error {
        UpdateItemError::ConditionalCheckFailedException(failed) => failed.item(),
        other => panic!("{other:?}"),
    }
}

fn cost(calls: u64, round_trips: u64, read_halves: u64, writes: u64) -> Cost {
    Cost { calls, round_trips, reads: Units::halves(read_halves), writes: Units::whole(writes) }
}

#[tokio::test]
async fn a_known_sequence_costs_what_aws_documents() {
    let (engine, _) = memory();
    table(&dynamo(&engine, vec![]), "stock").await;
    let meter = Meter::new();
    let client = dynamo(&engine, vec![Arc::new(meter.clone())]);
    let big = "x".repeat(1500);
    let put = |pk: &str| client.put_item().table_name("stock").item("pk", s(pk)).item("big", s(&big)).send();

    let answer = meter.scope("put", put("a")).await.unwrap();
    assert!(answer.consumed_capacity.is_none(), "the caller had not asked");
    assert_eq!(meter.cost("put"), cost(1, 1, 0, 2));

    let get = |pk: &str, strong| client.get_item().table_name("stock").key("pk", s(pk)).consistent_read(strong).send();
    meter.scope("get", get("a", false)).await.unwrap();
    assert_eq!(meter.cost("get"), cost(1, 1, 1, 0));
    meter.scope("strong get", get("a", true)).await.unwrap();
    assert_eq!(meter.cost("strong get"), cost(1, 1, 2, 0));

    // An index makes a write dearer, and the total says so.
    let indexed = client.put_item().table_name("stock").item("pk", s("i")).item("kind", s("cup"));
    let indexed = indexed.return_consumed_capacity(ReturnConsumedCapacity::Total);
    let answer = meter.scope("indexed", indexed.send()).await.unwrap().consumed_capacity.unwrap();
    assert_eq!(answer.capacity_units(), Some(2.0));
    assert!(answer.global_secondary_indexes.is_none(), "the caller had asked for the total only");
    assert_eq!(meter.cost("indexed"), cost(1, 1, 0, 2));

    let failing = |pk: &str| {
        let update = client.update_item().table_name("stock").key("pk", s(pk)).update_expression("SET z = :z");
        let update = update.expression_attribute_values(":z", s("z"));
        update.condition_expression("attribute_exists(nothing)").send()
    };
    let error = meter.scope("failed, absent", failing("none")).await.unwrap_err().into_service_error();
    assert!(old_item(&error).is_none());
    assert_eq!(meter.cost("failed, absent"), cost(1, 1, 0, 1));
    let error = meter.scope("failed, 1.5 KB", failing("a")).await.unwrap_err().into_service_error();
    assert!(old_item(&error).is_none(), "the caller had not asked");
    assert_eq!(meter.cost("failed, 1.5 KB"), cost(1, 1, 0, 2));

    meter.reset();
    assert!(meter.snapshot().is_empty());
}

#[tokio::test]
async fn transactions_cost_double_done_or_cancelled() {
    let (engine, _) = memory();
    table(&dynamo(&engine, vec![]), "stock").await;
    let meter = Meter::new();
    let client = dynamo(&engine, vec![Arc::new(meter.clone())]);
    let transact = |pk: &'static str, condition: &'static str| {
        let put = Put::builder().table_name("stock").item("pk", s(pk)).item("big", s("x".repeat(1500)));
        let check = ConditionCheck::builder().table_name("stock").key("pk", s("other")).condition_expression(condition);
        client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put.build().unwrap()).build())
            .transact_items(TransactWriteItem::builder().condition_check(check.build().unwrap()).build())
            .send()
    };
    meter.scope("done", transact("a", "attribute_not_exists(pk)")).await.unwrap();
    assert_eq!(meter.cost("done"), cost(1, 1, 0, 6));
    meter.scope("cancelled", transact("b", "attribute_exists(pk)")).await.unwrap_err();
    assert_eq!(meter.cost("cancelled"), cost(1, 1, 0, 6));
}

#[tokio::test]
async fn calls_that_overlap_are_one_round_trip() {
    let (engine, _) = memory();
    table(&dynamo(&engine, vec![]), "stock").await;
    let meter = Meter::new();
    let client = dynamo(&engine, vec![Arc::new(meter.clone())]);
    let get = |pk: &'static str| client.get_item().table_name("stock").key("pk", s(pk)).send();
    let flow = async {
        get("cart").await.unwrap();
        futures_util::future::join_all(["a", "b", "c"].map(get)).await;
        get("order").await.unwrap();
    };
    meter.scope("checkout", flow).await;
    assert_eq!((meter.cost("checkout").calls, meter.cost("checkout").round_trips), (5, 3));
    get("x").await.unwrap();
    assert_eq!(meter.cost("").calls, 1);
}
