use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::transact_write_items::builders::TransactWriteItemsFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    KeysAndAttributes, Put, PutRequest, ReturnConsumedCapacity, TransactWriteItem, WriteRequest,
};
use engine::Engine;
use futures_util::future::{join, join_all};
use tokio::time::sleep;

use super::*;
use crate::stats::percentile;
use crate::test_support::{TABLE, client, left, n, open, s, stock, take};
use crate::virtual_time::run;

/// Limits without savings, so that rates show at once.
const TIGHT: Limits = Limits {
    write_units: 1000,
    read_units: 3000,
    burst_ms: 10,
    writes: Latency { p50: 3, p90: 6, p99: 15, p999: 60 },
    reads: Latency { p50: 2, p90: 5, p99: 12, p999: 50 },
    writes_cancel_transactions: false,
};

async fn world(seed: u64, limits: Limits, attempts: u32) -> (Engine, VirtualClock, Physics, Client) {
    let (engine, clock) = open().await;
    let physics = Physics::new(seed, limits, clock);
    for pk in ["tea", "cups"] {
        stock(&client(&engine, vec![], 1), pk, 1_000_000).await;
    }
    let limited = client(&engine, vec![physics.layer()], attempts);
    (engine, clock, physics, limited)
}

/// So many writes of one unit a millisecond to each key for so long; how many succeeded.
async fn offer(client: &Client, keys: &[&'static str], per_ms: u64, millis: u64) -> usize {
    let mut tasks = Vec::new();
    for _ in 0..millis {
        for key in keys {
            for _ in 0..per_ms {
                tasks.push(tokio::spawn(take(client, key).send()));
            }
        }
        sleep(Duration::from_millis(1)).await;
    }
    join_all(tasks).await.into_iter().filter(|outcome| matches!(outcome, Ok(Ok(_)))).count()
}

fn units(whole: u64) -> Units {
    Units::whole(whole)
}

#[test]
fn one_key_takes_a_thousand_units_a_second_and_two_keys_take_twice_that() {
    let offered = |keys: &'static [&'static str]| {
        run(1, async move {
            let (engine, _, physics, client) = world(1, TIGHT, 1).await;
            let applied = offer(&client, keys, 2, 1000).await;
            let calm = crate::test_support::client(&engine, vec![], 1);
            let sold =
                join_all(["tea", "cups"].map(|pk| left(&calm, pk))).await.into_iter().map(|left| 1_000_000 - left);
            assert_eq!(usize::try_from(sold.sum::<i64>()).unwrap(), applied, "what was throttled did nothing");
            (applied, physics.counts())
        })
    };
    let (applied, counts) = offered(&["tea"]);
    assert!((980..1030).contains(&applied), "{applied}");
    assert_eq!((counts.calls, counts.throttled), (2000, 2000 - u64::try_from(applied).unwrap()));
    assert_eq!(counts.writes(), units(u64::try_from(applied).unwrap()));
    assert!((490..510).contains(&counts.throttled_per_mille()), "{counts:?}");
    let (both, _) = offered(&["tea", "cups"]);
    assert!((1960..2060).contains(&both), "{both}");
}

#[test]
fn the_same_seed_counts_the_same_and_savings_are_spent_first() {
    let counted = |seed| {
        run(seed, async move {
            let (_, clock, physics, client) = world(seed, Limits { burst_ms: 100, ..TIGHT }, 3).await;
            offer(&client, &["tea", "cups"], 2, 200).await;
            (physics.counts(), physics.partitions(), clock.elapsed())
        })
    };
    let first = counted(1);
    assert_eq!(first, counted(1));
    assert_ne!(first.2, counted(2).2);
    assert!(first.0.throttled > 0 && first.0.calls > 800, "there were retries: {:?}", first.0);
    let tea = first.1[&(TABLE.to_owned(), "tea".to_owned())];
    assert!(tea.writes() >= units(300), "100 saved and 200 in a fifth of a second: {tea:?}");
}

