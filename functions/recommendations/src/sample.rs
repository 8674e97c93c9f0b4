//! A sample of many things that happened, drawn by lot. Pure.
//!
//! Each thing has a lot, a number that follows from its id, and the sample is the things with the lowest lots. So it is a
//! function of the *set* of things: it does not matter in which order they come, how often each comes, or whether somebody who
//! adds one has seen the newest sample. There is nothing to count twice, and no mark to keep for it. It stays small; the more
//! has happened, the less often something gets in (the thousandth thing into a sample of a hundred: one time in ten), so what
//! everybody buys is not written with every order. And from how low its lots are it tells how many things there were.

use std::collections::BTreeMap;

use kernel::id;

/// Where a thing stands in the draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lot(u64);

impl Lot {
    /// The lot of a thing: the same parts have the same one.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let digest = id::digest(parts);
        Self(digest.iter().take(8).fold(0, |lot, byte| (lot << 8) | u64::from(*byte)))
    }

    /// As the name of an attribute, 16 hexadecimal digits; names sort like lots.
    #[must_use]
    pub fn name(self) -> String {
        format!("{:016x}", self.0)
    }

    /// From such a name; `None` for any other.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let good = name.len() == 16 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        good.then(|| u64::from_str_radix(name, 16).ok().map(Self)).flatten()
    }
}

/// The things with the lowest lots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    most: usize,
    /// What is stored: all of the sample, and perhaps things that are not in it any more.
    stored: BTreeMap<Lot, String>,
}

/// What is to be written so that new things are in the sample. Each part of it is right whatever else is written meanwhile:
/// what has left a sample never comes back into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// These come in.
    pub add: BTreeMap<Lot, String>,
    /// These are not in it any more.
    pub drop: Vec<Lot>,
}

impl Sample {
    /// The sample of at most so many things that is made of what is stored.
    #[must_use]
    pub fn new(most: usize, stored: BTreeMap<Lot, String>) -> Self {
        Self { most: most.max(1), stored }
    }

    /// The things in it.
    pub fn drawn(&self) -> impl Iterator<Item = (Lot, &str)> {
        self.stored.iter().take(self.most).map(|(lot, thing)| (*lot, thing.as_str()))
    }

    /// How many things are in it.
    #[must_use]
    pub fn size(&self) -> u64 {
        u64::try_from(self.stored.len().min(self.most)).unwrap_or(u64::MAX)
    }

    /// How many things there were: exactly, as long as all fit into the sample; after that from its highest lot. Of a sample of
    /// *k* that is off by one part in √k, mostly.
    #[must_use]
    pub fn total(&self) -> u64 {
        let size = self.size();
        match self.drawn().last() {
            Some((Lot(last), _)) if self.stored.len() >= self.most => {
                let all = (u128::from(size - 1) << 64) / (u128::from(last) + 1);
                u64::try_from(all).unwrap_or(u64::MAX).max(size)
            }
            _ => size,
        }
    }

    /// What is to be written for these things.
    #[must_use]
    pub fn with(&self, things: &BTreeMap<Lot, String>) -> Change {
        let new: BTreeMap<&Lot, &String> = things.iter().filter(|(lot, _)| !self.stored.contains_key(lot)).collect();
        let mut all: Vec<&Lot> = self.stored.keys().chain(new.keys().copied()).collect();
        all.sort();
        let (inside, outside) = all.split_at(all.len().min(self.most));
        let add = inside.iter().filter_map(|lot| new.get_key_value(lot)).map(|(lot, thing)| (**lot, (*thing).clone()));
        let drop = outside.iter().filter(|lot| self.stored.contains_key(lot)).map(|lot| **lot);
        Change { add: add.collect(), drop: drop.collect() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn thing(number: u32) -> (Lot, String) {
        (Lot::of(&[&number.to_be_bytes()]), number.to_string())
    }

    fn apply(stored: &mut BTreeMap<Lot, String>, change: &Change) {
        for lot in &change.drop {
            stored.remove(lot);
        }
        stored.extend(change.add.clone());
    }

    #[test]
    fn names_of_lots_read_back_and_sort_like_them() {
        let lots: Vec<Lot> = (0..50).map(|number| thing(number).0).collect();
        assert!(lots.iter().all(|lot| Lot::parse(&lot.name()) == Some(*lot)));
        assert!(lots.windows(2).all(|two| (two[0] < two[1]) == (two[0].name() < two[1].name())));
        for other in ["pk", "sk", "expires", "00000000000000zz", "+000000000000001", "00000000000000AA", ""] {
            assert_eq!(Lot::parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_total_is_exact_and_then_near() {
        let mut stored = BTreeMap::new();
        for number in 0..20_000 {
            let sample = Sample::new(100, stored.clone());
            assert!(number >= 100 || sample.total() == u64::from(number));
            apply(&mut stored, &sample.with(&[thing(number)].into()));
        }
        let total = Sample::new(100, stored).total();
        assert!((15_000..25_000).contains(&total), "{total}");
    }

    #[test]
    fn what_everybody_buys_is_seldom_written() {
        let (mut stored, mut writes) = (BTreeMap::new(), 0);
        for number in 0..100_000 {
            let change = Sample::new(100, stored.clone()).with(&[thing(number)].into());
            writes += usize::from(change != Change::default());
            apply(&mut stored, &change);
        }
        // k · (1 + ln(n / k)) = 791.
        assert!((600..1_000).contains(&writes), "{writes}");
    }

    proptest! {
        /// Whatever comes in whatever order, twice, and added by somebody who saw an older sample: the sample is that of the set.
        #[test]
        fn it_is_a_function_of_the_set(numbers in prop::collection::vec((0_u32..60, 0_usize..4), 0..120), most in 1_usize..20) {
            let mut states = vec![BTreeMap::new()];
            for (number, age) in &numbers {
                let seen = &states[states.len().saturating_sub(1 + age)];
                let change = Sample::new(most, seen.clone()).with(&[thing(*number)].into());
                let mut next = states.last().cloned().unwrap_or_default();
                apply(&mut next, &change);
                states.push(next);
            }
            let set: BTreeMap<Lot, String> = numbers.iter().map(|(number, _)| thing(*number)).collect();
            let expected: Vec<_> = set.iter().take(most).map(|(lot, thing)| (*lot, thing.as_str())).collect();
            let last = Sample::new(most, states.pop().unwrap_or_default());
            prop_assert_eq!(last.drawn().collect::<Vec<_>>(), expected);
            let all_again = last.with(&set);
            prop_assert!(all_again.add.is_empty());
        }
    }
}
