//! Cookies of the browser, and what guards them against requests that other sites make it send (docs/adr/0015).

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::{COOKIE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method};

/// The cookie with the access token.
pub(crate) const ACCESS: &str = "__Host-goticket-access";
/// The cookie with the refresh token.
pub(crate) const REFRESH: &str = "__Host-goticket-refresh";
/// The cookie by which a browser that was sent to a provider is known when it comes back.
pub(crate) const OAUTH: &str = "__Host-goticket-oauth";
/// Bears the CSRF token.
pub(crate) const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What the browser keeps of a sign-in by a provider.
pub(crate) struct OauthCookie(pub(crate) Option<String>);

impl<S: Sync> FromRequestParts<S> for OauthCookie {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(cookie(&parts.headers, OAUTH).map(str::to_owned)))
    }
}

/// The value of a cookie; none where it is not there, or there more than once, which no browser of ours makes.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(known, _)| *known == name).map(|(_, value)| value);
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// Whether a request with this method only looks.
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Where a request was made, as the browser tells; a page cannot set these headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Site {
    /// By a page of ours.
    Own,
    /// By a page of somebody else.
    Foreign,
    /// It is not told.
    Untold,
}

/// Where the request was made. `public_origin` is what the instance is reached by, where a proxy rewrites `Host`.
pub(crate) fn site(parts: &Parts, public_origin: Option<&str>) -> Site {
    let text = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text(FETCH_SITE).filter(|site| *site != "none") {
        return if site == "same-origin" { Site::Own } else { Site::Foreign };
    }
    let Some(origin) = text(ORIGIN) else { return Site::Untold };
    let host = text(HOST).or_else(|| parts.uri.authority().map(|authority| authority.as_str()));
    let is_of_host = origin.split_once("://").is_some_and(|(_, of_origin)| Some(of_origin) == host);
    if is_of_host || Some(origin) == public_origin { Site::Own } else { Site::Foreign }
}

/// The line that makes a browser keep a cookie, for so many seconds; 0 makes it forget.
pub(crate) fn kept(name: &str, value: &str, secs: u64, same_site: &str) -> String {
    format!("{name}={value}; Path=/; Max-Age={secs}; Secure; HttpOnly; SameSite={same_site}")
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, Request};

    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_cookie_is_found_once_or_not_at_all() {
        let of = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, HeaderValue::from_str(line).unwrap());
            }
            cookie(&headers, "a").map(str::to_owned)
        };
        assert_eq!(of(&["a=1"]), Some("1".into()));
        assert_eq!(of(&["b=2; a=1=1 ;c=3"]), Some("1=1".into()));
        assert_eq!(of(&["b=2", "a=1"]), Some("1".into()));
        for none in [&["b=a=1"] as &[&str], &["a"], &[""], &[], &["A=1"], &["a=1; a=2"], &["a=1", "a=1"]] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }

    #[test]
    fn the_browser_tells_where_a_request_was_made() {
        let own = Some("https://tickets.example.com");
        for (headers, expected) in [
            (&[] as &[(&str, &str)], Site::Untold),
            (&[("sec-fetch-site", "same-origin")], Site::Own),
            (&[("sec-fetch-site", "same-site")], Site::Foreign),
            (&[("sec-fetch-site", "cross-site"), ("origin", "https://tickets.example.com")], Site::Foreign),
            (&[("sec-fetch-site", "none")], Site::Untold),
            (&[("origin", "https://tickets.example.com"), ("host", "inside:8080")], Site::Own),
            (&[("origin", "http://localhost:8080"), ("host", "localhost:8080")], Site::Own),
            (&[("origin", "http://localhost:9090"), ("host", "localhost:8080")], Site::Foreign),
            (&[("origin", "https://evil.example"), ("host", "tickets.example.com")], Site::Foreign),
            (&[("origin", "null"), ("host", "tickets.example.com")], Site::Foreign),
        ] {
            assert_eq!(site(&parts(headers), own), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_cookie_is_for_this_host_and_no_script() {
        let line = kept(ACCESS, "v", 900, "Lax");
        assert_eq!(line, "__Host-goticket-access=v; Path=/; Max-Age=900; Secure; HttpOnly; SameSite=Lax");
    }
}