#[test]
fn large_items_and_failed_conditions_cost_what_aws_documents() {
    run(1, async {
        let (_, _, physics, client) = world(1, Limits { burst_ms: 100, ..TIGHT }, 1).await;
        let big = client.put_item().table_name(TABLE).item("pk", s("big")).item("sk", s("-"));
        let put = big.item("data", s("x".repeat(60_000))).return_consumed_capacity(ReturnConsumedCapacity::Total);
        let answer = put.send().await.unwrap().consumed_capacity.unwrap();
        assert_eq!((answer.capacity_units(), physics.counts().writes()), (Some(59.0), units(59)));
        let failing = take(&client, "big").condition_expression("attribute_exists(nothing)").send().await;
        let error = failing.unwrap_err().into_service_error();
        let UpdateItemError::ConditionalCheckFailedException(failed) = error else { panic!("{error:?}") };
        assert!(failed.item.is_none(), "it was not asked for");
        assert_eq!(physics.counts().writes(), units(118));
        // A hundred were there, 118 were spent: nothing passes for a while.
        let error = take(&client, "big").send().await.unwrap_err().into_service_error();
        let UpdateItemError::ThrottlingException(refused) = error else { panic!("{error:?}") };
        let [reason] = refused.throttling_reasons() else { panic!("{refused:?}") };
        assert_eq!(reason.reason(), Some("TableWriteKeyRangeThroughputExceeded"));
        assert!(reason.resource().unwrap().ends_with("table/test-things"));
        take(&client, "tea").send().await.unwrap();
    });
}

#[test]
fn latencies_come_out_as_they_were_set() {
    let measure = |reading: bool| {
        run(1, async move {
            let (_, clock, _, client) = world(1, Limits { burst_ms: 300_000, ..TIGHT }, 1).await;
            let mut times = Vec::new();
            for _ in 0..500 {
                let began = clock.elapsed();
                if reading {
                    left(&client, "tea").await;
                } else {
                    take(&client, "tea").send().await.unwrap();
                }
                times.push(clock.elapsed() - began);
            }
            times
        })
    };
    for (times, median, most) in [(measure(false), 3, 6), (measure(true), 2, 5)] {
        assert_eq!(percentile(&times, 50).as_millis(), median);
        assert!(percentile(&times, 90).as_millis().abs_diff(most) <= 1);
    }
    let mut random = Random::stream(1, "latency");
    let many: Vec<_> = (0..200_000).map(|_| TIGHT.writes.draw(&mut random)).collect();
    for (percent, expected) in [(50, 3), (90, 6), (99, 15), (100, 120)] {
        let found = percentile(&many, percent).as_millis();
        assert!(found.abs_diff(expected) <= expected / 10, "p{percent}: {found} for {expected}");
    }
    let over = many.iter().filter(|time| **time > Duration::from_millis(60)).count();
    assert!((150..250).contains(&over), "one of a thousand: {over}");
}

#[test]
fn reads_have_a_limit_of_their_own_and_queries_count() {
    run(1, async {
        let (_, _, physics, client) = world(1, TIGHT, 1).await;
        let mut tasks = Vec::new();
        for _ in 0..200 {
            for _ in 0..5 {
                let get =
                    client.get_item().table_name(TABLE).key("pk", s("tea")).key("sk", s("-")).consistent_read(true);
                tasks.push(tokio::spawn(async { get.send().await.is_ok() }));
            }
            sleep(Duration::from_millis(1)).await;
        }
        let passed = join_all(tasks).await.into_iter().filter(|passed| *passed.as_ref().unwrap()).count();
        assert!((600..660).contains(&passed), "3,000 a second for a fifth of one, and 30 saved: {passed}");
        take(&client, "tea").send().await.unwrap();
        let query = client.query().table_name(TABLE).key_condition_expression("#p=:p AND begins_with(sk, :s)");
        let query = query.expression_attribute_names("#p", "pk").expression_attribute_values(":p", s("cups"));
        assert_eq!(query.expression_attribute_values(":s", s("-")).send().await.unwrap().count(), 1);
        let cups = physics.partitions()[&(TABLE.to_owned(), "cups".to_owned())];
        assert_eq!((cups.calls, cups.reads()), (1, Units::halves(1)));
    });
}

