//! A time that only goes forward, made of a clock that may step both ways.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use application::clock::Clock;
use governor::nanos::Nanos;

/// The time since it was made. A clock that is set back stands still for a moment and then goes on from there: nobody
/// waits until it has caught up.
#[derive(Clone)]
pub(crate) struct Time(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    /// Limiters that are made while it stands all begin at nought.
    runs: AtomicBool,
    /// What is added to the clock, in microseconds.
    offset: AtomicI64,
    latest: AtomicI64,
}

impl Time {
    /// Stands at nought until it is [started](Self::start).
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let offset = AtomicI64::new(-clock.now().timestamp_micros());
        Self(Arc::new(Inner { clock, runs: AtomicBool::new(false), offset, latest: AtomicI64::new(0) }))
    }

    pub(crate) fn start(&self) {
        self.0.runs.store(true, Ordering::Relaxed);
    }

    /// Now.
    pub(crate) fn nanos(&self) -> u64 {
        let Inner { clock, runs, offset, latest } = &*self.0;
        if !runs.load(Ordering::Relaxed) {
            return 0;
        }
        let clock = clock.now().timestamp_micros();
        let known = offset.load(Ordering::Relaxed);
        let now = clock.saturating_add(known);
        let before = latest.fetch_max(now, Ordering::Relaxed);
        if now < before {
            // Whoever is first corrects it; who comes at the same time finds it corrected.
            let corrected = known.saturating_add(before - now);
            let _ = offset.compare_exchange(known, corrected, Ordering::Relaxed, Ordering::Relaxed);
        }
        u64::try_from(now.max(before)).unwrap_or_default().saturating_mul(1_000)
    }
}

impl governor::clock::Clock for Time {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.nanos())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::AtomicI64;

    use super::*;

    /// A clock that says what it is set to, in microseconds.
    pub(crate) struct Set(pub(crate) AtomicI64);

    impl Clock for Set {
        fn now(&self) -> chrono::DateTime<chrono::Utc> {
            chrono::DateTime::from_timestamp_micros(self.0.load(Ordering::Relaxed)).unwrap()
        }
    }

    #[test]
    fn a_clock_that_is_set_back_goes_on() {
        let clock = Arc::new(Set(AtomicI64::new(1_000_000)));
        let time = Time::new(clock.clone());
        clock.0.store(1_000_007, Ordering::Relaxed);
        assert_eq!(time.nanos(), 0, "it stands");
        time.start();
        assert_eq!(time.nanos(), 7_000);
        for (at, expected) in [(1_000_010, 10_000), (5, 10_000), (8, 13_000), (2_000_008, 2_000_013_000)] {
            clock.0.store(at, Ordering::Relaxed);
            assert_eq!(time.nanos(), expected, "{at}");
        }
    }
}
