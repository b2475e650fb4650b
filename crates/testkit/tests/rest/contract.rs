//! Every status and code of the contract that can occur, each with its exact answer, and the headers that go with reads
//! and writes.

use std::sync::Arc;

use application::booking::{Desk, DeskSettings};
use axum::http::Method;
use chrono::TimeDelta;
use domain::booking::Units;
use domain::identity::Role;
use domain::{EventId, TicketTypeId, UserId};
use goticket_testkit::app::{Settings, TestApp};
use goticket_testkit::databases::Engine;
use goticket_testkit::hall::{hold, hold_request};
use goticket_testkit::world::{gala, world, world_of};
use serde_json::{Value, json};

use crate::stream::Stream;

#[tokio::test]
async fn what_cannot_be_read_is_400() {
    let world = world(Engine::Sqlite).await;
    let event = world.on_sale(100, 10).await;
    let bookings = format!("/api/v1/events/{event}/bookings");
    for body in [
        "",
        "{",
        "nul",
        "[]",
        "\"x\"",
        r#"{"quantity": 1} x"#,
        r#"{"quantity": "1"}"#,
        r#"{"quantity": 2.5}"#,
        r#"{"quantity": 1e400}"#,
        r#"{"quantity": 99999999999999999999}"#,
        r#"{"quantity": 1, "quantity": 2}"#,
        r#"{"quantiy": 1}"#,
        r#"{"promotion": "X"}"#,
        r#"{"items": [{"ticketTypeId": "x", "quantity": 1}]}"#,
        r#"{"items": [{"quantity": 1}]}"#,
        &"[".repeat(100_000),
        &format!("{{\"items\": {}1{}}}", "[".repeat(1_000), "]".repeat(1_000)),
    ] {
        let reply = world.buyer.send(Method::POST, &bookings, &[], Some(body.to_owned())).await;
        reply.problem(400, "malformed_request");
    }
    for path in [
        "/api/v1/events/X",
        "/api/v1/events/%00",
        "/api/v1/events/%ff",
        "/api/v1/events/a%2Fb",
        "/api/v1/bookings/1",
        "/api/v1/events?limt=3",
        "/api/v1/events?limit=x",
        "/api/v1/events?limit=1&limit=2",
        "/api/v1/events?cursor=x",
        "/api/v1/events?from=yesterday",
        "/api/v1/events?status=sold",
        "/api/v1/bookings?cursor=AAAA",
    ] {
        world.buyer.get(path).await.problem(400, "malformed_request");
    }
    let long = "k".repeat(256);
    for (name, value) in [("idempotency-key", ""), ("idempotency-key", long.as_str()), ("idempotency-key", "\"a")] {
        let reply = world.buyer.send(Method::POST, &bookings, &[(name, value)], Some("{}".into())).await;
        reply.problem(400, "malformed_request");
    }
    let publish = format!("/api/v1/events/{event}/publish");
    let reply = world.organizer.send(Method::POST, &publish, &[("if-match", "3")], None).await;
    reply.problem(400, "malformed_request");
    world.app.stop().await;
}

#[tokio::test]
async fn what_is_no_json_is_415_and_what_is_too_large_413() {
    let world = world(Engine::Sqlite).await;
    for content_type in
        ["text/plain", "application/xml", "multipart/form-data; boundary=x", "application/json; charset=latin1"]
    {
        let headers = [("content-type", content_type)];
        let reply = world.organizer.send(Method::POST, "/api/v1/events", &headers, Some("{}".into())).await;
        reply.problem(415, "unsupported_media_type");
    }
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(3_000_000));
    let reply = world.organizer.send(Method::POST, "/api/v1/events", &[], Some(large)).await;
    reply.problem(413, "payload_too_large");
    let long = "x".repeat(40_000);
    let reply = world.app.anybody().send(Method::GET, "/api/v1/events", &[("x-long", long.as_str())], None).await;
    reply.problem(431, "headers_too_large");
    world.app.stop().await;
}

