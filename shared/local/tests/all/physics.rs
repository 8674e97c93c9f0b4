//! Shards let one item be sold faster, and nobody loses by it. The limits are a tenth of AWS's, so that it takes seconds; the
//! whole table is `make physics`.

use std::time::Duration;

use local::physics::table::Manner;
use local::physics::{Sustained, Trial, sold_out, sustained};
use testkit::physics::Limits;

fn trial(shards: u32, per_second: u64) -> Trial {
    let trial = Manner::default().trial(shards, Duration::from_millis(300), per_second);
    Trial { limits: Limits { write_units: 100, ..trial.limits }, span: Duration::from_millis(1500), ..trial }
}

fn sells(shards: u32, per_second: u64) -> Sustained {
    let sustained = sustained(trial(shards, per_second)).unwrap();
    assert!(sustained.violations.is_empty(), "{:?}", sustained.violations);
    assert_eq!((sustained.short, sustained.dead), (0, 0), "there is plenty, and every order was settled");
    println!("{shards} shards, {per_second} a second: {} orders a second", sustained.confirmed);
    sustained
}

#[test]
fn eight_shards_sell_five_times_as_much_as_one() {
    let (one, eight) = (sells(1, 20).confirmed.hundredths(), sells(8, 130).confirmed.hundredths());
    assert!(one > 1500 && eight >= 5 * one, "{one} and {eight} hundredths of an order a second");
    // One that is asked for what eight can sell does not sell more, but less.
    let crushed = sells(1, 130);
    assert!(crushed.confirmed.hundredths() <= 2 * one && crushed.throttled_per_mille > 100, "{crushed:?}");
}

#[test]
fn eight_shards_sell_to_the_last_unit_and_tell_nobody_anything_wrong() {
    let end = sold_out(trial(8, 130)).unwrap();
    assert!(end.violations.is_empty(), "{:?}", end.violations);
    assert_eq!((end.oversold, end.untrue), (0, 0), "{end:?}");
    assert!(end.sold <= u64::from(end.units) && end.released > 0 && end.sold_out > 0, "{end:?}");
}
