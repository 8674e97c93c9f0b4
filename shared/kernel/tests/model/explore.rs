//! Breadth-first search over all states of a model, so the first violation comes with a shortest trace.
//!
//! A state is stored as its 64-bit hash, and by which step from which state it was first reached: that is enough to
//! replay a trace. Among ten million states two share a hash, and one of them is missed, once in 400,000 runs.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// What is explored.
pub trait Model {
    /// Everything that can differ.
    type State: Copy + Hash;
    /// What can happen.
    type Step: Copy;

    /// Where it starts.
    fn start(&self) -> Self::State;

    /// Everything that can happen next, always in the same order.
    fn next(&self, state: &Self::State, into: &mut Vec<Next<Self::State, Self::Step>>);

    /// The part of a state on which `check` depends; each is checked once.
    fn checked(&self, state: &Self::State) -> u64;

    /// What is broken in a state.
    fn check(&self, state: &Self::State) -> Vec<Fault>;
}

/// A step, and where it leads.
pub struct Next<State, Step> {
    pub step: Step,
    pub state: State,
    /// What the step itself breaks.
    pub fault: Option<Fault>,
}

/// A broken invariant: its id, and the numbers.
pub type Fault = (&'static str, String);

/// What was found.
pub struct Report<State, Step> {
    pub states: usize,
    pub broken: Option<Broken<State, Step>>,
}

/// A violation, and a shortest way there.
pub struct Broken<State, Step> {
    pub faults: Vec<Fault>,
    /// Each step, and the state it led to.
    pub trace: Vec<(Step, State)>,
}

/// The hash of anything.
pub fn hash(value: &impl Hash) -> u64 {
    let mut hasher = Mixer::default();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Collects bytes and mixes them eight at a time: several times as fast as the standard hasher, which fends off attackers.
#[derive(Default)]
struct Mixer {
    mixed: u64,
    pending: u64,
    bits: u32,
}

impl Mixer {
    fn mix(&mut self, word: u64) {
        let mixed = (self.mixed ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        self.mixed = mixed ^ mixed >> 29;
    }
}

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        let mut last = Self { mixed: self.mixed, ..Self::default() };
        last.mix(self.pending);
        last.mixed
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u8(*byte);
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.pending |= u64::from(value) << self.bits;
        self.bits += 8;
        if self.bits == 64 {
            let word = std::mem::take(&mut self.pending);
            self.bits = 0;
            self.mix(word);
        }
    }

    /// The variants of enums; all are few.
    fn write_isize(&mut self, value: isize) {
        self.write_u8(u8::try_from(value).expect("fewer variants than that"));
    }

    /// The lengths of arrays, which are always the same.
    fn write_usize(&mut self, _: usize) {}
}

/// What is hashed already is not hashed again.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

type Seen = HashSet<u64, BuildHasherDefault<AsItIs>>;

/// Visits every state that can be reached, or stops at the first violation.
pub fn explore<M: Model>(model: &M) -> Report<M::State, M::Step> {
    let mut search = Search { model, seen: Seen::default(), checked: Seen::default(), origins: Vec::new() };
    let start = model.start();
    search.seen.insert(hash(&start));
    search.origins.push((0, 0));
    let (mut level, mut following, mut steps) = (vec![(0, start)], Vec::new(), Vec::new());
    while !level.is_empty() {
        for (number, state) in level.drain(..) {
            let faults = search.faults(&state);
            if !faults.is_empty() {
                let trace = search.trace(number);
                return Report { states: search.origins.len(), broken: Some(Broken { faults, trace }) };
            }
            model.next(&state, &mut steps);
            for (index, next) in steps.drain(..).enumerate() {
                if let Some(fault) = next.fault {
                    let mut trace = search.trace(number);
                    trace.push((next.step, next.state));
                    return Report {
                        states: search.origins.len(),
                        broken: Some(Broken { faults: vec![fault], trace }),
                    };
                }
                if search.seen.insert(hash(&next.state)) {
                    following.push((small(search.origins.len()), next.state));
                    search.origins.push((number, small(index)));
                }
            }
        }
        std::mem::swap(&mut level, &mut following);
    }
    Report { states: search.origins.len(), broken: None }
}

struct Search<'a, M> {
    model: &'a M,
    seen: Seen,
    checked: Seen,
    /// For each state: the state it was first reached from, and by which of its steps.
    origins: Vec<(u32, u16)>,
}

impl<M: Model> Search<'_, M> {
    fn faults(&mut self, state: &M::State) -> Vec<Fault> {
        if self.checked.insert(self.model.checked(state)) { self.model.check(state) } else { Vec::new() }
    }

    fn trace(&self, mut number: u32) -> Vec<(M::Step, M::State)> {
        let mut choices = Vec::new();
        while number > 0 {
            let (origin, choice) = self.origins[usize::try_from(number).expect("a number of a state")];
            choices.push(choice);
            number = origin;
        }
        let (mut state, mut steps, mut trace) = (self.model.start(), Vec::new(), Vec::new());
        for choice in choices.into_iter().rev() {
            self.model.next(&state, &mut steps);
            let next = steps.swap_remove(usize::from(choice));
            steps.clear();
            state = next.state;
            trace.push((next.step, state));
        }
        trace
    }
}

fn small<T: TryFrom<usize>>(number: usize) -> T {
    T::try_from(number).ok().expect("fewer states and steps than that")
}
