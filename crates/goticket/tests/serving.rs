//! A server from its start to its end.

#![expect(clippy::unwrap_used, reason = "a test that fails by `unwrap` fails well")]

mod support;

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use support::{
    Server, answer, ask, goticket, post_head, read_to_end, read_until, run, run_with_input, stderr, stdout, wait_for,
};
use totp_rs::{Builder, Secret};

const DEMO: (&str, &str) = ("GOTICKET_DEMO__ENABLED", "true");

#[test]
fn a_bare_machine_needs_no_setting() {
    let server = Server::start(&[]);
    let log = server.log();
    for words in ["Listening on http://127.0.0.1:", "data/goticket.db", "data/master.key", "goticket user create"] {
        assert!(log.contains(words), "{words}: {log}");
    }
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).expect("a file is no terminal");
        assert!(line["message"].is_string());
    }
    let key = server.dir.path().join("data/master.key");
    assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let health = server.get("/health").json();
    assert_eq!((&health["status"], &health["figures"][0]["name"]), (&json!("up"), &json!("payment_cases")));
    assert_eq!(health["figures"][0]["count"], 0);

    let server = Server::start_in(server.stop(), &[]);
    assert!(server.log().contains("is ready"), "it starts again on what the first start made");
}

#[test]
fn metrics_are_on_the_operations_address_alone() {
    let server = Server::start(&[]);
    let metrics = ask(server.ops, "GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    assert_eq!(metrics.status, 200);
    for name in ["http_requests_total", "http_request_duration_seconds_bucket", "http_connections"] {
        assert!(metrics.body.contains(name), "{name}: {}", metrics.body);
    }
    assert_eq!(server.get("/metrics").status, 404);
    // What somebody should look at is read now and then, and not for who asks.
    let text = || ask(server.ops, "GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").body;
    wait_for("a figure of payment cases", || text().lines().find(|line| *line == "payment_cases 0").map(drop));
}

#[test]
fn a_second_server_on_the_same_file_is_refused() {
    let server = Server::start(&[]);
    let mut second = server.command();
    second.env("GOTICKET_HTTP__ADDRESS", "127.0.0.1:0").env("GOTICKET_OPS__ADDRESS", "127.0.0.1:0");
    let output = run(&mut second, &["serve"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("another server uses the database"), "{}", stderr(&output));

    let taken = run(&mut server.command(), &["serve"]);
    assert_eq!(taken.status.code(), Some(1));
    assert!(stderr(&taken).contains(&server.http.to_string()), "{}", stderr(&taken));
    assert_eq!(server.get("/readiness").status, 200, "the first one does not mind");
}

#[test]
fn another_master_key_is_refused_and_says_what_to_do() {
    let dir = Server::start(&[]).stop();
    let mut other = goticket(dir.path());
    other.env("GOTICKET_SECRETS__MASTER_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    other.env("GOTICKET_HTTP__ADDRESS", "127.0.0.1:0").env("GOTICKET_OPS__ADDRESS", "127.0.0.1:0");
    let output = run(&mut other, &["serve"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("master key"), "{}", stderr(&output));
}

#[test]
fn an_account_from_the_command_line_signs_in() {
    let server = Server::start(&[]);
    let arguments = ["user", "create", "--email", "anna@example.com", "--role", "admin", "--password-stdin"];
    let made = run_with_input(&mut server.command(), &arguments, "correct horse battery\n");
    assert!(made.status.success(), "{}", stderr(&made));
    let again = run_with_input(&mut server.command(), &arguments, "correct horse battery\n");
    assert!(stderr(&again).contains("exists already"), "{}", stderr(&again));

    let credentials = json!({"email": "anna@example.com", "password": "correct horse battery"});
    let pair = server.post("/api/v1/auth/login", &credentials);
    assert_eq!(pair.status, 200, "{pair:?}");
    let me = server.get_as("/api/v1/auth/me", pair.json()["accessToken"].as_str().unwrap()).json();
    assert_eq!((me["email"].as_str(), me["role"].as_str()), (Some("anna@example.com"), Some("admin")));
}

/// An admin who cannot do without a second factor, from the first sign-in to the day he has lost it.
#[test]
fn a_second_factor_is_set_up_asked_for_and_reset_by_the_command_line() {
    let server = Server::start(&[("GOTICKET_AUTH__SECOND_FACTOR__REQUIRED_FOR", "admin")]);
    let arguments = ["user", "create", "--email", "anna@example.com", "--role", "admin", "--password-stdin"];
    let made = run_with_input(&mut server.command(), &arguments, "correct horse battery\n");
    assert!(made.status.success(), "{}", stderr(&made));
    let login = || {
        server.post("/api/v1/auth/login", &json!({"email": "anna@example.com", "password": "correct horse battery"}))
    };
    let first = login();
    assert_eq!(first.status, 200, "{first:?}");
    let token = first.json()["accessToken"].as_str().unwrap().to_owned();
    assert_eq!(server.get_as("/api/v1/users", &token).status, 403);
    let post_as = |path: &str, body: Value| {
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        ask(server.http, &format!("{head}{body}"))
    };
    let made = post_as("/api/v1/users/me/second-factor", json!({"password": "correct horse battery"}));
    let secret = Secret::try_from_base32(made.json()["secret"].as_str().unwrap()).unwrap();
    let app =
        Builder::new().with_secret(secret).with_issuer(Some("GoTicket")).with_account_name("anna").build().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the server goes by the time of the system, and so does an app")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let code = |step: u64| app.generate(now + 30 * step).to_string();
    let confirmed = post_as("/api/v1/users/me/second-factor/confirm", json!({"code": code(0)}));
    assert_eq!(confirmed.status, 200, "{confirmed:?}");

    let asked = login();
    assert_eq!(asked.status, 202, "{asked:?}");
    let answer = json!({"challenge": asked.json()["challenge"], "code": code(1)});
    let pair = server.post("/api/v1/auth/login/second-factor", &answer);
    assert_eq!(pair.status, 200, "{pair:?}");
    let token = pair.json()["accessToken"].as_str().unwrap().to_owned();
    assert_eq!(server.get_as("/api/v1/users", &token).status, 200);

    let reset = run(&mut server.command(), &["user", "reset-second-factor", "--email", "anna@example.com"]);
    assert!(stdout(&reset).contains("is gone"), "{}", stderr(&reset));
    wait_for("the end of the session", || (server.get_as("/api/v1/users", &token).status == 401).then_some(()));
    assert_eq!(login().status, 200);
    let again = run(&mut server.command(), &["user", "reset-second-factor", "--email", "anna@example.com"]);
    assert!(stdout(&again).contains("no second factor"), "{}", stderr(&again));
    let unknown = run(&mut server.command(), &["user", "reset-second-factor", "--email", "nobody@example.com"]);
    assert_eq!(unknown.status.code(), Some(1));
}

#[test]
fn who_has_registered_becomes_admin_by_the_command_line_once_his_address_is_verified() {
    let server = Server::start(&[]);
    let credentials = json!({"email": "anna@example.com", "password": "correct horse battery"});
    assert_eq!(server.post("/api/v1/auth/register", &credentials).status, 201);
    let set =
        |email: &str, role: &str| run(&mut server.command(), &["user", "set-role", "--email", email, "--role", role]);
    let early = set("anna@example.com", "admin");
    assert!(early.status.code() == Some(1) && stderr(&early).contains("verif"), "{}", stderr(&early));
    let token = wait_for("the mail", || mailed_token(&server, "anna@example.com"));
    assert_eq!(server.post("/api/v1/auth/email/verify", &json!({"token": token})).status, 200);
    assert!(set("anna@example.com", "admin").status.success());
    let pair = server.post("/api/v1/auth/login", &credentials).json();
    assert_eq!(server.get_as("/api/v1/users", pair["accessToken"].as_str().unwrap()).status, 200);
    assert!(set("anna@example.com", "admin").status.success(), "done twice, it is done once");
    let last = set("anna@example.com", "user");
    assert!(last.status.code() == Some(1), "the last admin stays one: {}", stderr(&last));
    assert_eq!(set("nobody@example.com", "admin").status.code(), Some(1));
}

/// Notes wait for five seconds at most, and for none of them where the server is asked to stop.
#[test]
fn what_is_noted_is_written_before_a_server_stops() {
    let server = Server::start(&[]);
    let arguments = ["user", "create", "--email", "anna@example.com", "--role", "admin", "--password-stdin"];
    let made = run_with_input(&mut server.command(), &arguments, "correct horse battery\n");
    assert!(made.status.success(), "{}", stderr(&made));
    let right = json!({"email": "anna@example.com", "password": "correct horse battery"});
    let wrong = json!({"email": "anna@example.com", "password": "wrong horse battery"});
    let failed = || {
        let pair = server.post("/api/v1/auth/login", &wrong);
        assert_eq!(pair.status, 401, "{pair:?}");
    };
    failed();
    failed();
    let server = Server::start_in(server.stop(), &[]);
    let pair = server.post("/api/v1/auth/login", &right).json();
    let log = server.get_as("/api/v1/audit?action=login.failed", pair["accessToken"].as_str().unwrap());
    let noted = log.json();
    assert!(noted["items"][0]["after"]["times"].as_u64() >= Some(1), "{log:?}");
}

#[test]
fn keys_are_rotated_beside_a_running_server() {
    let server = Server::start(&[]);
    let arguments = ["user", "create", "--email", "anna@example.com", "--password-stdin"];
    assert!(run_with_input(&mut server.command(), &arguments, "correct horse battery\n").status.success());
    let sign_in = || {
        let credentials = json!({"email": "anna@example.com", "password": "correct horse battery"});
        let pair = server.post("/api/v1/auth/login", &credentials).json();
        pair["accessToken"].as_str().unwrap().to_owned()
    };
    let keys = || server.get("/.well-known/jwks.json").json()["keys"].as_array().unwrap().len();
    let old = sign_in();
    assert_eq!(keys(), 1);
    let rotated = run(&mut server.command(), &["keys", "rotate"]);
    assert!(rotated.status.success(), "{}", stderr(&rotated));
    wait_for("the new key", || (keys() == 2).then_some(()));
    let head = |token: &str| token.split('.').next().unwrap().to_owned();
    let new = wait_for("a token with another `kid`", || Some(sign_in()).filter(|new| head(new) != head(&old)));
    for token in [old, new] {
        assert_eq!(server.get_as("/api/v1/auth/me", &token).status, 200);
    }
}

#[test]
fn without_a_mail_server_mails_are_files_that_the_log_tells_of() {
    let server = Server::start(&[]);
    let folder = server.dir.path().join("data/mails");
    let credentials = json!({"email": "anna@example.com", "password": "correct horse battery"});
    assert_eq!(server.post("/api/v1/auth/register", &credentials).status, 201);
    let mails = || {
        std::fs::read_dir(&folder).map_or(0, |files| {
            files
                .filter(|file| file.as_ref().is_ok_and(|file| file.path().extension().is_some_and(|it| it == "eml")))
                .count()
        })
    };
    wait_for("a mail", || (mails() == 1).then_some(()));
    let log = server.log();
    assert!(log.contains("mails are not sent, but written to"), "{log}");
    assert!(!log.contains("anna@example.com"), "{log}");
}

/// The token of the mail to this address, where mails are files.
fn mailed_token(server: &Server, email: &str) -> Option<String> {
    let files = std::fs::read_dir(server.dir.path().join("data/mails")).ok()?;
    let mails = files.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok());
    // Long lines of a mail are folded by «=», and its other «=» are written as «=3D» (RFC 2045, 6.7).
    let text = mails.map(|mail| mail.replace("=\r\n", "").replace("=3D", "=")).find(|mail| mail.contains(email))?;
    let token = text.split_once("#token=")?.1;
    Some(token.chars().take_while(|it| it.is_ascii_alphanumeric() || "-_".contains(*it)).collect())
}

/// A whole sale, with what goes wrong in it; of whom it was nothing may stand in the log, however much that says.
#[test]
fn the_log_of_a_whole_sale_names_nobody() {
    let server =
        Server::start(&[("GOTICKET_AUTH__SELF_SERVICE_ORGANIZERS", "true"), ("GOTICKET_TELEMETRY__LOG", "debug")]);
    let mut secrets = Vec::new();
    let mut told = |text: &str| {
        secrets.push(text.to_owned());
        text.to_owned()
    };
    let mut account = |name: &str, family: &str| {
        let (email, password) =
            (told(&format!("{name}.{family}@example.com")), told(&format!("horse battery of {name}")));
        let made = json!({ "email": email, "password": password, "name": told(&format!("{name} {family}")) });
        assert_eq!(server.post("/api/v1/auth/register", &made).status, 201);
        let token = told(&wait_for("the mail", || mailed_token(&server, &email)));
        assert_eq!(server.post("/api/v1/auth/email/verify", &json!({ "token": token })).status, 200);
        let wrong = json!({ "email": email, "password": "not the password of it" });
        assert_eq!(server.post("/api/v1/auth/login", &wrong).status, 401);
        let tokens = server.post("/api/v1/auth/login", &json!({ "email": email, "password": password })).json();
        (told(tokens["accessToken"].as_str().unwrap()), told(tokens["refreshToken"].as_str().unwrap()))
    };
    let (anna, _) = account("anna", "organizerska");
    let (ben, refresh) = account("ben", "buyerski");
    let ask = |token: &str, path: &str, body: Value| {
        let answer = server.post_as(&format!("/api/v1{path}"), token, &body);
        assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
        if answer.status == 204 { Value::Null } else { answer.json() }
    };
    let event =
        json!({ "name": "Gala", "startAt": "2090-01-01T18:00:00Z", "endAt": "2090-01-01T22:00:00Z", "price": 2_500 });
    let event = ask(&anna, "/events", event);
    let path = format!("/events/{}", event["id"].as_str().unwrap());
    ask(&anna, &format!("{path}/publish"), json!({}));
    let guest = json!({ "name": told("Cleo Attendeeska"), "email": told("cleo@example.net") });
    let booking = ask(&ben, &format!("{path}/bookings"), json!({ "quantity": 2, "attendees": [guest] }));
    let booking = format!("/bookings/{}", booking["id"].as_str().unwrap());
    ask(&ben, &format!("{booking}/payments"), json!({ "method": "card_ok" }));
    let tickets = wait_for("the tickets", || {
        let tickets = server.get_as(&format!("/api/v1{booking}/tickets"), &ben).json();
        tickets.as_array().filter(|tickets| tickets.len() == 2).cloned()
    });
    let code = told(tickets[0]["code"].as_str().unwrap());
    ask(&anna, &format!("{path}/check-ins"), json!({ "code": code }));
    let to = json!({ "name": told("Dora Transfereska"), "email": told("dora@example.net") });
    ask(&ben, &format!("/tickets/{}/transfer", tickets[1]["id"].as_str().unwrap()), to);
    let organizer = event["organizerId"].as_str().unwrap();
    let invited = json!({ "email": told("eva@example.net"), "role": "scanner" });
    ask(&anna, &format!("/organizers/{organizer}/invitations"), invited);
    ask(&anna, &format!("{booking}/refund"), json!({}));
    for email in ["ben.buyerski@example.com", told("nobody@example.net").as_str()] {
        assert_eq!(server.post("/api/v1/auth/password/forgot", &json!({ "email": email })).status, 202);
    }
    let renewed = server.post("/api/v1/auth/refresh", &json!({ "refreshToken": refresh })).json();
    told(renewed["refreshToken"].as_str().unwrap());
    // What cannot be read is not repeated in the log either.
    let broken = format!("{{\"email\": \"{}\", \"password\"", told("fay@example.net"));
    assert_eq!(server.post("/api/v1/auth/login", &Value::String(broken)).status, 400);
    let dir = server.stop();
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
    assert!(log.lines().count() > 25 && log.contains("DEBUG"), "{log}");
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret} stands in the log: {log}");
    }
}

#[test]
fn demo_tokens_hold_on_the_server_that_runs() {
    let server = Server::start(&[DEMO]);
    let made = run(&mut server.command(), &["demo", "tokens", "--count", "3", "--role", "organizer"]);
    assert!(made.status.success(), "{}", stderr(&made));
    let mut ids = BTreeSet::new();
    for line in stdout(&made).lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["role"], "organizer");
        let me = server.get_as("/api/v1/auth/me", line["accessToken"].as_str().unwrap());
        assert_eq!(me.status, 200, "{me:?}");
        assert_eq!((&me.json()["id"], &me.json()["email"]), (&line["id"], &line["email"]));
        ids.insert(line["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 3);
}

#[test]
fn the_demo_is_seeded_once_however_often_it_is_asked_for() {
    let server = Server::start(&[DEMO]);
    let names = || {
        let events = server.get("/api/v1/events").json();
        let name = |event: &Value| event["name"].as_str().unwrap().to_owned();
        events["items"].as_array().unwrap().iter().map(name).collect::<Vec<_>>()
    };
    for _ in 0..2 {
        let seeded = run(&mut server.command(), &["demo", "seed"]);
        assert!(seeded.status.success(), "{}", stderr(&seeded));
        assert!(stdout(&seeded).contains("organizer@demo.example"), "{}", stdout(&seeded));
        // Lists are stale by a second at most.
        wait_for("three events", || (names().len() == 3).then_some(()));
    }
    let credentials = json!({"email": "organizer@demo.example", "password": "demo-organizer"});
    assert_eq!(server.post("/api/v1/auth/login", &credentials).status, 200);
    let verified = run(&mut server.command(), &["verify"]);
    assert!(verified.status.success(), "{}", stdout(&verified));
}

#[test]
fn the_health_check_asks_the_server() {
    let server = Server::start(&[]);
    for arguments in [&["healthcheck"] as &[&str], &["healthcheck", "--liveness"]] {
        assert!(run(&mut server.command(), arguments).status.success());
    }
}

/// Begins a request whose body is not complete, so that it runs until we say.
fn begin_login(server: &Server) -> (TcpStream, String) {
    let body = json!({"email": "nobody@example.com", "password": "correct horse battery"}).to_string();
    let (begin, rest) = body.split_at(10);
    let mut stream = server.connect();
    stream.write_all(post_head("/api/v1/auth/login", body.len(), "keep-alive").as_bytes()).unwrap();
    stream.write_all(begin.as_bytes()).unwrap();
    (stream, rest.to_owned())
}

/// Waits until the operations address says that the server is not ready any more.
fn wait_until_draining(server: &Server) {
    wait_for("the end of readiness", || {
        let request = "GET /readiness HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
        (ask(server.ops, request).status == 503).then_some(())
    });
}

#[test]
fn what_has_begun_is_finished_after_a_sigterm() {
    let mut server = Server::start(&[]);
    let (mut stream, rest) = begin_login(&server);
    let mut idle = server.connect();
    idle.write_all(b"GET /liveness HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    read_until(&mut idle, "live");

    server.signal(Signal::TERM);
    wait_until_draining(&server);
    wait_for("the end of new connections", || TcpStream::connect(server.http).is_err().then_some(()));
    assert_eq!(read_to_end(&mut idle), "", "a connection that waits for nothing is closed");

    stream.write_all(rest.as_bytes()).unwrap();
    let answer = answer(&read_to_end(&mut stream));
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(server.ended().code(), Some(0));
    assert!(server.log().contains("Stopped after"), "{}", server.log());
}

#[test]
fn watchers_do_not_keep_a_server_from_stopping() {
    let mut server = Server::start(&[DEMO]);
    assert!(run(&mut server.command(), &["demo", "seed"]).status.success());
    let events = wait_for("events", || {
        let events = server.get("/api/v1/events").json();
        events["items"].as_array().filter(|items| !items.is_empty()).cloned()
    });
    let path = format!("/api/v1/events/{}/availability/stream", events[0]["id"].as_str().unwrap());
    let mut stream = server.connect();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes()).unwrap();
    let begin = read_until(&mut stream, "ticketTypes");
    assert!(begin.contains("text/event-stream"), "{begin}");

    server.signal(Signal::TERM);
    read_to_end(&mut stream);
    assert_eq!(server.ended().code(), Some(0));
    assert!(!server.log().contains("were not done in time"), "{}", server.log());
}

#[test]
fn a_request_that_takes_too_long_does_not_keep_a_server_from_stopping() {
    let mut server = Server::start(&[("GOTICKET_HTTP__SHUTDOWN_TIMEOUT", "300ms")]);
    let _stream = begin_login(&server);
    server.signal(Signal::INT);
    assert_eq!(server.ended().code(), Some(0));
    assert!(server.log().contains("were not done in time"), "{}", server.log());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = Server::start(&[]);
    let _stream = begin_login(&server);
    server.signal(Signal::TERM);
    wait_until_draining(&server);
    server.signal(Signal::TERM);
    assert_eq!(server.ended().code(), Some(1));
    assert!(server.log().contains("ending at once"), "the log is complete all the same: {}", server.log());
}

#[test]
fn a_sandbox_runs_apart_and_keeps_its_books_for_itself() {
    let dir = tempfile::tempdir().unwrap();
    let command = || {
        let mut command = goticket(dir.path());
        command.arg("sandbox").env("GOTICKET_PAYMENTS__SANDBOX__SECRET", "0123456789abcdef");
        command
    };
    let log = dir.path().join("log");
    let mut sandbox = command().stdout(std::fs::File::create(&log).unwrap()).spawn().unwrap();
    let address: SocketAddr = wait_for("the address of the sandbox", || {
        let told = std::fs::read_to_string(&log).unwrap();
        told.split_once("The sandbox is on http://")?.1.split_once(';')?.0.parse().ok()
    });
    let asked = |secret: &str| {
        let path = "/v1/charges/00000000-0000-0000-0000-000000000001";
        let head = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
        ask(address, &format!("{head}Authorization: Bearer {secret}\r\n\r\n")).status
    };
    assert_eq!((asked("0123456789abcdef"), asked("0123456789abcdee")), (404, 401));
    let second = run(&mut command(), &[]);
    assert_eq!(second.status.code(), Some(1));
    for told in ["journal of the sandbox", "another process has it"] {
        assert!(stderr(&second).contains(told), "{}", stderr(&second));
    }
    let url = format!("http://{address}");
    let compare = |format: &str| {
        let mut command = goticket(dir.path());
        command.env("GOTICKET_PAYMENTS__SANDBOX__URL", &url);
        command.env("GOTICKET_PAYMENTS__SANDBOX__SECRET", "0123456789abcdef");
        run(
            &mut command,
            &["reconcile", "--until", "2100-01-01T00:00:00Z", "--from", "2020-01-01T00:00:00Z", "--format", format],
        )
    };
    let migrated = run(&mut goticket(dir.path()), &["migrate"]);
    assert!(migrated.status.success(), "{}", stderr(&migrated));
    let same = compare("text");
    assert!(
        same.status.success() && stdout(&same).contains("Both tell the same"),
        "{} {}",
        stdout(&same),
        stderr(&same)
    );
    let charge = json!({
        "id": "01900000-0000-7000-8000-000000000001", "amount": 2500, "currency": "PLN", "method": "card_ok", "description": "ABC",
    });
    let charge = charge.to_string();
    let request = format!(
        "POST /v1/charges HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer 0123456789abcdef\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{charge}",
        charge.len()
    );
    assert_eq!(ask(address, &request).status, 200);
    let other = compare("text");
    assert_eq!(other.status.code(), Some(1));
    assert!(stdout(&other).contains("unknown_charge payment 01900000-"), "{}", stdout(&other));
    assert!(stdout(&other).contains("nothing here, succeeded 25.00 PLN there"), "{}", stdout(&other));
    let other = compare("json");
    let lines: Vec<Value> = stdout(&other).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (lines.len(), &lines[0]["kind"], &lines[1]["summary"]["differences"]),
        (2, &json!("unknown_charge"), &json!(1))
    );
    assert_eq!(lines[0]["theirs"], json!({ "status": "succeeded", "amount": 2500, "currency": "PLN" }));
    kill_process(Pid::from_child(&sandbox), Signal::TERM).unwrap();
    assert!(sandbox.wait().unwrap().success());
}

/// A booking whose payment is decided after a while, and the token of its buyer.
fn paying_slowly(server: &Server) -> (String, String) {
    let account = |role: &str| {
        let seeded = run(&mut server.command(), &["demo", "tokens", "--count", "1", "--role", role]);
        let account: Value = serde_json::from_str(stdout(&seeded).lines().next().unwrap()).unwrap();
        account["accessToken"].as_str().unwrap().to_owned()
    };
    let (organizer, buyer) = (account("organizer"), account("user"));
    let event = json!({"name": "Gala", "startAt": "2099-01-01T18:00:00Z", "endAt": "2099-01-01T22:00:00Z",
        "price": 2_500, "capacity": 10});
    let event = server.post_as("/api/v1/events", &organizer, &event).json()["id"].as_str().unwrap().to_owned();
    let event = format!("/api/v1/events/{event}");
    assert_eq!(server.post_as(&format!("{event}/publish"), &organizer, &json!({})).status, 200);
    let held = server.post_as(&format!("{event}/bookings"), &buyer, &json!({}));
    let booking = format!("/api/v1/bookings/{}", held.json()["id"].as_str().unwrap());
    let paid = server.post_as(&format!("{booking}/payments"), &buyer, &json!({"method": "card_slow"}));
    assert_eq!((paid.status, paid.json()["status"].as_str()), (201, Some("processing")), "{paid:?}");
    (booking, buyer)
}

#[test]
fn what_a_provider_told_is_printed_as_it_came() {
    let server = Server::start(&[DEMO]);
    paying_slowly(&server);
    let told = |of: &[&str]| -> Vec<Value> {
        let told = run(&mut server.command(), &[&["messages"], of].concat());
        assert!(told.status.success(), "{}", stderr(&told));
        stdout(&told).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let message = wait_for("the message of the sandbox", || told(&["--provider", "sandbox"]).into_iter().next());
    let body: Value = serde_json::from_str(message["body"].as_str().unwrap()).unwrap();
    let (event, received) = (body["id"].as_str().unwrap(), message["receivedAt"].as_str().unwrap());
    assert_eq!(told(&["--containing", event])[0], message);
    assert_eq!(told(&["--from", received, "--until", "2099-01-01T00:00:00Z"])[0], message);
    for none in [
        ["--until", received],
        ["--provider", "stripe"],
        ["--containing", "cowries"],
        ["--from", "9999-01-01T00:00:00Z"],
    ] {
        assert_eq!(told(&none), [] as [Value; 0], "{none:?}");
    }
}

/// Money that is under way when the server is killed is neither lost nor taken twice: the provider remembers what it took,
/// and the server asks for it.
#[test]
fn what_is_paid_while_a_server_is_killed_is_found_again() {
    let server = Server::start(&[DEMO]);
    let (booking, buyer) = paying_slowly(&server);

    let server = Server::start_in(server.kill(), &[DEMO]);
    wait_for("the tickets that were paid for", || {
        let shown = server.get_as(&booking, &buyer).json();
        (shown["status"] == "confirmed").then_some(())
    });
    assert_eq!(server.get_as(&format!("{booking}/tickets"), &buyer).json().as_array().unwrap().len(), 1);
    let payments = server.get_as(&format!("{booking}/payments"), &buyer).json();
    assert_eq!((payments[0]["status"].as_str(), payments[0]["captured"].as_i64()), (Some("succeeded"), Some(2_500)));
    let verified = run(&mut server.command(), &["verify"]);
    assert!(verified.status.success(), "{}", stdout(&verified));
}

#[test]
fn without_a_provider_every_method_is_refused() {
    let server = Server::start(&[("GOTICKET_PAYMENTS__PROVIDER", "none")]);
    assert!(!server.log().contains("make believe"));
    let hook = server.post("/api/v1/webhooks/sandbox", &json!({}));
    assert_eq!(hook.status, 404, "{hook:?}");
}
