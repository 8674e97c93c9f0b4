//! The configurations in which the protocol is explored: small enough to visit every state, scarce enough to matter.
//!
//! There are two items, X and Y, of two shards each. In every scene any run may crash at any step, any answer may be lost,
//! and any order may expire at any time; a scene adds to that what its name says.

use crate::world::{COUNTERS, ITEMS};

/// One execution of a buyer's call.
#[derive(Clone, Copy)]
pub struct Call {
    /// How many units of each item.
    pub want: [u8; ITEMS],
    /// What its machine's clock shows: `created` of a record that it writes.
    pub clock: i8,
}

/// A buyer: the shard on which each item is tried first, and one or two executions of the call.
#[derive(Clone)]
pub struct Buyer {
    /// The item that it looks for first.
    pub first: usize,
    pub start: [usize; ITEMS],
    pub calls: Vec<Call>,
}

/// A configuration of the model.
#[derive(Clone)]
pub struct Scene {
    pub name: &'static str,
    /// Units by counter: X0, X1, Y0, Y1.
    pub stock: [i8; COUNTERS],
    pub buyers: Vec<Buyer>,
    /// How many duplicates of holds the network delivers at most.
    pub late: u8,
    /// Whether marks are pruned.
    pub prune: bool,
    /// What the workers' clocks may show.
    pub clocks: &'static [i8],
    /// How many units staff moves at most.
    pub moves: u8,
}

const CALM: Scene =
    Scene { name: "", stock: [0; COUNTERS], buyers: Vec::new(), late: 0, prune: false, clocks: &[1], moves: 0 };

/// A call that wants so many of X and of Y.
fn call(x: u8, y: u8) -> Call {
    Call { want: [x, y], clock: 1 }
}

fn buyer<const N: usize>(first: usize, start: [usize; ITEMS], calls: [Call; N]) -> Buyer {
    Buyer { first, start, calls: calls.to_vec() }
}

/// All scenes.
pub const SCENES: [fn() -> Scene; 10] =
    [three, two_of_one, twin, twins, clocks, split, split_three, changed, restless, restless_split];

/// Three carts of two lines, in opposite order, with too few units of Y, and a duplicate.
pub fn three() -> Scene {
    let buyers = vec![buyer(0, [0, 0], [call(1, 1)]), buyer(1, [0, 0], [call(1, 1)]), buyer(0, [1, 0], [call(1, 1)])];
    Scene { name: "3 buyers, 2 items x 2 shards, a late duplicate", stock: [1, 1, 1, 0], buyers, late: 1, ..CALM }
}

/// One of three wants two of an item that has one on each shard.
fn two_of_one() -> Scene {
    let buyers = vec![buyer(0, [0, 0], [call(2, 1)]), buyer(1, [0, 1], [call(1, 1)]), buyer(0, [1, 0], [call(1, 1)])];
    Scene { name: "3 buyers, 2 items x 2 shards, one wants 2 of one", stock: [1, 1, 1, 1], buyers, ..CALM }
}

/// A call of two lines is made twice, perhaps at once.
pub fn twin() -> Scene {
    let buyers = vec![buyer(0, [0, 0], [call(1, 1), call(1, 1)]), buyer(1, [0, 0], [call(1, 0)])];
    Scene { name: "2 buyers, a call made twice, a late duplicate", stock: [1, 0, 1, 0], buyers, late: 1, ..CALM }
}

/// Both calls are made twice, for the last units.
fn twins() -> Scene {
    let buyers = vec![buyer(0, [0, 0], [call(1, 0), call(1, 0)]), buyer(0, [0, 0], [call(1, 0), call(1, 0)])];
    Scene { name: "2 buyers, both calls made twice", stock: [1, 1, 0, 0], buyers, ..CALM }
}

/// Clocks differ, workers may be behind, and marks are pruned. A second unit lies there for who comes back.
pub fn clocks() -> Scene {
    let at = |clock| Call { clock, ..call(1, 0) };
    let buyers = vec![buyer(0, [0, 0], [at(3), at(4)]), buyer(0, [0, 0], [at(2)])];
    let name = "2 buyers, a call made twice, 2 late duplicates, pruning, clocks that differ";
    Scene { name, stock: [2, 0, 0, 0], buyers, late: 2, prune: true, clocks: &[1, 5], ..CALM }
}

/// Two units that may have to come from two shards, the call made twice.
pub fn split() -> Scene {
    let buyers = vec![buyer(0, [0, 0], [call(2, 0), call(2, 0)]), buyer(0, [0, 0], [call(1, 0)])];
    Scene {
        name: "2 buyers, a split line, its call made twice, a late duplicate",
        stock: [2, 1, 0, 0],
        buyers,
        late: 1,
        ..CALM
    }
}

/// The same among three.
fn split_three() -> Scene {
    let buyers = vec![
        buyer(0, [0, 0], [call(2, 0), call(2, 0)]),
        buyer(0, [0, 0], [call(1, 0)]),
        buyer(0, [1, 0], [call(1, 0)]),
    ];
    Scene { name: "3 buyers, a split line, its call made twice", stock: [2, 1, 0, 0], buyers, ..CALM }
}

/// The cart was changed before the call was made again with the same key.
pub fn changed() -> Scene {
    let buyers = vec![buyer(0, [0, 0], [call(1, 0), call(2, 0)]), buyer(0, [0, 0], [call(1, 0)])];
    let name = "2 buyers, a call made twice with another quantity, a late duplicate";
    Scene { name, stock: [2, 1, 0, 0], buyers, late: 1, ..CALM }
}

/// Staff moves units about while one looks.
pub fn restless() -> Scene {
    let buyers = vec![buyer(0, [0, 0], [call(1, 0)])];
    Scene { name: "1 buyer, 6 adjustments of stock", stock: [0, 1, 0, 0], buyers, moves: 6, ..CALM }
}

/// The same for a line that may be split, the call made twice.
fn restless_split() -> Scene {
    let buyers = vec![buyer(0, [0, 0], [call(2, 0), call(2, 0)])];
    Scene {
        name: "1 buyer, a split line, its call made twice, 3 adjustments",
        stock: [1, 1, 0, 0],
        buyers,
        moves: 3,
        ..CALM
    }
}
