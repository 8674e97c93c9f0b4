//! The counter on DynamoDB against the pure counter, and 64 buyers at once. Runs on the embedded engine, and on Amazon's
//! DynamoDB Local with `make test-dynamodb`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

use std::sync::Arc;
use std::time::Duration;

use aws::{Capability as _, Clock as _};
use inventory::CounterKey;
use inventory::table::{
    AdjustStock, Held, HoldStock, Moved, Movement, ReadCounter, ReadStock, ReceiveStock, SettleHolds, TABLE,
};
use kernel::counter::{Adjustment, Counter, HoldRequest, Outcome, Refusal};
use kernel::limits::{DONE_MARK, DONE_MARKS};
use kernel::{Sku, Timestamp};
use proptest::prelude::*;
use testkit::data::{self, Data};

struct Shelf {
    data: Data,
    key: CounterKey,
    read: ReadCounter,
    hold: HoldStock,
    settle: SettleHolds,
    receive: ReceiveStock,
    adjust: AdjustStock,
}

async fn shelf(units: i64) -> Shelf {
    let data = data::open(&[&TABLE]).await;
    let platform = &data.platform;
    let shelf = Shelf {
        key: CounterKey::main(Sku::parse("TEA-1").unwrap()),
        read: ReadCounter::connect(platform).unwrap(),
        hold: HoldStock::connect(platform).unwrap(),
        settle: SettleHolds::connect(platform).unwrap(),
        receive: ReceiveStock::connect(platform).unwrap(),
        adjust: AdjustStock::connect(platform).unwrap(),
        data,
    };
    if units > 0 {
        let movement = Movement::opening("receipt", units, "f");
        let moved = shelf.receive.receive(&shelf.key, &movement, shelf.now()).await.unwrap();
        assert!(matches!(moved, Moved::Yes(_)), "{moved:?}");
    }
    shelf
}

impl Shelf {
    fn now(&self) -> Timestamp {
        self.data.clock.now()
    }

    async fn counter(&self) -> Counter {
        self.read.read(&self.key).await.unwrap().unwrap()
    }

    async fn hold(&self, op: &str, quantity: u32, created: Timestamp) -> Held {
        let deadline = created.after(Duration::from_secs(600));
        let request = HoldRequest { op, quantity, reserve: 0, deadline, created, channel: None };
        self.hold.hold(&self.key, &request).await.unwrap()
    }
}

#[tokio::test]
async fn an_item_that_was_never_stocked_holds_nothing_and_its_first_receipt_makes_it() {
    let shelf = shelf(0).await;
    assert_eq!(shelf.hold("a", 1, shelf.now()).await, Held::Unknown);
    assert_eq!(shelf.read.read(&shelf.key).await.unwrap(), None);
    let movement = Movement::opening("r", 5, "f");
    assert!(matches!(shelf.adjust.adjust(&shelf.key, &movement, shelf.now()).await.unwrap(), Moved::Unknown));
    for _ in 0..2 {
        assert!(matches!(shelf.receive.receive(&shelf.key, &movement, shelf.now()).await.unwrap(), Moved::Yes(_)));
    }
    assert_eq!(shelf.counter().await.received, 5, "a repeated receipt changes nothing");
    let other = Movement::opening("r", 5, "g");
    let moved = shelf.receive.receive(&shelf.key, &other, shelf.now()).await.unwrap();
    assert!(matches!(moved, Moved::No(Refusal::OtherRequest, _)), "{moved:?}");
}

