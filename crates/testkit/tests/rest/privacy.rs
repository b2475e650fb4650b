//! What is kept of people, over HTTP: it is erased when somebody asks for it, and goes by itself when its time is over.

use std::collections::BTreeSet;

use application::catalog::CatalogReads;
use application::clock::Clock;
use application::jobs::{JobOutcome, JobStore, NewJob};
use application::payment::{MessageBatch, MessageLog, ProviderMessage};
use application::store::Store;
use application::verify::Verifier;
use chrono::TimeDelta;
use domain::booking::Buyer;
use domain::identity::{EmailChange, ExternalIdentity, ExternalSubject};
use domain::{EmailAddress, EventId, ExternalIdentityId, JobId, UserId};
use goticket_testkit::app::Caller;
use goticket_testkit::contract::fixture::{self, assert_sound, id};
use goticket_testkit::databases::Engine;
use goticket_testkit::world::{World, world};
use serde_json::{Value, json};

use crate::organizer;

/// A booking of the buyer that names who comes.
async fn booked_for(world: &World, event: &str, email: &str) -> String {
    let body = json!({ "quantity": 1, "attendees": [{ "name": "Ana Nowak", "email": email }] });
    let made = world.buyer.post(&format!("/api/v1/events/{event}/bookings"), &body).await.expect(201);
    made["id"].as_str().unwrap().to_owned()
}

/// To behind the end of the event; nobody is signed in any more by then.
async fn much_later(world: &mut World, days: i64) {
    let end = chrono::DateTime::parse_from_rfc3339("2030-02-01T22:00:00Z").unwrap().to_utc();
    world.app.clock.step(end - world.app.clock.now() + TimeDelta::days(days) + TimeDelta::seconds(1));
    world.organizer = world.app.sign_in("organizer").await;
    world.buyer = world.app.sign_in("buyer").await;
}