fn transaction(client: &Client, keys: [&str; 2]) -> TransactWriteItemsFluentBuilder {
    let put = |pk| {
        let put = Put::builder().table_name(TABLE).item("pk", s(pk)).item("sk", s("-")).item("available", n(9));
        TransactWriteItem::builder().put(put.build().unwrap()).build()
    };
    client.transact_write_items().transact_items(put(keys[0])).transact_items(put(keys[1]))
}

#[test]
fn a_transaction_keeps_others_off_its_items_and_costs_double() {
    run(1, async {
        let still = Latency { p50: 100, p90: 100, p99: 100, p999: 100 };
        let (_, _, slow, client) = world(1, Limits { writes: still, ..TIGHT }, 1).await;
        let later = async {
            sleep(Duration::from_millis(25)).await;
            let single = take(&client, "tea");
            join(single.send(), transaction(&client, ["other", "tea"]).send()).await
        };
        let (first, (single, second)) = join(transaction(&client, ["tea", "cups"]).send(), Box::pin(later)).await;
        first.unwrap();
        let error = single.unwrap_err().into_service_error();
        assert!(matches!(error, UpdateItemError::TransactionConflictException(_)), "{error:?}");
        let error = second.unwrap_err().into_service_error();
        let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else { panic!("{error:?}") };
        let codes: Vec<_> = cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap()).collect();
        assert_eq!(codes, ["None", "TransactionConflict"]);
        assert_eq!((slow.counts().writes(), slow.counts().conflicts), (units(4), 2));
        // Afterwards the items are free again.
        take(&client, "tea").send().await.unwrap();
        transaction(&client, ["other", "tea"]).send().await.unwrap();
        assert!(slow.state().items.is_empty());
    });
}

#[test]
fn a_transaction_on_a_full_partition_is_cancelled_whole() {
    run(1, async {
        let (_, _, physics, client) = world(1, Limits { write_units: 1, burst_ms: 1, ..TIGHT }, 1).await;
        take(&client, "tea").send().await.unwrap();
        let error = transaction(&client, ["tea", "cups"]).send().await.unwrap_err().into_service_error();
        let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else { panic!("{error:?}") };
        let codes: BTreeSet<_> = cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap()).collect();
        assert_eq!((codes, physics.counts().throttled), (BTreeSet::from(["None", "ThrottlingError"]), 1));
        take(&client, "tea").send().await.unwrap();
    });
}

#[test]
fn a_batch_leaves_over_what_finds_no_room() {
    run(1, async {
        let (_, _, physics, client) = world(1, Limits { write_units: 1, read_units: 1, burst_ms: 1, ..TIGHT }, 1).await;
        let request = |pk: &str, sk: &str| {
            let put = PutRequest::builder().item("pk", s(pk)).item("sk", s(sk)).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        };
        let written = vec![request("tea", "1"), request("tea", "2"), request("tea", "3"), request("cups", "1")];
        let answer = client.batch_write_item().request_items(TABLE, written).send().await.unwrap();
        let left = &answer.unprocessed_items().unwrap()[TABLE];
        assert_eq!(left.as_slice(), [request("tea", "3")]);
        let again = client.batch_write_item().request_items(TABLE, left.clone()).send().await;
        assert!(again.unwrap_err().into_service_error().is_throttling_exception());

        let key = |pk: &str, sk: &str| HashMap::from([("pk".into(), s(pk)), ("sk".into(), s(sk))]);
        let wanted = KeysAndAttributes::builder().consistent_read(true);
        let wanted = wanted
            .keys(key("cups", "1"))
            .keys(key("tea", "1"))
            .keys(key("cups", "-"))
            .keys(key("cups", "2"))
            .build()
            .unwrap();
        let answer = client.batch_get_item().request_items(TABLE, wanted).send().await.unwrap();
        assert_eq!(answer.responses().unwrap()[TABLE].len(), 3, "two units of each partition");
        let left = &answer.unprocessed_keys().unwrap()[TABLE];
        assert_eq!((left.keys(), left.consistent_read()), ([key("cups", "2")].as_slice(), Some(true)));
        assert_eq!(physics.counts().throttled, 3);
    });
}
