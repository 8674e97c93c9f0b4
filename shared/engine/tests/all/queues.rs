use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
};

use crate::support::{memory, sqs};

async fn create(client: &Client, name: &str, attributes: &[(QueueAttributeName, &str)]) -> String {
    let mut request = client.create_queue().queue_name(name);
    for (attribute, value) in attributes {
        request = request.attributes(attribute.clone(), *value);
    }
    request.send().await.unwrap().queue_url.unwrap()
}

async fn send(client: &Client, url: &str, body: &str) {
    client.send_message().queue_url(url).message_body(body).send().await.unwrap();
}

async fn send_in_order(client: &Client, url: &str, group: &str, body: &str) {
    let request = client.send_message().queue_url(url).message_body(body).message_group_id(group);
    request.message_deduplication_id(body).send().await.unwrap();
}

async fn receive(client: &Client, url: &str) -> Vec<Message> {
    let request = client.receive_message().queue_url(url).max_number_of_messages(10);
    let request =
        request.message_system_attribute_names(MessageSystemAttributeName::All).message_attribute_names("All");
    request.send().await.unwrap().messages.unwrap_or_default()
}

async fn delete(client: &Client, url: &str, message: &Message) {
    client.delete_message().queue_url(url).receipt_handle(message.receipt_handle().unwrap()).send().await.unwrap();
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body().unwrap()).collect()
}

async fn counts(client: &Client, url: &str) -> (String, String, String) {
    let all =
        client.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All).send().await.unwrap();
    let all: BTreeMap<_, _> =
        all.attributes.unwrap().into_iter().map(|(name, value)| (name.as_str().to_owned(), value)).collect();
    let of = |name: &str| all[&format!("ApproximateNumberOfMessages{name}")].clone();
    (of(""), of("NotVisible"), of("Delayed"))
}

const DEAD: &str = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":"2"}"#;

#[tokio::test]
async fn a_message_hides_comes_back_and_goes_to_the_dead_letters() {
    let (engine, clock) = memory();
    let client = sqs(&engine, vec![]);
    let dead = create(&client, "dead", &[]).await;
    let url = create(
        &client,
        "jobs",
        &[(QueueAttributeName::VisibilityTimeout, "30"), (QueueAttributeName::RedrivePolicy, DEAD)],
    )
    .await;
    send(&client, &url, "poison").await;
    send(&client, &url, "fine").await;
    let first = receive(&client, &url).await;
    assert_eq!(bodies(&first), ["poison", "fine"]);
    assert_eq!(counts(&client, &url).await, ("0".into(), "2".into(), "0".into()));
    delete(&client, &url, &first[1]).await;
    assert!(receive(&client, &url).await.is_empty());
    assert_eq!(engine.next_due("jobs").unwrap(), Some(crate::support::START_MS + 30_000));
    clock.advance(30);
    let second = receive(&client, &url).await;
    let attributes = second[0].attributes().unwrap();
    assert_eq!(attributes[&MessageSystemAttributeName::ApproximateReceiveCount], "2");
    assert_ne!(second[0].receipt_handle(), first[0].receipt_handle());
    // The older receipt deletes nothing.
    delete(&client, &url, &first[0]).await;
    clock.advance(30);
    let mut changes = engine.queue_writes();
    changes.mark_unchanged();
    assert!(receive(&client, &url).await.is_empty());
    assert!(changes.has_changed().unwrap(), "who waits on the dead letters must wake");
    let found = receive(&client, &dead).await;
    assert_eq!(bodies(&found), ["poison"]);
    assert_eq!(found[0].message_id(), first[0].message_id());
    assert_eq!(counts(&client, &url).await, ("0".into(), "0".into(), "0".into()));
}

