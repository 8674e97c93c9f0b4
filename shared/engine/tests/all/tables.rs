use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Put, ReturnValuesOnConditionCheckFailure, TimeToLiveSpecification,
    TransactWriteItem,
};

use crate::support::{START_MS, dynamo, memory, n, s, table};

#[tokio::test]
async fn a_failed_condition_gives_the_item_back() {
    let (engine, _) = memory();
    let client = dynamo(&engine, vec![]);
    table(&client, "stock").await;
    client.put_item().table_name("stock").item("pk", s("a")).item("available", n(1)).send().await.unwrap();
    let hold = |quantity| {
        client
            .update_item()
            .table_name("stock")
            .key("pk", s("a"))
            .update_expression("SET available = available - :q")
            .condition_expression("available >= :q")
            .expression_attribute_values(":q", n(quantity))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
    };
    hold(1).await.unwrap();
    let UpdateItemError::ConditionalCheckFailedException(failed) = hold(1).await.unwrap_err().into_service_error()
    else {
        panic!("another error");
    };
    assert_eq!(failed.item().unwrap()["available"], n(0));
    let item = client.get_item().table_name("stock").key("pk", s("a")).send().await.unwrap().item.unwrap();
    assert_eq!(item["available"], n(0));
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing_and_idempotent_by_token_for_ten_minutes() {
    let (engine, clock) = memory();
    let client = dynamo(&engine, vec![]);
    table(&client, "carts").await;
    let transact = |pk: &'static str, check: &'static str, token: &'static str| {
        let put = Put::builder().table_name("carts").item("pk", s(pk)).condition_expression("attribute_not_exists(pk)");
        let check = ConditionCheck::builder()
            .table_name("carts")
            .key("pk", s(check))
            .condition_expression("attribute_not_exists(pk)");
        client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put.build().unwrap()).build())
            .transact_items(TransactWriteItem::builder().condition_check(check.build().unwrap()).build())
            .client_request_token(token)
            .send()
    };
    transact("a", "x", "t1").await.unwrap();
    // The same token again does nothing and succeeds; another request under it is refused.
    transact("a", "x", "t1").await.unwrap();
    let error = transact("b", "x", "t1").await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("IdempotentParameterMismatchException"));
    // A failed check cancels the put.
    let error = transact("c", "a", "t2").await.unwrap_err().into_service_error();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else { panic!("another error") };
    assert_eq!(cancelled.cancellation_reasons()[1].code(), Some("ConditionalCheckFailed"));
    assert!(client.get_item().table_name("carts").key("pk", s("c")).send().await.unwrap().item.is_none());
    clock.advance(601);
    let error = transact("a", "x", "t1").await.unwrap_err().into_service_error();
    assert!(error.is_transaction_canceled_exception());
}

#[tokio::test]
async fn an_index_is_queried_and_kept_up_to_date() {
    let (engine, _) = memory();
    let client = dynamo(&engine, vec![]);
    table(&client, "catalog").await;
    for (pk, kind) in [("a", "cup"), ("b", "cup"), ("c", "jar")] {
        client.put_item().table_name("catalog").item("pk", s(pk)).item("kind", s(kind)).send().await.unwrap();
    }
    client.put_item().table_name("catalog").item("pk", s("a")).item("kind", s("jar")).send().await.unwrap();
    let found = client
        .query()
        .table_name("catalog")
        .index_name("by-kind")
        .key_condition_expression("kind = :k")
        .expression_attribute_values(":k", s("jar"))
        .send()
        .await
        .unwrap();
    let keys: Vec<_> = found.items().iter().map(|item| item["pk"].clone()).collect();
    assert_eq!(keys, [s("a"), s("c")]);
}

#[tokio::test]
async fn expired_items_are_swept_by_the_engines_clock() {
    let (engine, clock) = memory();
    let client = dynamo(&engine, vec![]);
    table(&client, "carts").await;
    let ttl = TimeToLiveSpecification::builder().attribute_name("ttl").enabled(true).build().unwrap();
    client.update_time_to_live().table_name("carts").time_to_live_specification(ttl).send().await.unwrap();
    let expiry = START_MS / 1000 + 60;
    client.put_item().table_name("carts").item("pk", s("a")).item("ttl", n(expiry)).send().await.unwrap();
    assert_eq!(engine.sweep_ttl().await.unwrap(), 0);
    clock.advance(61);
    assert_eq!(engine.sweep_ttl().await.unwrap(), 1);
    let records = engine.stream_records("carts", None, 10).await.unwrap();
    assert_eq!(records[1]["eventName"], "REMOVE");
    assert_eq!(records[1]["userIdentity"]["principalId"], "dynamodb.amazonaws.com");
}

#[tokio::test]
async fn arns_name_a_region_and_refusals_are_dynamodbs_own() {
    let (engine, _) = memory();
    let client = dynamo(&engine, vec![]);
    table(&client, "carts").await;
    let described = client.describe_table().table_name("carts").send().await.unwrap().table.unwrap();
    assert_eq!(described.table_arn(), Some("arn:aws:dynamodb:us-east-1:000000000000:table/carts"));
    let missing = client.get_item().table_name("nothing").key("pk", s("a")).send().await.unwrap_err();
    assert!(missing.into_service_error().is_resource_not_found_exception());
    let odd = client.put_item().table_name("carts").item("pk", AttributeValue::Null(false)).send().await.unwrap_err();
    let odd = odd.into_service_error();
    assert_eq!(odd.code(), Some("ValidationException"));
    assert!(odd.message().unwrap().starts_with("1 validation error detected"), "{odd:?}");
    let unknown = engine.handle("DynamoDB_20120810.Frobnicate", bytes::Bytes::from_static(b"{}")).await;
    assert_eq!((unknown.status, unknown.error_code().as_deref()), (400, Some("UnknownOperationException")));
}
