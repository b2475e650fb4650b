//! Every endpoint without a login and with a token that is worth nothing; and that the router and the document are one.
//!
//! The list comes from the OpenAPI document. Who gets what with a login that holds, `access_matrix.rs` asks.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, StatusCode};
use futures::StreamExt;
use goticket_testkit::databases::Engine;
use goticket_testkit::world::{World, gala, world};
use serde_json::{Value, json};

use uuid::Uuid;

struct Operation {
    id: String,
    method: Method,
    path: String,
    guarded: bool,
    optional: bool,
    body: Option<Value>,
}

/// All operations, with the ids of things that exist in their paths and bodies that are well-formed.
fn operations(ids: &BTreeMap<&str, String>) -> Vec<Operation> {
    let document = serde_json::to_value(api_rest::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            let security = operation["security"].as_array().unwrap();
            let path = ids.iter().fold(path.clone(), |path, (name, id)| path.replace(&format!("{{{name}}}"), id));
            assert!(!path.contains('{'), "{path}");
            operations.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                guarded: security.iter().all(|it| !it.as_object().unwrap().is_empty()),
                optional: security.len() > 1 && security.iter().any(|it| it.as_object().unwrap().is_empty()),
                body: operation.get("requestBody").map(|_| body(&id)),
                id,
                path,
            });
        }
    }
    operations
}

fn body(operation: &str) -> Value {
    match operation {
        "agreeToEmailChange" | "verifyEmail" => json!({ "token": "x" }),
        "changeEmail" => json!({ "email": "new@example.com", "password": "wrong password" }),
        "changePassword" => json!({ "currentPassword": "wrong password", "password": "long enough" }),
        "deleteAccount" => json!({ "password": "wrong password" }),
        "forgotPassword" => json!({ "email": "nobody@example.com" }),
        "resetPassword" => json!({ "token": "x", "password": "long enough" }),
        "webLogin" => json!({ "email": "nobody@example.com", "password": "wrong password" }),
        "addPool" => json!({ "name": "Hall", "capacity": 5 }),
        "addTicketType" => json!({ "name": "Seated", "price": 1 }),
        "changeRole" => json!({ "role": "admin" }),
        "createEvent" => gala(1, 1),
        "createApiKey" => json!({ "name": "Till", "scopes": ["events:read"] }),
        "createOrganizer" => json!({ "name": "Club" }),
        "handOver" => json!({ "userId": Uuid::nil() }),
        "acceptInvitation" => json!({ "token": "x" }),
        "inviteMember" => json!({ "email": "a@example.com", "role": "scanner" }),
        "exchangeCode" | "webExchangeCode" => json!({ "code": "x" }),
        "linkIdentity" => json!({ "provider": "google", "password": "wrong password" }),
        "login" => json!({ "email": "nobody@example.com", "password": "wrong password" }),
        "loginWithCode" | "webLoginWithCode" => json!({ "challenge": "x", "code": "000000" }),
        "checkIn" => json!({ "code": "GT1:" }),
        "createCheckInList" => json!({ "name": "Hall" }),
        "syncCheckIns" => json!({ "sentAt": "2027-01-15T08:00:00Z", "scans": [] }),
        "startPayment" => json!({ "method": "none" }),
        "eraseGuest" => json!({ "email": "nobody@example.com" }),
        "transferTicket" => json!({ "name": "Ben" }),
        "confirmSecondFactor" | "renewRecoveryCodes" | "removeSecondFactor" => json!({ "code": "000000" }),
        "refresh" => json!({ "refreshToken": "x" }),
        "register" => json!({ "email": "new@example.com", "password": "long enough" }),
        _ => json!({}),
    }
}

/// A draft with all its parts, a booking of the buyer on another event, and their ids.
async fn furnished(world: &World) -> BTreeMap<&'static str, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let on_sale = world.on_sale(100, 10).await;
    let booking = world.book(&on_sale, 1).await;
    let draft = world.draft(100, 10).await;
    let event = text(&draft["id"]);
    let pool = world.organizer.post(&format!("/api/v1/events/{event}/pools"), &json!({ "name": "Hall" })).await;
    BTreeMap::from([
        ("sessionId", Uuid::nil().to_string()),
        ("bookingId", text(&booking["id"])),
        ("organizerId", text(&draft["organizerId"])),
        ("poolId", text(&pool.expect(201)["id"])),
        ("ticketTypeId", text(&draft["ticketTypes"][0]["id"])),
        ("userId", world.buyer.user().to_string()),
        ("apiKeyId", Uuid::nil().to_string()),
        ("invitationId", Uuid::nil().to_string()),
        ("provider", "google".to_owned()),
        ("identityId", Uuid::nil().to_string()),
        ("ticketId", Uuid::nil().to_string()),
        ("checkInId", Uuid::nil().to_string()),
        ("checkInListId", Uuid::nil().to_string()),
        ("promoCodeId", Uuid::nil().to_string()),
        ("entryId", Uuid::nil().to_string()),
        ("invoiceId", Uuid::nil().to_string()),
        ("eventId", event),
    ])
}

