//! Every code of the contract with its whole answer, word by word: one row each. The document names the codes that can
//! occur; one without a row here fails the test.
//!
//! What ends in the server before the router is reached (a head that is no HTTP) is in `goticket/tests/hostile.rs`.

use std::collections::BTreeSet;
use std::time::Duration;

use application::guard::{LimitClass, LimitRates, Rate};
use axum::http::Method;
use chrono::TimeDelta;
use goticket_testkit::app::{Caller, Reply, Settings, TestApp};
use goticket_testkit::databases::Engine;
use goticket_testkit::world::{World, gala, world_of};
use serde_json::{Map, Value, json};
use sqlx::Connection;
use tokio::time::{Instant, timeout};

/// A deadline for what is only waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A row: what was answered, and what must be: status, code, title, detail, further members, and one header.
struct Row {
    reply: Reply,
    status: u16,
    code: &'static str,
    title: &'static str,
    detail: String,
    members: Value,
    header: Option<(&'static str, &'static str)>,
}

impl Row {
    fn new(reply: Reply, status: u16, code: &'static str, title: &'static str, detail: &str) -> Self {
        Self { reply, status, code, title, detail: detail.to_owned(), members: json!({}), header: None }
    }

    fn with(self, members: Value) -> Self {
        Self { members, ..self }
    }

    fn header(self, name: &'static str, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    fn check(&self) {
        let mut expected: Map<String, Value> = self.members.as_object().unwrap().clone();
        for (name, value) in [
            ("type", json!(format!("urn:goticket:problem:{}", self.code))),
            ("title", json!(self.title)),
            ("status", json!(self.status)),
            ("detail", json!(self.detail)),
            ("code", json!(self.code)),
            ("correlationId", json!(self.reply.header("x-correlation-id"))),
        ] {
            expected.insert(name.to_owned(), value);
        }
        assert_eq!(self.reply.body, Value::Object(expected), "{}", self.code);
        self.reply.problem(self.status, self.code);
        let header = |name: &str| self.reply.header(name);
        if let Some((name, value)) = self.header {
            assert_eq!(header(name), Some(value), "{}: {name}", self.code);
        }
        for (name, codes) in [
            ("retry-after", &["unavailable", "request_in_progress", "rate_limited"] as &[_]),
            ("www-authenticate", &["unauthenticated"]),
            ("allow", &["method_not_allowed"]),
        ] {
            assert_eq!(header(name).is_some(), codes.contains(&self.code), "{}: {name}", self.code);
        }
        assert_eq!(header("cache-control"), Some("no-store"), "{}", self.code);
    }
}

struct Scene {
    world: World,
    event: String,
    ticket_type: Value,
    bookings: String,
}

impl Scene {
    /// An event with five tickets, three of them held.
    async fn set() -> Self {
        let mut settings = Settings::default();
        settings.rest.body.time_limit = Duration::from_millis(50);
        settings.identity.access_ttl = TimeDelta::days(1);
        let world = world_of(TestApp::start_with(Engine::Sqlite, settings).await).await;
        let event = world.on_sale(100, 5).await;
        let path = format!("/api/v1/events/{event}");
        let ticket_type = world.organizer.get(&path).await.expect(200)["ticketTypes"][0]["id"].clone();
        Self { world, bookings: format!("{path}/bookings"), event: path, ticket_type }
    }

    async fn post(&self, body: Value) -> Reply {
        self.world.buyer.post(&self.bookings, &body).await
    }

    async fn keyed(&self, caller: &Caller, key: &str, body: Value) -> Reply {
        let headers = [("idempotency-key", key)];
        caller.send(Method::POST, &self.bookings, &headers, Some(body.to_string())).await
    }

    /// What the transport refuses.
    async fn of_transport(&self) -> Vec<Row> {
        let (anybody, organizer) = (self.world.app.anybody(), &self.world.organizer);
        let raw = async |headers: &[(&str, &str)], body: &str| {
            organizer.send(Method::POST, "/api/v1/events", headers, Some(body.to_owned())).await
        };
        let long = "x".repeat(40_000);
        let slow = anybody.send_slowly("/api/v1/auth/login", "{").await;
        vec![
            Row::new(
                raw(&[], "{").await,
                400,
                "malformed_request",
                "The request cannot be understood",
                "the body does not fit: EOF while parsing an object at line 1 column 1",
            ),
            Row::new(
                raw(&[("content-type", "text/plain")], "{}").await,
                415,
                "unsupported_media_type",
                "Not a media type of this resource",
                "the body must be application/json in UTF-8",
            ),
            Row::new(
                raw(&[], &format!("\"{}\"", "x".repeat(3_000_000))).await,
                413,
                "payload_too_large",
                "The request is too large",
                "the body must have at most 1000000 bytes",
            ),
            Row::new(
                anybody.send(Method::GET, "/api/v1/events", &[("x-long", &long)], None).await,
                431,
                "headers_too_large",
                "The headers are too large",
                "the address and the headers must have at most 32768 bytes together",
            ),
            Row::new(slow, 408, "request_timeout", "The request came too slowly", "the body did not come in time"),
            Row::new(
                anybody.send(Method::PUT, "/api/v1/events", &[], None).await,
                405,
                "method_not_allowed",
                "Not a method of this resource",
                "the header Allow names the methods of this resource",
            )
            .header("allow", "POST,GET,HEAD"),
            Row::new(
                anybody.get("/api/v1/nothing").await,
                404,
                "not_found",
                "Not found",
                "there is nothing at this address",
            ),
        ]
    }

