use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{ALLOW, CACHE_CONTROL};
use axum::routing::{get, post};
use serde_json::Value;
use tower::ServiceExt;
use uuid::Uuid;

use super::*;

struct Counted;

impl Ids for Counted {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(5)
    }

    fn random(&self) -> u64 {
        5
    }
}

fn router() -> Router {
    async fn panics() {
        panic!("on purpose");
    }
    let surround = Surround::new(Settings {
        ids: Arc::new(Counted),
        meters: Meters::new(["/ok".to_owned()]),
        headers: SecurityHeaders::new(Some(Duration::from_secs(60))),
        time_limit: Duration::from_secs(10),
        header_bytes_max: 1_000,
        trusted_proxies: Vec::new(),
        witness: None,
        guarded: None,
    });
    Router::new()
        .route("/ok", get(|| async { "fine" }))
        .route("/cached", get(|| async { ([(CACHE_CONTROL, "public, max-age=1")], "fine") }))
        .route("/post", post(|| async { "fine" }))
        .route("/panics", get(panics))
        .route("/slow", get(|| async { tokio::time::sleep(Duration::from_secs(11)).await }))
        .route("/refuses", get(|| async { Problem::from(AppError::Forbidden) }))
        .route("/plain", get(|| async { (StatusCode::NOT_FOUND, "not here") }))
        .fallback(|| async { Problem::no_route() })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(surround)
}

async fn send(request: Request) -> (Response, Value) {
    let (parts, body) = router().oneshot(request).await.unwrap().into_parts();
    let bytes = to_bytes(body, 100_000).await.unwrap();
    (Response::from_parts(parts, Body::empty()), serde_json::from_slice(&bytes).unwrap_or_default())
}

fn ask(method: &str, uri: &str) -> Request {
    Request::builder().method(method).uri(uri).body(Body::empty()).unwrap()
}

fn is_problem(answer: &(Response, Value), status: u16, code: &str) {
    let (response, body) = answer;
    assert_eq!(response.status().as_u16(), status);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    assert_eq!((body["status"].as_u64(), body["code"].as_str()), (Some(u64::from(status)), Some(code)));
    assert_eq!(body["correlationId"], "00000000-0000-0000-0000-000000000005");
}

#[tokio::test]
async fn every_answer_has_its_headers() {
    for path in ["/ok", "/refuses", "/panics", "/nowhere"] {
        let (response, _) = send(ask("GET", path)).await;
        let header = |name: &str| response.headers().get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
        assert_eq!(header("x-correlation-id"), "00000000-0000-0000-0000-000000000005");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert!(header("content-security-policy").starts_with("default-src 'none'"));
        assert_eq!(header("cache-control"), "no-store", "{path}");
        assert_eq!(header("strict-transport-security"), "max-age=60; includeSubDomains");
    }
    let (response, _) = send(ask("GET", "/cached")).await;
    assert_eq!(response.headers()[CACHE_CONTROL], "public, max-age=1");
}

#[tokio::test]
async fn the_correlation_id_comes_back() {
    let mut request = ask("GET", "/refuses");
    request.headers_mut().insert(CORRELATION_ID, HeaderValue::from_static("mine-1"));
    let (response, body) = send(request).await;
    assert_eq!(
        (response.headers()[CORRELATION_ID].to_str().unwrap(), &body["correlationId"]),
        ("mine-1", &"mine-1".into())
    );
}

#[tokio::test]
async fn a_panic_is_a_problem_and_tells_nothing() {
    let answer = send(ask("GET", "/panics")).await;
    is_problem(&answer, 500, "internal");
    assert!(!answer.1.to_string().contains("on purpose"));
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_given_up() {
    let answer = send(ask("GET", "/slow")).await;
    is_problem(&answer, 503, "unavailable");
    assert_eq!(answer.0.headers()["retry-after"], "1");
}

#[tokio::test]
async fn what_does_not_exist_is_a_problem() {
    is_problem(&send(ask("GET", "/nowhere")).await, 404, "not_found");
    is_problem(&send(ask("GET", "/plain")).await, 404, "not_found");
    let answer = send(ask("DELETE", "/ok")).await;
    is_problem(&answer, 405, "method_not_allowed");
    assert_eq!(answer.0.headers()[ALLOW], "GET,HEAD");
    let answer = send(ask("GET", "/post")).await;
    is_problem(&answer, 405, "method_not_allowed");
    assert_eq!(answer.0.headers()[ALLOW], "POST");
    let (head, _) = send(ask("HEAD", "/ok")).await;
    assert_eq!(head.status(), StatusCode::OK);
}

#[tokio::test]
async fn address_and_headers_are_bounded() {
    let mut request = ask("GET", "/ok");
    request.headers_mut().insert("x-long", HeaderValue::try_from("x".repeat(1_000)).unwrap());
    is_problem(&send(request).await, 431, "headers_too_large");
    is_problem(&send(ask("GET", &format!("/ok?{}", "x".repeat(1_000)))).await, 431, "headers_too_large");
}

#[test]
fn strange_methods_and_statuses_are_counted_together() {
    let meters = Meters::new(["/ok".to_owned()]);
    for method in ["GET", "BREW", "X-ANYTHING"] {
        for status in [200, 299, 599] {
            for route in ["/ok", "/other", ""] {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                meters.record(&method, route, StatusCode::from_u16(status).unwrap(), Duration::from_millis(1));
            }
        }
    }
}
