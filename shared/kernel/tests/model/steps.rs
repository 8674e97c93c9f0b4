//! Everything that can happen in a state of the model, one conditional write or one read a step.

use kernel::counter::{Adjustment, Outcome, Refusal};
use kernel::limits::DONE_MARK;

use crate::explore::{Fault, Next};
use crate::mutants::{self, Mutant};
use crate::protocol::{FALSE_SOLD_OUT, Protocol, at, byte, counters_of, index, signed};
use crate::world::{BUYERS, COUNTERS, Look, Order, Part, Phase, Put, RUN, RUNS, Run, SHARDS, Status, World};

/// Something that happens. Runs are numbers into `RUN`, counters into `PLACES`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Read(usize),
    Check(usize, usize),
    Put(usize),
    Hold(usize, usize),
    Look(usize, usize),
    Free(usize, usize),
    Rename(usize),
    Commit(usize),
    Decline(usize),
    Drop(usize),
    Expire(usize),
    Settle { op: usize, counter: usize, commit: bool, mark: i8 },
    Late { call: usize, counter: usize, quantity: u8 },
    Prune { counter: usize, mark: i8 },
    Adjust { counter: usize, units: i8 },
}

/// The steps that lead on from one state.
pub struct Steps<'a> {
    pub protocol: &'a Protocol,
    pub from: &'a World,
    pub into: &'a mut Vec<Next<World, Step>>,
}

