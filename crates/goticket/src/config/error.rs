//! What is wrong with a configuration, in one line that names the key.

use std::io;
use std::path::PathBuf;

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {path} cannot be read")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("the configuration file {path} is not valid TOML: line {line}: {message}")]
    Syntax {
        /// Which.
        path: PathBuf,
        /// Where, counted from 1.
        line: usize,
        /// Why.
        message: String,
    },
    /// A key is unknown, or its value cannot be used.
    #[error("configuration key `{key}` ({origin}): {message}")]
    Key {
        /// With the names of its sections: `http.address`.
        key: String,
        /// Where it was set.
        origin: String,
        /// Why.
        message: String,
    },
}

/// A value that cannot be used, as a section tells it.
pub(super) struct Wrong {
    pub(super) key: &'static str,
    pub(super) message: String,
}

impl Wrong {
    pub(super) fn new(key: &'static str, message: impl Into<String>) -> Self {
        Self { key, message: message.into() }
    }
}

/// Refuses what is not between the bounds.
pub(super) fn check_range<T: PartialOrd + std::fmt::Display>(
    key: &'static str,
    value: &T,
    bounds: std::ops::RangeInclusive<T>,
) -> Result<(), Wrong> {
    if bounds.contains(value) {
        return Ok(());
    }
    Err(Wrong::new(key, format!("must be {} to {}, and is {value}", bounds.start(), bounds.end())))
}
