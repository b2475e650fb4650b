//! When requests are due.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How requests follow each other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Each connection asks again as soon as it has its answer.
    Closed,
    /// Requests are due at fixed times, whatever became of those before.
    Open {
        /// Requests a second over all connections.
        rate: f64,
        /// A request that no connection could send within this time after it was
        /// due is left out and counted as missed. Without it every request is
        /// sent, however late.
        lateness_max: Option<Duration>,
    },
}

/// Ends a load before its time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Rc<Cell<bool>>);

impl Stop {
    /// Ends it: no further request is started.
    pub(crate) fn set(&self) {
        self.0.set(true);
    }

    /// Whether it was ended.
    pub(crate) fn is_set(&self) -> bool {
        self.0.get()
    }
}

/// Gives out the times at which requests are due.
#[derive(Debug)]
pub(crate) struct Metronome {
    pace: Pace,
    start: Instant,
    end: Instant,
    stop: Stop,
    /// The number of the next request, in an open loop.
    next: Cell<u64>,
    missed: Cell<u64>,
}

impl Metronome {
    /// Beats from `start` to `end`.
    pub(crate) fn new(pace: Pace, start: Instant, end: Instant, stop: Stop) -> Self {
        Self { pace, start, end, stop, next: Cell::new(0), missed: Cell::new(0) }
    }

    /// Waits until a request is due, and answers when it *was* due: latency is
    /// counted from there, so that a stalled server cannot hide the requests
    /// that it kept from being sent (coordinated omission).
    pub(crate) async fn beat(&self) -> Option<Instant> {
        let now = Instant::now();
        if self.stop.is_set() || now >= self.end {
            return None;
        }
        let due = match self.pace {
            Pace::Closed => now,
            Pace::Open { rate, lateness_max } => self.slot(now, rate, lateness_max),
        };
        if due >= self.end {
            return None;
        }
        if due > now {
            tokio::time::sleep_until(due.into()).await;
        }
        (!self.stop.is_set()).then_some(due)
    }

    /// How many requests were left out because nobody was free to send them.
    pub(crate) fn missed(&self) -> u64 {
        self.missed.get()
    }

    fn slot(&self, now: Instant, rate: f64, lateness_max: Option<Duration>) -> Instant {
        let mut number = self.next.get();
        if let Some(lateness_max) = lateness_max {
            let oldest = now.saturating_duration_since(self.start).saturating_sub(lateness_max);
            let first = (oldest.as_secs_f64() * rate) as u64;
            if first > number {
                self.missed.set(self.missed.get() + first - number);
                number = first;
            }
        }
        self.next.set(number + 1);
        self.start + Duration::from_secs_f64(number as f64 / rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metronome(lateness_max: Option<Duration>) -> (Metronome, Instant) {
        let start = Instant::now();
        let pace = Pace::Open { rate: 1000.0, lateness_max };
        (Metronome::new(pace, start, start + Duration::from_secs(60), Stop::default()), start)
    }

    #[test]
    fn an_open_loop_counts_from_the_time_a_request_was_due() {
        let (metronome, start) = metronome(None);
        // the server stalls for a second: the requests of that second are still due when they were
        let late = start + Duration::from_secs(1);
        let Pace::Open { rate, lateness_max } = metronome.pace else { panic!("it is open") };
        let due: Vec<_> = (0..3).map(|_| late - metronome.slot(late, rate, lateness_max)).collect();
        assert_eq!(due, [1000, 999, 998].map(Duration::from_millis));
        assert_eq!(metronome.missed(), 0);
    }

    #[test]
    fn what_the_generator_cannot_offer_is_counted_as_missed() {
        let (metronome, start) = metronome(Some(Duration::from_millis(10)));
        let late = start + Duration::from_secs(1);
        let due = metronome.slot(late, 1000.0, Some(Duration::from_millis(10)));
        assert_eq!(late - due, Duration::from_millis(10));
        assert_eq!(metronome.missed(), 990);
    }

    #[tokio::test]
    async fn a_stopped_metronome_is_silent() {
        let (metronome, _) = metronome(None);
        assert!(metronome.beat().await.is_some());
        metronome.stop.set();
        assert!(metronome.beat().await.is_none());
    }
}
