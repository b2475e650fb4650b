//! JSON bodies: `application/json`, bounded in size and time, no unknown fields, nothing behind the end.
//!
//! How deep a body may be nested is bounded by `serde_json` (128); NUL characters are refused where text is parsed, in
//! the domain.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use futures::FutureExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// How large a body may be, and how long it may take to come.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// The most bytes: 1 MB.
    pub bytes_max: usize,
    /// 408 after this time.
    pub time_limit: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { bytes_max: 1_000_000, time_limit: Duration::from_secs(10) }
    }
}

/// A body that must be there.
pub(crate) struct Json<T>(pub(crate) T);

/// A body that must be there as it came, byte by byte: somebody has signed these. It is JSON.
pub(crate) struct RawJson(pub(crate) Bytes);

/// A body that may be left out, with its media type, or be null; then every field has its default.
pub(crate) struct OptionalJson<T>(pub(crate) T);

impl<T, S> FromRequest<S> for Json<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
    BodyLimits: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        check_media_type(request.headers())?;
        let bytes = read(request, BodyLimits::from_ref(state)).await?;
        parse(&bytes).map(Self)
    }
}

impl<S> FromRequest<S> for RawJson
where
    S: Send + Sync,
    BodyLimits: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        check_media_type(request.headers())?;
        let bytes = read(request, BodyLimits::from_ref(state)).await?;
        parse::<serde::de::IgnoredAny>(&bytes)?;
        Ok(Self(bytes))
    }
}

impl<T, S> FromRequest<S> for OptionalJson<T>
where
    T: DeserializeOwned + Default,
    S: Send + Sync,
    BodyLimits: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let has_type = request.headers().contains_key(CONTENT_TYPE);
        if has_type {
            check_media_type(request.headers())?;
        }
        let bytes = read(request, BodyLimits::from_ref(state)).await?;
        match (bytes.is_empty(), has_type) {
            (true, _) => Ok(Self(T::default())),
            (false, true) => parse::<Option<T>>(&bytes).map(|body| Self(body.unwrap_or_default())),
            (false, false) => Err(Problem::unsupported_media_type()),
        }
    }
}

/// Refuses everything but `application/json` without a charset other than UTF-8.
pub(super) fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let sane = headers.get(CONTENT_TYPE).is_some_and(is_json);
    if sane { Ok(()) } else { Err(Problem::unsupported_media_type()) }
}

fn is_json(value: &HeaderValue) -> bool {
    if value == "application/json" {
        return true;
    }
    let Ok(value) = value.to_str() else { return false };
    let mut parts = value.split(';').map(str::trim);
    parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            Some(_) => true,
            None => parameter.is_empty(),
        })
}

/// Reads the whole body, within its bounds.
pub(super) async fn read(request: Request, limits: BodyLimits) -> Result<Bytes, Problem> {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| usize::try_from(bytes).is_ok_and(|bytes| bytes > limits.bytes_max)) {
        return Err(Problem::payload_too_large(limits.bytes_max));
    }
    let mut collecting = Box::pin(collect(request.into_body(), limits.bytes_max));
    // Nearly always it is here already: no timer for those.
    if let Some(done) = (&mut collecting).now_or_never() {
        return done;
    }
    tokio::time::timeout(limits.time_limit, collecting).await.unwrap_or_else(|_| Err(Problem::request_timeout()))
}

async fn collect(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::payload_too_large(bytes_max)),
        Err(_) => Err(Problem::malformed("the body ends too early")),
    }
}

/// Reads JSON.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| Problem::malformed(sentence(&error.to_string())))
}

