use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use futures_util::future::{join, join_all};
use tokio::time::timeout;

use super::*;
use crate::test_support::{TABLE, client, hold, left, open, s, stock, take};
use crate::virtual_time::{region, run};

/// A counter of ten under faults: the faults, a client that suffers them without retries, and one that does not.
async fn world(seed: u64, rates: Rates, budget: u64) -> (Engine, Faults, Client, Client) {
    let (engine, clock) = open().await;
    let faults = Faults::new(seed, rates, budget, clock);
    let (suffering, calm) = (client(&engine, vec![faults.layer("place-order")], 1), client(&engine, vec![], 1));
    stock(&calm, "tea", 10).await;
    (engine, faults, suffering, calm)
}

fn only(set: impl FnOnce(&mut Rates)) -> Rates {
    let mut rates = Rates::none();
    set(&mut rates);
    rates
}

#[test]
fn a_throttled_call_is_refused_in_both_ways_that_aws_has_and_does_nothing() {
    let mut kinds = std::collections::BTreeSet::new();
    for seed in 0..8 {
        run(seed, async {
            let (_, faults, client, calm) = world(seed, only(|rates| rates.throttled = 1000), 100).await;
            let error = hold(&client, "tea", "a").send().await.unwrap_err().into_service_error();
            kinds.insert(match error {
                UpdateItemError::ThrottlingException(refused) => refused.message.unwrap(),
                UpdateItemError::ProvisionedThroughputExceededException(refused) => refused.message.unwrap(),
                other => panic!("{other:?}"),
            });
            assert_eq!((left(&calm, "tea").await, faults.counts()[&Fault::Throttled]), (10, 1));
        });
    }
    assert_eq!(kinds.len(), 2, "{kinds:?}");
}

#[test]
fn the_sdk_retries_what_is_throttled_and_pauses_in_virtual_time() {
    run(3, async {
        let (engine, faults, ..) = world(3, only(|rates| rates.throttled = 1000), 2).await;
        let client = client(&engine, vec![faults.layer("place-order")], 3);
        hold(&client, "tea", "a").send().await.unwrap();
        assert_eq!(faults.calls(), 3);
        assert!(faults.0.clock.elapsed() > Duration::from_millis(20), "{:?}", faults.0.clock.elapsed());
        assert_eq!(left(&client, "tea").await, 9);
    });
}

#[test]
fn a_quota_of_retries_that_is_used_up_stays_so_and_a_fresh_region_has_its_own() {
    run(1, async {
        let (engine, faults, ..) = world(1, only(|rates| rates.throttled = 1000), 10_000).await;
        let tries = async |client: &Client| {
            let before = faults.calls();
            hold(client, "tea", "a").send().await.unwrap_err();
            faults.calls() - before
        };
        let tired = client(&engine, vec![faults.layer("place-order")], 3);
        assert_eq!(tries(&tired).await, 3);
        for _ in 0..200 {
            tries(&tired).await;
        }
        assert_eq!(tries(&tired).await, 1, "what the next run in this process would find, in the same region");
        assert_eq!(tries(&client(&engine, vec![faults.layer("place-order")], 3)).await, 3);
    });
}

#[test]
fn a_server_error_may_have_done_its_work() {
    let mut effects = std::collections::BTreeSet::new();
    for seed in 0..8 {
        run(seed, async {
            let (_, _, client, calm) = world(seed, only(|rates| rates.server_error = 1000), 100).await;
            let error = hold(&client, "tea", "a").send().await.unwrap_err();
            assert_eq!(error.raw_response().unwrap().status().as_u16(), 500);
            assert!(matches!(error.into_service_error(), UpdateItemError::InternalServerError(_)));
            effects.insert(left(&calm, "tea").await);
        });
    }
    assert_eq!(effects.len(), 2);
}

#[test]
fn conflicts_have_the_shapes_that_the_sdk_reads() {
    run(1, async {
        let (_, _, client, calm) = world(1, only(|rates| rates.conflict = 1000), 100).await;
        let error = hold(&client, "tea", "a").send().await.unwrap_err().into_service_error();
        let UpdateItemError::TransactionConflictException(conflict) = error else { panic!("{error:?}") };
        assert_eq!(conflict.message(), Some("Transaction is ongoing for the item"));
        let put = |pk| {
            let put = Put::builder().table_name(TABLE).item("pk", s(pk)).item("sk", s("-")).build().unwrap();
            TransactWriteItem::builder().put(put).build()
        };
        let transaction = client.transact_write_items().transact_items(put("a")).transact_items(put("b"));
        let error = transaction.send().await.unwrap_err();
        assert!(aws::table::cancelled(&error).is_none(), "no condition failed");
        let error = error.into_service_error();
        let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else { panic!("{error:?}") };
        let codes: Vec<_> = cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap()).collect();
        assert!(codes == ["TransactionConflict", "None"] || codes == ["None", "TransactionConflict"], "{codes:?}");
        assert!(cancelled.message().unwrap().contains(&codes.join(", ")));
        // A read of one item meets no transaction.
        left(&client, "tea").await;
        assert_eq!(left(&calm, "tea").await, 10);
    });
}

