//! Whom a request comes from, where it came through proxies (docs/adr/0017).
//!
//! A header is a claim. It is believed only where the other end of the connection is a proxy that the operator trusts,
//! and read from the right: each proxy appends whom it has heard, so that what a client has made up stands to the left
//! of what the first trusted proxy has seen.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName, header::FORWARDED};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The most proxies that a request may have come through; what lies behind more is not looked at.
const HOPS_MAX: usize = 16;

/// A block of addresses: an address and how many of its first bits count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// The text is no block of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be an address, or a block of them like \"10.0.0.0/8\" or \"fd00::/8\"")]
pub struct NoNetwork;

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        let same = |one: u128, other: u128, width: u32| {
            let left = width - u32::from(self.bits);
            left == width || (one >> left) == (other >> left)
        };
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => same(own.to_bits().into(), other.to_bits().into(), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits(), other.to_bits(), 128),
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| NoNetwork)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NoNetwork)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(width);
        (bits <= width).then_some(Self { address, bits }).ok_or(NoNetwork)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// The address that a request comes from: `peer`, the other end of the connection, unless that is a trusted proxy, which
/// then says it.
pub(crate) fn caller_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return peer;
    }
    let by_standard = headers.contains_key(FORWARDED).then(|| walk(peer, forwarded(headers), is_trusted));
    let by_custom = headers.contains_key(X_FORWARDED_FOR).then(|| walk(peer, x_forwarded_for(headers), is_trusted));
    match (by_standard, by_custom) {
        (Some(one), Some(other)) if one == other => one,
        // One of both may have come from the client itself, through a proxy that writes the other one.
        (Some(_), Some(_)) | (None, None) => peer,
        (Some(one), None) | (None, Some(one)) => one,
    }
}

/// Goes from hop to hop, from the right, as far as each is trusted and known.
fn walk(peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>, is_trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut nearest = peer;
    for hop in hops.take(HOPS_MAX) {
        let Some(hop) = hop else { return nearest };
        nearest = hop;
        if !is_trusted(hop) {
            break;
        }
    }
    nearest
}

/// The hops of `X-Forwarded-For`, from the right; none for what is no address.
fn x_forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let lines = headers.get_all(X_FORWARDED_FOR).iter().collect::<Vec<_>>().into_iter().rev();
    let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    hops.map(|hop| node(std::str::from_utf8(hop).ok()?.trim()))
}

/// The hops of `Forwarded` (RFC 7239), from the right; none for what is hidden or no address.
fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let lines = headers.get_all(FORWARDED).iter().collect::<Vec<_>>().into_iter().rev();
    lines.flat_map(|line| match line.to_str().ok().and_then(|line| split_last(line, b',', HOPS_MAX)) {
        Some(elements) => elements.into_iter().map(of_element).collect::<Vec<_>>(),
        None => vec![None],
    })
}

fn of_element(element: &str) -> Option<IpAddr> {
    let pairs = split_last(element, b';', HOPS_MAX)?;
    let mut values = pairs.iter().filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then_some(value)
    });
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    match value.strip_prefix('"') {
        // An address has nothing that needs a backslash.
        Some(rest) => node(rest.strip_suffix('"').filter(|inner| !inner.contains('\\'))?),
        // A bare token has no colon and no bracket, so no port and no IPv6; many proxies write them all the same.
        None => node(value),
    }
}

/// The last parts of a line, from the right, split where no quotation marks are open; none where they never close.
fn split_last(line: &str, at: u8, parts_max: usize) -> Option<Vec<&str>> {
    let (mut cuts, mut quoted, mut escaped) = (Vec::new(), false, false);
    for (position, byte) in line.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            byte if byte == at && !quoted => cuts.push(position),
            _ => {}
        }
    }
    if quoted {
        return None;
    }
    let mut parts = Vec::new();
    let mut end = line.len();
    for cut in cuts.into_iter().rev() {
        if parts.len() == parts_max {
            return Some(parts);
        }
        parts.push(&line[cut + 1..end]);
        end = cut;
    }
    parts.push(&line[..end]);
    Some(parts)
}

