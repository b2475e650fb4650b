//! Section `database`: where everything is kept.

use std::path::Path;

use adapter_sql::DatabaseSettings;
use serde::{Deserialize, Serialize};

use super::error::{Wrong, check_range};
use super::{HumanDuration, MaskedUrl};

/// The database.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Database {
    /// `sqlite://path/to/file.db`, or `postgres://user:password@host:port/name`; by default the file `goticket.db` in
    /// `data_dir`.
    pub url: Option<MaskedUrl>,
    /// Whether `serve` brings the schema to the newest version.
    pub migrate_on_start: bool,
    /// The most connections of readers and units of work.
    pub connections_max: u32,
    /// The most connections of the booking desk.
    pub lane_connections_max: u32,
    /// For how long a caller waits for a connection.
    pub connect_timeout: HumanDuration,
    /// How long a statement may take.
    pub statement_timeout: HumanDuration,
    /// How long a transaction of the desk may wait for a lock.
    pub lock_timeout: HumanDuration,
    /// For how long a transaction of the desk may do nothing.
    pub idle_in_transaction_timeout: HumanDuration,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            url: None,
            migrate_on_start: true,
            connections_max: 16,
            lane_connections_max: 6,
            connect_timeout: HumanDuration::from_secs(5),
            statement_timeout: HumanDuration::from_secs(5),
            lock_timeout: HumanDuration::from_secs(2),
            idle_in_transaction_timeout: HumanDuration::from_secs(3),
        }
    }
}

impl Database {
    pub(super) fn validate(&self) -> Result<(), Wrong> {
        let (tenth, hour) = (HumanDuration::from_millis(100), HumanDuration::from_secs(3_600));
        if let Some(url) = &self.url
            && !["sqlite://", "postgres://", "postgresql://"].iter().any(|scheme| url.expose().starts_with(scheme))
        {
            return Err(Wrong::new("database.url", "must begin with sqlite:// or postgres://"));
        }
        check_range("database.connections_max", &self.connections_max, 1..=1_000)?;
        check_range("database.lane_connections_max", &self.lane_connections_max, 2..=100)?;
        check_range("database.connect_timeout", &self.connect_timeout, tenth..=hour)?;
        check_range("database.statement_timeout", &self.statement_timeout, tenth..=hour)?;
        check_range("database.lock_timeout", &self.lock_timeout, tenth..=hour)?;
        check_range("database.idle_in_transaction_timeout", &self.idle_in_transaction_timeout, tenth..=hour)
    }

    /// The address, by default within the data folder.
    #[must_use]
    pub fn url(&self, data_dir: &Path) -> MaskedUrl {
        let in_data_dir = || {
            let file = data_dir.join("goticket.db").to_string_lossy().replace('%', "%25").replace('?', "%3F");
            MaskedUrl::new(format!("sqlite://{file}"))
        };
        self.url.clone().unwrap_or_else(in_data_dir)
    }

    /// Whether it is a SQLite file.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        self.url.as_ref().is_none_or(|url| url.expose().starts_with("sqlite"))
    }

    /// What the adapter goes by. `exclusive` for the one server of a SQLite file.
    #[must_use]
    pub fn settings(&self, data_dir: &Path, exclusive: bool) -> DatabaseSettings {
        DatabaseSettings {
            connections_max: self.connections_max,
            lane_connections_max: self.lane_connections_max,
            connect_timeout: self.connect_timeout.std(),
            statement_timeout: self.statement_timeout.std(),
            lock_timeout: self.lock_timeout.std(),
            idle_in_transaction_timeout: self.idle_in_transaction_timeout.std(),
            exclusive,
            ..DatabaseSettings::new(self.url(data_dir).expose())
        }
    }
}
