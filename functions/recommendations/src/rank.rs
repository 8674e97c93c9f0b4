//! From samples to an order of products. Pure.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{ProductId, Timestamp};

use crate::sample::Sample;

/// The weight of what is newest, in thousandths.
const WHOLE: u64 = 1_000;
const DAY_SECONDS: i64 = 24 * 3600;

/// A stretch of days that samples are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// How long it is.
    pub days: i64,
}

impl Period {
    /// The number of the one that a time is in.
    #[must_use]
    pub fn at(self, time: Timestamp) -> i64 {
        time.seconds().div_euclid(self.days * DAY_SECONDS)
    }

    /// When nobody reads a period any more, in seconds since the epoch: after the next one, and a day for clocks.
    #[must_use]
    pub fn expires(self, number: i64) -> i64 {
        (number + 2) * self.days * DAY_SECONDS + DAY_SECONDS
    }

    /// What is read now, with what it weighs in thousandths: the present period, and of the one before the share that is not
    /// older than one period. So a sale loses its weight from day to day, and never all at once.
    #[must_use]
    pub fn window(self, now: Timestamp) -> [(i64, u64); 2] {
        let number = self.at(now);
        let gone = now.seconds().rem_euclid(self.days * DAY_SECONDS).div_euclid(DAY_SECONDS);
        let left = u64::try_from(self.days - gone).unwrap_or(0) * WHOLE / u64::try_from(self.days).unwrap_or(1);
        [(number, WHOLE), (number - 1, left)]
    }
}

/// How often products occur.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<ProductId, u64>);

impl Tally {
    /// Counts what is in a sample, each for as many as it stands for, by its weight.
    pub fn count(&mut self, sample: &Sample, weight: u64) {
        let each = weight.saturating_mul(sample.total()) / sample.size().max(1);
        for (_, products) in sample.drawn() {
            for product in read(products) {
                let count = self.0.entry(product).or_default();
                *count = count.saturating_add(each);
            }
        }
    }

    /// The most frequent first; of equals by id.
    #[must_use]
    pub fn ranked(&self, without: &BTreeSet<ProductId>) -> Vec<ProductId> {
        let mut all: Vec<_> = self.0.iter().filter(|(id, count)| **count > 0 && !without.contains(id)).collect();
        all.sort_by(|(one, count), (other, than)| (than, one).cmp(&(count, other)));
        all.into_iter().map(|(id, _)| id.clone()).collect()
    }
}

/// Products as one short text.
#[must_use]
pub fn written<'a>(products: impl IntoIterator<Item = &'a ProductId>) -> String {
    products.into_iter().map(ProductId::body).collect::<Vec<_>>().join(",")
}

/// The same, read; what is no product is left out.
fn read(text: &str) -> impl Iterator<Item = ProductId> {
    text.split(',').filter_map(|body| ProductId::parse(&format!("{}{body}", ProductId::PREFIX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Lot;

    fn id(number: u8) -> ProductId {
        ProductId::new([number; 16])
    }

    fn sample(most: usize, baskets: &[&[u8]]) -> Sample {
        let of = |(at, basket): (usize, &&[u8])| {
            (Lot::of(&[&at.to_be_bytes()]), written(&basket.iter().map(|number| id(*number)).collect::<Vec<_>>()))
        };
        Sample::new(most, baskets.iter().enumerate().map(of).collect())
    }

    #[test]
    fn the_most_frequent_come_first_and_new_ones_weigh_more() {
        let mut tally = Tally::default();
        tally.count(&sample(10, &[&[1, 2], &[2], &[2, 3]]), 1_000);
        tally.count(&sample(10, &[&[3], &[3], &[3]]), 500);
        assert_eq!(tally.ranked(&BTreeSet::new()), [id(2), id(3), id(1)]);
        assert_eq!(tally.ranked(&[id(2)].into()), [id(3), id(1)]);
        let mut tally = Tally::default();
        tally.count(&sample(10, &[&[1]]), 0);
        assert_eq!(tally.ranked(&BTreeSet::new()), [], "what weighs nothing is not there");
    }

    #[test]
    fn a_period_fades() {
        let week = Period { days: 7 };
        let day = |n: i64| Timestamp::from_millis(n * DAY_SECONDS * 1000);
        assert_eq!(week.window(day(70)), [(10, 1000), (9, 1000)]);
        assert_eq!(week.window(day(73)), [(10, 1000), (9, 571)]);
        assert_eq!(week.window(day(76)), [(10, 1000), (9, 142)]);
        assert_eq!(week.at(day(76)), week.at(day(70)));
        assert!(week.expires(9) > day(76).seconds());
        assert_eq!(Period { days: 7 }.at(Timestamp::from_millis(-1)), -1);
    }
}
