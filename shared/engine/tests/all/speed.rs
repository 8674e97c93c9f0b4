//! Measured, not asserted: `cargo test --release -p engine speed -- --ignored --nocapture`.

use std::time::Instant;

use engine::{Engine, Options};

use crate::support::{TempFolder, TestClock, dynamo, n, s, sqs, table};

const CALLS: u32 = 5000;

#[expect(clippy::disallowed_methods, reason = "this measures the machine, not the shop")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test]
#[ignore = "a measurement"]
async fn microseconds_per_call() {
    let folder = TempFolder::new();
    let clock = TestClock::new();
    let memory = Options::memory(clock.clock());
    let places = [
        ("memory", memory.clone()),
        ("memory, own thread", Options { offload: true, ..memory }),
        ("folder, own thread", Options::folder(&folder.0, clock.clock())),
    ];
    for (place, options) in places {
        let engine = Engine::open(options).unwrap();
        let client = dynamo(&engine, vec![]);
        table(&client, "stock").await;
        let started = now();
        for number in 0..CALLS {
            let put = client.put_item().table_name("stock").item("pk", s(number.to_string())).item("available", n(7));
            put.condition_expression("attribute_not_exists(pk)").send().await.unwrap();
        }
        println!("{place}: conditional put {:?}", started.elapsed() / CALLS);
        let started = now();
        for number in 0..CALLS {
            client.get_item().table_name("stock").key("pk", s(number.to_string())).send().await.unwrap();
        }
        println!("{place}: get {:?}", started.elapsed() / CALLS);
        let queues = sqs(&engine, vec![]);
        let url = queues.create_queue().queue_name("jobs").send().await.unwrap().queue_url.unwrap();
        let started = now();
        for _ in 0..CALLS {
            queues.send_message().queue_url(&url).message_body("{}").send().await.unwrap();
        }
        println!("{place}: send {:?}", started.elapsed() / CALLS);
        let started = now();
        for _ in 0..CALLS {
            let got = queues.receive_message().queue_url(&url).send().await.unwrap();
            let handle = got.messages()[0].receipt_handle().unwrap();
            queues.delete_message().queue_url(&url).receipt_handle(handle).send().await.unwrap();
        }
        println!("{place}: receive and delete {:?}", started.elapsed() / CALLS);
    }
}
