//! Streams, queues and their failures.

use std::time::Duration;

use aws::table::s;
use aws::{IndexSpec, TableSpec};
use local::{Options, Pump, Registry, Shop};

use crate::support::{JOBS, LANES, OTHERS, THINGS, post, put, registry, seen, shop};

#[tokio::test]
async fn a_stream_is_read_in_batches_and_its_place_is_kept() {
    let (shop, _) = shop(21).await;
    put(&shop, &THINGS, &["a", "b", "c", "d"]).await;
    let drained = shop.drain().await;
    assert_eq!((drained.done, drained.failures.len()), (4, 0));
    let seen = seen(21);
    assert_eq!(seen.lock().unwrap().batches, [vec!["a", "b", "c"], vec!["d"]]);
    assert_eq!(shop.drain().await.done, 0, "nothing comes twice");
}

#[tokio::test]
async fn a_partial_failure_goes_on_at_the_record_that_failed() {
    let (shop, _) = shop(22).await;
    let seen = seen(22);
    seen.lock().unwrap().fail_at = Some("b".into());
    put(&shop, &THINGS, &["a", "b", "c"]).await;
    put(&shop, &OTHERS, &["o"]).await;
    let drained = shop.drain().await;
    assert!(!drained.failures.is_empty());
    assert!(seen.lock().unwrap().batches.contains(&vec!["o".to_owned()]), "another table is not held up");
    assert_eq!(shop.state().await.streams[0].lag, 2);
    assert!(shop.state().await.streams[0].trouble.is_some());
    seen.lock().unwrap().fail_at = None;
    assert!(shop.drain().await.failures.is_empty());
    let batches = seen.lock().unwrap().batches.clone();
    assert_eq!(batches.first().unwrap(), &["a"]);
    assert_eq!(batches.last().unwrap(), &["b", "c"], "`a` was done and does not come again");
    assert!(shop.state().await.streams[0].trouble.is_none());
}

#[tokio::test]
async fn a_batch_that_panics_is_kept_whole() {
    let (shop, _) = shop(23).await;
    let seen = seen(23);
    seen.lock().unwrap().fail_at = Some("panic".into());
    put(&shop, &THINGS, &["a", "b"]).await;
    assert!(!shop.drain().await.failures.is_empty());
    assert_eq!(shop.state().await.streams[0].lag, 2);
    // The panic left the notes poisoned; they are good all the same.
    seen.clear_poison();
    seen.lock().unwrap().fail_at = None;
    assert_eq!(shop.drain().await.done, 2);
}

#[tokio::test]
async fn messages_are_redelivered_and_given_up_after_the_limit() {
    let (shop, clock) = shop(24).await;
    post(&shop, &JOBS, None, &["good", "retry 1"]).await;
    shop.drain().await;
    let state = shop.state().await;
    assert_eq!((state.queues[0].visible, state.queues[0].in_flight), (0, 1));
    // A worker that says "after 5 s" is heard: the message comes then, not after the 30 s of the queue.
    for _ in 0..2 {
        clock.advance(Duration::from_secs(6));
        shop.drain().await;
    }
    let messages = seen(24).lock().unwrap().messages.clone();
    let tries: Vec<u32> =
        messages.iter().filter(|(text, _)| text == "retry 1").map(|(_, receives)| *receives).collect();
    assert_eq!(tries, [1, 2, 3]);
    clock.advance(Duration::from_secs(6));
    shop.drain().await;
    let state = shop.state().await;
    assert_eq!((state.queues[0].in_flight, state.queues[0].dead), (0, 1), "the fourth reception is a dead letter");
    assert_eq!(messages.iter().filter(|(text, _)| text == "good").count(), 1, "what was done is deleted");
}

#[tokio::test]
async fn poison_is_kept_among_the_dead_letters_at_once() {
    let (shop, _) = shop(25).await;
    post(&shop, &JOBS, None, &["poison"]).await;
    shop.platform()
        .queue(&JOBS)
        .client()
        .send_message()
        .queue_url(shop.platform().queue(&JOBS).url())
        .message_body("{")
        .send()
        .await
        .unwrap();
    shop.drain().await;
    assert_eq!(shop.state().await.queues[0].dead, 2);
}

#[tokio::test]
async fn delayed_messages_wait_for_their_time() {
    let (shop, clock) = shop(26).await;
    post(&shop, &JOBS, None, &["later"]).await;
    assert_eq!(shop.drain().await.done, 0);
    assert_eq!(shop.state().await.queues[0].delayed, 1);
    clock.advance(Duration::from_secs(61));
    assert_eq!(shop.drain().await.done, 1);
}

