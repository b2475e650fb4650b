//! API keys over HTTP: shown once, kept as a digest, felt at once where they are revoked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use application::access::Agent;
use application::identity::{ApiKeyReads, Identity};
use axum::http::Method;
use chrono::TimeDelta;
use domain::identity::{Scope, TokenHash};
use domain::{ApiKeyId, OrganizerId};
use goticket_testkit::app::Caller;
use goticket_testkit::databases::Engine;
use goticket_testkit::world::{World, gala, world};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const ALL: [&str; 4] = ["events:read", "events:write", "bookings:read", "bookings:write"];

/// A world whose organizer has an organizer, and where its keys are.
async fn with_organizer(engine: Engine) -> (World, String) {
    let world = world(engine).await;
    let made = world.organizer.post("/api/v1/organizers", &json!({ "name": "Club" })).await.expect(201);
    let path = format!("/api/v1/organizers/{}/api-keys", made["id"].as_str().unwrap());
    (world, path)
}

fn organizer_of(path: &str) -> OrganizerId {
    OrganizerId::new(path.split('/').nth(4).unwrap().parse().unwrap())
}

async fn key(world: &World, path: &str, body: Value) -> (Caller, Value) {
    let made = world.organizer.post(path, &body).await.expect(201);
    (world.app.bearer(made["secret"].as_str().unwrap()), made)
}

#[tokio::test]
async fn a_key_is_shown_once_and_kept_as_a_digest() {
    let (world, path) = with_organizer(Engine::Sqlite).await;
    let reply = world.organizer.post(&path, &json!({ "name": "Till", "scopes": ["bookings:read"] })).await;
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let location = reply.header("location").unwrap().to_owned();
    let made = reply.expect(201);
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("gtk_") && secret.len() == 47, "{secret}");
    assert_eq!(made["hint"], secret[..10]);
    let shown = world.organizer.get(&location).await;
    assert!(!shown.text.contains(secret));
    let shown = shown.expect(200);
    assert_eq!(
        (&shown["id"], &shown["name"], &shown["scopes"], &shown["createdBy"], &shown["expiresAt"], &shown["revokedAt"]),
        (
            &made["id"],
            &json!("Till"),
            &json!(["bookings:read"]),
            &json!(world.organizer.user()),
            &Value::Null,
            &Value::Null
        )
    );
    let listed = world.organizer.get(&path).await;
    assert!(!listed.text.contains(secret));
    assert_eq!(listed.expect(200)["items"], json!([shown]));

    let id = ApiKeyId::new(made["id"].as_str().unwrap().parse().unwrap());
    let kept = world.app.database.database.api_key(organizer_of(&path), id).await.unwrap().unwrap();
    assert_eq!(kept.hash, TokenHash::new(Sha256::digest(secret.as_bytes()).into()));
    world.app.stop().await;
}

