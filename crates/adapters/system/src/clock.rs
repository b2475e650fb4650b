//! The clock of the machine.

use application::clock::Clock;
use chrono::SubsecRound;
use domain::Timestamp;

/// The time of day, cut to whole microseconds.
#[derive(Clone, Copy, Default, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter behind the port that everybody else asks")]
    fn now(&self) -> Timestamp {
        chrono::Utc::now().trunc_subsecs(6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_no_more_than_microseconds() {
        assert!((0..1000).all(|_| SystemClock.now().timestamp_subsec_nanos().is_multiple_of(1000)));
    }
}
