//! What a request tells of the program and the person that sent it: claims, good for showing and for choosing words.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::header::{ACCEPT_LANGUAGE, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use domain::Language;
use domain::identity::Device;

use crate::context::Context;

/// Who is at the other end of the connection: what accepts connections puts it into the extensions of each request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer(pub IpAddr);

/// The sender of a request, read where it is asked for alone.
pub(crate) struct Client {
    /// Where the request comes from, as the owner of a session recognises it.
    pub(crate) device: Device,
    /// The language that the sender likes best, of those that are spoken here.
    pub(crate) language: Language,
}

impl Client {
    fn of(headers: &HeaderMap, address: Option<IpAddr>) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            device: Device::new(text(USER_AGENT), address),
            language: text(ACCEPT_LANGUAGE).and_then(best_language).unwrap_or_default(),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let address = parts.extensions.get::<Context>().and_then(Context::address);
        Ok(Self::of(&parts.headers, address))
    }
}

/// The most languages that are looked at.
const LANGUAGES_MAX: usize = 10;

/// The best language of `Accept-Language` (RFC 9110, 12.5.4): by weight, then by order.
pub(crate) fn best_language(header: &str) -> Option<Language> {
    let wish = |wish: &'_ str| {
        let (tag, weight) = wish.split_once(';').unwrap_or((wish, "q=1"));
        let weight: f32 = weight.trim().strip_prefix("q=")?.parse().ok()?;
        (weight > 0.0).then(|| (weight, tag.trim().to_owned()))
    };
    let mut wishes: Vec<(f32, String)> = header.split(',').take(LANGUAGES_MAX).filter_map(wish).collect();
    wishes.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    Language::best(wishes.iter().map(|(_, tag)| tag.as_str()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client(name: HeaderName, value: &str, address: Option<&str>) -> Client {
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]);
        Client::of(&headers, address.map(|address| address.parse().unwrap()))
    }

    #[test]
    fn the_language_that_is_liked_best_is_spoken() {
        for (header, language) in [
            ("pl", Language::Polish),
            ("pl-PL,pl;q=0.9,en;q=0.8", Language::Polish),
            ("de;q=1,en;q=0.5,pl;q=0.7", Language::Polish),
            ("en-GB, pl;q=0.9", Language::English),
            ("pl;q=0", Language::English),
            ("pl;q=x", Language::English),
            ("*", Language::English),
            (",;,", Language::English),
        ] {
            assert_eq!(client(ACCEPT_LANGUAGE, header, None).language, language, "{header}");
        }
    }

    #[test]
    fn a_device_is_bounded() {
        let device = client(USER_AGENT, &"x".repeat(9_000), Some("192.0.2.1")).device;
        assert_eq!(device.user_agent.unwrap().len(), Device::USER_AGENT_CHARS_MAX);
        assert_eq!(device.address.unwrap().to_string(), "192.0.2.1");
        assert_eq!(client(ACCEPT_LANGUAGE, "pl", None).device, Device::default());
    }
}