#[tokio::test]
async fn marks_are_pruned_behind_a_floor_that_keeps_late_duplicates_out() {
    let shelf = shelf(1).await;
    let first = shelf.now();
    for index in 0..=DONE_MARKS {
        let op = format!("o{index}");
        assert_eq!(shelf.hold(&op, 1, shelf.now()).await, Held::Yes);
        shelf.settle.settle(&shelf.key, &op, false, shelf.now(), shelf.now()).await.unwrap();
        shelf.data.clock.advance(Duration::from_millis(1));
    }
    assert!(shelf.counter().await.done.len() > DONE_MARKS, "nothing is old enough yet");
    shelf.data.clock.advance(DONE_MARK);
    assert_eq!(shelf.hold("last", 1, shelf.now()).await, Held::Yes);
    shelf.settle.settle(&shelf.key, "last", true, shelf.now(), shelf.now()).await.unwrap();
    let counter = shelf.counter().await;
    assert!(counter.done.len() <= DONE_MARKS && counter.floor >= first.millis(), "{counter:?}");
    assert!(counter.balanced());
    let late = shelf.hold("o0", 1, first).await;
    assert!(matches!(late, Held::No(Refusal::TooOld, _)), "{late:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_buyers_race_for_ten_units() {
    let shelf = Arc::new(shelf(10).await);
    let buyers = (0..64).map(|index| {
        let shelf = shelf.clone();
        tokio::spawn(async move {
            let op = format!("buyer{index}");
            // Every answer is lost once: asking again finds the own hold. Who was refused may find a unit that came back.
            let lost = shelf.hold(&op, 1, shelf.now()).await;
            let held = shelf.hold(&op, 1, shelf.now()).await;
            assert!(lost != Held::Yes || held == Held::Yes);
            let committed = index % 3 != 0;
            let outcome = shelf.settle.settle(&shelf.key, &op, committed, shelf.now(), shelf.now()).await.unwrap();
            assert_eq!(outcome == Outcome::Applied, held == Held::Yes);
            i64::from(held == Held::Yes && committed)
        })
    });
    let mut sold = 0;
    for buyer in buyers.collect::<Vec<_>>() {
        sold += buyer.await.unwrap();
    }
    let counter = shelf.counter().await;
    assert!(counter.balanced() && counter.holds.is_empty(), "{counter:?}");
    assert_eq!(counter.taken, sold);
    assert!(sold <= 10);
}

#[tokio::test]
async fn many_counters_are_read_at_once_and_unknown_ones_left_out() {
    let shelf = shelf(3).await;
    let stock = ReadStock::connect(&shelf.data.platform).unwrap();
    let known = Sku::parse("TEA-1").unwrap();
    let unknown = Sku::parse("TEA-2").unwrap();
    let available = stock.available(&[known.clone(), unknown]).await.unwrap();
    assert_eq!(available, [(known, 3)].into());
}

#[derive(Clone, Debug)]
enum Command {
    Hold(u8, u32, u32),
    Settle(u8, bool),
    Move(u8, i64),
    Wait(u32),
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => (0_u8..5, 1_u32..4, 0_u32..2_000_000).prop_map(|(op, q, age)| Command::Hold(op, q, age)),
        4 => (0_u8..5, any::<bool>()).prop_map(|(op, committed)| Command::Settle(op, committed)),
        2 => (0_u8..4, -4_i64..6).prop_map(|(op, q)| Command::Move(op, if q == 0 { 1 } else { q })),
        1 => (1_u32..1_200_000).prop_map(Command::Wait),
    ]
}

async fn agrees(commands: Vec<Command>) {
    let shelf = shelf(5).await;
    let mut model = shelf.counter().await;
    for command in commands {
        let now = shelf.now();
        match &command {
            Command::Hold(op, q, age) => {
                let (op, created) = (format!("o{op}"), Timestamp::from_millis(now.millis() - i64::from(*age)));
                let deadline = created.after(Duration::from_secs(600));
                let request = HoldRequest { op: &op, quantity: *q, reserve: 0, deadline, created, channel: None };
                let expected = model.hold(&request);
                let answer = match shelf.hold(&op, *q, created).await {
                    Held::Yes => expected == Outcome::Applied || expected == Outcome::Already,
                    Held::No(refusal, _) => expected == Outcome::Refused(refusal),
                    Held::Unknown => false,
                };
                assert!(answer, "{command:?}: {expected:?}");
            }
            Command::Settle(op, committed) => {
                let op = format!("o{op}");
                let expected = if *committed { model.confirm(&op, now) } else { model.release(&op, now) };
                assert_eq!(shelf.settle.settle(&shelf.key, &op, *committed, now, now).await.unwrap(), expected);
            }
            Command::Move(op, q) => {
                let (op, fingerprint) = (format!("r{op}"), q.to_string());
                let adjustment = Adjustment { op: &op, quantity: *q, fingerprint: &fingerprint, expected: None };
                let expected = model.adjust(&adjustment, now);
                let movement = Movement { adjustment, kind: "adjustment", actor: "test", reason: "count" };
                let moved = match shelf.adjust.adjust(&shelf.key, &movement, now).await.unwrap() {
                    Moved::Yes(_) => expected == Outcome::Applied || expected == Outcome::Already,
                    Moved::No(refusal, _) => expected == Outcome::Refused(refusal),
                    Moved::Unknown => false,
                };
                assert!(moved, "{command:?}: {expected:?}");
            }
            Command::Wait(millis) => shelf.data.clock.advance(Duration::from_millis(u64::from(*millis))),
        }
        let stored = shelf.counter().await;
        assert!(stored.balanced(), "{command:?}: {stored:?}");
        assert_eq!(stored, model, "{command:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn the_table_and_the_pure_counter_never_differ(commands in prop::collection::vec(command(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(agrees(commands));
    }
}