async fn an_attendee_is_erased_once_the_event_is_over(engine: Engine) {
    let mut world = world(engine).await;
    let event = world.on_sale(0, 10).await;
    let booking = booked_for(&world, &event, "ana@example.com").await;
    booked_for(&world, &event, "eva@example.com").await;
    let path = format!("{}/erasures", organizer(&world).await);
    let ana = json!({ "email": " Ana@Example.com " });
    let refused = world.organizer.post(&path, &ana).await;
    assert!(refused.problem(409, "invalid_state")["detail"].as_str().unwrap().contains("1 event"), "{refused:?}");
    world.organizer.post(&path, &json!({ "email": "ana" })).await.problem(422, "validation_failed");
    let unknown = world.organizer.post(&path, &json!({ "email": "nobody@example.com" })).await.expect(200);
    assert_eq!(unknown, json!({ "bookings": 0, "attendees": 0 }));
    world.stranger.post(&path, &ana).await.problem(404, "not_found");
    much_later(&mut world, 0).await;
    let erased = world.organizer.post(&path, &ana).await.expect(200);
    assert_eq!(erased, json!({ "bookings": 0, "attendees": 1 }));
    let again = world.organizer.post(&path, &ana).await.expect(200);
    assert_eq!(again, json!({ "bookings": 0, "attendees": 0 }));
    let shown = world.buyer.get(&format!("/api/v1/bookings/{booking}")).await.expect(200);
    assert_eq!((&shown["attendees"][0]["name"], &shown["attendees"][0]["email"]), (&Value::Null, &Value::Null));
    let all = world.organizer.get(&format!("/api/v1/events/{event}/bookings")).await;
    assert!(all.text.contains("eva@example.com") && !all.text.contains("ana@example.com"), "{}", all.text);
    world.app.seal_audit().await;
    let log = format!("{}/audit?action=guest.erased", organizer(&world).await);
    let log = world.organizer.get(&log).await;
    assert_eq!(log.body["items"].as_array().unwrap().len(), 3);
    assert_eq!(log.body["items"][1]["after"], json!({ "bookings": 0, "attendees": 1 }));
    assert!(!log.text.contains("@example.com"), "{}", log.text);
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

async fn what_is_over_goes_by_itself(engine: Engine) {
    let mut world = world(engine).await;
    let event = world.on_sale(0, 10).await;
    let booking = booked_for(&world, &event, "ana@example.com").await;
    let keys = format!("{}/api-keys", organizer(&world).await);
    let wish = json!({ "name": "Till", "scopes": ["events:read"] });
    let made = world.organizer.post(&keys, &wish).await.expect(201);
    let kept = world.organizer.post(&keys, &wish).await.expect(201)["id"].clone();
    world.organizer.delete(&format!("{keys}/{}", made["id"].as_str().unwrap())).await;
    let (store, now) = (&world.app.database.database, world.app.clock.now());
    let told = ProviderMessage { provider: "stripe".to_owned(), received_at: now, body: "{}".to_owned() };
    store.keep(&MessageBatch { id: id(), messages: vec![told] }).await.unwrap();
    // A wish for another password that nobody could open, as after a lost master key.
    for kind in ["password.forgot", "mail.send", "audit.erase"] {
        let job = NewJob { id: JobId::new(id()), kind, subject: "x".into(), payload: "{}".into(), run_at: now };
        store.enqueue(&job).await.unwrap();
        let leased = store.lease(&[kind], now, now + TimeDelta::seconds(30)).await.unwrap().unwrap();
        let parked = JobOutcome::Parked { error: "it cannot be opened".into() };
        assert!(store.finish(leased.id, leased.fence, &parked).await.unwrap());
    }
    let parked = async |world: &World| {
        let counts = world.app.database.database.counts(world.app.clock.now()).await.unwrap();
        (counts.parked, counts.undelivered)
    };
    world.app.clock.step(TimeDelta::days(30));
    world.app.tidy_up().await;
    assert_eq!(parked(&world).await, (2, 1), "thirty days are not over");
    world.app.clock.step(TimeDelta::seconds(1));
    world.app.tidy_up().await;
    assert_eq!(parked(&world).await, (1, 0), "what is no mail and no wish stays to be seen");

    world.organizer = world.app.sign_in("organizer").await;
    let listed = world.organizer.get(&keys).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    let told = async |world: &World| world.app.database.database.batches_behind(None, 10).await.unwrap().len();
    assert_eq!(told(&world).await, 1);
    world.app.clock.step(TimeDelta::days(336));
    world.app.tidy_up().await;
    assert_eq!(told(&world).await, 0, "what providers told is kept for ninety days");
    world.organizer = world.app.sign_in("organizer").await;
    let listed = world.organizer.get(&keys).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed["items"][0]["id"], kept);

    much_later(&mut world, 366).await;
    let shown = async |world: &World| {
        let shown = world.buyer.get(&format!("/api/v1/bookings/{booking}")).await.expect(200);
        (shown["attendees"][0].clone(), shown["status"].clone(), shown["items"][0]["quantity"].clone())
    };
    assert_eq!(shown(&world).await.0["email"], "ana@example.com");
    world.app.tidy_up().await;
    let (attendee, status, quantity) = shown(&world).await;
    assert_eq!((&attendee["name"], &attendee["email"]), (&Value::Null, &Value::Null));
    assert_eq!((status, quantity), (json!("confirmed"), json!(1)), "what was sold stays");
    assert_sound(&world.app.database).await;

    // Five years after the booking its message goes, and the invariants hold all the same.
    let messages = async |world: &World| {
        let report = world.app.database.database.verify().await.unwrap();
        assert_eq!(report.differences, []);
        report.looked_at.iter().find(|(table, _)| *table == "outbox rows").unwrap().1
    };
    let before = messages(&world).await;
    world.app.clock.step(TimeDelta::days(1_827));
    world.app.tidy_up().await;
    assert!(before > 0 && messages(&world).await < before);
    world.app.stop().await;
}

/// All parts of the export, put together: bookings, lines of the audit log, and the number of parts.
async fn exported(caller: &Caller) -> (Vec<Value>, Vec<Value>, usize) {
    let (mut bookings, mut lines, mut parts, mut at) = (Vec::new(), Vec::new(), 0, String::new());
    loop {
        let part = caller.get(&format!("/api/v1/users/me/export{at}")).await;
        assert_eq!(part.header("cache-control"), Some("no-store"));
        let part = part.expect(200);
        bookings.extend(part["bookings"].as_array().unwrap().clone());
        lines.extend(part["auditLines"].as_array().unwrap().clone());
        parts += 1;
        let Some(next) = part["nextCursor"].as_str() else { return (bookings, lines, parts) };
        at = format!("?cursor={next}");
    }
}