#[tokio::test]
async fn without_a_login_and_with_a_worthless_one() {
    let world = world(Engine::Sqlite).await;
    let operations = operations(&furnished(&world).await);
    let signature = world.buyer.token().unwrap().rsplit_once('.').unwrap().0;
    let forged = format!("{signature}.{}", "A".repeat(86));
    let worthless = [world.app.bearer("x"), world.app.bearer(""), world.app.bearer(&forged)];
    for operation in &operations {
        let Operation { id, method, path, body, .. } = operation;
        let send = async |caller: &goticket_testkit::app::Caller| {
            caller.send(method.clone(), path, &[], body.as_ref().map(ToString::to_string)).await
        };
        if operation.guarded {
            let reply = send(&world.app.anybody()).await;
            reply.problem(401, "unauthenticated");
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"), "{id}");
        }
        if operation.guarded || operation.optional {
            for caller in &worthless {
                send(caller).await.problem(401, "unauthenticated");
            }
        }
    }
    world.app.stop().await;
}

#[tokio::test]
async fn the_router_and_the_document_are_one() {
    let world = world(Engine::Sqlite).await;
    let operations = operations(&furnished(&world).await);
    let mut methods: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for operation in &operations {
        let known = methods.entry(operation.path.as_str()).or_default();
        known.insert(operation.method.as_str());
        if operation.method == Method::GET {
            known.insert("HEAD");
        }
    }
    for (path, known) in methods {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            let reply = world.app.anybody().stream(method.parse().unwrap(), path, &[], None).await;
            let is_refused = reply.status() == 405;
            assert_eq!(!is_refused, known.contains(method), "{method} {path}: {}", reply.status());
            if is_refused {
                let allow = reply.headers()["allow"].to_str().unwrap();
                assert_eq!(allow.split(',').collect::<BTreeSet<_>>(), known, "{method} {path}");
            } else {
                assert!(reply.status() != 404 || known.contains(method), "{method} {path}");
            }
        }
    }
    world.app.stop().await;
}

#[tokio::test]
async fn admins_may_what_organizers_may() {
    let world = world(Engine::Sqlite).await;
    let event = world.on_sale(100, 10).await;
    let booking = world.book(&event, 1).await["id"].as_str().unwrap().to_owned();
    assert_eq!(world.admin.get(&format!("/api/v1/bookings/{booking}")).await.status, 200);
    assert_eq!(world.admin.act(&format!("/api/v1/bookings/{booking}/confirm")).await.status, 200);
    assert_eq!(world.admin.act(&format!("/api/v1/events/{event}/pause")).await.status, 200);
    assert_eq!(world.admin.get("/api/v1/users?limit=2").await.expect(200)["items"].as_array().unwrap().len(), 2);
    world.app.stop().await;
}

#[tokio::test]
async fn who_watches_a_draft_does_so_for_as_long_as_he_may() {
    let world = world(Engine::Sqlite).await;
    let draft = world.draft(0, 5).await["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/events/{draft}/availability/stream");
    let stream = world.organizer.stream(Method::GET, &path, &[], None).await;
    assert_eq!(stream.status(), StatusCode::OK);
    let mut frames = stream.into_body().into_data_stream();
    frames.next().await.unwrap().unwrap();
    world.organizer.act("/api/v1/auth/logout").await.expect(204);
    let ended = async { while frames.next().await.is_some() {} };
    tokio::time::timeout(std::time::Duration::from_secs(20), ended).await.expect("the stream ends with the session");
    // What everybody may see goes on, whoever has opened it.
    let public = {
        let organizer = world.app.sign_in("organizer").await;
        organizer.act(&format!("/api/v1/events/{draft}/publish")).await.expect(200);
        let opened = organizer.stream(Method::GET, &path, &[], None).await;
        organizer.act("/api/v1/auth/logout").await.expect(204);
        opened
    };
    let mut frames = public.into_body().into_data_stream();
    frames.next().await.unwrap().unwrap();
    frames.next().await.unwrap().unwrap();
}