    /// What depends on who asks.
    async fn of_access(&self) -> Vec<Row> {
        let (anybody, buyer) = (self.world.app.anybody(), &self.world.buyer);
        let again = json!({ "email": "buyer@example.com", "password": "long enough" });
        vec![
            Row::new(anybody.get("/api/v1/bookings").await, 401, "unauthenticated", "Sign in first", "sign in first")
                .header("www-authenticate", "Bearer"),
            Row::new(
                buyer.post("/api/v1/organizers", &json!({ "name": "Mine" })).await,
                403,
                "forbidden",
                "Not allowed",
                "you are not allowed to do this",
            ),
            Row::new(
                self.world.stranger.act(&format!("{}/pause", self.event)).await,
                404,
                "not_found",
                "Not found",
                "there is no such event",
            ),
            Row::new(
                anybody.post("/api/v1/auth/register", &again).await,
                409,
                "already_exists",
                "It exists already",
                "an account with this e-mail address exists already",
            ),
        ]
    }

    /// What a sale refuses.
    async fn of_sale(&self) -> Vec<Row> {
        let held = self.post(json!({ "quantity": 3 })).await.expect(201);
        let own = format!("/api/v1/bookings/{}", held["id"].as_str().unwrap());
        let types = format!("{}/ticket-types/{}", self.event, self.ticket_type.as_str().unwrap());
        let stale = [("if-match", "\"1\"")];
        let edit = Some(json!({ "venue": "Hall" }).to_string());
        let free = self.keyed(&self.world.stranger, "k-1", json!({})).await;
        free.expect(201);
        let mut rows = vec![
            Row::new(
                self.post(json!({ "quantity": 1, "expectedTotal": 99 })).await,
                409,
                "price_changed",
                "The price has changed",
                "the price has changed: the total is 100 now",
            )
            .with(json!({ "total": 100 })),
            Row::new(
                self.post(json!({ "quantity": 11 })).await,
                422,
                "limit_exceeded",
                "More, or fewer, than one booking or buyer may have",
                "at most 10 of General admission can be booked together",
            )
            .with(json!({ "limit": 10, "ticketTypeId": self.ticket_type })),
            Row::new(
                self.post(json!({ "quantity": 0 })).await,
                422,
                "validation_failed",
                "Some values are not valid",
                "the request has values that are not valid",
            )
            .with(
                json!({ "errors": [{ "field": "quantity", "code": "out_of_range", "message": "must be between 1 and 4294967295" }] }),
            ),
            Row::new(
                self.keyed(&self.world.stranger, "k-1", json!({ "quantity": 2 })).await,
                422,
                "idempotency_conflict",
                "The key was used for another request",
                "this idempotency key was used for another request",
            ),
            Row::new(
                self.world.organizer.patch(&types, &json!({ "capacity": 3 })).await,
                409,
                "invalid_state",
                "Its state does not allow this",
                "4 are held and 0 sold: the capacity cannot be lower than their sum",
            )
            .with(json!({ "held": 4, "sold": 0 })),
            Row::new(
                self.world.organizer.send(Method::PATCH, &self.event, &stale, edit).await,
                412,
                "precondition_failed",
                "It was changed meanwhile",
                "it was changed meanwhile: the present version is 2",
            ),
            // Last: what is known to be sold out is refused before anything else is looked at.
            Row::new(self.post(json!({ "quantity": 2 })).await, 409, "sold_out", "Sold out", "sold out")
                .with(json!({ "left": [{ "ticketTypeId": self.ticket_type, "available": 1 }] })),
        ];
        self.world.app.clock.step(TimeDelta::minutes(15));
        rows.push(Row::new(
            self.world.organizer.act(&format!("{own}/confirm")).await,
            409,
            "booking_expired",
            "The booking has expired",
            "the booking has expired",
        ));
        self.world.organizer.act(&format!("{}/pause", self.event)).await.expect(200);
        rows.push(Row::new(
            self.post(json!({})).await,
            422,
            "sales_closed",
            "Not on sale",
            "the event is paused: nothing is sold",
        ));
        self.world.organizer.act(&format!("{}/resume", self.event)).await.expect(200);
        rows
    }

