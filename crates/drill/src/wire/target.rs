//! Where load may go: to this machine and nowhere else.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail, ensure};

/// A loopback address of a server. There is no other kind of target, so the
/// tool cannot be pointed at somebody else's machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target(SocketAddr);

impl Target {
    /// Reads `http://127.0.0.1:8080`, with or without scheme and trailing slash.
    ///
    /// # Errors
    /// If it is no such address, or not one of this machine.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        if url.starts_with("https://") {
            bail!("`{url}`: the drill speaks plain HTTP only");
        }
        let bare = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
        let address = match bare.strip_prefix("localhost:") {
            Some(port) => SocketAddr::new(
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                port.parse().with_context(|| format!("`{url}` has no port number"))?,
            ),
            None => bare.parse().with_context(|| format!("`{url}` is no address like http://127.0.0.1:8080"))?,
        };
        ensure!(address.ip().is_loopback(), "`{url}` is not on this machine: load goes to loopback addresses only");
        Ok(Self(address))
    }

    /// The loopback address with this port.
    pub(crate) fn loopback(port: u16) -> Self {
        Self(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }

    /// The socket address.
    pub(crate) fn address(self) -> SocketAddr {
        self.0
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_addresses_are_taken() {
        for url in ["http://127.0.0.1:8080", "127.0.0.1:8080/", "http://localhost:8080/"] {
            assert_eq!(Target::parse(url).unwrap(), Target::loopback(8080), "{url}");
        }
        assert!(Target::parse("http://[::1]:80").is_ok());
    }

    #[test]
    fn everything_else_is_refused() {
        for url in
            ["http://192.0.2.1:80", "http://example.org:80", "https://127.0.0.1:1", "localhost:x", "", "0.0.0.0:80"]
        {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }
}
