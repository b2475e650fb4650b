//! The door over REST: a ticket lets in once, whoever asks at the same time, and each refusal has its word.

use application::guard::{LimitClass, LimitRates, Rate};
use axum::http::Method;
use chrono::TimeDelta;
use domain::identity::Role;
use futures::future::join_all;
use goticket_testkit::app::{Caller, Reply, Settings, TestApp};
use goticket_testkit::contract::fixture::assert_sound;
use goticket_testkit::databases::Engine;
use goticket_testkit::on_both_engines;
use goticket_testkit::world::{World, gala, world, world_of};
use serde_json::{Value, json};

use crate::{doors, organizer, text};

async fn scan(caller: &Caller, event: &str, code: &str, gate: &str) -> Value {
    caller.post(&format!("{event}/check-ins"), &json!({ "code": code, "gate": gate })).await.expect(200)
}

async fn result(caller: &Caller, event: &str, code: &str) -> String {
    let said = scan(caller, event, code, "North").await;
    text(&said["result"]).to_owned()
}

async fn once(engine: Engine) {
    let world = world(engine).await;
    let (event, booking, tickets) = doors(&world, 3).await;
    let code = text(&tickets[0]["code"]);
    let gates: Vec<String> = (0..64).map(|gate| format!("gate {gate}")).collect();
    let said = join_all(gates.iter().map(|gate| scan(&world.organizer, &event, code, gate))).await;
    let (admitted, others): (Vec<_>, Vec<_>) = said.iter().partition(|one| one["result"] == "admitted");
    assert_eq!(admitted.len(), 1, "exactly one of 64");
    assert_eq!(admitted[0]["ticket"]["id"], tickets[0]["id"]);
    assert_eq!(admitted[0]["ticket"]["ticketTypeName"], "General admission");
    for other in others {
        assert_eq!(other["result"], "already_used");
        for field in ["firstAdmittedAt", "gate", "checkInId", "ticket"] {
            assert_eq!(other[field], admitted[0][field], "when and where: {field}");
        }
    }
    let shown = world.buyer.get(&format!("{booking}/tickets")).await.expect(200);
    assert_eq!(shown[0]["firstAdmittedAt"], admitted[0]["firstAdmittedAt"]);
    assert_eq!(shown[1].get("firstAdmittedAt"), None);
    // It was used: nobody else gets it any more. A lost code is replaced all the same, and lets in nobody again.
    let path = format!("/api/v1/tickets/{}", text(&tickets[0]["id"]));
    world.buyer.post(&format!("{path}/transfer"), &json!({ "name": "Ben" })).await.problem(409, "invalid_state");
    let anew = world.buyer.act(&format!("{path}/reissue")).await.expect(200);
    assert_eq!(result(&world.organizer, &event, text(&anew["code"])).await, "already_used");
    assert_eq!(result(&world.organizer, &event, code).await, "revoked");
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_at_once_one_is_let_in_on_sqlite() {
    once(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_at_once_one_is_let_in_on_postgres() {
    once(Engine::Postgres).await;
}

async fn words(engine: Engine) {
    let world = world(engine).await;
    let (event, _, tickets) = doors(&world, 4).await;
    let (elsewhere, booking, others) = doors(&world, 1).await;
    let door = &world.organizer;
    let code = |at: usize| text(&tickets[at]["code"]);

    for none in ["", "hello", "GT1:", &code(0).to_lowercase(), &code(0)[..197], &format!("{}0", code(0))] {
        assert_eq!(scan(door, &event, none, "North").await, json!({ "result": "invalid" }), "{none}");
    }
    // The head of one code with the signature of another.
    let mixed = format!("{}{}", &code(0)[..102], &code(1)[102..]);
    assert_eq!(result(door, &event, &mixed).await, "invalid");
    assert_eq!(scan(door, &event, text(&others[0]["code"]), "North").await, json!({ "result": "wrong_event" }));

    let old = code(1);
    let anew = world.buyer.act(&format!("/api/v1/tickets/{}/reissue", text(&tickets[1]["id"]))).await.expect(200);
    assert_eq!(result(door, &event, old).await, "revoked");
    assert_eq!(result(door, &event, text(&anew["code"])).await, "admitted");
    let to = json!({ "name": "Ben" });
    let handed =
        world.buyer.post(&format!("/api/v1/tickets/{}/transfer", text(&tickets[2]["id"])), &to).await.expect(200);
    assert_eq!(result(door, &event, code(2)).await, "revoked");
    assert_eq!(result(door, &event, text(&handed["code"])).await, "admitted");
    world.buyer.act(&format!("{booking}/cancel")).await.expect(200);
    assert_eq!(result(door, &elsewhere, text(&others[0]["code"])).await, "revoked");

    // A gate that is none, and who does not stand at the door.
    let long = json!({ "code": code(0), "gate": "x".repeat(101) });
    door.post(&format!("{event}/check-ins"), &long).await.problem(422, "validation_failed");
    for caller in [&world.buyer, &world.stranger] {
        caller.post(&format!("{event}/check-ins"), &json!({ "code": code(0) })).await.problem(404, "not_found");
    }
    world.app.clock.step(TimeDelta::days(1));
    let door = world.app.sign_in("organizer").await;
    assert_eq!(result(&door, &event, code(0)).await, "not_valid_now", "the event is over");
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

#[tokio::test]
async fn each_refusal_has_its_word_on_sqlite() {
    words(Engine::Sqlite).await;
}

#[tokio::test]
async fn each_refusal_has_its_word_on_postgres() {
    words(Engine::Postgres).await;
}

async fn again(engine: Engine) {
    let world = world(engine).await;
    let (event, _, tickets) = doors(&world, 2).await;
    let path = format!("{event}/check-ins");
    let shown = json!({ "code": tickets[0]["code"], "gate": "North", "at": "2027-01-15T08:00:01.123456789Z" });
    let send = async |key: &str, body: &Value| -> Reply {
        world.organizer.send(Method::POST, &path, &[("idempotency-key", key)], Some(body.to_string())).await
    };
    let first = send("scan-1", &shown).await;
    assert_eq!(first.header("idempotency-replayed"), None);
    let second = send("scan-1", &shown).await;
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
    let first = first.expect(200);
    assert_eq!(second.expect(200), first, "the same reading hears the same");
    assert_eq!(first["result"], "admitted");
    let used = send("scan-2", &shown).await.expect(200);
    assert_eq!(used["result"], "already_used");
    assert_eq!(send("scan-2", &shown).await.expect(200), used);
    let other = json!({ "code": tickets[1]["code"] });
    send("scan-1", &other).await.problem(422, "idempotency_conflict");

    // Undone, it lets in again; undone twice is undone once.
    let undo = format!("{path}/{}/undo", text(&first["checkInId"]));
    let undone = world.organizer.act(&undo).await.expect(200);
    assert_eq!((&undone["ticketId"], &undone["gate"]), (&tickets[0]["id"], &json!("North")));
    assert_eq!(undone["deviceAt"], "2027-01-15T08:00:01.123456Z");
    assert!(undone["undoneAt"].is_string());
    assert_eq!(world.organizer.act(&undo).await.expect(200), undone);
    assert_eq!(send("scan-3", &shown).await.expect(200)["result"], "admitted");
    let nobody = format!("{path}/{}/undo", uuid::Uuid::nil());
    world.organizer.act(&nobody).await.problem(404, "not_found");
    let (elsewhere, _, _) = doors(&world, 1).await;
    let foreign = format!("{elsewhere}/check-ins/{}/undo", text(&first["checkInId"]));
    world.organizer.act(&foreign).await.problem(404, "not_found");

    world.app.seal_audit().await;
    let organizer = organizer(&world).await;
    let audit = world.organizer.get(&format!("{organizer}/audit?action=ticket.")).await.expect(200);
    let lines: Vec<_> = audit["items"].as_array().unwrap().iter().map(|line| text(&line["action"])).collect();
    assert_eq!(lines, ["ticket.admitted", "ticket.admission_undone", "ticket.admitted"]);
    assert!(!audit.to_string().contains("GT1:"));
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

#[tokio::test]
async fn the_same_reading_hears_the_same_on_sqlite() {
    again(Engine::Sqlite).await;
}

#[tokio::test]
async fn the_same_reading_hears_the_same_on_postgres() {
    again(Engine::Postgres).await;
}

async fn list(world: &World, event: &str, list: &Value) -> Value {
    world.organizer.post(&format!("{event}/check-in-lists"), list).await.expect(201)["id"].clone()
}

/// `domain.md` 2.4: a list says which tickets may enter, when and how often; each is judged for itself.
async fn lists(engine: Engine) {
    let world = world(engine).await;
    let (event, _, tickets) = doors(&world, 2).await;
    let door = &world.organizer;
    let on = async |list: &Value, at: usize| {
        let shown = json!({ "code": tickets[at]["code"], "listId": list, "gate": "West" });
        door.post(&format!("{event}/check-ins"), &shown).await.expect(200)
    };
    let other = json!({ "name": "Seated", "price": 1 });
    let other = door.post(&format!("{event}/ticket-types"), &other).await.expect(201)["id"].clone();
    let stage = list(&world, &event, &json!({ "name": "Stage", "ticketTypeIds": [other] })).await;
    let early = list(&world, &event, &json!({ "name": "Early", "until": "2027-01-15T08:00:00Z" })).await;
    let late = list(&world, &event, &json!({ "name": "Late", "from": "2027-01-15T08:00:01Z" })).await;
    assert_eq!(on(&stage, 0).await["result"], "not_on_list");
    assert_eq!(on(&early, 0).await["result"], "not_valid_now");
    assert_eq!(on(&late, 0).await["result"], "not_valid_now");
    let path = |list: &Value| format!("{event}/check-in-lists/{}", text(list));
    let wide = json!({ "ticketTypeIds": [], "entry": "once" });
    assert_eq!(door.patch(&path(&stage), &wide).await.expect(200)["ticketTypeIds"], json!([]));
    assert_eq!(on(&stage, 0).await["result"], "admitted", "a change is obeyed at once where it was made");
    assert_eq!(on(&stage, 0).await["result"], "already_used");
    assert_eq!(result(door, &event, text(&tickets[0]["code"])).await, "admitted", "each list for itself");
    assert_eq!(result(door, &event, text(&tickets[0]["code"])).await, "already_used");
    door.patch(&path(&stage), &json!({ "archived": true })).await.expect(200);
    let shown = json!({ "code": tickets[1]["code"], "listId": stage });
    door.post(&format!("{event}/check-ins"), &shown).await.problem(404, "not_found");

    // All of them are listed; the one that every event has stays as it is.
    let all = door.get(&format!("{event}/check-in-lists")).await.expect(200)["items"].clone();
    let names: Vec<_> = all.as_array().unwrap().iter().map(|list| text(&list["name"])).collect();
    assert_eq!(names, ["All tickets", "Stage", "Early", "Late"]);
    assert_eq!(
        (&all[0]["default"], &all[1]["default"], &all[1]["archived"]),
        (&json!(true), &json!(false), &json!(true))
    );
    assert_eq!(door.get(&path(&late)).await.expect(200), all[3]);
    door.patch(&path(&all[0]["id"]), &json!({ "name": "Mine" })).await.problem(409, "invalid_state");
    let never = json!({ "name": "Never", "from": "2027-01-15T08:00:00Z", "until": "2027-01-15T08:00:00Z" });
    door.post(&format!("{event}/check-in-lists"), &never).await.problem(422, "validation_failed");
    // A list of another event is none here.
    let (elsewhere, _, _) = doors(&world, 1).await;
    let foreign = list(&world, &elsewhere, &json!({ "name": "Foreign" })).await;
    for id in [&foreign, &json!(uuid::Uuid::nil())] {
        let shown = json!({ "code": tickets[1]["code"], "listId": id });
        door.post(&format!("{event}/check-ins"), &shown).await.problem(404, "not_found");
        door.patch(&path(id), &json!({ "name": "Mine" })).await.problem(404, "not_found");
    }
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

#[tokio::test]
async fn lists_say_who_enters_on_sqlite() {
    lists(Engine::Sqlite).await;
}

#[tokio::test]
async fn lists_say_who_enters_on_postgres() {
    lists(Engine::Postgres).await;
}

/// `domain.md` I11: of 64 at once one changes its state, also where who has gone out may come in again.
async fn again_after_an_exit(engine: Engine) {
    let world = world(engine).await;
    let (event, _, tickets) = doors(&world, 1).await;
    let door = list(&world, &event, &json!({ "name": "Main door", "entry": "re_entry" })).await;
    let shown = json!({ "code": tickets[0]["code"], "listId": door });
    let path = format!("{event}/check-ins");
    let rush = async || {
        let all = join_all((0..64).map(|_| world.organizer.post(&path, &shown))).await;
        let said: Vec<Value> = all.into_iter().map(|reply| reply.expect(200)).collect();
        let (admitted, others): (Vec<_>, Vec<_>) = said.into_iter().partition(|one| one["result"] == "admitted");
        assert_eq!(admitted.len(), 1, "exactly one of 64");
        assert!(others.iter().all(|one| one["result"] == "already_used"), "{others:?}");
        assert!(others.iter().all(|one| one["checkInId"] == admitted[0]["checkInId"]), "{others:?}");
        text(&admitted[0]["checkInId"]).to_owned()
    };
    let first = rush().await;
    let exit = format!("{path}/{first}/exit");
    let left = join_all((0..64).map(|_| world.organizer.act(&exit))).await;
    let left: Vec<Value> = left.into_iter().map(|reply| reply.expect(200)).collect();
    assert!(left[0]["exitedAt"].is_string() && left.iter().all(|one| *one == left[0]), "out once: {left:?}");
    let second = rush().await;
    assert_ne!(first, second);
    let undone = world.organizer.act(&format!("{path}/{second}/undo")).await.expect(200);
    assert!(undone["undoneAt"].is_string() && undone["exitedAt"].is_null());
    world.organizer.act(&format!("{path}/{second}/exit")).await.problem(409, "invalid_state");
    rush().await;
    // Where it lets in once, nobody goes out.
    let once = scan(&world.organizer, &event, text(&tickets[0]["code"]), "North").await;
    let exit = format!("{path}/{}/exit", text(&once["checkInId"]));
    world.organizer.act(&exit).await.problem(409, "invalid_state");
    let nobody = format!("{path}/{}/exit", uuid::Uuid::nil());
    world.organizer.act(&nobody).await.problem(404, "not_found");

    world.app.seal_audit().await;
    let organizer = organizer(&world).await;
    let audit = world.organizer.get(&format!("{organizer}/audit?action=ticket.")).await.expect(200);
    let lines: Vec<_> = audit["items"].as_array().unwrap().iter().rev().map(|line| text(&line["action"])).collect();
    let undo = "ticket.admission_undone";
    let expected = ["ticket.admitted", "ticket.exited", "ticket.admitted", undo, "ticket.admitted", "ticket.admitted"];
    assert_eq!(lines, expected);
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_out_comes_in_again_on_sqlite() {
    again_after_an_exit(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_out_comes_in_again_on_postgres() {
    again_after_an_exit(Engine::Postgres).await;
}

/// Who shows a new key of the organizer with these scopes.
async fn key(world: &World, scopes: &[&str]) -> Caller {
    let wish = json!({ "name": "Scanner", "scopes": scopes });
    let keys = format!("{}/api-keys", organizer(world).await);
    let made = world.organizer.post(&keys, &wish).await.expect(201);
    world.app.bearer(text(&made["secret"]))
}

/// A device has a key of its own, which opens the door and nothing else.
#[tokio::test]
async fn a_device_lets_in_and_does_nothing_else() {
    let world = world(Engine::Sqlite).await;
    let (event, booking, tickets) = doors(&world, 1).await;
    let every_other = key(&world, &["events:read", "events:write", "bookings:read", "bookings:write"]).await;
    let shown = json!({ "code": tickets[0]["code"] });
    every_other.post(&format!("{event}/check-ins"), &shown).await.problem(403, "forbidden");
    let device = key(&world, &["check-ins:write"]).await;
    let entry = scan(&device, &event, text(&tickets[0]["code"]), "North").await;
    assert_eq!(entry["result"], "admitted");
    device.act(&format!("{event}/check-ins/{}/undo", text(&entry["checkInId"]))).await.problem(403, "forbidden");
    device.get(&booking).await.problem(403, "forbidden");
    device.get(&format!("{booking}/tickets")).await.problem(403, "forbidden");
    device.act(&format!("{booking}/cancel")).await.problem(403, "forbidden");
    device.patch(&event, &json!({ "name": "Mine" })).await.problem(403, "forbidden");
    world.app.stop().await;
}

/// A device that is bound to one event opens its door, and knows of nothing else of the organizer; it is revoked at once.
#[tokio::test]
async fn a_device_of_one_event_is_a_stranger_elsewhere() {
    let world = world(Engine::Sqlite).await;
    let (event, booking, tickets) = doors(&world, 2).await;
    let (elsewhere, _, others) = doors(&world, 1).await;
    let organizer = organizer(&world).await;
    let keys = format!("{organizer}/api-keys");
    let id = event.rsplit('/').next().unwrap();
    let wish =
        json!({ "name": "North", "scopes": ["check-ins:write"], "eventId": id, "expiresAt": "2027-01-15T08:14:00Z" });
    let made = world.organizer.post(&keys, &wish).await.expect(201);
    assert_eq!(made["eventId"], id);
    let device = world.app.bearer(text(&made["secret"]));
    assert_eq!(scan(&device, &event, text(&tickets[0]["code"]), "North").await["result"], "admitted");
    device.get(&format!("{event}/check-ins/bundle")).await.expect(200);
    let told = json!({ "sentAt": "2027-01-15T08:00:00Z", "scans": [] });
    device.post(&format!("{event}/check-ins/sync"), &told).await.expect(200);
    let shown = json!({ "code": others[0]["code"] });
    device.post(&format!("{elsewhere}/check-ins"), &shown).await.problem(404, "not_found");
    device.get(&format!("{elsewhere}/check-ins/bundle")).await.problem(404, "not_found");
    device.get(&format!("/api/v1/organizers/{organizer}")).await.problem(404, "not_found");
    assert_eq!(device.get("/api/v1/organizers").await.expect(200)["items"], json!([]));
    device.get(&booking).await.problem(403, "forbidden");
    // An event of somebody else, or of nobody.
    for none in
        [json!(uuid::Uuid::nil()), world.stranger.post("/api/v1/events", &gala(0, 1)).await.expect(201)["id"].clone()]
    {
        let wish = json!({ "name": "South", "scopes": ["check-ins:write"], "eventId": none });
        world.organizer.post(&keys, &wish).await.problem(422, "validation_failed");
    }
    let one = format!("{keys}/{}", text(&made["id"]));
    assert_eq!(world.organizer.delete(&one).await.status, 204);
    device.post(&format!("{event}/check-ins"), &shown).await.problem(401, "unauthenticated");
    // One that has expired.
    let again = world.organizer.post(&keys, &wish).await.expect(201);
    let device = world.app.bearer(text(&again["secret"]));
    assert_eq!(scan(&device, &event, text(&tickets[1]["code"]), "North").await["result"], "admitted");
    world.app.clock.step(TimeDelta::minutes(14));
    device.post(&format!("{event}/check-ins"), &shown).await.problem(401, "unauthenticated");
    world.app.stop().await;
}

/// Who has not paid is told apart from who has no ticket; he pays at the door and enters at once, or nothing changes.
async fn s5_21_who_has_not_paid_pays_at_the_door(engine: Engine) {
    let world = world(engine).await;
    let mut soon = gala(2_500, 10);
    soon["startAt"] = json!("2027-01-15T12:00:00Z");
    soon["endAt"] = json!("2027-01-15T22:00:00Z");
    let made = world.organizer.post("/api/v1/events", &soon).await.expect(201);
    let event = format!("/api/v1/events/{}", text(&made["id"]));
    world.organizer.act(&format!("{event}/publish")).await.expect(200);
    let hold = async || world.buyer.post(&format!("{event}/bookings"), &json!({ "quantity": 2 })).await.expect(201);
    let (scanner, till) =
        (key(&world, &["check-ins:write"]).await, key(&world, &["check-ins:write", "bookings:write"]).await);
    let (door, booking) = (format!("{event}/check-ins"), hold().await);
    let reference = text(&booking["reference"]);

    // As people type it.
    let said = scan(&scanner, &event, &reference.to_lowercase(), "North").await;
    let due = json!({
        "id": booking["id"], "reference": reference, "units": 2, "due": 5_000, "currency": "EUR",
        "heldUntil": said["booking"]["heldUntil"],
    });
    assert_eq!(said, json!({ "result": "unpaid", "booking": due }));
    let (elsewhere, _, tickets) = doors(&world, 1).await;
    assert_eq!(result(&scanner, &elsewhere, reference).await, "invalid", "no event tells of another's bookings");

    // Who may let in may not take money; and nobody takes another sum, nor money for a ticket.
    let paid = |code: &str, paid: i64| json!({ "code": code, "gate": "North", "paid": paid });
    scanner.post(&door, &paid(reference, 5_000)).await.problem(403, "forbidden");
    till.post(&door, &paid(reference, 4_999)).await.problem(409, "price_changed");
    let code = text(&tickets[0]["code"]);
    till.post(&format!("{elsewhere}/check-ins"), &paid(code, 1)).await.problem(422, "validation_failed");
    // Nobody pays and stays outside.
    let body = json!({ "name": "Later", "from": "2027-01-15T20:00:00Z" });
    let later = world.organizer.post(&format!("{event}/check-in-lists"), &body).await.expect(201);
    for body in [
        json!({ "code": reference, "paid": 5_000, "listId": later["id"] }),
        json!({ "code": reference, "listId": later["id"] }),
    ] {
        assert_eq!(till.post(&door, &body).await.expect(200), json!({ "result": "not_valid_now" }), "nor is asked to");
    }
    let path = format!("/api/v1/bookings/{}", text(&booking["id"]));
    assert_eq!(world.buyer.get(&path).await.expect(200)["status"], "pending");

    // Twice at once, and once more because the answer was lost.
    let body = paid(reference, 5_000).to_string();
    let send = async || till.send(Method::POST, &door, &[("idempotency-key", "till-1")], Some(body.clone())).await;
    let (one, other) = tokio::join!(send(), send());
    let answered: Vec<_> = [one, other].into_iter().filter(|reply| reply.status == 200).collect();
    assert!(!answered.is_empty());
    let said = send().await.expect(200);
    for reply in &answered {
        assert_eq!(reply.body, said);
    }
    assert_eq!((&said["result"], &said["gate"]), (&json!("admitted"), &json!("North")));
    assert_eq!(said["others"].as_array().unwrap().len(), 1);
    assert_eq!([&said["ticket"]["unit"], &said["others"][0]["ticket"]["unit"]], [&json!(1), &json!(2)]);
    let booking = world.buyer.get(&path).await.expect(200);
    assert_eq!(booking["status"], "confirmed");
    let payments = world.organizer.get(&format!("{path}/payments")).await.expect(200);
    assert_eq!((payments.as_array().unwrap().len(), &payments[0]["provider"]), (1, &json!("manual")));
    for ticket in world.buyer.get(&format!("{path}/tickets")).await.expect(200).as_array().unwrap() {
        assert_eq!(result(&scanner, &event, text(&ticket["code"])).await, "already_used");
    }
    // It is paid: its tickets let in, and its reference nothing. Nobody pays twice.
    assert_eq!(result(&scanner, &event, reference).await, "invalid");
    till.post(&door, &paid(reference, 5_000)).await.problem(409, "invalid_state");
    assert_eq!(till.post(&door, &paid("K7QWZM", 5_000)).await.expect(200), json!({ "result": "invalid" }));

    // What is held no longer is nobody's, and no money is taken for it.
    let late = hold().await;
    world.app.clock.step(TimeDelta::hours(1));
    let organizer = world.app.sign_in("organizer").await;
    assert_eq!(result(&organizer, &event, text(&late["reference"])).await, "invalid");
    for sum in [5_000, 1] {
        organizer.post(&door, &paid(text(&late["reference"]), sum)).await.problem(409, "booking_expired");
    }
    let audit = format!("/api/v1/organizers/{}/audit?action=booking.confirmed", text(&made["organizerId"]));
    let noted = organizer.get(&audit).await.expect(200);
    assert_eq!(noted["items"][0]["personal"]["note"], "paid at the door: North", "{noted}");
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

on_both_engines! {
    s5_21_who_has_not_paid_pays_at_the_door,
}

/// Who shows too many codes that are none has to wait, and nobody else.
#[tokio::test]
async fn guesses_of_codes_are_limited() {
    let limits = LimitRates::default().with(LimitClass::TicketCodes, Rate::new(3, 60));
    let app = TestApp::start_with(Engine::Sqlite, Settings { limits: Some(limits), ..Settings::default() }).await;
    let world = world_of(app).await;
    let (event, _, tickets) = doors(&world, 1).await;
    for _ in 0..3 {
        assert_eq!(result(&world.organizer, &event, "GT1:GUESS").await, "invalid");
    }
    let shown = json!({ "code": tickets[0]["code"] });
    let path = format!("{event}/check-ins");
    let refused = world.organizer.post(&path, &shown).await;
    assert!(refused.header("retry-after").is_some());
    refused.problem(429, "rate_limited");
    let admin = world.app.account("admin2", Role::Admin).await;
    assert_eq!(result(&admin, &event, text(&tickets[0]["code"])).await, "admitted", "another account is not held up");
    world.app.clock.step(TimeDelta::seconds(20));
    assert_eq!(result(&world.organizer, &event, text(&tickets[0]["code"])).await, "already_used");
    // Nor are many guesses in one request more than that.
    world.app.clock.step(TimeDelta::minutes(1));
    let guess =
        |id: u128| json!({ "id": uuid::Uuid::from_u128(id), "code": "GT1:GUESS", "at": "2027-01-15T08:01:20Z" });
    let guesses: Vec<_> = (1..10).map(guess).collect();
    let told = json!({ "sentAt": "2027-01-15T08:01:20Z", "scans": guesses });
    world.organizer.post(&format!("{event}/check-ins/sync"), &told).await.problem(429, "rate_limited");
    world.app.stop().await;
}

/// Who entered by a list that was put away may leave.
#[tokio::test]
async fn one_leaves_by_a_list_that_is_put_away() {
    let world = world(Engine::Sqlite).await;
    let (event, _, tickets) = doors(&world, 1).await;
    let door = &world.organizer;
    let again = list(&world, &event, &json!({ "name": "Hall", "entry": "re_entry" })).await;
    let shown = json!({ "code": tickets[0]["code"], "listId": again });
    let entry = door.post(&format!("{event}/check-ins"), &shown).await.expect(200)["checkInId"].clone();
    door.patch(&format!("{event}/check-in-lists/{}", text(&again)), &json!({ "archived": true })).await.expect(200);
    door.act(&format!("{event}/check-ins/{}/exit", text(&entry))).await.expect(200);
    door.post(&format!("{event}/check-ins"), &shown).await.problem(404, "not_found");
    world.app.stop().await;
}
