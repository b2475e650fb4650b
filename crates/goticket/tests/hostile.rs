//! What no decent client sends. Each is answered with a clear 4xx or by the end of its connection; the next request is
//! served, and nothing of it stays in memory.

#![expect(clippy::unwrap_used, reason = "a test that fails by `unwrap` fails well")]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Answer, PATIENCE, Server, answer, run, stderr, stdout};

/// What comes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expected {
    /// A problem with this status and code; then the connection ends.
    Problem(u16, &'static str),
    /// Another answer of this status; then the connection ends.
    Served(u16),
    /// The connection ends without a word: who has sent so little waits for nothing.
    Closed,
}

use Expected::{Closed, Problem, Served};

const MALFORMED: Expected = Problem(400, "malformed_request");
const TOO_LARGE: Expected = Problem(413, "payload_too_large");
const HEAD_TOO_LARGE: Expected = Problem(431, "headers_too_large");

struct Case {
    name: String,
    bytes: Vec<u8>,
    /// Whether the sender then says that no more comes.
    ends: bool,
    expected: Expected,
}

impl Case {
    fn new(name: &str, bytes: impl Into<Vec<u8>>, expected: Expected) -> Self {
        Self { name: name.to_owned(), bytes: bytes.into(), ends: false, expected }
    }

    /// One that breaks off.
    fn broken_off(name: &str, bytes: impl Into<Vec<u8>>, expected: Expected) -> Self {
        Self { ends: true, ..Self::new(name, bytes, expected) }
    }

    /// Sends all of it as far as the other side listens, and reads to the end.
    fn exchange(&self, server: &Server) -> String {
        let mut stream = server.connect();
        // The answer may be there before all is sent; then the rest finds no reader.
        let sent = stream.write_all(&self.bytes);
        if sent.is_ok() && self.ends {
            let _ = stream.shutdown(Shutdown::Write);
        }
        support::read_to_end(&mut stream)
    }
}

