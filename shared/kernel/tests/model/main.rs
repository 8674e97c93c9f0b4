//! The model of stock: every state that buyers, timers, duplicates and clocks can bring counters and orders into.
//!
//! Each scene is visited to its end and breaks no invariant; each rule that is left out breaks one. `explore` is the
//! search, `protocol` the rules, `steps` what can happen, `scenes` who takes part, `mutants` the rules left out. It must
//! never do what the kernel does by code of its own: the counters are real, and [`kernel::audit`] judges them.
#![cfg(test)]

mod explore;
mod mutants;
mod protocol;
mod scenes;
mod show;
mod steps;
mod world;

use std::collections::HashSet;
use std::io::Write as _;

use explore::{Model, Report, explore};
use kernel::audit::{OVERSOLD, STUCK, UNDECIDED};
use mutants::{MUTANTS, Mutant};
use protocol::{FALSE_SOLD_OUT, Protocol};
use scenes::{SCENES, Scene};
use steps::Step;
use world::World;

/// Past what the test harness captures: these lines are the result.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The ids of what was broken, and the trace.
fn broken(protocol: &Protocol, report: &Report<World, Step>) -> (Vec<&'static str>, String) {
    let Some(broken) = &report.broken else { return (Vec::new(), String::new()) };
    let ids = broken.faults.iter().map(|(id, _)| *id).collect();
    let what: Vec<String> = broken.faults.iter().map(|(id, what)| format!("{id}: {what}")).collect();
    (ids, format!("{}\n{}", what.join("\n"), show::trace(protocol, protocol.start(), &broken.trace)))
}

/// Explores a scene to its end, and prints the sum of it.
fn holds(protocol: &Protocol, under: &str) {
    let report = explore(protocol);
    let (ids, trace) = broken(protocol, &report);
    let (mut oversold, mut stuck, mut drift, mut false_sold_out) = (0, 0, 0, 0);
    for id in &ids {
        match *id {
            OVERSOLD => oversold += 1,
            STUCK | UNDECIDED => stuck += 1,
            FALSE_SOLD_OUT => false_sold_out += 1,
            _ => drift += 1,
        }
    }
    say(&format!(
        "model: {}, crashes, lost answers{under}: {} states, oversold={oversold} stuck={stuck} drift={drift} \
         false-sold-out={false_sold_out}",
        protocol.scene.name, report.states
    ));
    assert!(ids.is_empty(), "{}: {trace}", protocol.scene.name);
}

#[test]
fn no_state_breaks_an_invariant() {
    for scene in SCENES {
        holds(&Protocol { scene: scene(), record_first: false, mutant: None }, "");
    }
}

/// The other way to be safe, for the price of a round trip.
#[test]
fn no_state_breaks_an_invariant_when_the_record_is_written_first() {
    for scene in [scenes::twin, scenes::clocks, scenes::split, scenes::changed] {
        holds(&Protocol { scene: scene(), record_first: true, mutant: None }, ", the record first");
    }
}

/// What an operation of its own for each run is for: clocks that differ, and nothing else.
#[test]
fn one_operation_would_do_if_clocks_never_differed() {
    for scene in [scenes::twin, scenes::split, scenes::changed] {
        let protocol = Protocol { scene: scene(), record_first: false, mutant: Some(Mutant::OneOperation) };
        holds(&protocol, ", one operation, one clock");
    }
}

#[test]
fn every_rule_left_out_breaks_an_invariant() {
    for (mutant, name, invariant, scene) in MUTANTS {
        let protocol = Protocol { scene: scene(), record_first: false, mutant: Some(mutant) };
        let report = explore(&protocol);
        let (ids, trace) = broken(&protocol, &report);
        assert!(
            ids.contains(&invariant),
            "mutant {name} was not caught by {invariant} in {}: {trace}",
            protocol.scene.name
        );
        let steps = report.broken.map_or(0, |broken| broken.trace.len());
        say(&format!("mutant {name}: caught by {} after {steps} steps ({} states)", ids.join(", "), report.states));
    }
}

/// States are told apart by a hash. Here by themselves.
#[test]
fn no_state_is_lost_to_its_hash() {
    let scene = Scene { late: 1, ..scenes::clocks() };
    let protocol = Protocol { scene, record_first: false, mutant: None };
    let mut seen = HashSet::from([protocol.start()]);
    let (mut left, mut steps) = (vec![protocol.start()], Vec::new());
    while let Some(state) = left.pop() {
        protocol.next(&state, &mut steps);
        left.extend(steps.drain(..).map(|next| next.state).filter(|state| seen.insert(*state)));
    }
    assert_eq!(explore(&protocol).states, seen.len());
}
