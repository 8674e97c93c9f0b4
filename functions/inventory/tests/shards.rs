//! An item split over shards, with real threads: buyers, and staff that moves units between the shards meanwhile. Runs on
//! the embedded engine, and on Amazon's DynamoDB Local with `make test-dynamodb`, which has transactions that conflict.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws::{Capability as _, Clock as _, DataError};
use inventory::allot::shards_from;
use inventory::table::{
    Changed, Held, HoldStock, Movement, ReadStock, ReceiveStock, Sent, SettleHolds, ShiftUnits, SplitStock, TABLE,
    Target,
};
use inventory::{CounterKey, Part};
use kernel::audit::{Books, Record, Standing};
use kernel::counter::HoldRequest;
use kernel::{OrderId, Sku};
use testkit::data::{self, Data};

const SHARDS: u32 = 8;
const UNITS: i64 = 24;
const BUYERS: u8 = 64;

fn sku() -> Sku {
    Sku::parse("DROP-1").unwrap()
}

fn key(shard: u32) -> CounterKey {
    CounterKey { shard, ..CounterKey::main(sku()) }
}

/// All units in the first of eight shards.
async fn split() -> Data {
    let data = data::open(&[&TABLE]).await;
    let split = SplitStock::connect(&data.platform).unwrap();
    assert!(matches!(split.set_shards(&sku(), "main", SHARDS).await.unwrap(), Changed::Yes(_)));
    let receive = ReceiveStock::connect(&data.platform).unwrap();
    let now = data.clock.now();
    receive.receive(&key(0), &Movement::opening("mopening", UNITS, "f"), now).await.unwrap();
    for shard in 1..SHARDS {
        receive.receive(&key(shard), &Movement::opening("mopening", 0, "f"), now).await.unwrap();
    }
    data
}

/// Takes one unit from whichever shard has it, and keeps it or gives it back.
async fn buy(data: &Data, number: u8) -> (String, Record<CounterKey>) {
    let hold = HoldStock::connect(&data.platform).unwrap();
    let settle = SettleHolds::connect(&data.platform).unwrap();
    let (op, now) = (OrderId::new([number; 16]).op("abc"), data.clock.now());
    let deadline = now.after(Duration::from_secs(600));
    for round in 0..6_u32 {
        for shard in shards_from(&op, SHARDS).collect::<Vec<_>>() {
            let request = HoldRequest { op: &op, quantity: 1, reserve: 0, deadline, created: now, channel: None };
            let held = match hold.hold(&key(shard), &request).await {
                Ok(held) => held,
                // It met a transaction.
                Err(DataError::Busy(_)) => continue,
                Err(error) => panic!("{error}"),
            };
            if held == Held::Yes {
                let committed = !number.is_multiple_of(4);
                while settle.settle(&key(shard), &op, committed, now, now).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                let standing = if committed { Standing::Committed } else { Standing::Dropped };
                return (op, Record { standing, parts: vec![(key(shard), 1)] });
            }
        }
        tokio::time::sleep(Duration::from_millis(u64::from(round))).await;
    }
    (op, Record { standing: Standing::Dropped, parts: Vec::new() })
}

/// Moves units from the first shard to the others, one at a time.
async fn spread(data: &Data) -> usize {
    let shift = ShiftUnits::connect(&data.platform).unwrap();
    let settings = SplitStock::connect(&data.platform).unwrap().read(&sku()).await.unwrap();
    let mut moved = 0;
    for step in 0..40_u32 {
        let to = Target { key: key(1 + step % (SHARDS - 1)), exists: true };
        let from = Target { key: key(0), exists: true };
        let op = format!("s{step}");
        let sent = shift.shift(&sku(), &[(from, -1), (to, 1)], settings.version, &op, "test", data.clock.now()).await;
        moved += usize::from(matches!(sent, Ok(Sent::Yes)));
    }
    moved
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_buyers_while_units_are_spread() {
    let data = Arc::new(split().await);
    let buyers: Vec<_> = (1..=BUYERS)
        .map(|number| {
            let data = data.clone();
            tokio::spawn(async move { buy(&data, number).await })
        })
        .collect();
    let mover = tokio::spawn({
        let data = data.clone();
        async move { spread(&data).await }
    });
    let mut books = Books { counters: BTreeMap::new(), records: BTreeMap::new() };
    for buyer in buyers {
        let (op, record) = buyer.await.unwrap();
        books.records.insert(op, record);
    }
    assert!(mover.await.unwrap() > 0, "some units were moved");
    let stock = ReadStock::connect(&data.platform).unwrap();
    let keys: Vec<CounterKey> = (0..SHARDS).map(key).collect();
    books.counters.extend(stock.counters(&sku(), &keys, true).await.unwrap().counters);
    assert_eq!(books.when_settled(), Vec::new());
    let received: i64 = books.counters.values().map(|counter| counter.received).sum();
    assert_eq!(received, UNITS, "moving loses nothing");
    let sold = books.records.values().filter(|record| record.standing == Standing::Committed).count();
    assert!(sold > 0 && i64::try_from(sold).unwrap() <= UNITS);
}

#[tokio::test]
async fn shards_that_hold_something_do_not_go() {
    let data = split().await;
    let split = SplitStock::connect(&data.platform).unwrap();
    let hold = HoldStock::connect(&data.platform).unwrap();
    let shift = ShiftUnits::connect(&data.platform).unwrap();
    let version = split.read(&sku()).await.unwrap().version;
    let [from, to] = [0, 7].map(|shard| Target { key: key(shard), exists: true });
    let now = data.clock.now();
    let sent = shift.shift(&sku(), &[(from, -1), (to, 1)], version, "s1", "test", now).await.unwrap();
    assert_eq!(sent, Sent::Yes);
    assert_eq!(split.set_shards(&sku(), "main", 2).await.unwrap(), Changed::Held, "a unit lies in the last");
    let request = HoldRequest { op: "oabc", quantity: 1, reserve: 0, deadline: now, created: now, channel: None };
    assert_eq!(hold.hold(&key(7), &request).await.unwrap(), Held::Yes);
    assert_eq!(split.set_shards(&sku(), "main", 7).await.unwrap(), Changed::Held, "a unit is held in the last");
    let settle = SettleHolds::connect(&data.platform).unwrap();
    settle.settle(&key(7), "oabc", true, now, now).await.unwrap();
    assert!(matches!(split.set_shards(&sku(), "main", 2).await.unwrap(), Changed::Yes(_)));
    let settings = split.read(&sku()).await.unwrap();
    assert_eq!((settings.shards("main").active, settings.books(&sku()).len()), (2, 8), "what was sold stays booked");
    let changes = [0, 7].map(|shard| (Target { key: key(shard), exists: true }, if shard == 0 { -1 } else { 1 }));
    let stale = shift.shift(&sku(), &changes, version, "s2", "test", now).await.unwrap();
    assert_eq!(stale, Sent::No, "no unit lands where nobody looks any more");
}

#[test]
fn parts_are_stored_flat() {
    let part = Part { key: key(3), quantity: 2 };
    let stored = serde_json::to_value(&part).unwrap();
    assert_eq!(stored, serde_json::json!({ "sku": "DROP-1", "warehouse": "main", "shard": 3, "quantity": 2 }));
}
