//! Sections `booking`, `desk` and `availability`: how tickets are sold.

use std::str::FromStr;

use std::time::Duration;

use application::booking::{DeskMetrics, DeskSettings};
use application::catalog::CatalogSettings;
use application::live::WatchSettings;
use domain::Currency;
use serde::{Deserialize, Serialize};

use super::error::{Wrong, check_range};
use super::{Http, HumanDuration, Settings};

/// What an event gets where its organizer says nothing, and how long holds last.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Booking {
    /// How long tickets are held for a buyer.
    pub hold_ttl: HumanDuration,
    /// How long a hold may last at most, however often it is renewed.
    pub hold_end: HumanDuration,
    /// ISO 4217 code.
    pub default_currency: String,
    /// IANA zone name.
    pub default_timezone: String,
}

impl Default for Booking {
    fn default() -> Self {
        Self {
            hold_ttl: HumanDuration::from_secs(15 * 60),
            hold_end: HumanDuration::from_secs(2 * 3_600),
            default_currency: "EUR".to_owned(),
            default_timezone: "UTC".to_owned(),
        }
    }
}

impl Booking {
    pub(super) fn validate(&self) -> Result<(), Wrong> {
        let (second, day) = (HumanDuration::from_secs(1), HumanDuration::from_secs(86_400));
        check_range("booking.hold_ttl", &self.hold_ttl, second..=day)?;
        if self.hold_ttl.delta().subsec_nanos() != 0 {
            return Err(Wrong::new("booking.hold_ttl", "must be whole seconds"));
        }
        check_range("booking.hold_end", &self.hold_end, self.hold_ttl..=HumanDuration::from_secs(30 * 86_400))?;
        if Currency::from_str(&self.default_currency).is_err() {
            return Err(Wrong::new("booking.default_currency", "must be a currency of ISO 4217, like EUR"));
        }
        if chrono_tz::Tz::from_str(&self.default_timezone).is_err() {
            return Err(Wrong::new("booking.default_timezone", "must be an IANA time zone, like Europe/Warsaw"));
        }
        Ok(())
    }

    /// What the catalog goes by.
    #[must_use]
    pub fn catalog(&self) -> CatalogSettings {
        CatalogSettings {
            // Both were checked.
            currency: Currency::from_str(&self.default_currency).unwrap_or(Currency::EUR),
            timezone: self.default_timezone.clone(),
            hold: self.hold_ttl.delta(),
        }
    }
}

/// The booking desk, which commits in groups.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Desk {
    /// Transactions at a time on PostgreSQL; SQLite has one writer.
    pub committers: u32,
    /// Lanes held by other processes that are waited for at a time.
    pub patient: u32,
    /// The most commands of one transaction.
    pub batch_max: u32,
    /// The most commands that wait for one event; one more is answered with 503.
    pub lane_queue_max: u32,
    /// The most commands that wait for all events.
    pub queue_max: u32,
    /// The most lapsed holds that one commit takes back.
    pub reclaim_max: u32,
    /// After this long in the queue a command is not carried out any more.
    pub patience: HumanDuration,
    /// How many events are remembered.
    pub sales_max: u32,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            committers: 3,
            patient: 4,
            batch_max: 1_000,
            lane_queue_max: 2_000,
            queue_max: 8_000,
            reclaim_max: 1_000,
            patience: HumanDuration::from_secs(8),
            sales_max: 10_000,
        }
    }
}

impl Desk {
    pub(super) fn validate(&self) -> Result<(), Wrong> {
        check_range("desk.committers", &self.committers, 1..=64)?;
        check_range("desk.patient", &self.patient, 1..=64)?;
        check_range("desk.batch_max", &self.batch_max, 1..=10_000)?;
        check_range("desk.lane_queue_max", &self.lane_queue_max, 1..=1_000_000)?;
        check_range("desk.queue_max", &self.queue_max, self.lane_queue_max..=10_000_000)?;
        check_range("desk.reclaim_max", &self.reclaim_max, 1..=10_000)?;
        check_range("desk.sales_max", &self.sales_max, 1..=10_000_000)?;
        check_range("desk.patience", &self.patience, HumanDuration::from_millis(100)..=HumanDuration::from_secs(3_600))
    }
}

impl Settings {
    /// What the desk goes by. Metrics are those of the recorder that is installed at this moment.
    #[must_use]
    pub fn desk(&self) -> DeskSettings {
        let desk = &self.desk;
        DeskSettings {
            committers: if self.database.is_sqlite() { 1 } else { desk.committers as usize },
            patient: desk.patient as usize,
            batch_max: desk.batch_max as usize,
            lane_queue_max: desk.lane_queue_max as usize,
            queue_max: desk.queue_max as usize,
            reclaim_max: desk.reclaim_max,
            patience: desk.patience.std(),
            hold_end: self.booking.hold_end.delta(),
            sales_max: u64::from(desk.sales_max),
            metrics: DeskMetrics::default(),
        }
    }
}

/// Live availability.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Availability {
    /// How often watchers hear of changes at most.
    pub every: HumanDuration,
    /// From so many watchers of an event on they hear of changes once a second.
    pub crowd: u32,
    /// The most watchers of this process.
    pub watchers_max: u32,
    /// How often a watcher hears something, even if nothing happens.
    pub heartbeat: HumanDuration,
}

impl Default for Availability {
    fn default() -> Self {
        Self {
            every: HumanDuration::from_millis(250),
            crowd: 1_000,
            watchers_max: 20_000,
            heartbeat: HumanDuration::from_secs(15),
        }
    }
}

impl Availability {
    /// How often watchers of a door hear of changes at most.
    const DOOR_EVERY: Duration = Duration::from_secs(1);
    /// The most watchers of doors of this process.
    const DOOR_WATCHERS_MAX: usize = 1_000;

    pub(super) fn validate(&self, http: &Http) -> Result<(), Wrong> {
        let second = HumanDuration::from_secs(1);
        check_range("availability.every", &self.every, HumanDuration::from_millis(10)..=HumanDuration::from_secs(60))?;
        check_range("availability.watchers_max", &self.watchers_max, 0..=1_000_000)?;
        check_range("availability.heartbeat", &self.heartbeat, second..=HumanDuration::from_secs(3_600))?;
        if self.heartbeat >= http.idle_timeout {
            return Err(Wrong::new("availability.heartbeat", "must be shorter than `http.idle_timeout`"));
        }
        Ok(())
    }

    /// What the counters of the door go by: they cost more than stock, and fewer watch them.
    #[must_use]
    pub fn of_doors(&self) -> WatchSettings {
        let settings = self.settings();
        let every = settings.every.max(Self::DOOR_EVERY);
        WatchSettings { every, watchers_max: settings.watchers_max.min(Self::DOOR_WATCHERS_MAX), ..settings }
    }

    /// What the application goes by.
    #[must_use]
    pub fn settings(&self) -> WatchSettings {
        WatchSettings {
            every: self.every.std(),
            crowd: self.crowd as usize,
            watchers_max: self.watchers_max as usize,
            heartbeat: self.heartbeat.std(),
        }
    }
}
