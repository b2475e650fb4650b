//! Section `telemetry`: what is logged.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use super::error::Wrong;

/// Logs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Telemetry {
    /// What is logged: a level, or a filter like `info,http=warn,application=debug`.
    pub log: String,
    /// How.
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people on a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { log: "info".to_owned(), log_format: LogFormat::Auto }
    }
}

impl Telemetry {
    pub(super) fn validate(&self) -> Result<(), Wrong> {
        self.filter().map(drop).map_err(|error| Wrong::new("telemetry.log", format!("is no filter: {error}")))
    }

    /// The filter.
    ///
    /// # Errors
    /// Where it does not parse; it was checked.
    pub(crate) fn filter(&self) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
        // Which migrations were done is of interest to nobody but who asks for it.
        EnvFilter::builder().parse(format!("sea_orm_migration=warn,{}", self.log))
    }
}
