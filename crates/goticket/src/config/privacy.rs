//! Section `privacy`: for how long what is kept is kept.

use application::jobs::KeptFor;
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
    /// Who came, after the end of the event: names and addresses of attendees, addresses of guests.
    pub attendees: HumanDuration,
    /// API keys, once they are revoked or have expired.
    pub api_keys: HumanDuration,
    /// Mails, and wishes for another password, that were given up.
    pub undelivered: HumanDuration,
    /// Messages of the outbox.
    pub outbox: HumanDuration,
    /// Which messages of payment providers had their effect.
    pub provider_events: HumanDuration,
}

const fn days(days: u64) -> HumanDuration {
    HumanDuration::from_secs(days * 86_400)
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            audit: days(366),
            attendees: days(366),
            api_keys: days(366),
            undelivered: days(30),
            outbox: days(1_827),
            provider_events: days(90),
        }
    }
}

impl Privacy {
    pub(super) fn validate(&self) -> Result<(), Wrong> {
        let Retention { audit, attendees, api_keys, undelivered, outbox, provider_events } = &self.retention;
        for (name, time, least) in [
            ("privacy.retention.audit", audit, 1),
            ("privacy.retention.attendees", attendees, 1),
            ("privacy.retention.api_keys", api_keys, 1),
            ("privacy.retention.undelivered", undelivered, 1),
            // Whoever reads it must have had the time to.
            ("privacy.retention.outbox", outbox, 366),
            // Providers send a message again for days.
            ("privacy.retention.provider_events", provider_events, 30),
        ] {
            check_range(name, time, days(least)..=days(3_660))?;
        }
        Ok(())
    }

    /// What housekeeping goes by.
    #[must_use]
    pub fn kept_for(&self) -> KeptFor {
        let Retention { api_keys, undelivered, outbox, provider_events, .. } = &self.retention;
        KeptFor {
            api_keys: api_keys.delta(),
            undelivered: undelivered.delta(),
            outbox: outbox.delta(),
            provider_events: provider_events.delta(),
        }
    }
}
