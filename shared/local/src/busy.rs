//! Counts what is running, so that somebody can wait until nothing is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// How much is running.
#[derive(Default)]
pub(crate) struct Busy {
    count: AtomicUsize,
    changed: Notify,
}

/// Something that is running, until it is dropped.
pub(crate) struct Entered(Arc<Busy>);

impl Busy {
    /// Counts something until the answer is dropped.
    pub fn enter(self: &Arc<Self>) -> Entered {
        self.count.fetch_add(1, Ordering::SeqCst);
        Entered(self.clone())
    }

    /// Whether nothing is running.
    pub fn is_idle(&self) -> bool {
        self.count.load(Ordering::SeqCst) == 0
    }

    /// Waits until something ended.
    pub async fn one_less(&self) {
        let changed = self.changed.notified();
        if !self.is_idle() {
            changed.await;
        }
    }

    /// Waits until nothing is running.
    pub async fn idle(&self) {
        while !self.is_idle() {
            self.one_less().await;
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}
