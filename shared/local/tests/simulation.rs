//! A few hundred storms. `make simulate RUNS=…` runs more; a seed that fails is printed, shrunk, and repeats exactly.

use std::io::Write as _;

use local::simulate::{self, Plan};

/// So many in every run of the tests.
const SEEDS: u64 = 200;

#[test]
fn nothing_is_oversold_stuck_or_lost_in_any_storm() {
    let campaign = simulate::campaign(1, SEEDS, 2).unwrap();
    // Not through `print`, which is shown for a failing test only: what was proved belongs into the log.
    writeln!(std::io::stderr(), "{campaign}").unwrap();
    assert!(campaign.failed.is_none(), "{campaign}");
    assert_eq!(campaign.runs, SEEDS);
    for fault in ["delayed", "request lost", "answer lost", "late", "throttled", "server error", "conflict", "killed"] {
        assert!(campaign.faults.get(fault).is_some_and(|count| *count > 0), "no call was ever {fault}");
    }
}

#[test]
fn a_seed_is_a_run() {
    for seed in [3, 14, 159] {
        assert_eq!(simulate::run(Plan::of(seed)).unwrap(), simulate::run(Plan::of(seed)).unwrap());
    }
}