#[tokio::test]
async fn values_that_do_not_hold_are_422_and_named() {
    let world = world(Engine::Sqlite).await;
    let event = world.on_sale(100, 10).await;
    let edit = format!("/api/v1/events/{event}");
    let bookings = format!("{edit}/bookings");
    let types = format!("{edit}/ticket-types");
    let with = |field: &str, value: Value| {
        let mut body = gala(100, 10);
        body[field] = value;
        body
    };
    let events = "/api/v1/events".to_owned();
    let cases: Vec<(&String, Value, &str, &str)> = vec![
        (&events, with("name", json!("  ")), "name", "required"),
        (&events, with("name", json!("x".repeat(201))), "name", "too_long"),
        (&events, with("name", json!("a\u{0}b")), "name", "invalid_characters"),
        (&events, with("timezone", json!("Mars/Olympus")), "timezone", "unknown_timezone"),
        (&events, with("currency", json!("XXX")), "currency", "unknown_currency"),
        (&events, with("endAt", json!("2030-02-01T18:00:00Z")), "endAt", "not_after_start"),
        (&events, with("startAt", json!("1900-01-01T00:00:00Z")), "startAt", "out_of_range"),
        (&events, with("holdSeconds", json!(0)), "holdSeconds", "out_of_range"),
        (&events, with("price", json!(-1)), "ticketTypes[0].price", "out_of_range"),
        (&events, with("capacity", json!(-1)), "ticketTypes[0].capacity", "out_of_range"),
        (&events, with("price", Value::Null), "price", "required"),
        (&events, with("ticketTypes", json!([])), "ticketTypes", "ambiguous"),
        (&types, json!({ "name": "x", "price": 1, "maxPerBooking": 0 }), "maxPerBooking", "out_of_range"),
        (&types, json!({ "name": "x", "price": 1, "poolIds": [event] }), "poolIds", "unknown"),
    ];
    for (path, body, field, code) in cases {
        let reply = world.organizer.post(path, &body).await;
        let problem = reply.problem(422, "validation_failed");
        assert_eq!((&problem["errors"][0]["field"], &problem["errors"][0]["code"]), (&json!(field), &json!(code)));
    }
    for (body, field, code) in [
        (json!({ "quantity": 0 }), "quantity", "out_of_range"),
        (json!({ "quantity": -1 }), "quantity", "out_of_range"),
        (json!({ "quantity": 5_000_000_000_i64 }), "quantity", "out_of_range"),
        (json!({ "items": [] }), "items", "out_of_range"),
        (json!({ "items": [], "quantity": 1 }), "quantity", "ambiguous"),
        (json!({ "items": [{ "ticketTypeId": event, "quantity": 1 }] }), "items[0].ticketTypeId", "unknown"),
        (json!({ "items": [{ "ticketTypeId": event, "quantity": -2 }] }), "items[0].quantity", "out_of_range"),
        (json!({ "attendees": [{ "email": "x" }] }), "attendees[0].email", "invalid_email"),
    ] {
        let reply = world.buyer.post(&bookings, &body).await;
        let problem = reply.problem(422, "validation_failed");
        assert_eq!((&problem["errors"][0]["field"], &problem["errors"][0]["code"]), (&json!(field), &json!(code)));
    }
    for (path, field) in [
        ("/api/v1/events?limit=0", "limit"),
        ("/api/v1/events?limit=101", "limit"),
        ("/api/v1/events?q=a%00b", "q"),
        ("/api/v1/bookings?limit=-1", "limit"),
        (&format!("{bookings}?reference=%21"), "reference"),
        (&format!("{bookings}?email=x"), "email"),
    ] {
        let reply = world.organizer.get(path).await;
        assert_eq!(reply.problem(422, "validation_failed")["errors"][0]["field"], field);
    }
    world.organizer.patch(&edit, &json!({ "name": null })).await.problem(400, "malformed_request");
    world.app.stop().await;
}