async fn an_export_is_whole(engine: Engine) {
    let world = world(engine).await;
    let event = world.on_sale(100, 2_000).await;
    let (buyer, organizer) = (world.buyer.from("192.0.2.1"), world.organizer.from("192.0.2.2"));
    let made = buyer.post(&format!("/api/v1/events/{event}/bookings"), &json!({})).await.expect(201);
    let booking = format!("/api/v1/bookings/{}", made["id"].as_str().unwrap());
    let note = json!({ "note": "paid in cash by Ana" });
    organizer.post(&format!("{booking}/confirm"), &note).await.expect(200);
    world.stranger.get("/api/v1/organizers").await.expect(200);
    // More bookings than a part holds, written as the desk writes them.
    let seen = world.app.database.database.sale(EventId::new(event.parse().unwrap())).await.unwrap().unwrap();
    let him = Buyer::Account(UserId::new(buyer.user()));
    let many: Vec<_> = (0..1_100).map(|_| fixture::booking(&seen.sale, him.clone(), 1, None)).collect();
    fixture::write(&world.app.database.database, &fixture::holds(&seen.sale, &many)).await.unwrap();
    world.app.seal_audit().await;
    let (bookings, lines, parts) = exported(&buyer).await;
    assert!(parts > 1, "{parts}");
    assert_eq!(bookings.len(), 1_101);
    let ids: BTreeSet<&str> = bookings.iter().map(|booking| booking["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1_101, "each once");
    let about =
        |action: &str| lines.iter().find(|line| line["action"] == action).unwrap_or_else(|| panic!("{lines:?}"));
    let held = about("booking.held");
    assert_eq!(held["actorId"], json!(buyer.user()));
    assert_eq!(held["personal"], json!({ "address": "192.0.2.1" }));
    // Of what somebody else has done it is told what, and neither who nor from where.
    let confirmed = about("booking.confirmed");
    assert_eq!((&confirmed["actorKind"], &confirmed["actorId"]), (&json!("user"), &Value::Null));
    assert_eq!(confirmed["personal"], note);
    let text = format!("{lines:?}");
    assert!(!text.contains("192.0.2.2") && !text.contains(&world.organizer.user().to_string()), "{text}");
    assert!(lines.iter().all(|line| line["action"] != "event.created"), "nothing that is not about him");
    for made_up in ["x", "", "AAAA"] {
        let path = format!("/api/v1/users/me/export?cursor={made_up}");
        buyer.get(&path).await.problem(400, "malformed_request");
    }
    world.app.stop().await;
}

/// Identities elsewhere, memberships, invitations to the address (if it is verified) and the wish for another one.
async fn what_hangs_on_an_account_is_exported(engine: Engine) {
    let world = world(engine).await;
    let (app, owner) = (&world.app, &world.organizer);
    let path = format!("{}/invitations", {
        owner.post("/api/v1/organizers", &json!({ "name": "Club" })).await.expect(201);
        organizer(&world).await
    });
    let wish = json!({ "email": "buyer@example.com", "role": "scanner" });
    owner.post(&path, &wish).await.expect(201);
    let mut unit = app.database.database.begin().await.unwrap();
    let user = UserId::new(world.buyer.user());
    let who = ExternalSubject { issuer: "https://id.example.com".into(), subject: "4711".into() };
    let linked_at = app.clock.now();
    let identity =
        ExternalIdentity { id: ExternalIdentityId::new(id()), user, provider: "club".into(), who, linked_at };
    unit.insert_external_identity(&identity).await.unwrap();
    let wished = EmailAddress::parse("email", "other@example.com").unwrap();
    unit.save_email_change(&EmailChange::ask(user, wished, app.clock.now())).await.unwrap();
    unit.commit().await.unwrap();
    // As if he had made the account himself.
    app.database.tamper("UPDATE users SET email_verified = false WHERE email = 'buyer@example.com'").await;
    let export = async || world.buyer.get("/api/v1/users/me/export").await.expect(200);
    let told = export().await;
    assert_eq!(told["identities"][0]["subject"], "4711");
    assert_eq!((&told["wishedEmail"], &told["language"]), (&json!("other@example.com"), &json!("en")));
    assert_eq!(told["invitations"], json!([]), "nobody has shown to read these mails");
    app.database.tamper("UPDATE users SET email_verified = true").await;
    assert_eq!(export().await["invitations"][0]["role"], "scanner");
    let token = app.mailed_token("buyer@example.com").await;
    world.buyer.post("/api/v1/invitations/accept", &json!({ "token": token })).await.expect(200);
    let told = export().await;
    assert_eq!(told["memberships"][0]["role"], "scanner");
    assert!(told["invitations"][0]["endedAt"].is_string(), "{told}");
    world.app.stop().await;
}

goticket_testkit::on_both_engines! {
    an_attendee_is_erased_once_the_event_is_over,
    what_is_over_goes_by_itself,
    an_export_is_whole,
    what_hangs_on_an_account_is_exported,
}
