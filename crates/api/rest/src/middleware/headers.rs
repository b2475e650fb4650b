//! Headers by which a browser keeps to itself what is not meant for others.

use std::time::Duration;

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};

const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
/// The pages of the documentation: their own scripts, styles and images, and calls to this server.
const DOCS: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                    font-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The pages that the links of mails lead to: their own script and style, and calls to this server.
const ACCOUNT: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                       frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The headers of every answer.
pub(crate) struct SecurityHeaders {
    transport: Option<HeaderValue>,
}

impl SecurityHeaders {
    /// With `Strict-Transport-Security` for that long, where the instance is reached by HTTPS alone.
    pub(crate) fn new(https_only_for: Option<Duration>) -> Self {
        let transport = https_only_for
            .and_then(|time| HeaderValue::try_from(format!("max-age={}; includeSubDomains", time.as_secs())).ok());
        Self { transport }
    }

    /// Sets them. What the handler has said about caching stays; by default nothing is stored anywhere.
    pub(crate) fn set(&self, headers: &mut HeaderMap, route: &str) {
        let policy = match route {
            route if route.starts_with("/docs") => DOCS,
            route if route.starts_with("/account/") => ACCOUNT,
            _ => NOTHING,
        };
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        if let Some(transport) = &self.transport {
            headers.insert(STRICT_TRANSPORT_SECURITY, transport.clone());
        }
    }
}