#[tokio::test]
async fn accounts_answer_as_the_contract_says() {
    let world = world(Engine::Sqlite).await;
    let anybody = world.app.anybody();
    let new = json!({ "email": "New@Example.com", "password": "long enough", "name": "Ana" });
    let made = anybody.post("/api/v1/auth/register", &new).await;
    assert_eq!(made.header("location"), Some("/api/v1/auth/me"));
    let made = made.expect(201);
    assert_eq!(
        (&made["email"], &made["name"], &made["role"], &made["emailVerified"], &made["createdAt"]),
        (&json!("new@example.com"), &json!("Ana"), &json!("user"), &json!(false), &json!("2027-01-15T08:00:00Z"))
    );
    anybody.post("/api/v1/auth/register", &new).await.problem(409, "already_exists");
    for password in ["short", &"x".repeat(73)] {
        let body = json!({ "email": "b@example.com", "password": password });
        anybody.post("/api/v1/auth/register", &body).await.problem(422, "validation_failed");
    }
    let wrong = json!({ "email": "new@example.com", "password": "not this one" });
    let unknown = json!({ "email": "nobody@example.com", "password": "not this one" });
    let (wrong, unknown) =
        (anybody.post("/api/v1/auth/login", &wrong).await, anybody.post("/api/v1/auth/login", &unknown).await);
    assert_eq!(wrong.problem(401, "unauthenticated")["detail"], unknown.problem(401, "unauthenticated")["detail"]);

    let login = json!({ "email": "new@example.com", "password": "long enough" });
    let reply = anybody.post("/api/v1/auth/login", &login).await;
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let tokens = reply.expect(200);
    assert_eq!((&tokens["tokenType"], &tokens["expiresIn"]), (&json!("Bearer"), &json!(900)));
    let refresh = json!({ "refreshToken": tokens["refreshToken"] });
    let second = anybody.post("/api/v1/auth/refresh", &refresh).await.expect(200);
    assert_ne!(second["refreshToken"], tokens["refreshToken"]);
    world.app.clock.step(TimeDelta::seconds(11));
    anybody.post("/api/v1/auth/refresh", &refresh).await.problem(401, "unauthenticated");
    let me = world.app.bearer(second["accessToken"].as_str().unwrap());
    me.get("/api/v1/auth/me").await.problem(401, "unauthenticated");

    let ana =
        world.app.bearer(anybody.post("/api/v1/auth/login", &login).await.expect(200)["accessToken"].as_str().unwrap());
    assert_eq!(ana.get("/api/v1/auth/me").await.expect(200), made);
    ana.post("/api/v1/organizers", &json!({ "name": "Mine" })).await.problem(403, "forbidden");
    let role = format!("/api/v1/users/{}", made["id"].as_str().unwrap());
    assert_eq!(world.admin.patch(&role, &json!({ "role": "organizer" })).await.expect(200)["role"], "organizer");
    ana.post("/api/v1/organizers", &json!({ "name": "Mine", "slug": "mine" })).await.expect(201);
    ana.post("/api/v1/organizers", &json!({ "name": "Mine", "slug": "mine" })).await.problem(409, "already_exists");
    world.admin.patch(&role, &json!({ "role": "king" })).await.problem(400, "malformed_request");
    let own = format!("/api/v1/users/{}", world.admin.user());
    world.admin.patch(&own, &json!({ "role": "user" })).await.problem(409, "invalid_state");
    let nobody = format!("/api/v1/users/{}", uuid::Uuid::nil());
    world.admin.patch(&nobody, &json!({ "role": "user" })).await.problem(404, "not_found");
    assert_eq!(ana.act("/api/v1/auth/logout").await.status, 204);
    ana.get("/api/v1/auth/me").await.problem(401, "unauthenticated");

    let jwks = anybody.get("/.well-known/jwks.json").await.expect(200);
    assert_eq!((&jwks["keys"][0]["kty"], &jwks["keys"][0]["alg"]), (&json!("OKP"), &json!("EdDSA")));
    world.app.stop().await;
}

