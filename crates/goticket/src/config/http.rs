//! Sections `http`, `ops` and `cors`: what listens, and what it bears.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use api_rest::{BodyLimits, Network, RestSettings};
use serde::{Deserialize, Serialize};

use super::error::{Wrong, check_range};
use super::{HumanDuration, Settings};
use crate::server::{Limits, TlsFiles};

/// The public address.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Http {
    /// Where it listens.
    pub address: SocketAddr,
    /// TLS on it.
    pub tls: HttpTls,
    /// Where people reach it, like `https://tickets.example.com`, for links in mails; by default `http://` (or `https://`) and `address`.
    pub public_url: Option<String>,
    /// Proxies, as addresses or blocks of them, whose word on where a request comes from is taken.
    pub trusted_proxies: Vec<String>,
    /// The most connections at a time; one more is answered with 503.
    pub connections_max: u32,
    /// For how long the head of a request may come.
    pub header_timeout: HumanDuration,
    /// For how long the body of a request may come.
    pub body_timeout: HumanDuration,
    /// For how long a request may take.
    pub request_timeout: HumanDuration,
    /// After this long without a byte in either direction a connection is closed.
    pub idle_timeout: HumanDuration,
    /// The most bytes of address and headers of a request.
    pub header_bytes_max: u32,
    /// The most bytes of the body of a request.
    pub body_bytes_max: u32,
    /// Tells browsers to use HTTPS alone for that long. With `http.tls` a year where nothing is said; `0s` says nothing.
    pub https_only_for: Option<HumanDuration>,
    /// How long connections are still taken after the readiness has gone.
    pub shutdown_lead: HumanDuration,
    /// For how long requests may then go on.
    pub shutdown_timeout: HumanDuration,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls: HttpTls::default(),
            public_url: None,
            trusted_proxies: Vec::new(),
            connections_max: 15_000,
            header_timeout: HumanDuration::from_secs(5),
            body_timeout: HumanDuration::from_secs(10),
            request_timeout: HumanDuration::from_secs(10),
            idle_timeout: HumanDuration::from_secs(60),
            header_bytes_max: 32 * 1024,
            body_bytes_max: 1_000_000,
            https_only_for: None,
            shutdown_lead: HumanDuration::from_millis(200),
            shutdown_timeout: HumanDuration::from_secs(20),
        }
    }
}

impl Http {
    pub(super) fn validate(&self) -> Result<(), Wrong> {
        let (tenth, hour) = (HumanDuration::from_millis(100), HumanDuration::from_secs(3_600));
        check_range("http.connections_max", &self.connections_max, 1..=1_000_000)?;
        check_range("http.header_timeout", &self.header_timeout, tenth..=hour)?;
        check_range("http.body_timeout", &self.body_timeout, tenth..=hour)?;
        check_range("http.request_timeout", &self.request_timeout, tenth..=hour)?;
        check_range("http.idle_timeout", &self.idle_timeout, HumanDuration::from_secs(1)..=hour)?;
        check_range("http.header_bytes_max", &self.header_bytes_max, 1_024..=1_048_576)?;
        check_range("http.body_bytes_max", &self.body_bytes_max, 1_024..=100_000_000)?;
        check_range("http.shutdown_lead", &self.shutdown_lead, HumanDuration::from_secs(0)..=hour)?;
        check_range("http.shutdown_timeout", &self.shutdown_timeout, HumanDuration::from_secs(0)..=hour)?;
        if self.public_url.as_deref().is_some_and(|url| !is_origin(url)) {
            return Err(Wrong::new("http.public_url", "must be like \"https://tickets.example.com\", without a path"));
        }
        if self.tls.certificate_path.is_some() != self.tls.key_path.is_some() {
            let missing = if self.tls.key_path.is_some() { "http.tls.certificate_path" } else { "http.tls.key_path" };
            return Err(Wrong::new(missing, "must be set where the other file of `http.tls` is"));
        }
        if self.https_only_for.is_some() && !self.public_url().starts_with("https://") {
            let message =
                "is for instances that are reached by HTTPS: set `http.public_url` to https://…, or `http.tls`";
            return Err(Wrong::new("http.https_only_for", message));
        }
        if let Some((wrong, why)) = self.trusted_proxies.iter().find_map(|it| Some((it, it.parse::<Network>().err()?)))
        {
            return Err(Wrong::new("http.trusted_proxies", format!("{wrong:?} {why}")));
        }
        if self.idle_timeout <= self.request_timeout {
            return Err(Wrong::new("http.idle_timeout", "must be longer than `http.request_timeout`"));
        }
        Ok(())
    }

