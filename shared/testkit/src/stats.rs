//! Percentiles and rates in whole numbers.

use std::fmt;
use std::time::Duration;

/// The smallest of the values that at least `percent` of all values do not exceed (nearest rank); zero for none.
#[must_use]
pub fn percentile(values: &[Duration], percent: usize) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).or(sorted.last()).copied().unwrap_or_default()
}

/// How often something happened in a second, in hundredths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

impl Rate {
    /// So many in so long; zero when no time passed.
    #[must_use]
    pub fn of(count: usize, time: Duration) -> Self {
        let micros = time.as_micros();
        if micros == 0 {
            return Self(0);
        }
        let hundredths = u128::try_from(count).unwrap_or(u128::MAX).saturating_mul(100_000_000) / micros;
        Self(u64::try_from(hundredths).unwrap_or(u64::MAX))
    }

    /// Hundredths of one a second.
    #[must_use]
    pub const fn hundredths(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:02}", self.0 / 100, self.0 % 100))
    }
}

/// A duration in milliseconds with one decimal, as tables show it.
#[must_use]
pub fn millis(time: Duration) -> String {
    let tenths = time.as_micros() / 100;
    format!("{}.{} ms", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(values: &[u64]) -> Vec<Duration> {
        values.iter().copied().map(Duration::from_millis).collect()
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values = ms(&[5, 1, 4, 2, 3]);
        assert_eq!(percentile(&values, 50), Duration::from_millis(3));
        assert_eq!(percentile(&values, 99), Duration::from_millis(5));
        assert_eq!(percentile(&values, 100), Duration::from_millis(5));
        assert_eq!(percentile(&values, 0), Duration::from_millis(1));
        assert_eq!(percentile(&ms(&[1, 2, 3, 4]), 50), Duration::from_millis(2));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(percentile(&ms(&hundred), 99), Duration::from_millis(99));
    }

    #[test]
    fn rates_have_two_decimals() {
        assert_eq!(Rate::of(10, Duration::from_secs(4)).to_string(), "2.50");
        assert_eq!(Rate::of(1, Duration::from_millis(3)).to_string(), "333.33");
        assert_eq!(Rate::of(5, Duration::ZERO), Rate::default());
        assert_eq!(millis(Duration::from_micros(12_345)), "12.3 ms");
    }
}
