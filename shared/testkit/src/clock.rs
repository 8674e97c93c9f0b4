//! Real time and randomness for work from outside: a stop-watch, a pause, a name that no other run has. A suite over HTTP
//! cannot drive the shop's clock, so this is the one crate besides `aws::clock` that reads the machine's.

use std::time::{Duration, Instant};

/// Measures how long something takes.
#[derive(Clone, Copy, Debug)]
pub struct Watch(Instant);

impl Watch {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "latency over HTTP is measured with the machine's own clock")]
        Self(Instant::now())
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Waits.
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Twelve random hexadecimal digits: what sets the names of this run apart from all others.
#[must_use]
pub fn run_id() -> String {
    let mut bytes = [0; 6];
    // A machine without randomness still has a process id; two runs on it at once are unlikely.
    if getrandom::fill(&mut bytes).is_err() {
        bytes[..4].copy_from_slice(&std::process::id().to_be_bytes());
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