#[tokio::test]
async fn delays_and_visibility_changes_follow_the_clock() {
    let (engine, clock) = memory();
    let client = sqs(&engine, vec![]);
    let url = create(&client, "jobs", &[(QueueAttributeName::DelaySeconds, "5")]).await;
    send(&client, &url, "default").await;
    client.send_message().queue_url(&url).message_body("late").delay_seconds(900).send().await.unwrap();
    let too_late = client.send_message().queue_url(&url).message_body("x").delay_seconds(901).send().await.unwrap_err();
    assert_eq!(too_late.into_service_error().code(), Some("InvalidParameterValue"));
    assert!(receive(&client, &url).await.is_empty());
    assert_eq!(counts(&client, &url).await, ("0".into(), "0".into(), "2".into()));
    clock.advance(5);
    let got = receive(&client, &url).await;
    assert_eq!(bodies(&got), ["default"]);
    let change = |seconds| {
        let handle = got[0].receipt_handle().unwrap();
        client.change_message_visibility().queue_url(&url).receipt_handle(handle).visibility_timeout(seconds).send()
    };
    change(600).await.unwrap();
    clock.advance(599);
    assert!(receive(&client, &url).await.is_empty());
    change(0).await.unwrap();
    assert_eq!(bodies(&receive(&client, &url).await), ["default"]);
    clock.advance(300);
    assert_eq!(bodies(&receive(&client, &url).await), ["default", "late"]);
    let error = change(1).await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("AWS.SimpleQueueService.MessageNotInflight"));
}

#[tokio::test]
async fn a_group_keeps_its_order_and_waits_for_its_head() {
    let (engine, clock) = memory();
    let client = sqs(&engine, vec![]);
    let url = create(
        &client,
        "orders.fifo",
        &[(QueueAttributeName::FifoQueue, "true"), (QueueAttributeName::VisibilityTimeout, "30")],
    )
    .await;
    for (group, body) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3")] {
        send_in_order(&client, &url, group, body).await;
    }
    // Sent again within five minutes: nothing is added.
    send_in_order(&client, &url, "a", "a1").await;
    let one =
        client.receive_message().queue_url(&url).max_number_of_messages(1).send().await.unwrap().messages.unwrap();
    assert_eq!(bodies(&one), ["a1"]);
    // Group a is blocked, b is not.
    assert_eq!(bodies(&receive(&client, &url).await), ["b1"]);
    assert!(receive(&client, &url).await.is_empty());
    clock.advance(30);
    // Both heads are visible again; a's followers come along in order.
    let again = receive(&client, &url).await;
    assert_eq!(bodies(&again), ["a1", "a2", "a3", "b1"]);
    delete(&client, &url, &again[0]).await;
    assert!(receive(&client, &url).await.is_empty(), "a2 and a3 are in flight");
    // The head comes back alone while its follower is still out: the follower blocks the group.
    let handle = again[1].receipt_handle().unwrap();
    client
        .change_message_visibility()
        .queue_url(&url)
        .receipt_handle(handle)
        .visibility_timeout(0)
        .send()
        .await
        .unwrap();
    assert!(receive(&client, &url).await.is_empty());
    clock.advance(30);
    let rest = receive(&client, &url).await;
    assert_eq!(bodies(&rest), ["a2", "a3", "b1"]);
    clock.advance(31);
    let late = client.delete_message().queue_url(&url).receipt_handle(rest[0].receipt_handle().unwrap()).send().await;
    assert_eq!(late.unwrap_err().into_service_error().code(), Some("InvalidParameterValue"));
    // Five minutes later the same id is a new message.
    clock.advance(300);
    send_in_order(&client, &url, "c", "a1").await;
    assert_eq!(bodies(&receive(&client, &url).await), ["a2", "a3", "b1", "a1"]);
}