#[test]
fn lost_calls_look_alike_and_differ_in_what_they_did() {
    for (rates, expected) in
        [(only(|rates| rates.request_lost = 1000), 10), (only(|rates| rates.answer_lost = 1000), 9)]
    {
        let mut kinds = std::collections::BTreeSet::new();
        for seed in 0..8 {
            run(seed, async {
                let (_, _, client, calm) = world(seed, rates, 100).await;
                let error = hold(&client, "tea", "a").send().await.unwrap_err();
                let SdkError::DispatchFailure(failure) = error else { panic!("{error:?}") };
                kinds.insert((failure.is_io(), failure.is_timeout()));
                assert_eq!(left(&calm, "tea").await, expected);
            });
        }
        assert_eq!(kinds.len(), 2);
    }
}

#[test]
fn a_delayed_call_takes_effect_before_or_after_its_delay() {
    let mut waits = Vec::new();
    for seed in 0..40 {
        run(seed, async {
            let (_, faults, client, _) = world(seed, only(|rates| rates.delayed = 1000), 0).await;
            // Longer than an attempt may take is a time-out; everything else is an answer.
            let outcome = hold(&client, "tea", "a").send().await;
            waits.push(faults.0.clock.elapsed());
            assert_eq!(outcome.is_ok(), waits.last().unwrap() < &Duration::from_secs(3), "{outcome:?}");
        });
    }
    assert!(waits.iter().any(|wait| *wait < Duration::from_millis(3)), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait > Duration::from_millis(100)), "{waits:?}");
}

#[test]
fn a_late_call_takes_effect_behind_the_callers_back() {
    run(4, async {
        let (engine, faults, client, calm) = world(4, only(|rates| rates.late = 1000), 100).await;
        faults.attach(&engine);
        hold(&client, "tea", "a").send().await.unwrap_err();
        assert_eq!(left(&calm, "tea").await, 10);
        faults.settled().await;
        assert_eq!(left(&calm, "tea").await, 9);
        assert!(faults.tail().contains("[late] -> 200 at "), "{}", faults.tail());
        // A read has no effect to be late with.
        let get = client.get_item().table_name(TABLE).key("pk", s("tea")).key("sk", s("-"));
        get.send().await.unwrap_err();
        faults.settled().await;
        assert_eq!(faults.counts()[&Fault::RequestLost], 1);
    });
}

#[test]
fn a_call_that_comes_again_is_answered_once_and_takes_effect_twice() {
    run(4, async {
        let (engine, faults, client, calm) = world(4, only(|rates| rates.again = 1000), 0).await;
        faults.attach(&engine);
        take(&client, "tea").send().await.unwrap();
        assert_eq!((left(&calm, "tea").await, faults.counts()[&Fault::Again]), (9, 1));
        faults.settled().await;
        assert_eq!(left(&calm, "tea").await, 8, "{}", faults.tail());
    });
}

#[test]
fn a_killed_invocation_gets_nothing_any_more_and_its_time_out_ends_it() {
    let mut effects = std::collections::BTreeSet::new();
    for seed in 0..8 {
        run(seed, async {
            let (_, faults, client, calm) = world(seed, only(|rates| rates.killed = 1000), 1).await;
            let after = Arc::new(AtomicBool::new(false));
            let went_on = after.clone();
            let work = async move {
                let first = hold(&client, "tea", "a");
                let second = hold(&client, "tea", "b");
                let both = join(first.send(), second.send()).await;
                went_on.store(true, Ordering::SeqCst);
                both.0.is_ok()
            };
            // As the shop does it: a task of its own, a time-out around it.
            let task = tokio::spawn(invocation(work));
            let stop = task.abort_handle();
            timeout(Duration::from_secs(10), task).await.unwrap_err();
            stop.abort();
            assert!(!after.load(Ordering::SeqCst), "not even the SDK's own time-out goes on");
            effects.insert(left(&calm, "tea").await);
            assert_eq!(faults.counts()[&Fault::Killed], 1);
        });
    }
    assert!(effects.len() > 1, "{effects:?}");
}

