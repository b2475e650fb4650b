//! Answers of the server itself, where no router is reached.

use uuid::Uuid;

/// The 503 of a connection that is one too many.
pub(super) fn too_many_connections() -> Vec<u8> {
    answer(
        "503 Service Unavailable",
        "Retry-After: 1\r\n",
        503,
        "unavailable",
        "Too busy, or a part is away",
        "too many connections at the moment, try again shortly",
    )
}

/// The 408 of a head that came too slowly.
pub(super) fn head_too_slow() -> Vec<u8> {
    answer(
        "408 Request Timeout",
        "",
        408,
        "request_timeout",
        "The request came too slowly",
        "the head of the request did not come in time",
    )
}

fn answer(line: &str, header: &str, status: u16, code: &str, title: &str, detail: &str) -> Vec<u8> {
    #[expect(
        clippy::disallowed_methods,
        reason = "nobody foretells when a connection fails, and no test counts these ids"
    )]
    let id = Uuid::now_v7();
    let body = format!(
        "{{\"type\":\"urn:goticket:problem:{code}\",\"title\":\"{title}\",\"status\":{status},\"detail\":\"{detail}\",\
         \"code\":\"{code}\",\"correlationId\":\"{id}\"}}"
    );
    format!(
        "HTTP/1.1 {line}\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n{header}\
         X-Correlation-Id: {id}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