    /// What is answered while something else is under way or broken.
    async fn of_operation(&self) -> Vec<Row> {
        // Whoever has the only writer keeps every commit waiting.
        let url = self.world.app.database.settings().url;
        let mut writer = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut writer).await.unwrap();
        let first = self.keyed(&self.world.buyer, "k-2", json!({}));
        let second = async {
            let deadline = Instant::now() + PATIENCE;
            loop {
                // One that finds the place empty would be the first itself: it is not waited for.
                let asked = timeout(Duration::from_millis(100), self.keyed(&self.world.buyer, "k-2", json!({}))).await;
                if let Ok(reply) = asked {
                    return reply;
                }
                assert!(Instant::now() < deadline, "the first does not run");
            }
        };
        let ended = async {
            let second = second.await;
            sqlx::query("ROLLBACK").execute(&mut writer).await.unwrap();
            second
        };
        let (first, second) = tokio::join!(first, ended);
        first.expect(201);
        let in_progress = Row::new(
            second,
            409,
            "request_in_progress",
            "The first request with this key still runs",
            "the first request with this idempotency key is still running",
        )
        .header("retry-after", "1");

        // What no version of the program has written.
        let draft = self.world.organizer.post("/api/v1/events", &gala(1, 1)).await.expect(201);
        self.world.app.database.tamper("UPDATE events SET currency = 'XXX' WHERE status = 'draft'").await;
        let path = format!("/api/v1/events/{}", draft["id"].as_str().unwrap());
        let internal = async {
            let deadline = Instant::now() + PATIENCE;
            loop {
                // What was read before is remembered for a second.
                let reply = self.world.organizer.get(&path).await;
                if reply.status != 200 {
                    return reply;
                }
                assert!(Instant::now() < deadline, "it is never read again");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let internal = Row::new(internal.await, 500, "internal", "An internal error", "an internal error happened");
        vec![in_progress, internal]
    }
}

/// 503, of an application whose queue has no place.
async fn unavailable() -> Row {
    let mut settings = Settings::default();
    settings.desk.queue_max = 0;
    let world = world_of(TestApp::start_with(Engine::Sqlite, settings).await).await;
    let path = format!("/api/v1/events/{}/bookings", uuid::Uuid::nil());
    let reply = world.buyer.post(&path, &json!({})).await;
    world.app.stop().await;
    Row::new(reply, 503, "unavailable", "Too busy, or a part is away", "too busy at the moment, try again shortly")
        .header("retry-after", "1")
}

/// 429, of an application that lets nobody do anything twice.
async fn rate_limited() -> Row {
    let limits = LimitRates::default().with(LimitClass::Requests, Rate::new(1, 60));
    let app = TestApp::start_with(Engine::Sqlite, Settings { limits: Some(limits), ..Settings::default() }).await;
    app.anybody().get("/api/v1/events").await.expect(200);
    let reply = app.anybody().get("/api/v1/events").await;
    app.stop().await;
    Row::new(reply, 429, "rate_limited", "Too many requests", "too many requests, try again later")
        .header("retry-after", "60")
}

#[tokio::test]
async fn each_code_has_its_exact_answer() {
    let scene = Scene::set().await;
    let mut rows = scene.of_transport().await;
    rows.extend(scene.of_access().await);
    rows.extend(scene.of_sale().await);
    rows.extend(scene.of_operation().await);
    rows.push(unavailable().await);
    rows.push(rate_limited().await);
    rows.iter().for_each(Row::check);
    let seen: BTreeSet<&str> = rows.iter().map(|row| row.code).collect();
    let known = codes();
    let known: BTreeSet<&str> = known.iter().map(String::as_str).collect();
    assert_eq!(seen, known, "each code that the document names has a row, and no other");
    scene.world.app.stop().await;
}

/// All codes of the document, wherever an answer names one; and the one that an unknown method gets, which belongs to no
/// operation.
fn codes() -> BTreeSet<String> {
    fn find(value: &Value, codes: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                let examples =
                    object.get("application/problem+json").and_then(|content| content["examples"].as_object());
                codes.extend(examples.into_iter().flat_map(Map::keys).cloned());
                object.values().for_each(|value| find(value, codes));
            }
            Value::Array(values) => values.iter().for_each(|value| find(value, codes)),
            _ => {}
        }
    }
    let mut codes = BTreeSet::from(["method_not_allowed".to_owned()]);
    find(&serde_json::to_value(api_rest::openapi()).unwrap(), &mut codes);
    codes
}
