//! Section `privacy`: for how long what is kept is kept.

use serde::{Deserialize, Serialize};

use super::HumanDuration;
use super::error::{Wrong, check_range};

/// Privacy.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Privacy {
    /// For how long what is kept is kept.
    pub retention: Retention,
}

/// For how long what is kept is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Retention {
    /// Lines of the audit log, once they are sealed.
    pub audit: HumanDuration,
}

const DAY_SECS: u64 = 86_400;

impl Default for Retention {
    fn default() -> Self {
        Self { audit: HumanDuration::from_secs(366 * DAY_SECS) }
    }
}

impl Privacy {
    pub(super) fn validate(&self) -> Result<(), Wrong> {
        let years = HumanDuration::from_secs(DAY_SECS)..=HumanDuration::from_secs(3_660 * DAY_SECS);
        check_range("privacy.retention.audit", &self.retention.audit, years)
    }
}
