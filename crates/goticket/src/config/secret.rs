//! Values that do not print.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What stands in the place of a secret.
const MASK: &str = "********";

/// A secret: printed, logged or shown it is a mask.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// For the one who needs it.
    #[must_use]
    pub const fn secret(&self) -> &SecretString {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer).map(|text| Self(text.into()))
    }
}

/// A URL that may bear a password, which is masked wherever the URL is shown.
#[derive(Clone)]
pub struct MaskedUrl(SecretString);

impl MaskedUrl {
    /// Wraps a URL.
    #[must_use]
    pub fn new(url: String) -> Self {
        Self(url.into())
    }

    /// All of it, for the one who connects.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Display for MaskedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.expose();
        let (address, query) = url.split_once('?').map_or((url, None), |(address, query)| (address, Some(query)));
        let login = address.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?)));
        match login.map(|(scheme, (login, host))| (scheme, login.split_once(':'), host)) {
            Some((scheme, Some((user, _)), host)) => write!(f, "{scheme}://{user}:{MASK}@{host}")?,
            _ => f.write_str(address)?,
        }
        // Some drivers take a password here as well.
        match query {
            Some(query) if query.to_ascii_lowercase().contains("pass") => write!(f, "?{MASK}"),
            Some(query) => write!(f, "?{query}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for MaskedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for MaskedUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MaskedUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer).map(Self::new)
    }
}

/// A text; the complaint about anything else does not repeat it.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map_err(|_| serde::de::Error::custom("must be a text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_masked() {
        for (url, shown) in [
            ("sqlite://data/goticket.db", "sqlite://data/goticket.db"),
            ("postgres://host/db", "postgres://host/db"),
            ("postgres://user@host/db", "postgres://user@host/db"),
            ("postgres://user:s3cret@host:5432/db", "postgres://user:********@host:5432/db"),
            ("postgres://user:s3@cr:et@host/db?sslmode=require", "postgres://user:********@host/db?sslmode=require"),
            ("postgres://host/db?user=u&password=s3cret", "postgres://host/db?********"),
        ] {
            assert_eq!(MaskedUrl::new(url.to_owned()).to_string(), shown);
            assert_eq!(format!("{:?}", MaskedUrl::new(url.to_owned())), shown);
        }
    }
}
