//! `If-Match` on writes and `If-None-Match` on reads (RFC 9110, 13.1).

use axum::extract::FromRequestParts;
use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};

use crate::problem::Problem;

/// The version that the caller has seen; none where he does not care.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct IfMatch(pub(crate) Option<u64>);

/// Versions count from 1, so this one is never the present one: what is no version of ours fails as a version should
/// that somebody else has replaced.
const NO_VERSION: u64 = 0;

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        expected(&parts.headers).map(Self)
    }
}

pub(crate) fn expected(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let mut values = headers.get_all(IF_MATCH).iter();
    let (Some(value), others) = (values.next(), values.next()) else { return Ok(None) };
    let unreadable = || Problem::malformed("If-Match must name one version in quotation marks, like \"3\", or be *");
    let value = value.to_str().map_err(|_| unreadable())?.trim();
    if others.is_some() {
        return Err(unreadable());
    }
    if value == "*" {
        return Ok(None);
    }
    // The weak tags of reads also cover stock: they never match strongly.
    if value.starts_with("W/\"") && value.ends_with('"') && value.len() >= 4 {
        return Ok(Some(NO_VERSION));
    }
    let tag = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|tag| !tag.contains('"'));
    let tag = tag.ok_or_else(unreadable)?;
    let is_version = !tag.is_empty() && !tag.starts_with('0') && tag.bytes().all(|b| b.is_ascii_digit());
    Ok(Some(if is_version { tag.parse().unwrap_or(NO_VERSION) } else { NO_VERSION }))
}

/// Whether the caller has this very representation already (weak comparison).
pub(crate) fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let Some(known) = headers.get(IF_NONE_MATCH) else { return false };
    // What our own clients send: one tag, as it was answered.
    if known == etag {
        return true;
    }
    let Ok(wanted) = etag.to_str() else { return false };
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let wanted = opaque(wanted);
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| tag.trim() == "*" || opaque(tag) == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: axum::http::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn if_match_names_a_version() {
        let of = |value: &str| expected(&headers(IF_MATCH, value)).map_err(|problem| problem.code());
        assert_eq!(expected(&HeaderMap::new()).unwrap(), None);
        assert_eq!(of("\"3\""), Ok(Some(3)));
        assert_eq!(of(" \"18446744073709551615\" "), Ok(Some(u64::MAX)));
        assert_eq!(of("*"), Ok(None));
        for never in ["W/\"3\"", "W/\"3-5\"", "\"abc\"", "\"\"", "\"03\"", "\"+3\"", "\"99999999999999999999\""] {
            assert_eq!(of(never), Ok(Some(NO_VERSION)), "{never}");
        }
        for bad in ["3", "", "\"3", "\"3\", \"4\"", "W/3", "'3'"] {
            assert_eq!(of(bad), Err("malformed_request"), "{bad}");
        }
        let mut twice = headers(IF_MATCH, "\"3\"");
        twice.append(IF_MATCH, HeaderValue::from_static("\"4\""));
        assert!(expected(&twice).is_err());
    }

    #[test]
    fn if_none_match_is_compared_weakly() {
        let etag = HeaderValue::from_static("W/\"3-17\"");
        let known = |value: &str| is_known(&headers(IF_NONE_MATCH, value), &etag);
        assert!(!is_known(&HeaderMap::new(), &etag));
        for same in ["W/\"3-17\"", "\"3-17\"", "\"1\", W/\"3-17\"", "*"] {
            assert!(known(same), "{same}");
        }
        for other in ["W/\"3-18\"", "3-17", "", "\"3\"", "W/\"3-17"] {
            assert!(!known(other), "{other}");
        }
    }
}