#[test]
fn outside_of_an_invocation_a_kill_hangs_one_call() {
    run(1, async {
        let (engine, faults, ..) = world(1, only(|rates| rates.killed = 1000), 1).await;
        let client = client(&engine, vec![faults.layer("place-order")], 2);
        // The retry succeeds, or finds what the first try did.
        let _ = hold(&client, "tea", "a").send().await;
        assert!(faults.0.clock.elapsed() >= Duration::from_secs(3), "the SDK's time-out of an attempt");
        assert_eq!((faults.calls(), left(&client, "tea").await), (2, 9));
    });
}

#[test]
fn the_budget_ends_and_faults_can_be_stopped() {
    run(1, async {
        let (_, faults, client, _) = world(1, only(|rates| rates.request_lost = 1000), 2).await;
        for op in ["a", "b"] {
            hold(&client, "tea", op).send().await.unwrap_err();
        }
        hold(&client, "tea", "c").send().await.unwrap();
        faults.set_rates(only(|rates| rates.delayed = 1000));
        let before = faults.0.clock.elapsed();
        left(&client, "tea").await;
        assert!(faults.0.clock.elapsed() > before);
        faults.stop();
        let before = faults.0.clock.elapsed();
        left(&client, "tea").await;
        assert_eq!(faults.0.clock.elapsed(), before);
    });
}

#[test]
fn the_trace_says_when_who_what_and_what_became_of_it() {
    run(1, async {
        let (_, faults, client, _) = world(1, Rates::none(), 0).await;
        sleep(Duration::from_millis(1234)).await;
        hold(&client, "tea", "a").send().await.unwrap();
        hold(&client, "tea", "a").send().await.unwrap_err();
        let expected = "    1.234 place-order UpdateItem things/tea/- -> 200 at 1.234\n    1.234 place-order UpdateItem \
            things/tea/- -> ConditionalCheckFailedException at 1.234\n";
        assert_eq!(faults.tail(), expected);
        for _ in 0..LINES {
            left(&client, "tea").await;
        }
        let tail = faults.tail();
        assert_eq!((tail.lines().count(), tail.contains("UpdateItem")), (LINES, false));
        assert!(tail.lines().all(|line| line.ends_with("-> 200 at 1.234")), "{tail}");
    });
}

#[test]
fn sqs_is_throttled_in_its_own_words() {
    run(1, async {
        let (engine, faults, ..) = world(1, only(|rates| rates.throttled = 1000), 1).await;
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
            .region(aws_sdk_sqs::config::Region::new(region()))
            .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled())
            .http_client(engine.http_client(vec![faults.layer("worker")]))
            .allow_no_auth();
        let client = aws_sdk_sqs::Client::from_conf(config.build());
        let send = client.send_message().queue_url("http://sqs/0/jobs").message_body("x");
        let error = send.send().await.unwrap_err().into_service_error();
        assert!(error.is_request_throttled(), "{error:?}");
        assert!(faults.tail().contains("worker SendMessage jobs [throttled] -> RequestThrottled"), "{}", faults.tail());
    });
}

/// Twenty shoppers at once, each with reads and holds on two counters, retries, pauses and a death now and then.
fn shoppers(seed: u64, rates: Rates) -> (u64, u64, BTreeMap<Fault, u64>, Duration, i64) {
    run(seed, async {
        let (engine, clock) = open().await;
        let faults = Faults::new(seed, rates, 1000, clock);
        faults.attach(&engine);
        let calm = client(&engine, vec![], 1);
        stock(&calm, "tea", 50).await;
        stock(&calm, "cups", 50).await;
        let shared = client(&engine, vec![faults.layer("place-order")], 3);
        let shopper = |number: u64| {
            let client = shared.clone();
            let work = async move {
                sleep(Duration::from_millis(number % 7)).await;
                for round in 0..3 {
                    let op = format!("{number}-{round}");
                    let (tea, cups) = (hold(&client, "tea", &op), hold(&client, "cups", &op));
                    let _ = join(tea.send(), cups.send()).await;
                }
            };
            let task = tokio::spawn(invocation(work));
            async move {
                let stop = task.abort_handle();
                if timeout(Duration::from_secs(30), task).await.is_err() {
                    stop.abort();
                }
            }
        };
        join_all((0..20).map(shopper)).await;
        faults.settled().await;
        let units = left(&calm, "tea").await + left(&calm, "cups").await;
        (faults.digest(), faults.calls(), faults.counts(), clock.elapsed(), units)
    })
}

#[test]
fn a_seed_is_a_run() {
    for rates in [Rates::none(), Rates::calm(), Rates::rough()] {
        for seed in 0..5 {
            assert_eq!(shoppers(seed, rates), shoppers(seed, rates), "seed {seed}, {rates:?}");
        }
    }
    let first = shoppers(1, Rates::rough());
    assert_ne!(first.0, shoppers(2, Rates::rough()).0);
    assert!(first.2.len() >= 7, "almost every fault came: {:?}", first.2);
}