/// A whole `POST` that ends its connection.
fn post(path: &str, token: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// A `POST` to the login with these headers instead of a length, and this behind them.
fn framed(headers: &str, body: &str) -> String {
    format!("POST {LOGIN} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n{headers}\r\n\r\n{body}")
}

const LOGIN: &str = "/api/v1/auth/login";
const REGISTER: &str = "/api/v1/auth/register";
const EVENTS: &str = "/api/v1/events";

/// Bytes that are not HTTP, or not quite.
fn heads() -> Vec<Case> {
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    let with = |header: &str| format!("GET /liveness HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{header}\r\n\r\n");
    let method = |method: &str, target: &str| {
        format!("{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    };
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n\r\n".to_vec();
    vec![
        Case::broken_off("nothing", "", Closed),
        Case::broken_off("half a request line", "GET /live", Closed),
        Case::broken_off("half a head", "GET /liveness HTTP/1.1\r\nHost: te", Closed),
        Case::new("a handshake of TLS", tls, MALFORMED),
        Case::new("another protocol", "SSH-2.0-OpenSSH_9.2p1\r\n\r\n", MALFORMED),
        Case::new("no target", "GET\r\n\r\n", MALFORMED),
        Case::new("no version", "GET /liveness\r\n\r\n", MALFORMED),
        Case::new("another version", "GET /liveness HTTP/9.9\r\n\r\n", MALFORMED),
        Case::new("NUL in the target", get("/live\0ness"), MALFORMED),
        Case::new("NUL in a value", with("X: a\0b"), MALFORMED),
        Case::new("NUL in a name", with("X\0Y: a"), MALFORMED),
        Case::new("a space behind a name", with("X : a"), MALFORMED),
        Case::new("a folded value", with("X: a\r\n b"), MALFORMED),
        Case::new("no colon", with("XYZ"), MALFORMED),
        Case::new("no name", with(": a"), MALFORMED),
        Case::new("a bare CR", with("X: a\rY: b"), MALFORMED),
        Case::new("NUL, encoded", get("/api/v1/events/%00"), MALFORMED),
        Case::new("bytes that are no text, encoded", get("/api/v1/events/%ff%fe"), MALFORMED),
        Case::new("a broken escape", get("/api/v1/events?q=%zz%"), Served(200)),
        Case::new("dots that lead nowhere", get("/api/v1/../../etc/passwd"), Problem(404, "not_found")),
        Case::new("an unknown method", method("BREW", "/api/v1/events"), Problem(405, "method_not_allowed")),
        Case::new("a method in lower case", method("get", "/liveness"), Problem(405, "method_not_allowed")),
        Case::new("a method that is none", method("G@T", "/liveness"), MALFORMED),
        Case::new("a long method", method(&"A".repeat(5_000), "/liveness"), Problem(405, "method_not_allowed")),
        Case::new("a target with a host", get("http://elsewhere.example/liveness"), Served(200)),
        Case::new("no target but a star", method("OPTIONS", "*"), Problem(404, "not_found")),
        Case::new("a tunnel", method("CONNECT", "example.com:443"), Problem(404, "not_found")),
        Case::new("a long target", get(&format!("/{}", "a".repeat(33_000))), HEAD_TOO_LARGE),
        Case::new("a longer target", get(&format!("/{}", "a".repeat(300_000))), HEAD_TOO_LARGE),
        Case::new("a long value", with(&format!("X: {}", "a".repeat(33_000))), HEAD_TOO_LARGE),
        Case::new("a longer value", with(&format!("X: {}", "a".repeat(300_000))), HEAD_TOO_LARGE),
        Case::new("many fields", with(&"X: y\r\n".repeat(2_000)), HEAD_TOO_LARGE),
        Case::new("HTTP/2, and then nonsense", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense, and much of it", Closed),
    ]
}

/// Bodies whose length is a riddle.
fn framings() -> Vec<Case> {
    let smuggled = "0\r\n\r\nGET /openapi.json HTTP/1.1\r\nHost: test\r\n\r\n";
    let chunked = "Transfer-Encoding: chunked\r\nConnection: close";
    let mut cases = vec![
        Case::broken_off("half a body", framed("Content-Length: 100", "{\"email\": "), MALFORMED),
        Case::broken_off("half a chunk", framed(chunked, "64\r\n{\"email\": "), MALFORMED),
        Case::new("two lengths", framed("Content-Length: 2\r\nContent-Length: 3", "{} "), MALFORMED),
        Case::new(
            "the same length twice",
            framed("Content-Length: 2\r\nContent-Length: 2\r\nConnection: close", "{}"),
            MALFORMED,
        ),
        Case::new("a list of lengths", framed("Content-Length: 2, 2", "{}"), MALFORMED),
        Case::new("chunks in HTTP/1.0", framed(chunked, smuggled).replacen("HTTP/1.1", "HTTP/1.0", 1), MALFORMED),
        // The transfer coding counts, and what the length would have hidden is never answered (RFC 9112, 6.3).
        Case::new(
            "length, then chunks",
            framed("Content-Length: 51\r\nTransfer-Encoding: chunked", smuggled),
            MALFORMED,
        ),
        Case::new(
            "chunks, then length",
            framed("Transfer-Encoding: chunked\r\nContent-Length: 51", smuggled),
            MALFORMED,
        ),
        Case::new("3 MB by length", framed("Content-Length: 3000000", &"x".repeat(3_000_000)), TOO_LARGE),
        Case::new(
            "3 MB by chunks",
            framed(chunked, &format!("{}0\r\n\r\n", format!("7530\r\n{}\r\n", "x".repeat(30_000)).repeat(100))),
            TOO_LARGE,
        ),
        Case::new("a length beyond all reason", framed("Content-Length: 9000000000000000000", "{}"), TOO_LARGE),
    ];
    for length in ["-1", "+2", "0x2", "2.0", "two", "", "18446744073709551616", "99999999999999999999999"] {
        cases.push(Case::new(
            &format!("the length {length:?}"),
            framed(&format!("Content-Length: {length}"), "{}"),
            MALFORMED,
        ));
    }
    for coding in ["gzip", "chunked, gzip", "identity", "xchunked", "chunke\u{212a}"] {
        cases.push(Case::new(
            &format!("the coding {coding}"),
            framed(&format!("Transfer-Encoding: {coding}"), smuggled),
            MALFORMED,
        ));
    }
    for chunk in [
        "zz\r\n{}\r\n",
        "-2\r\n{}\r\n",
        "\r\n{}\r\n",
        "fffffffffffffffff\r\n{}",
        "2\r\n{}0\r\n",
        "2;\u{0}\r\n{}\r\n0\r\n\r\n x",
    ] {
        cases.push(Case::new(&format!("the chunk {chunk:?}"), framed(chunked, chunk), MALFORMED));
    }
    let extension = format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(100_000));
    cases.push(Case::new("a chunk with a long extension", framed(chunked, &extension), MALFORMED));
    cases
}

/// Bodies that are whole, and make no sense.
fn bodies(token: &str) -> Vec<Case> {
    let deep = |open: &str| open.repeat(100_000);
    let mut cases = vec![
        Case::new("100,000 brackets", post(LOGIN, token, &deep("[")), MALFORMED),
        Case::new("100,000 braces", post(LOGIN, token, &deep("{\"a\":")), MALFORMED),
        Case::new("100,000 brackets in a field", post(EVENTS, token, &format!("{{\"name\": {}", deep("["))), MALFORMED),
        Case::new("NUL in JSON", post(LOGIN, token, "{\"email\": \"a\0b\"}"), MALFORMED),
        Case::new(
            "NUL, escaped, in a name",
            post(REGISTER, token, r#"{"email": "a@example.com", "password": "long enough", "name": "a\u0000b"}"#),
            Problem(422, "validation_failed"),
        ),
        Case::new(
            "NUL, escaped, in an address",
            post(REGISTER, token, r#"{"email": "a\u0000b@example.com", "password": "long enough"}"#),
            Problem(422, "validation_failed"),
        ),
        Case::new("half of a pair", post(LOGIN, token, r#"{"email": "\ud83d", "password": "x"}"#), MALFORMED),
        Case::new(
            "a pair the wrong way round",
            post(LOGIN, token, r#"{"email": "\ude00\ud83d", "password": "x"}"#),
            MALFORMED,
        ),
        Case::new(
            "a megabyte of address",
            post(LOGIN, token, &json!({"email": "a".repeat(900_000), "password": "x"}).to_string()),
            Problem(401, "unauthenticated"),
        ),
    ];
    for (name, bytes) in [
        ("overlong", b"\xc0\xaf".as_slice()),
        ("beyond Unicode", b"\xf4\x90\x80\x80"),
        ("a lone surrogate", b"\xed\xa0\x80"),
    ] {
        let body = [b"{\"email\": \"", bytes, b"\"}"].concat();
        let head = post(LOGIN, token, "").replacen("Content-Length: 0", &format!("Content-Length: {}", body.len()), 1);
        cases.push(Case::new(&format!("UTF-8 that is {name}"), [head.as_bytes(), &body].concat(), MALFORMED));
    }
    for number in [
        "1e400",
        "-0",
        "-0.0",
        "1.0",
        "1e2",
        "2.5",
        "18446744073709551616",
        "9223372036854775808",
        "NaN",
        "Infinity",
        "0x10",
        "010",
        "+1",
        ".5",
        "1_000",
        "\"1\"",
        "true",
        "1e",
        "--1",
        &"9".repeat(100_000),
    ] {
        let body = format!(
            r#"{{"name": "x", "startAt": "2030-02-01T18:00:00Z", "endAt": "2030-02-01T22:00:00Z", "price": {number}}}"#
        );
        let name: String = number.chars().take(30).collect();
        cases.push(Case::new(&format!("the number {name}"), post(EVENTS, token, &body), MALFORMED));
    }
    for number in ["-1", "9223372036854775807", "-9223372036854775808", "100000000001"] {
        let body = format!(
            r#"{{"name": "x", "startAt": "2030-02-01T18:00:00Z", "endAt": "2030-02-01T22:00:00Z", "price": {number}}}"#
        );
        cases.push(Case::new(
            &format!("the price {number}"),
            post(EVENTS, token, &body),
            Problem(422, "validation_failed"),
        ));
    }
    cases
}

fn cases(token: &str) -> Vec<Case> {
    [heads(), framings(), bodies(token)].into_iter().flatten().collect()
}

/// An organizer's token.
fn token(server: &Server) -> String {
    let made = run(&mut server.command(), &["demo", "tokens", "--count", "1", "--role", "organizer"]);
    assert!(made.status.success(), "{}", stderr(&made));
    let line: Value = serde_json::from_str(&stdout(&made)).unwrap();
    line["accessToken"].as_str().unwrap().to_owned()
}

fn server() -> Server {
    Server::start(&[("GOTICKET_DEMO__ENABLED", "true")])
}

/// The one answer of a text; none if there is none.
fn only_answer(name: &str, text: &str) -> Option<Answer> {
    assert!(text.matches("HTTP/1.1 ").count() <= 1, "{name}: more than one answer: {text}");
    (!text.is_empty() && text.starts_with("HTTP/1.")).then(|| answer(text))
}

fn check(name: &str, expected: Expected, text: &str) {
    let got = match only_answer(name, text) {
        None => Closed,
        Some(answer) if answer.head.contains("application/problem+json") => {
            let body = answer.json();
            assert_eq!(body["status"], answer.status, "{name}");
            let id = body["correlationId"].as_str().unwrap();
            assert!(answer.head.to_lowercase().contains(&format!("x-correlation-id: {id}")), "{name}: {text}");
            assert!(body["title"].as_str().is_some_and(|it| !it.is_empty()), "{name}: {text}");
            match expected {
                Problem(status, code) if status == answer.status && body["code"] == code => expected,
                _ => panic!("{name}: {expected:?} was expected, and not {text}"),
            }
        }
        Some(answer) => Served(answer.status),
    };
    assert_eq!(got, expected, "{name}: {text}");
}

#[test]
fn each_gets_its_clear_answer_and_the_next_request_is_served() {
    let server = server();
    for case in cases(&token(&server)) {
        check(&case.name, case.expected, &case.exchange(&server));
        assert_eq!(server.get("/liveness").status, 200, "after {}", case.name);
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// Resident memory of the server in kB.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn thousands_of_them_leave_nothing_in_memory() {
    /// What the allocator may keep back more than before; a kilobyte a request would be more than this.
    const GROWTH_MAX_KB: u64 = 4_000;
    let server = server();
    let cases = cases(&token(&server));
    // Large ones cost time and show a leak at once; small ones come often.
    let (large, small): (Vec<_>, Vec<_>) = cases.iter().partition(|case| case.bytes.len() > 50_000);
    let round = |times: usize| {
        for _ in 0..times {
            small.iter().for_each(|case| drop(case.exchange(&server)));
        }
        large.iter().for_each(|case| drop(case.exchange(&server)));
        small.len() * times + large.len()
    };
    for _ in 0..3 {
        round(10);
    }
    // A leak grows every time; what the allocator and the caches keep back once, they have then.
    let mut grown = Vec::new();
    for _ in 0..3 {
        let before = resident(&server);
        let sent: usize = (0..10).map(|_| round(8)).sum();
        assert!(sent > 4_000, "{sent}");
        grown.push(resident(&server).saturating_sub(before));
        if grown.last() < Some(&GROWTH_MAX_KB) {
            break;
        }
    }
    assert!(grown.last() < Some(&GROWTH_MAX_KB), "kB more after each of three times: {grown:?}");
    assert_eq!(server.get("/liveness").status, 200);
}

#[test]
fn garbage_behind_a_good_request_is_refused_after_its_answer() {
    let server = server();
    for garbage in ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "{}\r\n\r\n"] {
        let text = say(&server, &format!("GET /liveness HTTP/1.1\r\nHost: test\r\n\r\n{garbage}"));
        let (good, bad) = text[1..].split_once("HTTP/1.1 ").unwrap_or_else(|| panic!("{garbage:?}: {text}"));
        assert!(good.starts_with("TTP/1.1 200"), "{text}");
        check(garbage, MALFORMED, &format!("HTTP/1.1 {bad}"));
    }
}

#[test]
fn a_body_that_stays_away_is_answered_with_408() {
    let server = Server::start(&[("GOTICKET_HTTP__BODY_TIMEOUT", "300ms")]);
    for (headers, begin) in
        [("Content-Length: 100", "{"), ("Content-Length: 100", ""), ("Transfer-Encoding: chunked", "64\r\n{")]
    {
        let began = Instant::now();
        let mut stream = server.connect();
        stream.write_all(framed(headers, begin).as_bytes()).unwrap();
        check(headers, Problem(408, "request_timeout"), &support::read_to_end(&mut stream));
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(290) && took < Duration::from_secs(10), "{took:?}");
    }
    assert_eq!(server.get("/liveness").status, 200);
}

#[test]
fn a_body_that_comes_in_drops_has_no_more_time_than_another() {
    let server = Server::start(&[("GOTICKET_HTTP__BODY_TIMEOUT", "300ms")]);
    let mut stream = server.connect();
    stream.write_all(framed("Content-Length: 100000", "{").as_bytes()).unwrap();
    let text = drip(&mut stream, b" ");
    check("drops", Problem(408, "request_timeout"), &text);
}

#[test]
fn a_head_that_comes_in_drops_is_answered_with_408() {
    let server = Server::start(&[("GOTICKET_HTTP__HEADER_TIMEOUT", "300ms")]);
    let mut stream = server.connect();
    let text = drip(&mut stream, b"G");
    check("drops", Problem(408, "request_timeout"), &text);
}

/// Sends it, and reads to the end.
fn say(server: &Server, text: &str) -> String {
    Case::new("", text, Closed).exchange(server)
}

/// Sends this now and then until the other side has had enough; what it said.
fn drip(stream: &mut TcpStream, drop: &[u8]) -> String {
    let began = Instant::now();
    let mut said = Vec::new();
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    loop {
        let mut buffer = [0; 4_096];
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => said.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            // Nothing was said within 20 ms, and another drop falls. Where nobody takes it, there is only to read.
            Err(_) => drop_into(stream, drop),
        }
        assert!(began.elapsed() < PATIENCE, "it is fed for ever");
    }
    String::from_utf8(said).unwrap()
}

fn drop_into(stream: &mut TcpStream, drop: &[u8]) {
    let _ = stream.write_all(drop);
}

#[test]
fn texts_of_every_kind_come_back_as_they_were_sent() {
    let server = server();
    let token = token(&server);
    for name in [
        "Zażółć gęślą jaźń",
        "مهرجان الموسيقى",
        "פסטיבל \u{202e}הפוך\u{202c}",
        "e\u{301}e\u{301} is not éé",
        "Z\u{351}\u{36b}\u{343}\u{36a}\u{302}a\u{36b}\u{33d}lgo",
        "👩‍👩‍👧‍👦 🏳️‍🌈 🇵🇱",
        "한국어 日本語 中文 ไทย",
        "\u{feff}with a mark",
        "𝕄𝕒𝕥𝕙 and \u{10ffff}",
        "<script>alert('x')</script> & \"quotes\" \\ ${jndi:x} {{x}} '; DROP TABLE events; --",
        "a\u{200b}zero\u{200d}width",
    ] {
        let body = json!({
            "name": name, "description": name, "venue": name,
            "startAt": "2030-02-01T18:00:00Z", "endAt": "2030-02-01T22:00:00Z",
            "ticketTypes": [{"name": name, "price": 1}],
        });
        // Once as bytes of UTF-8, and once escaped, in halves where a character needs two.
        for text in [body.to_string(), ascii(&body.to_string())] {
            let made = only_answer(name, &say(&server, &post(EVENTS, &token, &text))).unwrap();
            assert_eq!(made.status, 201, "{name}: {made:?}");
            let made = made.json();
            let read = server.get_as(&format!("{EVENTS}/{}", made["id"].as_str().unwrap()), &token).json();
            for event in [&made, &read] {
                for field in [&event["name"], &event["description"], &event["venue"], &event["ticketTypes"][0]["name"]]
                {
                    assert_eq!(field, name);
                }
            }
        }
    }
    for (name, code) in
        [("\u{2003}\u{a0} \t", "required"), ("\u{9c}", "invalid_characters"), ("a\u{1b}[31m", "invalid_characters")]
    {
        let body = json!({"name": name, "startAt": "2030-02-01T18:00:00Z", "endAt": "2030-02-01T22:00:00Z"});
        let refused = only_answer(name, &say(&server, &post(EVENTS, &token, &body.to_string()))).unwrap();
        assert_eq!((refused.status, &refused.json()["errors"][0]["code"]), (422, &json!(code)), "{name:?}");
    }
    for email in [
        "\u{202e}a@example.com",
        "a\u{200b}b@example.com",
        "😀@example.com",
        "a@exam\u{301}ple.com",
        "a@b@c",
        "a b@example.com",
    ] {
        let body = json!({"email": email, "password": "long enough"});
        let refused = only_answer(email, &say(&server, &post(REGISTER, "", &body.to_string()))).unwrap();
        assert_eq!((refused.status, &refused.json()["errors"][0]["code"]), (422, &json!("invalid_email")), "{email:?}");
    }
}

/// The same JSON in ASCII.
fn ascii(json: &str) -> String {
    let mut text = String::new();
    for character in json.chars() {
        if character.is_ascii() {
            text.push(character);
        } else {
            let mut units = [0; 2];
            character.encode_utf16(&mut units).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        }
    }
    text
}
