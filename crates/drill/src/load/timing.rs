//! Latencies in a histogram of microseconds.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Longer answers than this are recorded as this.
const LONGEST_US: u64 = 120_000_000;

/// A histogram of latencies that takes any duration.
#[derive(Clone, Debug)]
pub(crate) struct Timing(Histogram<u64>);

impl Timing {
    /// An empty histogram, exact to a thousandth (3 digits) or a hundredth (2).
    pub(crate) fn new(digits: u8) -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_US, digits).expect("the bounds are in order and the digits few"))
    }

    /// Adds one latency.
    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(micros(latency).max(1));
    }

    /// How many were added.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency that this share of the answers did not exceed, in milliseconds.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        if self.0.is_empty() { 0.0 } else { self.0.value_at_quantile(quantile) as f64 / 1000.0 }
    }

    /// The longest, in milliseconds.
    pub(crate) fn max_ms(&self) -> f64 {
        self.0.max() as f64 / 1000.0
    }

    /// Adds all of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("every timing has the same bounds");
    }

    /// The shape for a plot: upper bounds in milliseconds, each a fifth above the
    /// one before, and how many latencies lie below.
    pub(crate) fn buckets(&self) -> Vec<(f64, u64)> {
        let mut buckets: Vec<(f64, u64)> = Vec::new();
        let mut bound = 10.0_f64;
        for value in self.0.iter_recorded() {
            while value.value_iterated_to() as f64 > bound {
                bound *= 1.2;
            }
            match buckets.last_mut() {
                Some((last, count)) if *last == bound / 1000.0 => *count += value.count_at_value(),
                _ => buckets.push((bound / 1000.0, value.count_at_value())),
            }
        }
        buckets
    }
}

/// A duration in whole microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A duration in milliseconds with fractions.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let mut timing = Timing::new(3);
        for millis in 1..=100 {
            timing.record(Duration::from_millis(millis));
        }
        assert!((timing.quantile_ms(0.5) - 50.0).abs() < 0.1);
        assert!((timing.quantile_ms(0.99) - 99.0).abs() < 0.2);
        assert!((timing.max_ms() - 100.0).abs() < 0.2);
        assert_eq!(timing.count(), 100);
    }

    #[test]
    fn nothing_and_too_much_are_both_fine() {
        let mut timing = Timing::new(2);
        assert_eq!(timing.quantile_ms(0.99), 0.0);
        timing.record(Duration::ZERO);
        timing.record(Duration::from_secs(86_400));
        assert_eq!(timing.count(), 2);
    }

    #[test]
    fn buckets_hold_every_latency_once() {
        let mut timing = Timing::new(3);
        for micros in [5, 8, 11, 400, 401, 90_000] {
            timing.record(Duration::from_micros(micros));
        }
        let buckets = timing.buckets();
        assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), 6);
        assert!(buckets.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
