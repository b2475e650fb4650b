//! The whole program against a shop of a hundred lines that keeps the contract,
//! and against one that breaks it.
#![expect(clippy::unwrap_used, reason = "this is a test, its helpers too")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

const EVENT: &str = "00000000-0000-7000-8000-000000000001";

/// A shop with one event at a time.
#[derive(Default)]
struct Shop {
    capacity: u64,
    held: u64,
    bookings: u64,
    /// What to answer to everybody who books, if not the truth.
    broken: Option<&'static str>,
    /// Sells one ticket more than there are.
    oversells: bool,
    requests: HashMap<String, u64>,
}

impl Shop {
    fn answer(&mut self, method: &str, path: &str, body: &serde_json::Value) -> (&'static str, String) {
        *self.requests.entry(format!("{method} {path}")).or_default() += 1;
        match (method, path.strip_prefix("/api/v1/events").unwrap_or(path)) {
            ("POST", "") => {
                (self.capacity, self.held) = (body["capacity"].as_u64().unwrap(), 0);
                ("201 Created", format!(r#"{{"id":"{EVENT}","ticketTypes":[{{"id":"{EVENT}"}}]}}"#))
            }
            ("POST", rest) if rest.ends_with("/publish") => ("200 OK", "{}".to_owned()),
            ("POST", rest) if rest.ends_with("/bookings") => self.book(body["quantity"].as_u64().unwrap_or(1)),
            ("GET", rest) if rest.ends_with("/availability") => {
                let available = self.capacity.saturating_sub(self.held);
                let stock = format!(
                    r#"{{"capacity":{},"held":{},"sold":0,"available":{available}}}"#,
                    self.capacity, self.held
                );
                ("200 OK", format!(r#"{{"ticketTypes":[{stock}]}}"#))
            }
            _ => ("404 Not Found", r#"{"code":"not_found"}"#.to_owned()),
        }
    }

    fn book(&mut self, quantity: u64) -> (&'static str, String) {
        if let Some(status) = self.broken {
            return (status, r#"{"code":"internal"}"#.to_owned());
        }
        if self.held + quantity > self.capacity + u64::from(self.oversells) {
            return ("409 Conflict", r#"{"code":"sold_out"}"#.to_owned());
        }
        self.held += quantity;
        self.bookings += 1;
        ("201 Created", format!(r#"{{"id":"b{}","status":"pending"}}"#, self.bookings))
    }
}

/// Opens the shop on a free port; answers its address.
fn open(shop: Shop) -> (String, Arc<Mutex<Shop>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shop = Arc::new(Mutex::new(shop));
    let shared = Arc::clone(&shop);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shop = Arc::clone(&shared);
            std::thread::spawn(move || serve(stream, &shop));
        }
    });
    (url, shop)
}

fn serve(mut stream: TcpStream, shop: &Mutex<Shop>) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        while reader.read_line(&mut line).unwrap_or(0) > 2 {
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let mut words = first.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let (status, text) = shop.lock().unwrap().answer(method, path, &body);
        // in chunks, as servers that compress or stream do
        let chunked =
            format!("HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{text}\r\n0\r\n\r\n", text.len());
        if stream.write_all(chunked.as_bytes()).is_err() {
            return;
        }
    }
}

/// Runs the drill against the shop; answers what it said and its JSON.
fn drill(url: &str, arguments: &[&str]) -> (Output, serde_json::Value) {
    let dir = tempfile::tempdir().unwrap();
    let (tokens, json, html) = (dir.path().join("tokens"), dir.path().join("r.json"), dir.path().join("r.html"));
    let line =
        |role| format!("{{\"id\":\"1\",\"email\":\"a@example.org\",\"role\":\"{role}\",\"accessToken\":\"t\"}}\n");
    std::fs::write(&tokens, line("user") + &line("organizer")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_drill"))
        .args(arguments)
        .args(["--url", url, "--tokens"])
        .arg(&tokens)
        .arg("--json")
        .arg(&json)
        .arg("--html")
        .arg(&html)
        .output()
        .unwrap();
    let report = std::fs::read(&json).map(|json| serde_json::from_slice(&json).unwrap()).unwrap_or_default();
    if output.status.success() {
        assert!(std::fs::read_to_string(&html).unwrap().contains("<svg"));
    }
    (output, report)
}

fn shown(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_race_in_a_good_shop_is_won_by_exactly_as_many_as_there_are_tickets() {
    let (url, shop) = open(Shop::default());
    let (output, report) =
        drill(&url, &["race", "--clients", "200", "--tickets", "41", "--quantity", "2", "--connections", "20"]);
    assert!(output.status.success(), "{}", shown(&output));
    assert_eq!(shop.lock().unwrap().bookings, 20);
    assert_eq!(report["sections"][0]["phases"][0]["statuses"], serde_json::json!({"201": 20, "409": 180}));
}

#[test]
fn a_shop_that_oversells_by_one_is_found_out() {
    let (url, _) = open(Shop { oversells: true, ..Shop::default() });
    let (output, _) = drill(&url, &["race", "--clients", "200", "--tickets", "40", "--connections", "20"]);
    assert!(!output.status.success());
    assert!(shown(&output).contains("FAILED bookings made: 41, but it must be 40"), "{}", shown(&output));
}

#[test]
fn a_sale_is_measured_and_every_request_is_counted() {
    let (url, shop) = open(Shop::default());
    let (output, report) = drill(&url, &["hot-event", "--connections", "4", "--seconds", "1", "--warmup", "0"]);
    assert!(output.status.success(), "{}", shown(&output));
    let phase = &report["sections"][0]["phases"][0];
    assert_eq!(phase["statuses"]["201"], shop.lock().unwrap().bookings);
    assert!(phase["classes"]["accepted"]["p99_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn an_open_loop_offers_the_rate_it_was_asked_for() {
    let (url, _) = open(Shop::default());
    let (output, report) =
        drill(&url, &["hot-event", "--rate", "200", "--connections", "8", "--seconds", "2", "--warmup", "0"]);
    assert!(output.status.success(), "{}", shown(&output));
    let rate = report["sections"][0]["figures"][0]["value"].as_f64().unwrap();
    assert!((190.0..=205.0).contains(&rate), "{rate}");
}

#[test]
fn answers_that_must_not_happen_are_shown_and_fail_the_run() {
    let (url, _) = open(Shop { broken: Some("500 Internal Server Error"), ..Shop::default() });
    let (output, _) = drill(&url, &["hot-event", "--connections", "2", "--seconds", "1", "--warmup", "0"]);
    assert!(!output.status.success());
    assert!(shown(&output).contains("unexpected answer 500"), "{}", shown(&output));
}

#[test]
fn load_never_leaves_the_machine() {
    let (output, _) = drill("http://192.0.2.1:80", &["hot-event"]);
    assert!(!output.status.success());
    assert!(shown(&output).contains("not on this machine"), "{}", shown(&output));
}
