//! What a connection may do, and for how long.

#![expect(clippy::unwrap_used, reason = "a test that fails by `unwrap` fails well")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Server, answer, ask, read_to_end, read_until, wait_for};

const LIVENESS: &str = "GET /liveness HTTP/1.1\r\nHost: test\r\n\r\n";
const LAST: &str = "GET /liveness HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";

fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).unwrap();
}

fn problem(text: &str, status: u16, code: &str) {
    let answer = answer(text);
    assert_eq!(answer.status, status, "{text}");
    assert!(answer.head.contains("application/problem+json"), "{text}");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((&body["code"], &body["status"]), (&Value::from(code), &Value::from(status)));
    let id = body["correlationId"].as_str().unwrap();
    assert!(answer.head.to_lowercase().contains(&format!("x-correlation-id: {id}")), "{text}");
}

#[test]
fn one_connection_too_many_is_told_so_and_the_others_live_on() {
    let server = Server::start(&[("GOTICKET_HTTP__CONNECTIONS_MAX", "2")]);
    // The connections that asked for readiness may still be on their way out.
    let mut held: Vec<TcpStream> = Vec::new();
    wait_for("two connections that are let in", || {
        let mut stream = server.connect();
        send(&mut stream, LIVENESS);
        let mut begin = [0; 12];
        if stream.read_exact(&mut begin).is_ok() && begin.ends_with(b"200") {
            held.push(stream);
        }
        (held.len() == 2).then_some(())
    });
    problem(&read_to_end(&mut server.connect()), 503, "unavailable");
    drop(held.pop());
    wait_for("a place that became free", || {
        let mut stream = server.connect();
        send(&mut stream, LAST);
        read_to_end(&mut stream).starts_with("HTTP/1.1 200").then_some(())
    });
}

#[test]
fn a_head_that_comes_slowly_is_answered_with_408() {
    let server = Server::start(&[("GOTICKET_HTTP__HEADER_TIMEOUT", "300ms")]);
    for begin in ["G", "P", "GET /liveness HTTP/1.1\r\nHost: te"] {
        let began = Instant::now();
        let mut stream = server.connect();
        send(&mut stream, begin);
        problem(&read_to_end(&mut stream), 408, "request_timeout");
        assert!(began.elapsed() >= Duration::from_millis(290), "{:?}", began.elapsed());
    }
    let mut stream = server.connect();
    send(&mut stream, LIVENESS);
    read_until(&mut stream, "live");
    send(&mut stream, "GET /li");
    problem(&read_to_end(&mut stream), 408, "request_timeout");
}

#[test]
fn drops_of_a_head_do_not_lengthen_its_time() {
    let server = Server::start(&[("GOTICKET_HTTP__HEADER_TIMEOUT", "300ms")]);
    let mut stream = server.connect();
    let began = Instant::now();
    send(&mut stream, "GET /liveness HTTP/1.1\r\n");
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut byte = [0; 1];
    while stream.read(&mut byte).is_err() {
        // Each read waits for 20 ms, and in between another drop falls.
        if stream.write_all(b"X: y\r\n").is_err() {
            break;
        }
        assert!(began.elapsed() < support::PATIENCE, "it is fed for ever");
    }
    assert!(began.elapsed() >= Duration::from_millis(290), "{:?}", began.elapsed());
}

#[test]
fn a_connection_between_two_requests_outlives_the_time_of_a_head() {
    let server = Server::start(&[("GOTICKET_HTTP__HEADER_TIMEOUT", "100ms")]);
    let mut stream = server.connect();
    send(&mut stream, LIVENESS);
    read_until(&mut stream, "live");
    // Nothing may come for several times as long.
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    assert!(stream.read(&mut [0; 1]).is_err(), "neither bytes nor an end");
    send(&mut stream, LIVENESS);
    read_until(&mut stream, "live");
}