#[tokio::test]
async fn bookings_are_refused_as_the_contract_says() {
    let world = world(Engine::Sqlite).await;
    let event = world.on_sale(2_500, 100).await;
    let path = format!("/api/v1/events/{event}/bookings");
    let post = async |body: Value| world.buyer.post(&path, &body).await;
    let many = post(json!({ "quantity": 11 })).await;
    assert_eq!(many.problem(422, "limit_exceeded")["limit"], 10);
    let other = post(json!({ "quantity": 2, "expectedTotal": 4_000 })).await;
    assert_eq!(other.problem(409, "price_changed")["total"], 5_000);
    let nowhere = format!("/api/v1/events/{}/bookings", uuid::Uuid::nil());
    world.buyer.post(&nowhere, &json!({})).await.problem(404, "not_found");
    world.buyer.post("/api/v1/events/no-such-event/bookings", &json!({})).await.problem(404, "not_found");

    let booking = world.book(&event, 1).await;
    let own = format!("/api/v1/bookings/{}", booking["id"].as_str().unwrap());
    world.buyer.act(&format!("{own}/confirm")).await.problem(403, "forbidden");
    world.organizer.act(&format!("{own}/renew")).await.problem(403, "forbidden");
    world.app.clock.step(TimeDelta::minutes(5));
    assert_eq!(world.buyer.act(&format!("{own}/renew")).await.expect(200)["expiresAt"], "2027-01-15T08:20:00Z");
    // Renewed or not, it lapses; the tokens would as well, so that everybody signs in anew.
    world.app.clock.step(TimeDelta::minutes(20));
    let (buyer, organizer) = (sign_in(&world.app, "buyer").await, sign_in(&world.app, "organizer").await);
    buyer.act(&format!("{own}/renew")).await.problem(409, "booking_expired");
    organizer.act(&format!("{own}/confirm")).await.problem(409, "booking_expired");

    let second = buyer.post(&path, &json!({})).await.expect(201);
    let second = format!("/api/v1/bookings/{}", second["id"].as_str().unwrap());
    organizer.act(&format!("{second}/confirm")).await.expect(200);
    buyer.act(&format!("{second}/cancel")).await.problem(409, "invalid_state");
    organizer.delete(&format!("/api/v1/events/{event}")).await.problem(409, "invalid_state");
    organizer.act(&format!("/api/v1/events/{event}/pause")).await.expect(200);
    buyer.post(&path, &json!({})).await.problem(422, "sales_closed");
    world.app.stop().await;
}

async fn sign_in(app: &TestApp, name: &str) -> goticket_testkit::app::Caller {
    let login = json!({ "email": format!("{name}@example.com"), "password": goticket_testkit::app::PASSWORD });
    let tokens = app.anybody().post("/api/v1/auth/login", &login).await.expect(200);
    app.bearer(tokens["accessToken"].as_str().unwrap())
}

#[tokio::test]
async fn events_are_changed_as_the_contract_says() {
    let world = world(Engine::Sqlite).await;
    let event = world.on_sale(100, 5).await;
    let path = format!("/api/v1/events/{event}");
    let seen = world.organizer.get(&path).await.expect(200);
    let ticket_type = format!("{path}/ticket-types/{}", seen["ticketTypes"][0]["id"].as_str().unwrap());
    world.book(&event, 3).await;
    let below = world.organizer.patch(&ticket_type, &json!({ "capacity": 2 })).await;
    let problem = below.problem(409, "invalid_state");
    assert_eq!((&problem["held"], &problem["sold"]), (&json!(3), &json!(0)));
    let raised = world.organizer.patch(&ticket_type, &json!({ "capacity": null, "maxPerBuyer": 4 })).await.expect(200);
    assert_eq!(
        (&raised["capacity"], &raised["available"], &raised["maxPerBuyer"]),
        (&Value::Null, &Value::Null, &json!(4))
    );
    let over = world.buyer.post(&format!("{path}/bookings"), &json!({ "quantity": 2 })).await;
    assert_eq!(over.problem(422, "limit_exceeded")["limit"], 4);

    let version = world.organizer.get(&path).await.expect(200)["version"].as_u64().unwrap();
    let patch = async |if_match: &str| {
        let body = Some(json!({ "venue": format!("Hall {if_match}") }).to_string());
        world.organizer.send(Method::PATCH, &path, &[("if-match", if_match)], body).await
    };
    for stale in [format!("\"{}\"", version - 1), format!("W/\"{version}\""), "\"x\"".to_owned()] {
        patch(&stale).await.problem(412, "precondition_failed");
    }
    let changed = patch(&format!("\"{version}\"")).await.expect(200);
    assert_eq!(changed["version"], version + 1);
    patch("*").await.expect(200);
    let cleared = world.organizer.patch(&path, &json!({ "venue": null })).await.expect(200);
    assert_eq!((&cleared["venue"], &cleared["name"]), (&Value::Null, &json!("Gala")));
    let same = world.organizer.patch(&path, &json!({})).await.expect(200);
    assert_eq!(same["version"], cleared["version"], "what changes nothing counts for nothing");

    let draft = world.draft(1, 1).await;
    let draft = format!("/api/v1/events/{}", draft["id"].as_str().unwrap());
    world.organizer.act(&format!("{draft}/pause")).await.problem(409, "invalid_state");
    assert_eq!(world.organizer.delete(&draft).await.status, 204);
    world.organizer.get(&draft).await.problem(404, "not_found");
    let drafts = world.organizer.get("/api/v1/events?status=draft").await.expect(200);
    assert_eq!(drafts["items"], json!([]));
    world.app.anybody().get("/api/v1/events?status=draft").await.problem(401, "unauthenticated");
    world.app.stop().await;
}