/// An address, with a port or without: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn node(text: &str) -> Option<IpAddr> {
    let is_port = |port: &str| port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    let address: IpAddr = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        if !(port.is_empty() || is_port(port)) {
            return None;
        }
        IpAddr::V6(address.parse().ok()?)
    } else if let Ok(address) = text.parse() {
        address
    } else {
        let colon = text.find(':')?;
        if !is_port(&text[colon..]) {
            return None;
        }
        IpAddr::V4(text[..colon].parse().ok()?)
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn of(peer: &str, headers: &[(HeaderName, &str)]) -> String {
        let trusted: Vec<Network> =
            ["10.0.0.0/8", "fd00::/8", "192.0.2.7"].iter().map(|text| text.parse().unwrap()).collect();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        caller_address(peer.parse().unwrap(), &map, &trusted).to_string()
    }

    fn by(value: &str) -> (String, String) {
        (of(PROXY, &[(X_FORWARDED_FOR, value)]), of(PROXY, &[(FORWARDED, value)]))
    }

    #[test]
    fn blocks_of_addresses_are_read_strictly() {
        let contains = |block: &str, address: &str| {
            let block: Network = block.parse().unwrap();
            block.contains(address.parse().unwrap())
        };
        assert!(contains("10.0.0.0/8", "10.255.1.2") && !contains("10.0.0.0/8", "11.0.0.0"));
        assert!(contains("192.0.2.1", "192.0.2.1") && !contains("192.0.2.1", "192.0.2.2"));
        assert!(contains("0.0.0.0/0", "1.2.3.4") && !contains("0.0.0.0/0", "::1"));
        assert!(contains("::/0", "::1") && contains("2001:db8::/33", "2001:db8:7fff::1"));
        assert!(!contains("2001:db8::/33", "2001:db8:8000::1"));
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "localhost", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8"]
        {
            assert_eq!(wrong.parse::<Network>(), Err(NoNetwork), "{wrong}");
        }
    }

    #[test]
    fn whoever_is_no_trusted_proxy_is_not_believed() {
        for header in [X_FORWARDED_FOR, FORWARDED] {
            assert_eq!(of("203.0.113.9", &[(header.clone(), "1.2.3.4")]), "203.0.113.9");
            assert_eq!(of("203.0.113.9", &[(header, "for=1.2.3.4")]), "203.0.113.9");
        }
        assert_eq!(of("::ffff:203.0.113.9", &[(X_FORWARDED_FOR, "1.2.3.4")]), "203.0.113.9");
        assert_eq!(of("::ffff:10.0.0.1", &[(X_FORWARDED_FOR, "1.2.3.4")]), "1.2.3.4", "a mapped proxy is that proxy");
    }

    #[test]
    fn the_chain_is_read_from_the_right() {
        for (chain, caller) in [
            ("198.51.100.1", "198.51.100.1"),
            ("6.6.6.6, 198.51.100.1", "198.51.100.1"),
            ("6.6.6.6, 198.51.100.1, 10.1.1.1, 192.0.2.7", "198.51.100.1"),
            ("10.9.9.9, 198.51.100.1", "198.51.100.1"),
            ("10.2.2.2, 10.1.1.1", "10.2.2.2"),
            ("198.51.100.1,,10.1.1.1", "10.1.1.1"),
            ("198.51.100.1, unknown, 10.1.1.1", "10.1.1.1"),
            ("unknown", PROXY),
            ("", PROXY),
            (",", PROXY),
            ("198.51.100.1:4711", "198.51.100.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("::ffff:198.51.100.1", "198.51.100.1"),
            ("198.51.100.1:x", PROXY),
            ("198.51.100.1:99999", PROXY),
            ("[2001:db8::1", PROXY),
            ("[198.51.100.1]", PROXY),
        ] {
            assert_eq!(of(PROXY, &[(X_FORWARDED_FOR, chain)]), caller, "{chain}");
        }
        let lines = [(X_FORWARDED_FOR, "6.6.6.6"), (X_FORWARDED_FOR, "198.51.100.1, 10.1.1.1")];
        assert_eq!(of(PROXY, &lines), "198.51.100.1", "lines are one list");
    }

    #[test]
    fn the_standard_header_is_read_as_it_is_written() {
        for (chain, caller) in [
            ("for=198.51.100.1", "198.51.100.1"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=198.51.100.1;proto=http;by=203.0.113.43", "198.51.100.1"),
            ("proto=https; for=\"198.51.100.1:80\"", "198.51.100.1"),
            ("for=6.6.6.6, for=198.51.100.1, for=10.1.1.1", "198.51.100.1"),
            ("for=6.6.6.6;host=\"a,for=7.7.7.7\", for=198.51.100.1;host=\"b\\\",c\"", "198.51.100.1"),
            ("for=198.51.100.1, for=_hidden, for=10.1.1.1", "10.1.1.1"),
            ("for=198.51.100.1, for=unknown", PROXY),
            ("for=198.51.100.1;for=6.6.6.6", PROXY),
            ("for=\"198.51.100.1", PROXY),
            ("host=\"x, for=198.51.100.1", PROXY),
            ("for=\"198.51.\\100.1\"", PROXY),
            ("198.51.100.1", PROXY),
            ("by=198.51.100.1", PROXY),
        ] {
            assert_eq!(of(PROXY, &[(FORWARDED, chain)]), caller, "{chain}");
        }
    }

    #[test]
    fn where_both_headers_differ_neither_is_believed() {
        let both = |one: &str, other: &str| of(PROXY, &[(FORWARDED, one), (X_FORWARDED_FOR, other)]);
        assert_eq!(both("for=198.51.100.1", "198.51.100.1"), "198.51.100.1");
        assert_eq!(both("for=6.6.6.6", "198.51.100.1"), PROXY);
        assert_eq!(both("for=198.51.100.1", "6.6.6.6"), PROXY);
    }

    #[test]
    fn absurd_chains_are_not_followed() {
        let own = vec!["10.1.1.1"; 3_000].join(",");
        assert_eq!(of(PROXY, &[(X_FORWARDED_FOR, &format!("6.6.6.6,{own}"))]), "10.1.1.1");
        let own = vec!["for=10.1.1.1"; 3_000].join(",");
        assert_eq!(of(PROXY, &[(FORWARDED, &format!("for=6.6.6.6,{own}"))]), "10.1.1.1");
        assert_eq!(by(&"x".repeat(30_000)), (PROXY.to_owned(), PROXY.to_owned()));
        assert_eq!(by(&"\"".repeat(30_001)), (PROXY.to_owned(), PROXY.to_owned()));
        assert_eq!(by(&";,=".repeat(10_000)), (PROXY.to_owned(), PROXY.to_owned()));
    }
}
