//! Virtual time and seeded chance: what makes a run with a seed the same run again.
//!
//! The shop's clock is the paused time of the runtime, so every timestamp, every time-out and every pause of the SDK's
//! retries move together, and time leaps forward whenever all tasks wait. It owns the runtime, the clock and the
//! generators of one run. It must never read the machine's clock or randomness. Time moves in whole milliseconds: that is
//! how fine tokio's timers are.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel::Timestamp;

/// Runs a future on a runtime of its own, on this thread, with its time paused and the thread's chance seeded.
///
/// What the SDK draws (the back-off between retries, the ids of invocations) comes from `fastrand`'s generator of this
/// thread, so two runs with one seed draw alike. Three things stay outside of any seed: the order in which a `HashMap` is
/// walked, a `select!` without `biased`, and which of several waiters on one `watch` channel wakes first.
///
/// # Panics
/// When the machine gives no runtime, or inside another runtime.
pub fn run<F: Future>(seed: u64, future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without threads needs nothing of the machine");
    fastrand::seed(Random::stream(seed, "sdk").draw());
    runtime.block_on(future)
}

/// A region that no SDK client of this process was built with: set it as `AWS_REGION`.
///
/// The SDK keeps its quota of retries by service and region for the life of the process: retries that failed in one run
/// would be missing in the next. A region of its own is a fresh quota. In AWS every sandbox is a process, so a benchmark
/// with many sandboxes gives each its own region too.
#[must_use]
pub fn region() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("virtual-{}", NEXT.fetch_add(1, Ordering::SeqCst))
}

/// Fills a buffer with random bytes.
pub type Entropy = dyn Fn(&mut [u8]) + Send + Sync;

/// A source of randomness for `Platform::with_entropy` that gives the same bytes for the same seed.
#[must_use]
pub fn entropy(seed: u64) -> Arc<Entropy> {
    let random = Mutex::new(Random::stream(seed, "entropy"));
    Arc::new(move |buffer| random.lock().unwrap_or_else(PoisonError::into_inner).fill(buffer))
}

/// The runtime's time as the shop's clock. A copy is the same clock.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    start: Timestamp,
    began: tokio::time::Instant,
}

impl VirtualClock {
    /// A clock that shows a moment now and moves with the runtime that this is called in.
    #[must_use]
    pub fn start(start: Timestamp) -> Self {
        Self { start, began: instant() }
    }

    /// The time since its start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        instant().saturating_duration_since(self.began)
    }

    /// Waits until so much time has passed since its start.
    pub async fn sleep_until(&self, elapsed: Duration) {
        tokio::time::sleep_until(self.began + elapsed).await;
    }

    /// The same clock for an engine.
    #[must_use]
    pub fn for_engine(self) -> engine::Clock {
        Arc::new(move || aws::Clock::now(&self).millis())
    }
}

impl aws::Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.start.after(self.elapsed())
    }
}

fn instant() -> tokio::time::Instant {
    #[expect(clippy::disallowed_methods, reason = "the runtime's time is what this clock shows")]
    tokio::time::Instant::now()
}

/// A small generator (SplitMix64) with a seed. Good enough to choose faults; never for a secret.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator for one purpose of a run: those of different names are independent of each other.
    #[must_use]
    pub fn stream(seed: u64, purpose: &str) -> Self {
        let mut digest = Digest::default();
        digest.add(&seed.to_be_bytes());
        digest.add(purpose.as_bytes());
        Self(digest.value())
    }

    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below a bound; 0 when the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.draw()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or_default()
    }

    /// Fills a buffer.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let bytes = self.draw().to_be_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

/// A running 64-bit digest (FNV-1a) by which two runs are compared. Against chance, not against malice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    /// Takes bytes in.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// What it is so far.
    #[must_use]
    pub fn value(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use aws::Clock as _;

    use super::*;
    use crate::data::START;

    #[test]
    fn clock_and_timers_are_one_and_leap_when_all_wait() {
        let watch = crate::clock::Watch::start();
        run(1, async {
            let clock = VirtualClock::start(START);
            let engine = clock.for_engine();
            let hour = Duration::from_secs(3600);
            let slow = tokio::spawn(tokio::time::timeout(hour, std::future::pending::<()>()));
            tokio::time::sleep(Duration::from_millis(1500)).await;
            assert_eq!((clock.now().millis(), engine()), (START.millis() + 1500, START.millis() + 1500));
            slow.await.unwrap().unwrap_err();
            assert_eq!((clock.elapsed(), clock.now()), (hour, START.after(hour)));
            clock.sleep_until(hour * 2).await;
            assert_eq!(clock.elapsed(), hour * 2);
        });
        assert!(watch.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn the_same_seed_draws_the_same_and_another_does_not() {
        let draw = |seed| {
            let mut bytes = [0; 21];
            entropy(seed)(&mut bytes);
            (run(seed, async { fastrand::u64(..) }), bytes)
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1).0, draw(2).0);
        assert_ne!(draw(1).1, draw(2).1);
        assert_ne!(Random::stream(1, "a").draw(), Random::stream(1, "b").draw());
        assert_ne!(region(), region());
    }

    #[test]
    fn numbers_below_a_bound_fill_it_evenly() {
        let mut random = Random::stream(7, "test");
        let mut counts = [0_u32; 10];
        for _ in 0..10_000 {
            counts[usize::try_from(random.below(10)).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert_eq!(random.below(0), 0);
    }
}