#[test]
fn silence_ends_a_connection() {
    let server = Server::start(&[
        ("GOTICKET_HTTP__REQUEST_TIMEOUT", "500ms"),
        ("GOTICKET_HTTP__IDLE_TIMEOUT", "1500ms"),
        ("GOTICKET_AVAILABILITY__HEARTBEAT", "1s"),
    ]);
    let began = Instant::now();
    let mut never_spoke = server.connect();
    let mut spoke = server.connect();
    send(&mut spoke, LIVENESS);
    read_until(&mut spoke, "live");
    assert_eq!(read_to_end(&mut never_spoke), "");
    assert_eq!(read_to_end(&mut spoke), "");
    assert!(began.elapsed() >= Duration::from_millis(1_490), "{:?}", began.elapsed());
}

#[test]
fn requests_in_a_row_are_answered_in_their_order() {
    let server = Server::start(&[]);
    let mut stream = server.connect();
    let nowhere = "GET /nowhere HTTP/1.1\r\nHost: test\r\n\r\n";
    send(&mut stream, &format!("{LIVENESS}{nowhere}{LAST}"));
    let text = read_to_end(&mut stream);
    let statuses: Vec<&str> = text.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "404", "200"], "{text}");
}

#[test]
fn garbage_is_refused_and_ends_its_connection_alone() {
    let server = Server::start(&[]);
    for garbage in ["\0\0\0\0\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "HELO there\r\n\r\n", "GET / HTTP/9.9\r\n\r\n"] {
        let mut stream = server.connect();
        send(&mut stream, &format!("{LIVENESS}{garbage}{LIVENESS}"));
        let text = read_to_end(&mut stream);
        assert!(text.starts_with("HTTP/1.1 200"), "{garbage:?}: {text}");
        assert_eq!(text.matches("HTTP/1.1 200").count(), 1, "{garbage:?}: {text}");
    }
    assert_eq!(server.get("/liveness").status, 200);
}

#[test]
fn headers_that_are_too_large_are_431() {
    let server = Server::start(&[]);
    let large = |bytes: usize| format!("GET /liveness HTTP/1.1\r\nHost: test\r\nX: {}\r\n\r\n", "x".repeat(bytes));
    let refused = ask(server.http, &large(33_000).replacen("Host", "Connection: close\r\nHost", 1));
    assert_eq!((refused.status, &refused.json()["code"]), (431, &Value::from("headers_too_large")));
    let mut stream = server.connect();
    // What is larger still is refused before it was read to its end.
    let _ = stream.write_all(large(200_000).as_bytes());
    let text = read_to_end(&mut stream);
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 431"), "{text}");
    assert_eq!(server.get("/liveness").status, 200);
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

#[test]
fn http_2_is_spoken_with_who_begins_so() {
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    let server = Server::start(&[]);
    let mut stream = server.connect();
    // `GET` and `http` from the static table of HPACK, path and authority as literals.
    let mut head = vec![0x82, 0x86, 0x04, 9];
    head.extend_from_slice(b"/liveness");
    head.extend_from_slice(&[0x01, 4]);
    head.extend_from_slice(b"test");
    let (end_of_headers, end_of_stream) = (0x4, 0x1);
    // In drops, the first of which could also begin a `POST`.
    for part in [b"P".as_slice(), b"RI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, &[])] {
        stream.write_all(part).unwrap();
    }
    stream.write_all(&frame(HEADERS, end_of_headers | end_of_stream, 1, &head)).unwrap();
    let mut kinds = Vec::new();
    let payload = loop {
        let mut start = [0; 9];
        stream.read_exact(&mut start).unwrap();
        let mut payload = vec![0; u32::from_be_bytes([0, start[0], start[1], start[2]]) as usize];
        stream.read_exact(&mut payload).unwrap();
        kinds.push(start[3]);
        if start[3] == HEADERS {
            break payload;
        }
    };
    assert_eq!(kinds[0], SETTINGS);
    assert_eq!(payload[0], 0x88, "`:status` 200 of the static table");
}