impl Steps<'_> {
    /// All of them.
    pub fn all(&mut self) {
        for number in 0..RUNS {
            self.run(number);
        }
        for buyer in 0..BUYERS {
            self.expire(buyer);
        }
        for counter in 0..COUNTERS {
            self.deliver_settles(counter);
            self.deliver_late(counter);
            self.prune(counter);
        }
        self.adjust();
    }

    /// Adds a step, unless it changes nothing.
    fn add(&mut self, step: Step, change: impl FnOnce(&mut World)) {
        let mut state = *self.from;
        change(&mut state);
        self.push(step, state, None);
    }

    fn push(&mut self, step: Step, mut state: World, fault: Option<Fault>) {
        for number in 0..RUNS {
            self.move_on(&mut state, number);
        }
        if state != *self.from || fault.is_some() {
            self.into.push(Next { step, state, fault });
        }
    }

    /// Moves a run on to what it does next without asking anybody; notes for one that looks what it cannot see.
    fn move_on(&self, world: &mut World, number: usize) {
        let mut run = world.runs[number];
        if run.phase == Phase::Holding && !run.held.iter().any(|part| matches!(part, Part::Unanswered | Part::Seen)) {
            run = self.answered(number, run);
        }
        if self.is_vain(run.phase, &world.orders[number / 2]) {
            run = Run::default();
        }
        if run.phase == Phase::Looking && !run.look.scarce {
            let item = index(run.look.item);
            run.look.scarce = self.there(world, &run, item) < signed(self.protocol.call(run.acts_as).want[item]);
        }
        world.runs[number] = run;
    }

    /// Whether nothing that the run does can change anything any more: its record was decided.
    fn is_vain(&self, phase: Phase, order: &Order) -> bool {
        let again = self.protocol.is(Mutant::DecideTwice) || self.protocol.is(Mutant::RenameDecided);
        let deciding = matches!(phase, Phase::Renaming | Phase::Paying | Phase::Dropping) && !again;
        (deciding || phase == Phase::Reading) && !matches!(order.status, Status::Absent | Status::Pending)
    }

    /// What an operation could have of an item at this instant, counting what it or another run of the call holds.
    fn there(&self, world: &World, run: &Run, item: usize) -> i8 {
        let first = self.protocol.op(run.acts_as) / 2 * 2;
        let shelves = &world.shelves[counters_of(item)];
        shelves.iter().map(|shelf| shelf.available + shelf.holds[first] + shelf.holds[first + 1]).sum()
    }

    /// All holds of a run were answered.
    fn answered(&self, number: usize, run: Run) -> Run {
        match run.put {
            Put::Unanswered => return run,
            Put::Decided => return Run::default(),
            Put::Others => return self.protocol.resume(run.seen),
            Put::Known => {}
        }
        if run.held.contains(&Part::Done) {
            return Run::default();
        }
        if run.held.contains(&Part::TooOld) {
            return over_to(Phase::Dropping, &run);
        }
        let short = |item: &usize| run.held[counters_of(*item)].contains(&Part::Short);
        let first = self.protocol.scene.buyers[number / 2].first;
        if let Some(item) = [first, 1 - first].into_iter().find(short) {
            return look(run, item);
        }
        if run.parts != run.seen.parts && !self.protocol.is(Mutant::NoRename) {
            return Run { held: [Part::None; COUNTERS], phase: Phase::Renaming, ..run };
        }
        over_to(Phase::Paying, &run)
    }

    fn run(&mut self, number: usize) {
        match self.from.runs[number].phase {
            Phase::Still => {}
            Phase::Reading => self.read(number),
            Phase::Holding => self.hold(number),
            Phase::Looking => self.look(number),
            Phase::Renaming => self.rename(number),
            Phase::Paying => {
                self.decide(number, Step::Commit(number), Status::Committed);
                self.decide(number, Step::Decline(number), Status::Dropped);
            }
            Phase::Dropping => self.decide(number, Step::Drop(number), Status::Dropped),
        }
    }

    fn read(&mut self, number: usize) {
        let order = self.from.orders[number / 2];
        let run = match order.status {
            Status::Absent => self.protocol.begin(number),
            _ => self.protocol.resume(order),
        };
        self.add(Step::Read(number), |world| world.runs[number] = run);
    }

    fn hold(&mut self, number: usize) {
        let run = self.from.runs[number];
        if run.put == Put::Unanswered {
            self.put(number);
        }
        if self.protocol.record_first && run.put != Put::Known {
            return;
        }
        for counter in 0..COUNTERS {
            match run.held[counter] {
                Part::Unanswered if self.protocol.is(Mutant::CheckThenWrite) => self.check(number, counter),
                Part::Unanswered => self.hold_part(number, counter),
                Part::Seen => self.write_unchecked(number, counter),
                _ => {}
            }
        }
    }

    fn put(&mut self, number: usize) {
        let protocol = self.protocol;
        self.add(Step::Put(number), |world| {
            let (run, order) = (&mut world.runs[number], &mut world.orders[number / 2]);
            run.put = match order.status {
                Status::Absent => {
                    *order = Order { status: Status::Pending, by: run.acts_as, parts: run.parts, version: 1 };
                    Put::Known
                }
                Status::Pending => Put::Others,
                _ => Put::Decided,
            };
            run.seen = *order;
            if protocol.record_first && run.put != Put::Known {
                *run = protocol.resume(*order);
            }
        });
    }

    fn hold_part(&mut self, number: usize, counter: usize) {
        let protocol = self.protocol;
        self.add(Step::Hold(number, counter), |world| {
            let run = &mut world.runs[number];
            let quantity = run.parts[counter];
            let outcome = protocol.hold(&mut world.shelves[counter], run.acts_as, quantity);
            run.held[counter] = part_after(outcome);
            if world.late > 0 {
                world.sent[index(run.acts_as)][counter] |= 1 << quantity;
            }
        });
    }

    /// Mutant: the first of two steps.
    fn check(&mut self, number: usize, counter: usize) {
        let protocol = self.protocol;
        self.add(Step::Check(number, counter), |world| {
            let run = &mut world.runs[number];
            // What the hold would answer, tried on a copy.
            let mut copy = world.shelves[counter];
            let outcome = protocol.hold(&mut copy, run.acts_as, run.parts[counter]);
            run.held[counter] = if outcome == Outcome::Applied { Part::Seen } else { part_after(outcome) };
        });
    }

    /// Mutant: the second of two steps.
    fn write_unchecked(&mut self, number: usize, counter: usize) {
        let op = self.protocol.op(self.from.runs[number].acts_as);
        self.add(Step::Hold(number, counter), |world| {
            let run = &mut world.runs[number];
            world.shelves[counter].command(|shelf| mutants::hold_unchecked(shelf, RUN[op], run.parts[counter].into()));
            run.held[counter] = Part::Held;
        });
    }

    /// Reads one shard; after the last one the run knows what to do.
    fn look(&mut self, number: usize) {
        let run = self.from.runs[number];
        let counter = index(run.look.item) * SHARDS + index(run.look.shard);
        let op = self.protocol.op(run.acts_as);
        let shelf = &self.from.shelves[counter];
        if shelf.holds[op ^ 1] != 0 {
            // What a run whose record lost the race holds is dead, and blocks nobody of the same call.
            let mark = self.protocol.mark(&self.from.orders[number / 2], op ^ 1, self.protocol.scene.clocks[0]);
            let protocol = self.protocol;
            self.add(Step::Free(number, counter), |world| {
                protocol.settle(&mut world.shelves[counter], op ^ 1, false, mark);
            });
            return;
        }
        let mut after = run;
        after.look.seen[index(run.look.shard)] = (shelf.available, shelf.holds[op]);
        after.look.inc += shelf.inc;
        after.look.shard += 1;
        let mut fault = None;
        if index(after.look.shard) == SHARDS {
            (after, fault) = self.looked(after);
        }
        let mut state = *self.from;
        state.runs[number] = after;
        self.push(Step::Look(number, counter), state, fault);
    }

    /// A look is complete: it found parts for all units, or nothing, or units that this operation cannot combine.
    fn looked(&self, run: Run) -> (Run, Option<Fault>) {
        let Look { item, inc, seen, before, scarce, .. } = run.look;
        let want = signed(self.protocol.call(run.acts_as).want[index(item)]);
        if let Some(found) = allot(&seen, want) {
            let mut run = Run { phase: Phase::Holding, look: Look::default(), ..run };
            for ((counter, units), (_, own)) in counters_of(index(item)).zip(found).zip(seen) {
                run.parts[counter] = units.unsigned_abs();
                let part = if units == own { Part::Held } else { Part::Unanswered };
                run.held[counter] = if units > 0 { part } else { Part::None };
            }
            return (run, None);
        }
        let dropping = over_to(Phase::Dropping, &run);
        if seen.iter().map(|(free, own)| free + own).sum::<i8>() >= want && !self.protocol.is(Mutant::OwnBlocks) {
            return (dropping, None);
        }
        let again = before < 0 && !self.protocol.is(Mutant::OneLook);
        let changed = before >= 0 && before != inc && !self.protocol.is(Mutant::IncIgnored);
        if again || changed {
            let look = Look { item, before: inc, scarce, ..Look::default() };
            return (Run { look, ..run }, None);
        }
        let what = || (FALSE_SOLD_OUT, format!("there were {want} units all the time"));
        (dropping, (!scarce).then(what))
    }

    fn rename(&mut self, number: usize) {
        let any = self.protocol.is(Mutant::RenameDecided);
        self.add(Step::Rename(number), |world| {
            let (run, order) = (&mut world.runs[number], &mut world.orders[number / 2]);
            if any || order.status == Status::Pending && order.version == run.seen.version {
                order.parts = run.parts;
                order.version += 1;
                *run = over_to(Phase::Paying, run);
            } else {
                *run = Run::default();
            }
        });
    }

    /// A run's last step: its record is decided, unless it was before.
    fn decide(&mut self, number: usize, step: Step, status: Status) {
        let any = self.protocol.is(Mutant::DecideTwice);
        self.add(step, |world| {
            world.runs[number] = Run::default();
            let order = &mut world.orders[number / 2];
            if order.status == Status::Pending || any {
                order.status = status;
            }
        });
    }

    /// A timer fires: an order that is pending is dropped, one that was never written is buried.
    fn expire(&mut self, buyer: usize) {
        let held = self.from.shelves.iter().any(|shelf| shelf.holds[2 * buyer] != 0 || shelf.holds[2 * buyer + 1] != 0);
        let status = match self.from.orders[buyer].status {
            Status::Pending => Status::Dropped,
            Status::Absent if held && !self.protocol.is(Mutant::NoTombstone) => Status::Tombstone,
            _ => return,
        };
        self.add(Step::Expire(buyer), |world| world.orders[buyer].status = status);
    }

    /// Messages about decided records, and timers of holds, arrive. What was moved before is moved no more.
    fn deliver_settles(&mut self, counter: usize) {
        let protocol = self.protocol;
        for op in (0..RUNS).filter(|op| self.from.shelves[counter].holds[*op] != 0) {
            let order = &self.from.orders[op / 2];
            let Some(commit) = protocol.verdict(order, op, counter) else { continue };
            let mut marks: Vec<i8> =
                protocol.scene.clocks.iter().map(|clock| protocol.mark(order, op, *clock)).collect();
            marks.dedup();
            for mark in marks.into_iter().filter(|_| protocol.reached(order, counter)) {
                self.add(Step::Settle { op, counter, commit, mark }, |world| {
                    protocol.settle(&mut world.shelves[counter], op, commit, mark);
                });
            }
        }
    }

    /// The network delivers a hold again.
    fn deliver_late(&mut self, counter: usize) {
        let protocol = self.protocol;
        for call in 0..RUNS {
            let quantities = self.from.sent[call][counter];
            for quantity in (1..8).filter(|quantity| quantities & 1 << quantity != 0) {
                let mut shelf = self.from.shelves[counter];
                if protocol.hold(&mut shelf, byte(call), quantity) != Outcome::Applied {
                    continue;
                }
                self.add(Step::Late { call, counter, quantity }, |world| {
                    world.shelves[counter] = shelf;
                    world.late -= 1;
                    if world.late == 0 {
                        world.sent = Default::default();
                    }
                });
            }
        }
    }

    /// Marks up to some time are pruned.
    fn prune(&mut self, counter: usize) {
        if !self.protocol.scene.prune {
            return;
        }
        let no_floor = self.protocol.is(Mutant::NoFloor);
        let mut marks = self.from.shelves[counter].done;
        marks.sort_unstable();
        for mark in marks.into_iter().filter(|mark| *mark != 0) {
            self.add(Step::Prune { counter, mark }, |world| {
                let now = at(mark).after(DONE_MARK);
                world.shelves[counter].command(|shelf| {
                    let floor = shelf.floor;
                    shelf.prune(now);
                    if no_floor {
                        shelf.floor = floor;
                    }
                });
            });
        }
    }

    /// Staff moves a unit in or out.
    fn adjust(&mut self) {
        for counter in (0..COUNTERS).filter(|_| self.from.moves > 0) {
            for units in [1, -1] {
                self.add(Step::Adjust { counter, units }, |world| {
                    let op = Adjustment { op: "staff", quantity: units.into(), fingerprint: "", expected: None };
                    if world.shelves[counter].command(|shelf| shelf.adjust(&op, at(1))) == Outcome::Applied {
                        world.moves -= 1;
                    }
                });
            }
        }
    }
}