#[tokio::test]
async fn attributes_travel_with_their_digest_and_batches_answer_each_entry() {
    let (engine, _) = memory();
    let client = sqs(&engine, vec![]);
    let url = create(&client, "jobs", &[]).await;
    let text = MessageAttributeValue::builder().data_type("String").string_value("v").build().unwrap();
    let binary = MessageAttributeValue::builder().data_type("Binary").binary_value(Blob::new([1, 2])).build().unwrap();
    let sent = client.send_message().queue_url(&url).message_body("x");
    let sent = sent.message_attributes("t", text).message_attributes("b", binary).send().await.unwrap();
    assert_eq!(sent.md5_of_message_body(), Some("9dd4e461268c8034f5c8564e155c67a6"));
    let got = receive(&client, &url).await;
    assert_eq!(got[0].md5_of_message_attributes(), sent.md5_of_message_attributes());
    assert_eq!(got[0].message_attributes().unwrap()["b"].binary_value().unwrap().as_ref(), [1, 2]);

    let entry = |id: &str, body: &str, delay| {
        SendMessageBatchRequestEntry::builder().id(id).message_body(body).delay_seconds(delay).build().unwrap()
    };
    let batch = client.send_message_batch().queue_url(&url);
    let batch = batch.entries(entry("1", "ok", 0)).entries(entry("2", "bad", 1000)).send().await.unwrap();
    assert_eq!((batch.successful().len(), batch.failed().len()), (1, 1));
    assert_eq!(batch.failed()[0].code(), "InvalidParameterValue");
    let twice = client.send_message_batch().queue_url(&url).entries(entry("1", "a", 0)).entries(entry("1", "b", 0));
    assert_eq!(
        twice.send().await.unwrap_err().into_service_error().code(),
        Some("AWS.SimpleQueueService.BatchEntryIdsNotDistinct")
    );
    let big = client.send_message().queue_url(&url).message_body("x".repeat(1024 * 1024 + 1)).send().await.unwrap_err();
    assert_eq!(big.into_service_error().code(), Some("InvalidParameterValue"));
}

#[tokio::test]
async fn queues_are_made_once_found_by_name_and_purged() {
    let (engine, clock) = memory();
    let client = sqs(&engine, vec![]);
    let url = create(&client, "jobs", &[(QueueAttributeName::MessageRetentionPeriod, "120")]).await;
    assert_eq!(create(&client, "jobs", &[]).await, url);
    let other = client.create_queue().queue_name("jobs").attributes(QueueAttributeName::DelaySeconds, "9").send().await;
    assert_eq!(other.unwrap_err().into_service_error().code(), Some("QueueAlreadyExists"));
    assert_eq!(client.get_queue_url().queue_name("jobs").send().await.unwrap().queue_url(), Some(url.as_str()));
    assert!(
        client
            .get_queue_url()
            .queue_name("none")
            .send()
            .await
            .unwrap_err()
            .into_service_error()
            .is_queue_does_not_exist()
    );
    assert_eq!(client.list_queues().send().await.unwrap().queue_urls(), std::slice::from_ref(&url));
    send(&client, &url, "a").await;
    client.purge_queue().queue_url(&url).send().await.unwrap();
    assert!(receive(&client, &url).await.is_empty());
    send(&client, &url, "old").await;
    clock.advance(121);
    assert!(receive(&client, &url).await.is_empty());
    assert_eq!(counts(&client, &url).await.0, "0");
    // Any host will do: functions in other processes know the queue under another address.
    send(&client, "http://127.0.0.1:4566/000000000000/jobs", "b").await;
    assert_eq!(bodies(&receive(&client, &url).await), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_wakes_for_a_message_and_ends_without_one() {
    let (engine, _) = memory();
    let client = sqs(&engine, vec![]);
    let url = create(&client, "jobs", &[]).await;
    let poll = || client.receive_message().queue_url(&url).wait_time_seconds(20).send();
    let (got, ()) = tokio::join!(poll(), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        send(&client, &url, "late").await;
    });
    assert_eq!(bodies(got.unwrap().messages()), ["late"]);
    assert!(poll().await.unwrap().messages().is_empty());
}

#[tokio::test]
async fn a_hundred_thousand_waiting_messages_do_not_stand_in_the_way() {
    let (engine, clock) = memory();
    let client = sqs(&engine, vec![]);
    let url = create(&client, "jobs", &[]).await;
    for round in 0..10_000 {
        let entries: Vec<_> = (0..10)
            .map(|entry| serde_json::json!({ "Id": entry.to_string(), "MessageBody": "later", "DelaySeconds": 900 }))
            .collect();
        let body = serde_json::json!({ "QueueUrl": url, "Entries": entries });
        let reply = engine.handle("AmazonSQS.SendMessageBatch", body.to_string().into()).await;
        assert_eq!(reply.status, 200, "{round}");
    }
    for _ in 0..1000 {
        send(&client, &url, "now").await;
        let got = receive(&client, &url).await;
        assert_eq!(bodies(&got), ["now"]);
        delete(&client, &url, &got[0]).await;
    }
    assert_eq!(counts(&client, &url).await, ("0".into(), "0".into(), "100000".into()));
    clock.advance(900);
    assert_eq!(receive(&client, &url).await.len(), 10);
}