#[tokio::test]
async fn wishes_are_checked() {
    let (world, path) = with_organizer(Engine::Sqlite).await;
    for (body, field) in [
        (json!({ "name": " ", "scopes": ["events:read"] }), "name"),
        (json!({ "name": "x".repeat(101), "scopes": ["events:read"] }), "name"),
        (json!({ "name": "Till", "scopes": [] }), "scopes"),
        (json!({ "name": "Till", "scopes": ["events:read"], "expiresAt": "2020-01-01T00:00:00Z" }), "expiresAt"),
    ] {
        let reply = world.organizer.post(&path, &body).await;
        assert_eq!(reply.problem(422, "validation_failed")["errors"][0]["field"], field);
    }
    let unknown = json!({ "name": "Till", "scopes": ["everything"] });
    world.organizer.post(&path, &unknown).await.problem(400, "malformed_request");
    let body = json!({ "name": "Till", "scopes": ["events:read", "events:read"] });
    for number in 0..50 {
        let made = world.organizer.post(&path, &body).await.expect(201);
        assert_eq!(made["scopes"], json!(["events:read"]), "{number}");
    }
    world.organizer.post(&path, &body).await.problem(409, "invalid_state");
    let mut pages = 0;
    let mut cursor = String::new();
    loop {
        let page = world.organizer.get(&format!("{path}?limit=20{cursor}")).await.expect(200);
        pages += 1;
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(pages, 3);
    let first = world.organizer.get(&path).await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(world.organizer.delete(&format!("{path}/{first}")).await.status, 204);
    world.organizer.post(&path, &body).await.expect(201);
    world.app.stop().await;
}

#[tokio::test]
async fn what_is_no_key_opens_nothing() {
    let (world, path) = with_organizer(Engine::Sqlite).await;
    let (program, made) = key(&world, &path, json!({ "name": "Till", "scopes": ALL })).await;
    program.get("/api/v1/organizers").await.expect(200);
    let secret = made["secret"].as_str().unwrap();
    let mut other = secret.to_owned();
    other.replace_range(20..21, if &secret[20..21] == "A" { "B" } else { "A" });
    for bad in [
        &other,
        "gtk_",
        &secret[..46],
        &format!("{secret}A"),
        &secret.to_uppercase(),
        &secret[4..],
        &format!("gtk_{}", "ą".repeat(30)),
        &format!("gtk_{}", "A".repeat(100_000 / 4)),
    ] {
        if bad.is_ascii() {
            world.app.bearer(bad).get("/api/v1/organizers").await.problem(401, "unauthenticated");
        }
    }
    let twice = [("authorization", "Bearer x")];
    program.send(Method::GET, "/api/v1/organizers", &twice, None).await.problem(401, "unauthenticated");
    world.app.stop().await;
}

#[tokio::test]
async fn a_key_expires() {
    let (world, path) = with_organizer(Engine::Sqlite).await;
    let end = world.app.catalog.now() + TimeDelta::minutes(10);
    let wish = json!({ "name": "Till", "scopes": ["events:read"], "expiresAt": end });
    let (program, _) = key(&world, &path, wish).await;
    program.get("/api/v1/organizers").await.expect(200);
    world.app.clock.step(TimeDelta::minutes(9));
    program.get("/api/v1/organizers").await.expect(200);
    world.app.clock.step(TimeDelta::minutes(1));
    program.get("/api/v1/organizers").await.problem(401, "unauthenticated");
    world.app.stop().await;
}

#[tokio::test]
async fn a_key_acts_for_its_organizer_and_journals_name_it() {
    let (world, path) = with_organizer(Engine::Sqlite).await;
    let (program, made) = key(&world, &path, json!({ "name": "Till", "scopes": ALL })).await;
    // Without a word on whose it is, the event is that of the key's organizer; and the same key again is the same event.
    let create = async || {
        let headers = [("idempotency-key", "first")];
        program.send(Method::POST, "/api/v1/events", &headers, Some(gala(100, 5).to_string())).await
    };
    let event = create().await.expect(201);
    assert_eq!(event["organizerId"].as_str(), path.split('/').nth(4));
    let again = create().await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(201)["id"], event["id"]);
    let event = event["id"].as_str().unwrap();
    program.act(&format!("/api/v1/events/{event}/publish")).await.expect(200);
    let booking = world.book(event, 1).await["id"].as_str().unwrap().to_owned();
    program.act(&format!("/api/v1/bookings/{booking}/confirm")).await.expect(200);
    program.post(&format!("/api/v1/events/{event}/bookings"), &json!({})).await.problem(403, "forbidden");
    let listed = program.get(&format!("/api/v1/events/{event}/bookings")).await.expect(200);
    assert_eq!(listed["items"][0]["status"], "confirmed");

    let key = made["id"].as_str().unwrap().parse::<Uuid>().unwrap();
    let acted = actions_of(&world, key).await;
    assert_eq!(acted, ["booking.confirmed", "event.created", "event.published", "payment.succeeded"]);
    world.app.stop().await;
}

/// The actions that the audit log has of a key, in alphabetical order.
async fn actions_of(world: &World, key: Uuid) -> Vec<String> {
    use sqlx::Connection;
    let url = world.app.database.settings().url;
    let mut connection = sqlx::sqlite::SqliteConnection::connect(&url).await.unwrap();
    let sql = "SELECT action FROM audit_log WHERE actor_kind = 3 AND actor_user_id = $1 ORDER BY action";
    sqlx::query_scalar(sql).bind(key).fetch_all(&mut connection).await.unwrap()
}

