//! A circuit breaker: who does not answer is left alone for a while, and nobody waits for him meanwhile.
//!
//! Closed, every call goes through. After so many failures in a row it is open, and calls are refused at once. When the
//! time is over one call is let through: if that is answered all are, else it is open again. Adapters that call something
//! outside hold one for each thing, and ask it once for all tries of a call together.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use domain::Timestamp;

use crate::clock::Clock;

/// When it opens, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BreakerSettings {
    /// After so many failures in a row; at least one.
    pub failures: u32,
    /// For so long nobody is let through.
    pub open_for: TimeDelta,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, open_for: TimeDelta::seconds(30) }
    }
}

/// A circuit breaker; cheap to clone, and clones are one.
#[derive(Clone)]
pub struct Breaker {
    /// What it guards, as metrics and logs name it.
    name: Arc<str>,
    settings: BreakerSettings,
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// So many failures in a row.
    Closed(u32),
    /// Nobody is let through until then; who comes first afterwards is.
    Open(Timestamp),
}

/// It is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it has not answered for a while, and is left alone")]
pub struct BreakerOpen;

/// A call that was let through. It counts as a failure unless it is said to have been answered: who is given up by a
/// timeout around the call says nothing any more.
#[must_use]
pub struct Trial {
    breaker: Option<Breaker>,
}

impl Breaker {
    /// A closed one.
    #[must_use]
    pub fn new(name: &str, settings: BreakerSettings, clock: Arc<dyn Clock>) -> Self {
        Self { name: name.into(), settings, clock, state: Arc::new(Mutex::new(State::Closed(0))) }
    }

    /// Lets a call through.
    ///
    /// # Errors
    /// [`BreakerOpen`].
    pub fn admit(&self) -> Result<Trial, BreakerOpen> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Open(until) = *state {
            let now = self.clock.now();
            if now < until {
                return Err(BreakerOpen);
            }
            // This one tries; the others wait for what becomes of it, or until it has had its time.
            *state = State::Open(now + self.settings.open_for);
        }
        Ok(Trial { breaker: Some(self.clone()) })
    }

    fn settle(&self, is_answered: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *state;
        let until = self.clock.now() + self.settings.open_for;
        *state = match (before, is_answered) {
            (_, true) => State::Closed(0),
            (State::Closed(failures), false) if failures + 1 < self.settings.failures => State::Closed(failures + 1),
            (_, false) => State::Open(until),
        };
        match (before, *state) {
            (State::Closed(_), State::Open(_)) => {
                metrics::counter!("goticket_breaker_opened_total", "name" => self.name.to_string()).increment(1);
                tracing::warn!(name = &*self.name, "It does not answer, and is left alone for a while");
            }
            (State::Open(_), State::Closed(_)) => tracing::info!(name = &*self.name, "It answers again"),
            _ => {}
        }
    }
}

impl Trial {
    /// There was an answer, whatever it says.
    pub fn answered(mut self) {
        if let Some(breaker) = self.breaker.take() {
            breaker.settle(true);
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Some(breaker) = self.breaker.take() {
            breaker.settle(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[derive(Default)]
    struct Seconds(AtomicI64);

    impl Clock for Seconds {
        fn now(&self) -> Timestamp {
            Timestamp::from_timestamp(self.0.load(Ordering::SeqCst), 0).unwrap_or_default()
        }
    }

    fn breaker() -> (Breaker, Arc<Seconds>) {
        let clock = Arc::new(Seconds::default());
        let settings = BreakerSettings { failures: 3, open_for: TimeDelta::seconds(30) };
        (Breaker::new("test", settings, clock.clone()), clock)
    }

    fn fail(breaker: &Breaker, times: usize) {
        for _ in 0..times {
            drop(breaker.admit().unwrap());
        }
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_by_one_answer() {
        let (breaker, clock) = breaker();
        fail(&breaker, 2);
        breaker.admit().unwrap().answered();
        fail(&breaker, 2);
        assert!(breaker.admit().is_ok_and(|trial| {
            drop(trial);
            true
        }));
        assert!(breaker.admit().is_err(), "three in a row");
        clock.0.store(29, Ordering::SeqCst);
        assert!(breaker.admit().is_err());
        clock.0.store(30, Ordering::SeqCst);
        breaker.admit().unwrap().answered();
        fail(&breaker, 2);
        assert!(breaker.admit().is_ok(), "it begins to count anew");
    }

    #[test]
    fn one_tries_when_the_time_is_over_and_a_failure_opens_it_again() {
        let (breaker, clock) = breaker();
        fail(&breaker, 3);
        clock.0.store(31, Ordering::SeqCst);
        let trial = breaker.admit().unwrap();
        assert!(breaker.admit().is_err(), "one at a time");
        drop(trial);
        assert!(breaker.admit().is_err());
        clock.0.store(60, Ordering::SeqCst);
        assert!(breaker.admit().is_err(), "counted from the failure");
        clock.0.store(61, Ordering::SeqCst);
        // One that is never heard of again keeps nobody out for ever.
        std::mem::forget(breaker.admit().unwrap());
        clock.0.store(91, Ordering::SeqCst);
        breaker.admit().unwrap().answered();
        assert!(breaker.admit().is_ok());
    }

    #[test]
    fn what_was_let_through_before_it_opened_may_close_it() {
        let (breaker, _) = breaker();
        let early = breaker.admit().unwrap();
        fail(&breaker, 3);
        early.answered();
        assert!(breaker.admit().is_ok(), "it answers after all");
    }
}