/// A run that needs nothing any more of what it knew.
fn over_to(phase: Phase, run: &Run) -> Run {
    Run { phase, acts_as: run.acts_as, ..Run::default() }
}

/// A run begins to look at an item: for all of it.
fn look(mut run: Run, item: usize) -> Run {
    for counter in counters_of(item) {
        run.parts[counter] = 0;
        run.held[counter] = Part::None;
    }
    let look = Look { item: byte(item), before: -1, ..Look::default() };
    Run { phase: Phase::Looking, look, ..run }
}

/// The parts that make up a quantity: own holds first, then one shard that has the rest, else several. As the real one.
fn allot(seen: &[(i8, i8); SHARDS], want: i8) -> Option<[i8; SHARDS]> {
    let mut parts = [0; SHARDS];
    let mut need = want;
    for (part, (_, own)) in parts.iter_mut().zip(seen) {
        if *own <= need {
            *part = *own;
            need -= own;
        }
    }
    let free = |shard: usize| if seen[shard].1 > 0 { 0 } else { seen[shard].0 };
    let order = (0..SHARDS).find(|shard| free(*shard) >= need).into_iter().chain(0..SHARDS);
    for shard in order {
        let some = free(shard).min(need);
        if some > 0 && parts[shard] == 0 {
            parts[shard] = some;
            need -= some;
        }
    }
    (need == 0).then_some(parts)
}

/// What an answer to a hold means to the run.
fn part_after(outcome: Outcome) -> Part {
    match outcome {
        Outcome::Applied | Outcome::Already => Part::Held,
        Outcome::Refused(Refusal::Done) => Part::Done,
        Outcome::Refused(Refusal::TooOld) => Part::TooOld,
        Outcome::Refused(_) => Part::Short,
    }
}
