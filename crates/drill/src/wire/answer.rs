//! Reading answers: the head by httparse, the body by length or by chunks.

use std::mem::MaybeUninit;

use serde::Deserialize;

/// More header fields than any sane answer has.
const FIELDS_MAX: usize = 64;
/// The longest answer that is read; longer ones are an error, not a reason to grow.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// One answer, seen in the buffer of its connection.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The whole body.
    pub(crate) body: &'a [u8],
    /// Whether the server said when to come again.
    pub(crate) retry_after: bool,
    /// Whether this is the kept answer of an earlier request with the same key.
    pub(crate) replayed: bool,
}

/// The fields that load scripts look at, in a booking or in a problem.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Brief<'a> {
    /// The booking's id.
    #[serde(borrow, default)]
    pub(crate) id: &'a str,
    /// The stable word of a problem.
    #[serde(borrow, default)]
    pub(crate) code: &'a str,
}

impl Reply<'_> {
    /// The few fields that scripts need, parsed only by those who ask.
    pub(crate) fn brief(&self) -> Brief<'_> {
        serde_json::from_slice(self.body).unwrap_or_default()
    }

    /// The start of the body as text, for people.
    pub(crate) fn excerpt(&self) -> String {
        String::from_utf8_lossy(&self.body[..self.body.len().min(300)]).into_owned()
    }
}

/// The head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// How many bytes the head itself takes.
    pub(crate) length: usize,
    pub(crate) body: BodyLength,
    pub(crate) close: bool,
    pub(crate) retry_after: bool,
    pub(crate) replayed: bool,
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    Exact(usize),
    Chunked,
}

/// Reads a head; `None` says that more bytes are needed.
///
/// # Errors
/// A word on what is wrong with it.
pub(crate) fn parse_head(buffer: &[u8]) -> Result<Option<Head>, &'static str> {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut response, buffer, &mut fields)
        .map_err(|_| "malformed head")?;
    let httparse::Status::Complete(length) = parsed else {
        return if buffer.len() > 64 * 1024 { Err("endless head") } else { Ok(None) };
    };
    let status = response.code.ok_or("no status")?;
    let mut head = Head {
        status,
        length,
        // 204 and 304 have no body and need not say so
        body: BodyLength::Exact(0),
        close: response.version == Some(0),
        retry_after: false,
        replayed: false,
    };
    let mut framed = matches!(status, 204 | 304);
    for field in response.headers.iter() {
        let (name, value) = (field.name, field.value);
        if name.eq_ignore_ascii_case("content-length") {
            head.body = BodyLength::Exact(decimal(value)?);
            framed = true;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            head.body = BodyLength::Chunked;
            framed = true;
        } else if name.eq_ignore_ascii_case("connection") {
            head.close |= value.eq_ignore_ascii_case(b"close");
        } else if name.eq_ignore_ascii_case("retry-after") {
            head.retry_after = true;
        } else if name.eq_ignore_ascii_case("idempotency-replayed") {
            head.replayed = value == b"true";
        }
    }
    if framed { Ok(Some(head)) } else { Err("answer without length") }
}

/// Reads a chunked body into `body`; answers how many bytes it took, or `None`
/// if its end has not come yet.
///
/// # Errors
/// A word on what is wrong with it.
pub(crate) fn dechunk(input: &[u8], body: &mut Vec<u8>) -> Result<Option<usize>, &'static str> {
    body.clear();
    let mut at = 0;
    loop {
        let (head, size) = match httparse::parse_chunk_size(&input[at..]) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err("malformed chunk size"),
        };
        let size = usize::try_from(size).map_err(|_| "endless body")?;
        if size > BODY_BYTES_MAX - body.len() {
            return Err("endless body");
        }
        at += head;
        let Some(chunk) = input.get(at..at + size) else { return Ok(None) };
        at += size;
        match input.get(at..at + 2) {
            Some(b"\r\n") => at += 2,
            Some(_) => return Err("chunk without end"),
            None => return Ok(None),
        }
        if size == 0 {
            return Ok(Some(at));
        }
        body.extend_from_slice(chunk);
    }
}

fn decimal(text: &[u8]) -> Result<usize, &'static str> {
    let number: usize =
        std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok()).ok_or("malformed length")?;
    if number > BODY_BYTES_MAX { Err("endless body") } else { Ok(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}";

    #[test]
    fn a_head_is_read_only_when_it_is_whole() {
        let length = PLAIN.len() - 2;
        for cut in 0..length {
            assert_eq!(parse_head(&PLAIN[..cut]), Ok(None), "cut at {cut}");
        }
        let head = parse_head(PLAIN).unwrap().unwrap();
        assert_eq!((head.status, head.length, head.body), (503, length, BodyLength::Exact(2)));
        assert!(head.retry_after && !head.close && !head.replayed);
    }

    #[test]
    fn heads_that_would_leave_the_end_open_are_errors() {
        assert!(parse_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n").is_err());
        assert!(parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n").is_err());
        assert!(parse_head(b"nonsense\r\n\r\n").is_err());
        assert_eq!(parse_head(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().body, BodyLength::Exact(0));
    }

    #[test]
    fn closing_and_replaying_are_seen() {
        let head = parse_head(b"HTTP/1.1 201 Created\r\nconnection: Close\r\nidempotency-replayed: true\r\ntransfer-encoding: chunked\r\n\r\n").unwrap().unwrap();
        assert!(head.close && head.replayed);
        assert_eq!(head.body, BodyLength::Chunked);
    }

    #[test]
    fn chunks_are_joined_however_they_are_split() {
        let wire = b"4\r\nWiki\r\n6;note=x\r\npedia \r\n0\r\n\r\nrest";
        let end = wire.len() - 4;
        let mut body = Vec::new();
        for cut in 0..end {
            assert_eq!(dechunk(&wire[..cut], &mut body), Ok(None), "cut at {cut}");
        }
        assert_eq!(dechunk(wire, &mut body), Ok(Some(end)));
        assert_eq!(body, b"Wikipedia ");
        assert!(dechunk(b"zz\r\n", &mut body).is_err());
        assert!(dechunk(b"1\r\nabc\r\n", &mut body).is_err());
        assert!(dechunk(b"ffffffff\r\n", &mut body).is_err());
    }

    #[test]
    fn the_brief_reads_bookings_and_problems_alike() {
        let reply = |body| Reply { status: 0, body, retry_after: false, replayed: false };
        let booking = reply(br#"{"id":"b1","reference":"X","items":[{"ticketTypeId":"t"}]}"#);
        assert_eq!(booking.brief().id, "b1");
        let problem = reply(br#"{"type":"about:blank","code":"sold_out","status":409}"#);
        assert_eq!(problem.brief().code, "sold_out");
        assert_eq!(reply(b"not json").brief().id, "");
    }
}
