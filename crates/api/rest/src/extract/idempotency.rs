//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07), bound to method, path and body.

use std::sync::Arc;

use application::access::Agent;
use application::idempotency::IdempotencyKey;
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::body::{self, BodyLimits};
use crate::problem::Problem;

/// `Idempotency-Key`.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// `Idempotency-Replayed: true` on the kept answer.
pub(crate) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

const CHARS_MAX: usize = 255;

/// A JSON body that must be there, and the key that it was sent with.
pub(crate) struct Keyed<T> {
    /// The body.
    pub(crate) value: T,
    word: Option<(Arc<str>, [u8; 32])>,
}

impl<T> Keyed<T> {
    /// The key in the scope of its caller.
    pub(crate) fn key(&self, agent: &Agent) -> Option<IdempotencyKey> {
        let (key, fingerprint) = self.word.as_ref()?;
        Some(IdempotencyKey { caller: agent.caller()?, key: Arc::clone(key), fingerprint: *fingerprint })
    }
}

impl<T, S> FromRequest<S> for Keyed<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
    BodyLimits: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let key = word(request.headers())?;
        body::check_media_type(request.headers())?;
        let (method, uri) = (request.method().clone(), key.is_some().then(|| request.uri().clone()));
        let bytes = body::read(request, BodyLimits::from_ref(state)).await?;
        let value = body::parse(&bytes)?;
        let word = key.zip(uri).map(|(key, uri)| (key, fingerprint(&method, uri.path(), &bytes)));
        Ok(Self { value, word })
    }
}

fn fingerprint(method: &Method, path: &str, body: &[u8]) -> [u8; 32] {
    let mut digest = Sha256::new();
    // A space and a line end stand in neither of both, so that no two requests run together.
    for part in [method.as_str().as_bytes(), b" ", path.as_bytes(), b"\n", body] {
        digest.update(part);
    }
    digest.finalize().into()
}

pub(crate) fn word(headers: &HeaderMap) -> Result<Option<Arc<str>>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let found = if values.next().is_none() { read(value) } else { None };
    found.map(Some).ok_or_else(|| {
        Problem::malformed("Idempotency-Key must be one key of 1 to 255 printable ASCII characters, quoted or bare")
    })
}

fn read(value: &HeaderValue) -> Option<Arc<str>> {
    let value = std::str::from_utf8(value.as_bytes()).ok()?.trim();
    let key = match value.strip_prefix('"') {
        Some(rest) => unquote(rest)?,
        None => value.to_owned(),
    };
    let sane = (1..=CHARS_MAX).contains(&key.len()) && key.bytes().all(|b| matches!(b, b' '..=b'~'));
    sane.then(|| key.into())
}

/// A string of RFC 9651 behind its first quotation mark.
fn unquote(rest: &str) -> Option<String> {
    let mut key = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(key),
            '\\' => key.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            c => key.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use application::origin::{Factor, Principal};
    use axum::body::Body;
    use axum::http::header::CONTENT_TYPE;
    use domain::identity::Role;
    use domain::{SessionId, UserId};
    use uuid::Uuid;

    use super::*;

    fn one(value: &[u8]) -> Result<Option<Arc<str>>, Problem> {
        word(&HeaderMap::from_iter([(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap())]))
    }

    #[test]
    fn a_key_is_quoted_or_bare() {
        let long = "k".repeat(255);
        for (sent, key) in [
            ("8e03978e-40d5", "8e03978e-40d5"),
            ("\"8e03978e-40d5\"", "8e03978e-40d5"),
            (" a b ", "a b"),
            ("\"a\\\"b\\\\c\"", "a\"b\\c"),
            (&long, &long),
        ] {
            assert_eq!(one(sent.as_bytes()).unwrap().as_deref(), Some(key), "{sent}");
        }
        assert_eq!(word(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let long = "k".repeat(256);
        for bad in ["", "  ", "\"\"", "\"a", "\"a\"b", "\"a\\b\"", "\"a\";x=1", "ż", "a\tb", &long] {
            assert_eq!(one(bad.as_bytes()).unwrap_err().code(), "malformed_request", "{bad:?}");
        }
        assert!(one(&[0xff, 0xfe]).is_err());
        let mut twice = HeaderMap::new();
        twice.append(IDEMPOTENCY_KEY, HeaderValue::from_static("a"));
        twice.append(IDEMPOTENCY_KEY, HeaderValue::from_static("b"));
        assert!(word(&twice).is_err());
    }

    struct State;

    impl FromRef<State> for BodyLimits {
        fn from_ref(_: &State) -> Self {
            Self::default()
        }
    }

    async fn keyed(method: Method, uri: &str, body: &'static str, key: Option<&'static str>) -> Option<IdempotencyKey> {
        let mut request = Request::new(Body::from(body));
        (*request.method_mut(), *request.uri_mut()) = (method, uri.parse().unwrap());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = key {
            request.headers_mut().insert(IDEMPOTENCY_KEY, HeaderValue::from_static(key));
        }
        let keyed = Keyed::<serde_json::Value>::from_request(request, &State).await.map_err(|p| p.code()).unwrap();
        let id = Uuid::from_u128(1);
        let principal =
            Principal { user: UserId::new(id), session: SessionId::new(id), role: Role::User, factor: Factor::Missing };
        keyed.key(&principal.into())
    }

    #[tokio::test]
    async fn the_fingerprint_tells_requests_apart() {
        let first = keyed(Method::POST, "/a", "{}", Some("k")).await.unwrap();
        assert_eq!(keyed(Method::POST, "/a", "{}", Some("\"k\"")).await.unwrap(), first);
        for other in [
            keyed(Method::PATCH, "/a", "{}", Some("k")).await,
            keyed(Method::POST, "/b", "{}", Some("k")).await,
            keyed(Method::POST, "/a", "[]", Some("k")).await,
        ] {
            let other = other.unwrap();
            assert_eq!(other.key, first.key);
            assert_ne!(other.fingerprint, first.fingerprint);
        }
        assert_eq!(keyed(Method::POST, "/a", "{}", None).await, None);
    }
}
