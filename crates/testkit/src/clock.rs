//! A clock that tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use application::clock::Clock;
use chrono::TimeDelta;
use domain::Timestamp;

/// Stands still until it is moved, in either direction. Copies share the time.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<AtomicI64>);

impl Default for TestClock {
    /// A morning in January 2027.
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(1_800_000_000_000_000)))
    }
}

impl TestClock {
    /// Moves it.
    pub fn step(&self, by: TimeDelta) {
        self.0.fetch_add(by.num_microseconds().unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_timestamp_micros(self.0.load(Ordering::SeqCst)).unwrap_or_default()
    }
}
