//! Tickets over REST: they come and go with their booking, their codes hold, and are replaced.

use adapter_system::Ed25519Signer;
use application::admission::AdmissionStore;
use application::audit::Signer;
use application::clock::Clock;
use axum::http::Method;
use chrono::TimeDelta;
use domain::EventId;
use domain::admission::{CodeClaims, SignedCode, Validity};
use futures::future::join_all;
use goticket_testkit::app::{Caller, TestApp};
use goticket_testkit::contract::fixture::assert_sound;
use goticket_testkit::databases::Engine;
use goticket_testkit::world::{World, world};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{doors, text};

/// Its path, of a booking of so many units of an event at this price.
async fn booked(world: &World, price: i64, body: &Value) -> (String, String) {
    let event = world.on_sale(price, 100).await;
    let booking = world.buyer.post(&format!("/api/v1/events/{event}/bookings"), body).await.expect(201);
    (event, format!("/api/v1/bookings/{}", text(&booking["id"])))
}

async fn tickets(caller: &Caller, booking: &str) -> Vec<Value> {
    let reply = caller.get(&format!("{booking}/tickets")).await;
    assert_eq!(reply.header("cache-control"), Some("private, no-store"));
    reply.expect(200).as_array().unwrap().clone()
}

/// What a code says, verified by the public key of its event as a scanner would.
async fn verified(app: &TestApp, code: &str) -> CodeClaims {
    let parsed = SignedCode::parse(code).unwrap();
    let (event, number) = parsed.key();
    let keys = app.database.database.ticket_keys(event).await.unwrap();
    let key = keys.iter().find(|key| key.number == number).unwrap();
    parsed.verified(|message, signature| Ed25519Signer.verify(&key.public_key, message, signature)).unwrap()
}