    /// Where the certificate is, where it speaks TLS.
    #[must_use]
    pub fn tls_files(&self) -> Option<TlsFiles> {
        let HttpTls { certificate_path, key_path } = &self.tls;
        Some(TlsFiles { certificate: certificate_path.clone()?, key: key_path.clone()? })
    }

    /// What it speaks.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls_files().is_some() { "https" } else { "http" }
    }

    /// Where people reach it.
    #[must_use]
    pub fn public_url(&self) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("{}://{}", self.scheme(), self.address))
    }

    /// For how long browsers are told to use HTTPS alone. Where a proxy speaks TLS that is for the operator to say.
    pub(super) fn https_only_for(&self) -> Option<HumanDuration> {
        let with_tls = self.tls.certificate_path.is_some().then_some(HumanDuration::from_secs(365 * 86_400));
        self.https_only_for.or(with_tls).filter(|time| *time > HumanDuration::from_secs(0))
    }

    /// What the server goes by.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            connections_max: self.connections_max as usize,
            header_timeout: self.header_timeout.std(),
            idle_timeout: self.idle_timeout.std(),
            header_bytes_max: self.header_bytes_max as usize,
        }
    }
}

/// A certificate and its key, for instances without a TLS proxy.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct HttpTls {
    /// PEM: the certificate, and those that lead to one that browsers know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_path: Option<PathBuf>,
    /// PEM: its private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_path: Option<PathBuf>,
}

/// Scheme and host, with or without a port, and nothing behind.
fn is_origin(url: &str) -> bool {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', ' ', '@']))
}

/// The operations address: metrics and probes, for machines of the operator.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Ops {
    /// Where it listens.
    pub address: SocketAddr,
}

impl Default for Ops {
    fn default() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 9090)) }
    }
}

impl Ops {
    /// The most connections at a time.
    pub(crate) const CONNECTIONS_MAX: u32 = 200;

    /// What the server goes by: far less than on the public address.
    pub(crate) const fn limits() -> Limits {
        Limits {
            connections_max: Self::CONNECTIONS_MAX as usize,
            header_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
            header_bytes_max: 16 * 1024,
        }
    }
}

/// Which pages of other origins may call (CORS).
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Cors {
    /// Like `https://shop.example.com`; `*` lets all in.
    pub origins: Vec<String>,
}

impl Cors {
    pub(super) fn validate(&self) -> Result<(), Wrong> {
        match self.origins.iter().find(|origin| *origin != "*" && !is_origin(origin)) {
            Some(wrong) => Err(Wrong::new(
                "cors.origins",
                format!("{wrong:?} is no origin: write it like \"https://shop.example.com\", without a path"),
            )),
            None => Ok(()),
        }
    }
}

impl Settings {
    /// What the REST face goes by.
    #[must_use]
    pub fn rest(&self) -> RestSettings {
        RestSettings {
            time_limit: self.http.request_timeout.std(),
            body: BodyLimits { bytes_max: self.http.body_bytes_max as usize, time_limit: self.http.body_timeout.std() },
            header_bytes_max: self.http.header_bytes_max as usize,
            cors_origins: self.cors.origins.clone(),
            public_origin: self.http.public_url.clone(),
            https_only_for: self.http.https_only_for().map(HumanDuration::std),
            // Each was checked.
            trusted_proxies: self.http.trusted_proxies.iter().filter_map(|it| it.parse().ok()).collect(),
        }
    }
}

/// Where a server is found that listens on all interfaces.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_all_interfaces_is_asked_on_the_loopback() {
        for (listens, asked) in
            [("0.0.0.0:8080", "127.0.0.1:8080"), ("[::]:8080", "[::1]:8080"), ("10.0.0.7:80", "10.0.0.7:80")]
        {
            assert_eq!(reachable(listens.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
