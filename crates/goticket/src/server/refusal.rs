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

/// The problem that is sent instead of an answer that the HTTP library gives by itself, to a head that it cannot read or
/// that is too long. None for every other answer: those of the router have more headers than these.
pub(super) fn instead_of(bytes: &[u8]) -> Option<Vec<u8>> {
    let head = bytes.strip_suffix(b"\r\n\r\n").and_then(|head| std::str::from_utf8(head).ok())?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.get(2..5)?;
    let (mut is_empty, mut is_bare) = (false, true);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" => is_empty = value.trim() == "0",
            "connection" | "date" => {}
            _ => is_bare = false,
        }
    }
    match status {
        _ if !(is_empty && is_bare) => None,
        "400" => Some(unreadable_head()),
        "414" | "431" => Some(head_too_large()),
        _ => None,
    }
}

fn unreadable_head() -> Vec<u8> {
    answer(
        "400 Bad Request",
        "",
        400,
        "malformed_request",
        "The request cannot be understood",
        "the head of the request is not HTTP",
    )
}

fn head_too_large() -> Vec<u8> {
    answer(
        "431 Request Header Fields Too Large",
        "",
        431,
        "headers_too_large",
        "The headers are too large",
        "the head of the request is too large, or has too many fields",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_library_answers_by_itself_is_replaced() {
        let instead = |answer: &str| instead_of(answer.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
        let bare = "content-length: 0\r\ndate: Sat, 21 Nov 2026 18:00:00 GMT\r\n\r\n";
        let unreadable = instead(&format!("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n{bare}")).unwrap();
        assert!(unreadable.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{unreadable}");
        assert!(unreadable.contains(r#""code":"malformed_request""#), "{unreadable}");
        for line in ["431 Request Header Fields Too Large", "414 URI Too Long"] {
            let large = instead(&format!("HTTP/1.1 {line}\r\n{bare}")).unwrap();
            assert!(large.starts_with("HTTP/1.1 431 ") && large.contains(r#""code":"headers_too_large""#), "{large}");
        }
        for other in [
            format!("HTTP/1.1 200 OK\r\n{bare}"),
            format!("HTTP/1.1 400 Bad Request\r\nx-correlation-id: x\r\n{bare}"),
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n".to_owned(),
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}".to_owned(),
            "{}".to_owned(),
        ] {
            assert_eq!(instead(&other), None, "{other}");
        }
    }
}
