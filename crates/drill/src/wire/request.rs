//! Requests as bytes: everything that does not change is written once.

/// A request of which only the caller and the idempotency key vary.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Template {
    /// `method` and `path` with a JSON body; an empty body is none.
    pub(crate) fn new(method: &str, path: &str, body: &str) -> Self {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        if !body.is_empty() {
            head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        } else if method != "GET" {
            head.push_str("Content-Length: 0\r\n");
        }
        Self { head: head.into_bytes(), body: body.as_bytes().to_vec() }
    }

    /// Writes the request into `out`, whose old content is dropped.
    /// `authorization` is a whole header line, or empty.
    pub(crate) fn write(&self, authorization: &[u8], out: &mut Vec<u8>) {
        self.write_with(authorization, b"", out);
    }

    /// The same with one more header line.
    pub(crate) fn write_with(&self, authorization: &[u8], extra: &[u8], out: &mut Vec<u8>) {
        out.clear();
        for part in [&self.head[..], authorization, extra, b"\r\n", &self.body[..]] {
            out.extend_from_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(template: &Template, authorization: &[u8], extra: &[u8]) -> String {
        let mut out = b"leftovers".to_vec();
        template.write_with(authorization, extra, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_request_has_all_its_parts_in_order() {
        let booking = Template::new("POST", "/b", "{}");
        assert_eq!(
            written(&booking, b"Authorization: Bearer t\r\n", b"Idempotency-Key: k\r\n"),
            "POST /b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\nAuthorization: Bearer t\r\nIdempotency-Key: k\r\n\r\n{}"
        );
    }

    #[test]
    fn without_a_body_a_post_says_so_and_a_get_says_nothing() {
        assert!(written(&Template::new("POST", "/p", ""), b"", b"").contains("Content-Length: 0\r\n"));
        assert_eq!(written(&Template::new("GET", "/g", ""), b"", b""), "GET /g HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
}