/// What the parser says tells only of what was sent; it is cut, since that may be long.
fn sentence(said: &str) -> String {
    const CHARS_MAX: usize = 200;
    let mut cut: String = said.chars().take(CHARS_MAX).collect();
    if cut.len() < said.len() {
        cut.push('…');
    }
    format!("the body does not fit: {cut}")
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::stream;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, Default, Debug, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        #[serde(default)]
        count: i64,
        #[serde(default)]
        inner: Vec<Wanted>,
    }

    struct State(BodyLimits);

    impl FromRef<State> for BodyLimits {
        fn from_ref(state: &State) -> Self {
            state.0
        }
    }

    fn state() -> State {
        State(BodyLimits { bytes_max: 1_000, time_limit: Duration::from_millis(20) })
    }

    fn request(content_type: Option<&str>, body: impl Into<Body>) -> Request {
        let mut request = Request::new(body.into());
        if let Some(content_type) = content_type {
            request.headers_mut().insert(CONTENT_TYPE, content_type.parse().unwrap());
        }
        request
    }

    async fn strict(content_type: Option<&str>, body: impl Into<Body>) -> Result<Wanted, (u16, &'static str)> {
        Json::<Wanted>::from_request(request(content_type, body), &state())
            .await
            .map(|Json(wanted)| wanted)
            .map_err(|problem| (problem.status().as_u16(), problem.code()))
    }

    const JSON: Option<&str> = Some("application/json");

    #[tokio::test]
    async fn media_types() {
        for sane in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json; profile=x",
            "application/json;",
        ] {
            assert!(strict(Some(sane), "{}").await.is_ok(), "{sane}");
        }
        for bad in ["text/plain", "application/json; charset=latin1", "application/jsonx", "application/xml", "", "*/*"]
        {
            assert_eq!(strict(Some(bad), "{}").await, Err((415, "unsupported_media_type")), "{bad}");
        }
        assert_eq!(strict(None, "{}").await, Err((415, "unsupported_media_type")));
    }

    #[tokio::test]
    async fn what_is_not_the_json_that_was_asked_for() {
        assert_eq!(strict(JSON, r#" {"count": 1} "#).await, Ok(Wanted { count: 1, inner: vec![] }));
        let deep = format!("{}{}", r#"{"inner":["#.repeat(70), "]}".repeat(70));
        for bad in [
            "",
            "{",
            "nul",
            "[]x",
            r#"{"count": 1} x"#,
            r#"{"other": 1}"#,
            r#"{"count": "1"}"#,
            r#"{"count": 2.5}"#,
            r#"{"count": 1e400}"#,
            r#"{"count": 99999999999999999999}"#,
            r#"{"count": null}"#,
            r#"{"count": 1, "count": 2}"#,
            "{\"count\": \u{0}1}",
            &deep,
        ] {
            assert_eq!(strict(JSON, bad.to_owned()).await, Err((400, "malformed_request")), "{bad}");
        }
        assert_eq!(strict(JSON, vec![b'"', 0xff, b'"']).await, Err((400, "malformed_request")));
        assert_eq!(strict(JSON, "[".repeat(900)).await, Err((400, "malformed_request")));
    }

    #[tokio::test]
    async fn a_body_is_bounded_in_size() {
        assert!(strict(JSON, format!("{}{}", "{}", " ".repeat(998))).await.is_ok());
        assert_eq!(strict(JSON, " ".repeat(1_001)).await, Err((413, "payload_too_large")));
        let chunks = stream::iter((0..100).map(|_| Ok::<_, Infallible>(Bytes::from_static(&[b' '; 100]))));
        assert_eq!(strict(JSON, Body::from_stream(chunks)).await, Err((413, "payload_too_large")));
        let mut announced = request(JSON, "{}");
        announced.headers_mut().insert(CONTENT_LENGTH, 3_000_000.into());
        let refused = Json::<Wanted>::from_request(announced, &state()).await.map(|_| ()).unwrap_err();
        assert_eq!(refused.code(), "payload_too_large");
    }

    #[tokio::test]
    async fn a_body_is_bounded_in_time() {
        let never = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        assert_eq!(strict(JSON, never).await, Err((408, "request_timeout")));
        let broken = stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("gone"))]);
        assert_eq!(strict(JSON, Body::from_stream(broken)).await, Err((400, "malformed_request")));
    }

    #[tokio::test]
    async fn some_bodies_may_be_left_out() {
        let optional = async |content_type, body: &'static str| {
            OptionalJson::<Wanted>::from_request(request(content_type, body), &state())
                .await
                .map(|OptionalJson(wanted)| wanted.count)
                .map_err(|problem| problem.code())
        };
        assert_eq!(optional(None, "").await, Ok(0));
        assert_eq!(optional(JSON, "").await, Ok(0));
        assert_eq!(optional(JSON, "null").await, Ok(0));
        assert_eq!(optional(JSON, r#"{"count": 3}"#).await, Ok(3));
        assert_eq!(optional(None, "{}").await, Err("unsupported_media_type"));
        assert_eq!(optional(Some("text/plain"), "").await, Err("unsupported_media_type"));
        assert_eq!(optional(JSON, "x").await, Err("malformed_request"));
    }

    #[test]
    fn what_the_parser_says_is_cut() {
        let long = format!(r#"{{"{}": 1}}"#, "ą".repeat(5_000));
        let problem = parse::<Wanted>(long.as_bytes()).unwrap_err();
        let body = serde_json::to_value(problem.body("c")).unwrap();
        assert!(body["detail"].as_str().unwrap().chars().count() < 240);
    }
}