#[tokio::test]
async fn reads_can_be_cached() {
    let world = world(Engine::Sqlite).await;
    let event = world.on_sale(100, 5).await;
    for path in [format!("/api/v1/events/{event}"), format!("/api/v1/events/{event}/availability")] {
        let first = world.app.anybody().get(&path).await;
        assert_eq!(first.header("cache-control"), Some("public, max-age=1"));
        let etag = first.header("etag").unwrap().to_owned();
        assert!(etag.starts_with("W/\""), "{etag}");
        let again = world.app.anybody().send(Method::GET, &path, &[("if-none-match", &etag)], None).await;
        assert_eq!((again.status.as_u16(), again.text.as_str(), again.header("etag")), (304, "", Some(etag.as_str())));
        let head = world.app.anybody().send(Method::HEAD, &path, &[], None).await;
        assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
        world.book(&event, 1).await;
        // What is shown may be a second old.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
        loop {
            let reply = world.app.anybody().send(Method::GET, &path, &[("if-none-match", &etag)], None).await;
            if reply.status == 200 {
                assert_ne!(reply.header("etag"), Some(etag.as_str()));
                break;
            }
            assert!(std::time::Instant::now() < deadline, "the sale is not seen");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    let booking = format!("/api/v1/bookings/{}", world.book(&event, 1).await["id"].as_str().unwrap());
    let etag = world.buyer.get(&booking).await.header("etag").unwrap().to_owned();
    let again = world.buyer.send(Method::GET, &booking, &[("if-none-match", &etag)], None).await;
    assert_eq!((again.status.as_u16(), again.header("cache-control")), (304, Some("private, no-cache")));
    world.app.stop().await;
}

#[tokio::test]
async fn hidden_types_are_for_those_inside() {
    let world = world(Engine::Sqlite).await;
    let event = world.on_sale(100, 5).await;
    let path = format!("/api/v1/events/{event}");
    let guest = json!({ "name": "Guests", "price": 0, "capacity": 2, "hidden": true });
    let guest = world.organizer.post(&format!("{path}/ticket-types"), &guest).await.expect(201);
    for (caller, types) in [(world.app.anybody(), 1), (world.buyer.clone(), 1), (world.organizer.clone(), 2)] {
        assert_eq!(caller.get(&path).await.expect(200)["ticketTypes"].as_array().unwrap().len(), types);
        let left = caller.get(&format!("{path}/availability")).await.expect(200);
        assert_eq!(left["ticketTypes"].as_array().unwrap().len(), types);
    }
    assert_eq!(world.organizer.get(&path).await.header("cache-control"), Some("private, no-cache"));
    let body = json!({ "items": [{ "ticketTypeId": guest["id"], "quantity": 1 }] });
    assert_eq!(world.buyer.post(&format!("{path}/bookings"), &body).await.expect(201)["status"], "confirmed");
    world.app.stop().await;
}

#[tokio::test]
async fn availability_is_told_as_it_changes() {
    let mut settings = Settings::default();
    settings.availability.watchers_max = 2;
    settings.availability.every = std::time::Duration::from_millis(20);
    settings.availability.heartbeat = std::time::Duration::from_millis(200);
    let world = world_of(TestApp::start_with(Engine::Sqlite, settings).await).await;
    let event = world.on_sale(100, 5).await;
    let path = format!("/api/v1/events/{event}/availability/stream");
    let watch = async |headers: &[(&str, &str)]| world.app.anybody().stream(Method::GET, &path, headers, None).await;
    let response = watch(&[]).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let mut stream = Stream::of(response);
    assert_eq!(stream.frame().await.unwrap(), "retry: 3000\n\n");
    let first = stream.frame().await.unwrap();
    assert!(first.contains("event: availability\ndata: {\"ticketTypes\":[{"), "{first}");
    assert!(first.contains("\"available\":5"), "{first}");
    assert_eq!(stream.frame().await.unwrap(), ": still here\n\n");
    world.book(&event, 2).await;
    let news = loop {
        let frame = stream.frame().await.unwrap();
        if !frame.starts_with(':') {
            break frame;
        }
    };
    assert!(news.contains("\"held\":2") && news.contains("\"available\":3"), "{news}");

    let known = news.lines().next().unwrap().strip_prefix("id: ").unwrap();
    let mut returned = Stream::of(watch(&[("last-event-id", known)]).await);
    assert!(returned.frame().await.unwrap().starts_with("retry"));
    assert_eq!(returned.frame().await.unwrap(), ": still here\n\n", "he knows it already");
    let refused = world.app.anybody().get(&path).await;
    refused.problem(503, "unavailable");
    assert!(refused.header("retry-after").is_some());
    drop(returned);
    assert_eq!(watch(&[]).await.status(), 200, "there is a place again");
    world.app.stop().await;
    while let Some(frame) = stream.frame().await {
        assert!(frame.starts_with(':'), "{frame}");
    }
}

/// The streams of one process tell of what another has sold on the same PostgreSQL.
#[tokio::test]
async fn what_another_process_sells_is_told_too() {
    let mut settings = Settings::default();
    settings.availability.every = std::time::Duration::from_millis(20);
    let world = world_of(TestApp::start_with(Engine::Postgres, settings).await).await;
    let event = world.on_sale(100, 5).await;
    let shown = world.app.anybody().get(&format!("/api/v1/events/{event}")).await.expect(200);
    let path = format!("/api/v1/events/{event}/availability/stream");
    let mut stream = Stream::of(world.app.anybody().stream(Method::GET, &path, &[], None).await);
    assert!(stream.frame().await.unwrap().starts_with("retry"));
    assert!(stream.frame().await.unwrap().contains("\"available\":5"));

    let app = &world.app;
    let (store, clock) = (Arc::new(app.database.open().await), Arc::new(app.clock.clone()));
    let other = Desk::open(store, clock, Arc::clone(&app.ids), DeskSettings::default());
    let ticket_type = TicketTypeId::new(shown["ticketTypes"][0]["id"].as_str().unwrap().parse().unwrap());
    let units = vec![Units { ticket_type, quantity: 2, unit_price: None }];
    let request = hold_request(&*app.ids, UserId::new(world.buyer.user()), units);
    hold(&other, EventId::new(event.parse().unwrap()), request, None).await.unwrap();
    assert!(stream.frame().await.unwrap().contains("\"available\":3"));
    other.close().await;
    world.app.stop().await;
}

#[tokio::test]
async fn operators_see_how_it_is() {
    let world = world(Engine::Sqlite).await;
    let (anybody, operator) = (world.app.anybody(), world.app.operator());
    for caller in [&anybody, &operator] {
        assert_eq!(caller.get("/liveness").await.expect(200), json!({ "status": "live" }));
        assert_eq!(caller.get("/readiness").await.expect(200), json!({ "status": "ready" }));
        let health = caller.get("/health").await.expect(200);
        assert_eq!((&health["status"], &health["components"][0]["name"]), (&json!("up"), &json!("database")));
    }
    assert_eq!(operator.get("/metrics").await.text, "# metrics\n");
    anybody.get("/metrics").await.problem(404, "not_found");
    assert_eq!(operator.stream(Method::GET, "/api/v1/events", &[], None).await.status(), 404);
    world.app.health.drain();
    let draining = anybody.get("/readiness").await;
    draining.problem(503, "unavailable");
    assert_eq!(draining.header("retry-after"), Some("1"));
    assert_eq!(anybody.get("/health").await.expect(503)["draining"], true);
    anybody.get("/liveness").await.expect(200);
    world.app.stop().await;
}

#[tokio::test]
async fn the_document_can_be_read() {
    let world = world(Engine::Sqlite).await;
    let anybody = world.app.anybody();
    let document = anybody.get("/openapi.json").await;
    assert_eq!(document.body, serde_json::to_value(api_rest::openapi()).unwrap());
    let etag = document.header("etag").unwrap();
    assert_eq!(anybody.send(Method::GET, "/openapi.json", &[("if-none-match", etag)], None).await.status, 304);
    let page = anybody.get("/docs/").await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self'") && !policy.contains("http"), "nothing from elsewhere: {policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(!page.text.contains("<style") && !page.text.contains("style="), "which it would not let through");
    for line in page.text.lines().filter(|line| line.contains("src=") || line.contains("href=")) {
        assert!(!line.contains("http"), "{line}");
    }
    anybody.get("/docs/nothing").await.problem(404, "not_found");
    anybody.get("/nothing").await.problem(404, "not_found");
    let gzip = anybody.send(Method::GET, "/openapi.json", &[("accept-encoding", "gzip")], None).await;
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    world.app.stop().await;
}

#[tokio::test]
async fn other_origins_may_call_where_they_are_allowed() {
    let mut settings = Settings::default();
    settings.rest.cors_origins = vec!["https://shop.example.com".to_owned()];
    let app = TestApp::start_with(Engine::Sqlite, settings).await;
    let ask = async |origin: &str| {
        let headers = [("origin", origin), ("access-control-request-method", "POST")];
        app.anybody().send(Method::OPTIONS, "/api/v1/events", &headers, None).await
    };
    let allowed = ask("https://shop.example.com").await;
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://shop.example.com"));
    assert_eq!(ask("https://evil.example.com").await.header("access-control-allow-origin"), None);
    app.stop().await;
    let usual = TestApp::start(Engine::Sqlite).await;
    let headers = [("origin", "https://shop.example.com"), ("access-control-request-method", "POST")];
    let refused = usual.anybody().send(Method::OPTIONS, "/api/v1/events", &headers, None).await;
    refused.problem(405, "method_not_allowed");
    usual.stop().await;
}

#[tokio::test]
async fn a_full_queue_sheds_before_it_looks_who_asks() {
    let mut settings = Settings::default();
    settings.desk.queue_max = 0;
    let world = world_of(TestApp::start_with(Engine::Sqlite, settings).await).await;
    let path = format!("/api/v1/events/{}/bookings", uuid::Uuid::nil());
    let reply = world.app.bearer("worthless").post(&path, &json!({})).await;
    reply.problem(503, "unavailable");
    assert_eq!(reply.header("retry-after"), Some("1"));
    world.app.stop().await;
}

#[tokio::test]
async fn a_buyer_may_become_an_organizer_where_it_is_set_so() {
    let mut settings = Settings::default();
    settings.identity.self_service_organizers = true;
    let app = TestApp::start_with(Engine::Sqlite, settings).await;
    let buyer = app.account("buyer", Role::User).await;
    buyer.post("/api/v1/events", &gala(0, 1)).await.expect(201);
    assert_eq!(buyer.get("/api/v1/auth/me").await.expect(200)["role"], "organizer");
    assert_eq!(buyer.get("/api/v1/organizers").await.expect(200)["items"].as_array().unwrap().len(), 1);
    app.stop().await;
}
