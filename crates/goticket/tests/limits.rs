//! Limits over real sockets: scanners, and who is believed about where a request comes from.

#![expect(clippy::unwrap_used, reason = "a test that fails by `unwrap` fails well")]

mod support;

use support::{Answer, Server, ask};

const ON: (&str, &str) = ("GOTICKET_RATE_LIMIT__ENABLED", "true");
const FEW: (&str, &str) = ("GOTICKET_RATE_LIMIT__MISSES", "5/1h");

fn get_through(server: &Server, path: &str, header: &str) -> Answer {
    ask(server.http, &format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{header}\r\n\r\n"))
}

fn is_limited(answer: &Answer) {
    assert_eq!((answer.status, &answer.json()["code"]), (429, &serde_json::json!("rate_limited")), "{answer:?}");
    let head = answer.head.to_lowercase();
    assert!(head.contains("retry-after: ") && head.contains("ratelimit: \"misses\";r=0;t="), "{head}");
}

#[test]
fn a_scan_of_paths_and_ids_ends_soon() {
    let server = Server::start(&[ON, FEW]);
    for path in ["/.env", "/admin", "/wp-login.php"] {
        assert_eq!(server.get(path).status, 404);
    }
    for at in 0..2 {
        assert_eq!(server.get(&format!("/api/v1/events/0198000{at}-0000-7000-8000-000000000000")).status, 404);
    }
    // Whoever makes up another address for himself is still the same.
    for header in ["X-Forwarded-For: 198.51.100.7", "Forwarded: for=198.51.100.7", "X-Real-IP: 198.51.100.7"] {
        is_limited(&get_through(&server, "/api/v1/events", header));
    }
    is_limited(&server.get("/nothing"));
    assert_eq!(server.get("/readiness").status, 200, "a balancer is not limited");
}

#[test]
fn a_trusted_proxy_tells_scanners_from_others() {
    let server = Server::start(&[ON, FEW, ("GOTICKET_HTTP__TRUSTED_PROXIES", "127.0.0.0/8")]);
    for _ in 0..5 {
        assert_eq!(get_through(&server, "/nothing", "X-Forwarded-For: 6.6.6.6, 198.51.100.7").status, 404);
    }
    is_limited(&get_through(&server, "/nothing", "X-Forwarded-For: 7.7.7.7, 198.51.100.7"));
    is_limited(&get_through(&server, "/nothing", "Forwarded: for=\"198.51.100.7:4711\""));
    assert_eq!(get_through(&server, "/api/v1/events", "X-Forwarded-For: 198.51.100.8").status, 200);
    assert_eq!(server.get("/api/v1/events").status, 200);
}

#[test]
fn limits_are_on_where_nothing_is_said() {
    let server = Server::start(&[ON]);
    let body = serde_json::json!({ "email": "nobody@example.com", "password": "not the password" });
    let statuses: Vec<u16> = (0..6).map(|_| server.post("/api/v1/auth/login", &body).status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
}