#[tokio::test]
async fn a_fifo_group_keeps_its_order_behind_a_failure() {
    let (shop, clock) = shop(27).await;
    post(&shop, &LANES, Some("a"), &["1", "retry x", "2"]).await;
    post(&shop, &LANES, Some("b"), &["3"]).await;
    shop.drain().await;
    let texts = || seen(27).lock().unwrap().messages.iter().map(|(text, _)| text.clone()).collect::<Vec<_>>();
    assert!(texts().contains(&"3".to_owned()) && !texts().contains(&"2".to_owned()));
    clock.advance(Duration::from_secs(31));
    shop.drain().await;
    assert!(!texts().contains(&"2".to_owned()), "it stands behind the one that fails");
}

/// A running pump sees a write at once, without a drain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_pump_is_woken_by_writes_and_by_due_messages() {
    let options = Options { offload: true, ..Options::memory() };
    let shop = Shop::open(options, registry()).await.unwrap();
    let pump = Pump::start(&shop);
    put(&shop, &THINGS, &["live-1"]).await;
    post(&shop, &JOBS, None, &["live-2"]).await;
    let today = shop.platform().clock().now().millis() / 86_400_000;
    let seen = seen(today);
    for _ in 0..200 {
        let both = {
            let seen = seen.lock().unwrap();
            seen.batches.iter().flatten().any(|id| id == "live-1")
                && seen.messages.iter().any(|(text, _)| text == "live-2")
        };
        if both {
            pump.stop().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not woken within two seconds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_keeps_the_place_of_streams_and_the_messages_of_queues() {
    let folder = std::env::temp_dir().join(format!("oxcart-pump-{}", std::process::id()));
    let open = || async { Shop::open(Options::folder(&folder), registry()).await.unwrap() };
    let first = open().await;
    put(&first, &OTHERS, &["k1"]).await;
    first.drain().await;
    put(&first, &OTHERS, &["k2"]).await;
    post(&first, &JOBS, None, &["kept"]).await;
    drop(first);
    let again = open().await;
    assert_eq!(again.state().await.streams[1].lag, 1);
    let today = again.platform().clock().now().millis() / 86_400_000;
    again.drain().await;
    let seen = seen(today);
    assert!(seen.lock().unwrap().messages.iter().any(|(text, _)| text == "kept"));
    assert_eq!(seen.lock().unwrap().batches.iter().flatten().filter(|id| *id == "k1").count(), 1);
    drop(again);
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A shop of an older version: its table has no index, and nobody reads its stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_an_older_version_is_brought_up_to_date() {
    const INDEX: IndexSpec =
        IndexSpec { name: "by-kind", partition_key: "kind", sort_key: None, numeric_sort: false, whole: true };
    let folder = std::env::temp_dir().join(format!("oxcart-older-{}", std::process::id()));
    let older = Registry { functions: Vec::new(), tables: vec![THINGS, OTHERS], queues: Vec::new() };
    drop(Shop::open(Options::folder(&folder), older).await.unwrap());
    let newer = Registry { tables: vec![TableSpec { indexes: &[INDEX], ..THINGS }, OTHERS], ..registry() };
    for _ in 0..2 {
        let shop = Shop::open(Options::folder(&folder), newer.clone()).await.unwrap();
        put(&shop, &THINGS, &["newer"]).await;
        let table = shop.platform().table(&THINGS);
        let query = table.client().query().table_name(table.name()).index_name("by-kind");
        let query = query.key_condition_expression("kind = :k").expression_attribute_values(":k", s("x"));
        assert_eq!(query.send().await.unwrap().count(), 0);
        assert_eq!(shop.drain().await.done, 1, "the stream is on");
    }
    let other_key = Registry { tables: vec![TableSpec { partition_key: "id", ..THINGS }], ..Registry::default() };
    let refused = Shop::open(Options::folder(&folder), other_key).await.err().unwrap().to_string();
    assert!(refused.contains("another --data folder"), "{refused}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A process dies with a message in hand: the next one does not wait for the time-out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_process_had_received_comes_again_at_once() {
    let folder = std::env::temp_dir().join(format!("oxcart-in-flight-{}", std::process::id()));
    let first = Shop::open(Options::folder(&folder), registry()).await.unwrap();
    post(&first, &JOBS, None, &["orphan"]).await;
    let queue = first.platform().queue(&JOBS);
    let taken = queue.client().receive_message().queue_url(queue.url()).send().await.unwrap();
    assert_eq!(taken.messages().len(), 1);
    drop((first, queue));
    let again = Shop::open(Options::folder(&folder), registry()).await.unwrap();
    assert_eq!(again.state().await.queues[0].in_flight, 1);
    let pump = Pump::start(&again);
    let today = again.platform().clock().now().millis() / 86_400_000;
    for _ in 0..200 {
        if seen(today).lock().unwrap().messages.contains(&("orphan".to_owned(), 2)) {
            pump.stop().await;
            drop(again);
            return std::fs::remove_dir_all(&folder).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it was not delivered within two seconds");
}
