use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{ConditionCheck, Put, TransactWriteItem};
use engine::{Grant, Guard, Layer};

use crate::support::{dynamo, kms, memory, s, secrets, sqs, table};

fn grants(pairs: &[(&str, &str)]) -> BTreeSet<Grant> {
    pairs.iter().map(|(action, resource)| Grant::new(*action, *resource)).collect()
}

#[tokio::test]
async fn what_was_not_granted_is_refused_and_what_was_used_is_known() {
    let (engine, _) = memory();
    table(&dynamo(&engine, vec![]), "catalog").await;
    let guard = Arc::new(Guard::new(grants(&[
        ("dynamodb:PutItem", "catalog"),
        ("dynamodb:Query", "catalog/index/by-kind"),
        ("dynamodb:ConditionCheckItem", "catalog"),
        ("dynamodb:DeleteItem", "catalog"),
    ])));
    let client = dynamo(&engine, vec![guard.clone()]);
    client.put_item().table_name("catalog").item("pk", s("a")).item("kind", s("cup")).send().await.unwrap();
    let query = |index: Option<&str>| {
        let query = client.query().table_name("catalog").set_index_name(index.map(str::to_owned));
        query.key_condition_expression("kind = :k").expression_attribute_values(":k", s("cup")).send()
    };
    assert_eq!(query(Some("by-kind")).await.unwrap().count(), 1);
    assert_eq!(query(None).await.unwrap_err().code(), Some("AccessDeniedException"));
    let error = client.get_item().table_name("catalog").key("pk", s("a")).send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 400);
    assert_eq!(error.code(), Some("AccessDeniedException"));
    assert!(error.message().unwrap().contains("dynamodb:GetItem on resource: catalog"));

    let put = Put::builder().table_name("catalog").item("pk", s("b")).build().unwrap();
    let check =
        ConditionCheck::builder().table_name("catalog").key("pk", s("a")).condition_expression("attribute_exists(pk)");
    let both = client.transact_write_items();
    let both = both.transact_items(TransactWriteItem::builder().put(put).build());
    let both = both.transact_items(TransactWriteItem::builder().condition_check(check.build().unwrap()).build());
    both.send().await.unwrap();
    assert_eq!(guard.unused(), grants(&[("dynamodb:DeleteItem", "catalog")]));
    assert_eq!(guard.denied(), grants(&[("dynamodb:GetItem", "catalog"), ("dynamodb:Query", "catalog")]));
}

#[tokio::test]
async fn every_service_names_its_resources() {
    let (engine, _) = memory();
    let guard = Arc::new(Guard::recording());
    let layers = || -> Vec<Arc<dyn Layer>> { vec![guard.clone()] };
    let queues = sqs(&engine, layers());
    let url = queues.create_queue().queue_name("jobs").send().await.unwrap().queue_url.unwrap();
    let entry = aws_sdk_sqs::types::SendMessageBatchRequestEntry::builder().id("1").message_body("x").build().unwrap();
    queues.send_message_batch().queue_url(&url).entries(entry).send().await.unwrap();
    kms(&engine, layers()).get_public_key().key_id("alias/tokens").send().await.unwrap();
    secrets(&engine, layers()).get_secret_value().secret_id("oxcart/cursor").send().await.unwrap();
    let expected = [
        ("sqs:CreateQueue", "jobs"),
        ("sqs:SendMessage", "jobs"),
        ("kms:GetPublicKey", "key/tokens"),
        ("secretsmanager:GetSecretValue", "secret/oxcart/cursor"),
    ];
    assert_eq!(guard.used(), grants(&expected));
    let strict = sqs(&engine, vec![Arc::new(Guard::new([]))]);
    let error = strict.send_message().queue_url(&url).message_body("x").send().await.unwrap_err();
    assert_eq!(error.code(), Some("AccessDeniedException"));
}