async fn from_hold_to_revocation(engine: Engine) {
    let world = world(engine).await;
    let body = json!({ "quantity": 3, "attendees": [{ "name": "Ana" }, { "email": "ben@example.com" }] });
    let (event, booking) = booked(&world, 2_500, &body).await;
    assert_eq!(tickets(&world.buyer, &booking).await, [] as [Value; 0], "a hold has none");
    world.organizer.act(&format!("{booking}/confirm")).await.expect(200);
    let issued = tickets(&world.buyer, &booking).await;
    assert_eq!(tickets(&world.organizer, &booking).await, issued, "its organizer sees the same");
    assert_eq!(issued.iter().map(|ticket| ticket["unit"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    let attendees: Vec<_> = issued.iter().map(|ticket| ticket["attendee"].clone()).collect();
    let (ana, ben) = (json!({ "name": "Ana", "email": null }), json!({ "name": null, "email": "ben@example.com" }));
    assert_eq!(attendees, [ana, ben, Value::Null]);
    for ticket in &issued {
        assert_eq!(
            (&ticket["status"], &ticket["issue"], &ticket["eventId"]),
            (&json!("valid"), &json!(1), &json!(event))
        );
        let claims = verified(&world.app, text(&ticket["code"])).await;
        assert_eq!(claims.ticket.to_string(), text(&ticket["id"]));
        assert_eq!(claims.ticket_type.to_string(), text(&ticket["ticketTypeId"]));
        assert_eq!((claims.event.to_string(), claims.issue), (event.clone(), 1));
        assert!(!claims.validity.holds(world.app.clock.now()), "the event is far away");
        let qr = world.buyer.get(text(&ticket["qr"])).await;
        assert_eq!((qr.status.as_u16(), qr.header("content-type")), (200, Some("image/svg+xml")));
        assert!(qr.text.contains("<svg") && !qr.text.contains("GT1:"));
        let pixels = world.buyer.get(&text(&ticket["qr"]).replace(".svg", ".png")).await;
        assert_eq!((pixels.status.as_u16(), pixels.header("content-type")), (200, Some("image/png")));
        assert!(pixels.text.contains("PNG") && pixels.header("cache-control") == Some("private, no-store"));
        let pdf = text(&ticket["pdf"]);
        let sheet = world.buyer.get(pdf).await;
        assert_eq!((sheet.status.as_u16(), sheet.header("content-type")), (200, Some("application/pdf")));
        assert_eq!(sheet.header("cache-control"), Some("private, no-store"));
        assert!(sheet.text.starts_with("%PDF-") && !sheet.text.contains("GT1:"));
        assert_eq!(world.organizer.get(pdf).await.text, sheet.text, "the same bytes for everybody who may have them");
        let polish = world.buyer.send(Method::GET, pdf, &[("accept-language", "pl")], None).await;
        let phone = world.buyer.get(&format!("{pdf}?paper=phone")).await;
        assert_eq!((polish.status.as_u16(), phone.status.as_u16()), (200, 200));
        assert!(polish.text != sheet.text && phone.text != sheet.text && phone.text != polish.text);
        world.buyer.get(&format!("{pdf}?paper=a3")).await.problem(400, "malformed_request");
    }
    let codes: std::collections::BTreeSet<_> = issued.iter().map(|ticket| text(&ticket["code"])).collect();
    assert_eq!(codes.len(), 3);

    // What costs nothing is confirmed at once, and can be cancelled.
    let (_, free) = booked(&world, 0, &json!({ "quantity": 2 })).await;
    let given = tickets(&world.buyer, &free).await;
    assert_eq!(given.len(), 2);
    world.buyer.act(&format!("{free}/cancel")).await.expect(200);
    for ticket in tickets(&world.buyer, &free).await {
        assert_eq!(
            (&ticket["status"], &ticket["code"], &ticket["qr"], &ticket["pdf"]),
            (&json!("revoked"), &Value::Null, &Value::Null, &Value::Null)
        );
    }
    let id = text(&given[0]["id"]);
    world.buyer.get(&format!("/api/v1/tickets/{id}/qr.svg")).await.problem(409, "invalid_state");
    world.buyer.get(&format!("/api/v1/tickets/{id}/qr.png")).await.problem(409, "invalid_state");
    world.buyer.get(&format!("/api/v1/tickets/{id}.pdf")).await.problem(409, "invalid_state");
    world.buyer.act(&format!("/api/v1/tickets/{id}/reissue")).await.problem(409, "invalid_state");
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

#[tokio::test]
async fn from_hold_to_revocation_on_sqlite() {
    from_hold_to_revocation(Engine::Sqlite).await;
}

#[tokio::test]
async fn from_hold_to_revocation_on_postgres() {
    from_hold_to_revocation(Engine::Postgres).await;
}

async fn another_issue(engine: Engine) {
    let world = world(engine).await;
    let (_, booking) = booked(&world, 0, &json!({ "quantity": 2, "attendees": [{ "name": "Ana" }] })).await;
    let first = tickets(&world.buyer, &booking).await;
    let path = format!("/api/v1/tickets/{}", text(&first[0]["id"]));
    let second = world.buyer.act(&format!("{path}/reissue")).await.expect(200);
    assert_eq!((&second["issue"], &second["attendee"]), (&json!(2), &first[0]["attendee"]));
    assert_ne!(second["code"], first[0]["code"]);
    assert_eq!(verified(&world.app, text(&second["code"])).await.issue, 2);
    let to = json!({ "name": " Ben Nowak ", "email": "Ben@example.com" });
    let third = world.organizer.post(&format!("{path}/transfer"), &to).await.expect(200);
    let ben = json!({ "name": "Ben Nowak", "email": "ben@example.com" });
    assert_eq!((&third["issue"], &third["attendee"]), (&json!(3), &ben));
    let unnamed = format!("/api/v1/tickets/{}", text(&first[1]["id"]));
    let handed = world.buyer.post(&format!("{unnamed}/transfer"), &json!({ "name": "Cleo" })).await.expect(200);
    assert_eq!(handed["attendee"], json!({ "name": "Cleo", "email": null }));
    assert_eq!(tickets(&world.buyer, &booking).await, [third, handed]);
    // The booking tells of it, with a new tag.
    let shown = world.buyer.get(&booking).await;
    assert_eq!(shown.header("etag"), Some("\"4\""));
    let names: Vec<_> =
        shown.expect(200)["attendees"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["Ben Nowak", "Cleo"]);

    let wrong = world.buyer.post(&format!("{path}/transfer"), &json!({ "name": " ", "email": "x" })).await;
    let problem = wrong.problem(422, "validation_failed");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2);
    for caller in [&world.stranger, &world.app.account("other", domain::identity::Role::User).await] {
        caller.post(&format!("{path}/transfer"), &json!({ "name": " " })).await.problem(404, "not_found");
        caller.get(&format!("{path}/qr.svg")).await.problem(404, "not_found");
        caller.get(&format!("{path}/qr.png")).await.problem(404, "not_found");
        caller.get(&format!("{path}.pdf")).await.problem(404, "not_found");
    }
    for ending in ["", ".", ".PDF", ".pdf.pdf", ".txt", "/ticket.pdf"] {
        let status = if ending == ".pdf.pdf" { 400 } else { 404 };
        assert_eq!(world.buyer.get(&format!("{path}{ending}")).await.status, status, "{ending}");
    }
    world.app.anybody().get("/api/v1/tickets/x.pdf").await.problem(401, "unauthenticated");
    let nowhere = format!("/api/v1/tickets/{}/reissue", Uuid::nil());
    world.buyer.act(&nowhere).await.problem(404, "not_found");

    // The audit log tells who did what to which ticket, and names nobody.
    world.app.seal_audit().await;
    let log = format!("{}/audit?action=ticket.", crate::organizer(&world).await);
    let audit = world.organizer.get(&log).await.expect(200);
    let lines: Vec<_> = audit["items"].as_array().unwrap().iter().map(|line| text(&line["action"])).collect();
    assert_eq!(lines, ["ticket.transferred", "ticket.transferred", "ticket.reissued"]);
    assert!(audit.to_string().contains(text(&first[0]["id"])));
    for secret in ["Ben", "Cleo", "GT1:"] {
        assert!(!audit.to_string().contains(secret), "{secret}");
    }

    // Nothing is issued for an event that is over.
    world.app.clock.step(TimeDelta::days(4_000));
    let buyer = world.app.sign_in("buyer").await;
    buyer.act(&format!("{path}/reissue")).await.problem(409, "invalid_state");
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

#[tokio::test]
async fn another_issue_on_sqlite() {
    another_issue(Engine::Sqlite).await;
}

#[tokio::test]
async fn another_issue_on_postgres() {
    another_issue(Engine::Postgres).await;
}

/// The codes of a key that signs no more stay good, and what is read from then on is signed by the new one.
async fn a_new_key_signs_and_older_ones_are_believed(engine: Engine) {
    let world = world(engine).await;
    let (event, booking, before) = doors(&world, 2).await;
    let keys = format!("{event}/ticket-keys");
    let first = world.organizer.get(&keys).await.expect(200);
    assert_eq!(first.as_array().unwrap().len(), 1);
    let made = world.organizer.act(&keys).await.expect(201);
    assert_eq!(made["number"], 2);
    assert_eq!(world.organizer.get(&keys).await.expect(200), json!([first[0], made]));
    assert_ne!(first[0]["key"], made["key"]);

    let anew = tickets(&world.buyer, &booking).await;
    let code = |of: &[Value], at: usize| text(&of[at]["code"]).to_owned();
    assert_ne!(code(&anew, 0), code(&before, 0));
    let (now, then) = (verified(&world.app, &code(&anew, 0)).await, verified(&world.app, &code(&before, 0)).await);
    assert_eq!((now.ticket, now.issue, now.key, then.key), (then.ticket, then.issue, 2, 1));
    let show = async |code: String| {
        let said = world.organizer.post(&format!("{event}/check-ins"), &json!({ "code": code })).await.expect(200);
        text(&said["result"]).to_owned()
    };
    assert_eq!(show(code(&before, 0)).await, "admitted", "it was printed before");
    assert_eq!(show(code(&anew, 0)).await, "already_used", "it is the same ticket");
    assert_eq!(show(code(&anew, 1)).await, "admitted");
    let bundle = world.organizer.get(&format!("{event}/check-ins/bundle")).await.expect(200);
    assert_eq!(bundle["keys"].as_array().unwrap().len(), 2, "devices without a network believe both");

    // Everybody at once: each gets a key of his own, or is asked to come again.
    let answers = join_all((0..8).map(|_| world.organizer.act(&keys))).await;
    let made: Vec<u64> =
        answers.into_iter().filter(|one| one.status == 201).map(|one| one.body["number"].as_u64().unwrap()).collect();
    let listed = world.organizer.get(&keys).await.expect(200);
    let numbers: Vec<u64> = listed.as_array().unwrap().iter().map(|key| key["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=2 + made.len() as u64).collect::<Vec<_>>(), "{made:?}");
    for _ in numbers.len()..50 {
        world.organizer.act(&keys).await.expect(201);
    }
    world.organizer.act(&keys).await.problem(409, "invalid_state");
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_replaced_on_sqlite() {
    a_new_key_signs_and_older_ones_are_believed(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_replaced_on_postgres() {
    a_new_key_signs_and_older_ones_are_believed(Engine::Postgres).await;
}

/// Many who read the first codes of an event at once make one key.
#[tokio::test]
async fn the_first_key_is_made_once() {
    let world = world(Engine::Postgres).await;
    let (event, booking) = booked(&world, 0, &json!({})).await;
    let read = join_all((0..20).map(|_| tickets(&world.buyer, &booking))).await;
    assert!(read.iter().all(|one| *one == read[0]), "all read the same code");
    let event = EventId::new(event.parse().unwrap());
    assert_eq!(world.app.database.database.ticket_keys(event).await.unwrap().len(), 1);
    world.app.stop().await;
}

/// The order of the group of Ed25519 (RFC 8032, 5.1), the smallest byte first.
const ORDER: [u8; 32] = [
    0xED, 0xD3, 0xF5, 0x5C, 0x1A, 0x63, 0x12, 0x58, 0xD6, 0x9C, 0xF7, 0xA2, 0xDE, 0xF9, 0xDE, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// A signature has one form: with the order added to its scalar, which a lenient verifier would take, it is none.
#[test]
fn another_form_of_a_signature_is_refused() {
    let keys = Ed25519Signer.make_keys().unwrap();
    let mut signature = Ed25519Signer.sign(&keys.private_key, b"message").unwrap();
    assert!(Ed25519Signer.verify(&keys.public_key, b"message", &signature));
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    assert_eq!(carry, 0, "the scalar and the order fit 256 bits");
    assert!(!Ed25519Signer.verify(&keys.public_key, b"message", &signature));
}

/// A real signature is of this code alone: each bit counts.
#[tokio::test]
async fn no_bit_of_a_code_can_be_changed() {
    let world = world(Engine::Sqlite).await;
    let (event, booking) = booked(&world, 0, &json!({ "quantity": 2 })).await;
    let issued = tickets(&world.buyer, &booking).await;
    let code = text(&issued[0]["code"]);
    let event = EventId::new(event.parse().unwrap());
    let key = world.app.database.database.ticket_keys(event).await.unwrap().remove(0).public_key;
    let holds = |text: &str| {
        let parsed = SignedCode::parse(text)?;
        parsed.verified(|message, signature| Ed25519Signer.verify(&key, message, signature))
    };
    let claims = holds(code).unwrap();
    for bit in 0..code.len() * 7 {
        let mut changed = code.as_bytes().to_vec();
        changed[bit / 7] ^= 1 << (bit % 7);
        assert!(holds(&String::from_utf8(changed).unwrap()).is_err(), "bit {bit}");
    }
    // The signature of one does not fit the other, nor another validity, nor another issue.
    let other = holds(text(&issued[1]["code"])).unwrap();
    assert_ne!(other, claims);
    let seen = application::catalog::CatalogReads::sale(&world.app.database.database, event).await.unwrap().unwrap();
    assert_eq!(claims.validity, Validity::of(&seen.sale.event.terms));
    let half = code.len() / 2;
    let mixed = format!("{}{}", &code[..half], &text(&issued[1]["code"])[half..]);
    assert!(holds(&mixed).is_err());
    world.app.stop().await;
}
