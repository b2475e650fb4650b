//! The configuration: a TOML file under environment variables, over defaults.
//!
//! One struct per section with its own `validate`; the sections translate themselves into the settings of the crates
//! that they are for. To add a key: a field with its default in the struct of its section, its line in
//! `goticket.example.toml` at the root of the repository (a test compares both), and its check in `validate`.

mod auth;
mod booking;
mod breaker;
mod database;
mod duration;
mod error;
mod http;
mod mail;
mod oauth;
mod payments;
mod privacy;
mod rate_limit;
mod secret;
mod telemetry;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use auth::{Auth, Demo, Secrets};
pub use booking::{Availability, Booking, Desk};
pub use breaker::Breaker;
pub use database::Database;
pub use duration::HumanDuration;
pub use error::ConfigError;
pub(crate) use http::reachable;
pub use http::{Cors, Http, HttpTls, Ops};
pub use mail::{Mail, Smtp};
pub use oauth::{OauthProvider, OauthProviders};
pub use payments::{Payments, ProviderWord, SandboxPayments, StripePayments};
pub use privacy::{Privacy, Retention};
pub use rate_limit::{HumanRate, RateLimit};
pub use secret::{MaskedUrl, Secret};
pub use telemetry::{LogFormat, Telemetry};

use error::Wrong;
use tree::Tree;

/// All settings of an instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Settings {
    /// Where what has no place of its own lies: the SQLite database, the master key.
    pub data_dir: PathBuf,
    /// The public address.
    pub http: Http,
    /// The operations address.
    pub ops: Ops,
    /// Which pages of other origins may call.
    pub cors: Cors,
    /// Where everything is kept.
    pub database: Database,
    /// What is sold how.
    pub booking: Booking,
    /// The booking desk.
    pub desk: Desk,
    /// Live availability.
    pub availability: Availability,
    /// Accounts and sign-ins.
    pub auth: Auth,
    /// Mails.
    pub mail: Mail,
    /// The server that mails go to.
    pub smtp: Smtp,
    /// Who moves the money.
    pub payments: Payments,
    /// For how long what is kept is kept.
    pub privacy: Privacy,
    /// The master key.
    pub secrets: Secrets,
    /// Whether this is a demo.
    pub demo: Demo,
    /// Rate limits.
    pub rate_limit: RateLimit,
    /// Logs.
    pub telemetry: Telemetry,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            http: Http::default(),
            ops: Ops::default(),
            cors: Cors::default(),
            database: Database::default(),
            booking: Booking::default(),
            desk: Desk::default(),
            availability: Availability::default(),
            auth: Auth::default(),
            mail: Mail::default(),
            smtp: Smtp::default(),
            payments: Payments::default(),
            privacy: Privacy::default(),
            secrets: Secrets::default(),
            demo: Demo::default(),
            rate_limit: RateLimit::default(),
            telemetry: Telemetry::default(),
        }
    }
}

impl Settings {
    /// Reads the file, if one is named, and the environment of the process, and checks every value.
    ///
    /// # Errors
    /// [`ConfigError`], which names the key.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place where settings are read")]
        let environment = std::env::vars_os();
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        Self::read(file, environment.filter_map(text).collect())
    }

    /// The same with a given environment.
    ///
    /// # Errors
    /// [`ConfigError`], which names the key.
    pub fn read(file: Option<&Path>, environment: BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let tree = Tree::read(file, environment)?;
        let settings: Self = tree.settings()?;
        settings.validate().map_err(|wrong| tree.blame(wrong.key, wrong.message))?;
        Ok(settings)
    }

    /// Checks what types alone do not say.
    fn validate(&self) -> Result<(), Wrong> {
        if self.data_dir.as_os_str().is_empty() {
            return Err(Wrong::new("data_dir", "must name a folder"));
        }
        self.http.validate()?;
        self.cors.validate()?;
        self.database.validate()?;
        self.booking.validate()?;
        self.desk.validate()?;
        self.availability.validate(&self.http)?;
        self.auth.validate()?;
        self.mail.validate(&self.smtp)?;
        self.smtp.validate()?;
        self.payments.validate()?;
        self.privacy.validate()?;
        self.secrets.validate()?;
        self.demo.validate()?;
        self.rate_limit.validate()?;
        self.telemetry.validate()
    }

    /// The settings as TOML, with secrets masked.
    ///
    /// # Errors
    /// Never, but for a defect.
    pub fn masked(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

#[cfg(test)]
mod tests;