#[tokio::test]
async fn the_last_use_is_written_once_a_minute_and_off_the_path() {
    let (world, path) = with_organizer(Engine::Sqlite).await;
    let (program, made) = key(&world, &path, json!({ "name": "Till", "scopes": ["events:read"] })).await;
    let own = format!("{path}/{}", made["id"].as_str().unwrap());
    let last = async || world.app.sign_in("organizer").await.get(&own).await.expect(200)["lastUsedAt"].clone();
    let used = async || {
        program.get("/api/v1/organizers").await.expect(200);
        world.app.identity.write_key_uses().await.unwrap();
    };
    assert_eq!(last().await, Value::Null);
    program.get("/api/v1/organizers").await.expect(200);
    assert_eq!(last().await, Value::Null, "a request does not wait for it");
    used().await;
    assert_eq!(last().await, "2027-01-15T08:00:00Z");
    world.app.clock.step(TimeDelta::seconds(59));
    used().await;
    assert_eq!(last().await, "2027-01-15T08:00:00Z");
    world.app.clock.step(TimeDelta::seconds(1));
    used().await;
    assert_eq!(last().await, "2027-01-15T08:01:00Z");
    world.app.stop().await;
}

#[tokio::test]
async fn nobody_but_owners_has_keys() {
    let (world, path) = with_organizer(Engine::Sqlite).await;
    let (program, made) = key(&world, &path, json!({ "name": "Till", "scopes": ALL })).await;
    let own = format!("{path}/{}", made["id"].as_str().unwrap());
    let wish = json!({ "name": "More", "scopes": ["events:read"] });
    program.post(&path, &wish).await.problem(403, "forbidden");
    program.get(&path).await.problem(403, "forbidden");
    program.delete(&own).await.problem(403, "forbidden");
    world.stranger.delete(&own).await.problem(404, "not_found");
    // A key of one organizer under the path of another.
    let theirs = world.stranger.post("/api/v1/organizers", &json!({ "name": "Other" })).await.expect(201);
    let theirs = format!("/api/v1/organizers/{}/api-keys", theirs["id"].as_str().unwrap());
    let crossed = format!("{theirs}/{}", made["id"].as_str().unwrap());
    world.stranger.get(&crossed).await.problem(404, "not_found");
    world.stranger.delete(&crossed).await.problem(404, "not_found");
    world.admin.get(&own).await.expect(200);
    program.get("/api/v1/organizers").await.expect(200);
    world.app.stop().await;
}

/// Revoked, it opens nothing here at once, and on another replica within a second.
async fn revocation_is_felt(engine: Engine) {
    let (world, path) = with_organizer(engine).await;
    let (program, made) = key(&world, &path, json!({ "name": "Till", "scopes": ["events:read"] })).await;
    let replica: Arc<Identity> = Arc::new(world.app.replica().await);
    let cancel = CancellationToken::new();
    let following = tokio::spawn({
        let (replica, cancel) = (replica.clone(), cancel.clone());
        async move { replica.follow(cancel).await }
    });
    let secret = made["secret"].as_str().unwrap();
    let Agent::Key(acting) = replica.identify(secret).await.unwrap() else { panic!("a key") };
    assert_eq!(acting.organizer, organizer_of(&path));
    assert_eq!(acting.scopes.iter().collect::<Vec<_>>(), [Scope::EventsRead]);
    program.get("/api/v1/organizers").await.expect(200);

    let own = format!("{path}/{}", made["id"].as_str().unwrap());
    assert_eq!(world.organizer.delete(&own).await.status, 204);
    program.get("/api/v1/organizers").await.problem(401, "unauthenticated");
    let deadline = Instant::now() + Duration::from_secs(5);
    while replica.identify(secret).await.is_ok() {
        assert!(Instant::now() < deadline, "the other replica does not hear of it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(world.organizer.delete(&own).await.status, 204, "done twice, it is done once");
    let shown = world.organizer.get(&own).await.expect(200);
    assert!(shown["revokedAt"].is_string());
    // One that starts later has never heard of it otherwise.
    assert!(world.app.replica().await.identify(secret).await.is_err());
    cancel.cancel();
    following.await.unwrap();
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revocation_is_felt_on_sqlite() {
    revocation_is_felt(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revocation_is_felt_on_postgres() {
    revocation_is_felt(Engine::Postgres).await;
}
