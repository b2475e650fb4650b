//! Sections `….breaker`: when something outside that does not answer is left alone.

use application::breaker::BreakerSettings;
use serde::{Deserialize, Serialize};

use super::HumanDuration;
use super::error::{Wrong, check_range};

/// A circuit breaker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Breaker {
    /// After so many calls in a row without an answer.
    pub failures: u32,
    /// For how long.
    pub open_for: HumanDuration,
}

impl Default for Breaker {
    fn default() -> Self {
        let BreakerSettings { failures, open_for } = BreakerSettings::default();
        Self { failures, open_for: HumanDuration::from_secs(open_for.num_seconds().unsigned_abs()) }
    }
}

impl Breaker {
    pub(super) fn validate(&self, failures: &'static str, open_for: &'static str) -> Result<(), Wrong> {
        check_range(failures, &self.failures, 1..=1_000)?;
        check_range(open_for, &self.open_for, HumanDuration::from_millis(100)..=HumanDuration::from_secs(3_600))
    }

    /// As the application has it.
    #[must_use]
    pub fn settings(&self) -> BreakerSettings {
        BreakerSettings { failures: self.failures, open_for: self.open_for.delta() }
    }
}
