//! The door without a network: bundles, what devices tell later (`domain.md` 5.17 to 5.20), and the verifier of `web/door`,
//! in node and in Chromium, with what this very server says.

use std::path::Path;
use std::process::Command;

use application::booking::LaneChanges;
use application::catalog::CatalogReads;
use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use domain::admission::CheckIn;
use domain::{CheckInId, CheckInListId, EventId, Text, TicketId};
use goticket_testkit::app::Caller;
use goticket_testkit::contract::fixture::{assert_sound, at, mark, write};
use goticket_testkit::databases::Engine;
use goticket_testkit::world::{World, world};
use http_body_util::BodyExt;
use rstest::rstest;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{doors, organizer, text};

fn scan(number: u128, ticket: &Value, at: &str) -> Value {
    json!({ "id": Uuid::from_u128(number), "code": ticket["code"], "gate": "West", "at": at })
}

async fn sync(door: &Caller, event: &str, sent_at: &str, scans: &[Value]) -> Value {
    let told = json!({ "sentAt": sent_at, "scans": scans });
    door.post(&format!("{event}/check-ins/sync"), &told).await.expect(200)
}

async fn online(door: &Caller, event: &str, ticket: &Value) -> Value {
    let shown = json!({ "code": ticket["code"], "gate": "North" });
    door.post(&format!("{event}/check-ins"), &shown).await.expect(200)
}

/// By the clock of the tests it is eight o'clock.
const NOW: &str = "2027-01-15T08:00:00Z";

/// `domain.md` 5.18: two offline devices admit the same ticket. Both scans are kept, the earlier one by the corrected time
/// counts, the later is flagged, and nobody is unadmitted. 5.17: the same scan id again is the same result.
#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn s5_17_and_s5_18_two_offline_devices_admit_the_same_ticket(#[case] engine: Engine) {
    let world = world(engine).await;
    let (event, _, tickets) = doors(&world, 2).await;
    let door = &world.organizer;
    let late = scan(1, &tickets[0], "2027-01-15T07:30:00Z");
    let report = sync(door, &event, NOW, std::slice::from_ref(&late)).await;
    let kept = json!({ "id": Uuid::from_u128(1), "result": "admitted", "at": "2027-01-15T07:30:00Z" });
    assert_eq!(report["scans"], json!([kept]));
    assert_eq!((&report["clockSkewMs"], &report["clockWarning"]), (&json!(0), &json!(false)));
    let again = sync(door, &event, NOW, &[late.clone(), late.clone()]).await;
    assert_eq!(again["scans"], json!([kept, kept]), "told again, it is the same");
    assert_eq!(online(door, &event, &tickets[0]).await["firstAdmittedAt"], "2027-01-15T07:30:00Z");
    // The other device was first, and is heard later.
    let early = scan(2, &tickets[0], "2027-01-15T07:20:00Z");
    let report = sync(door, &event, NOW, &[early]).await;
    assert_eq!(report["scans"][0].get("flag"), None);
    let used = online(door, &event, &tickets[0]).await;
    assert_eq!((&used["result"], &used["firstAdmittedAt"]), (&json!("already_used"), &json!("2027-01-15T07:20:00Z")));
    assert_eq!(used["checkInId"], json!(Uuid::from_u128(2)));
    let beaten = sync(door, &event, NOW, &[late]).await;
    assert_eq!(beaten["scans"][0]["flag"], "conflict", "what became of it meanwhile is told");
    // A third one later than both; and one that was on line meanwhile.
    let report = sync(door, &event, NOW, &[scan(3, &tickets[0], "2027-01-15T07:40:00Z")]).await;
    assert_eq!((&report["scans"][0]["result"], &report["scans"][0]["flag"]), (&json!("admitted"), &json!("conflict")));
    let entry = online(door, &event, &tickets[1]).await;
    assert_eq!(entry["result"], "admitted");
    let report = sync(door, &event, NOW, &[scan(4, &tickets[1], "2027-01-15T07:59:00Z")]).await;
    assert_eq!(report["scans"][0].get("flag"), None, "it was before the one on line");
    assert_eq!(online(door, &event, &tickets[1]).await["checkInId"], json!(Uuid::from_u128(4)));

    world.app.seal_audit().await;
    let organizer = organizer(&world).await;
    let path = format!("{organizer}/audit?action=ticket.admission_conflict");
    let audit = world.organizer.get(&path).await.expect(200);
    assert_eq!(audit["items"].as_array().unwrap().len(), 3, "two gave way, one came too late");
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

/// `domain.md` 5.19: a ticket was revoked while a scanner was offline. Its scan is kept and flagged.
#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn s5_19_a_ticket_was_revoked_while_the_scanner_was_offline(#[case] engine: Engine) {
    let world = world(engine).await;
    let (event, booking, tickets) = doors(&world, 2).await;
    let anew = world.buyer.act(&format!("/api/v1/tickets/{}/reissue", text(&tickets[0]["id"]))).await.expect(200);
    let report = sync(&world.organizer, &event, NOW, &[scan(1, &tickets[0], "2027-01-15T07:30:00Z")]).await;
    assert_eq!((&report["scans"][0]["result"], &report["scans"][0]["flag"]), (&json!("admitted"), &json!("revoked")));
    assert_eq!(
        online(&world.organizer, &event, &anew).await["result"],
        "already_used",
        "whoever had the code is inside"
    );
    world.buyer.act(&format!("{booking}/cancel")).await.expect(200);
    let report = sync(&world.organizer, &event, NOW, &[scan(2, &tickets[1], "2027-01-15T07:30:00Z")]).await;
    assert_eq!(report["scans"][0]["flag"], "revoked");
    // By a list that would not have let in.
    let (event, _, tickets) = doors(&world, 1).await;
    let late = json!({ "name": "Late", "from": "2027-01-15T07:45:00Z" });
    let late = world.organizer.post(&format!("{event}/check-in-lists"), &late).await.expect(201);
    let mut early = scan(3, &tickets[0], "2027-01-15T07:30:00Z");
    early["listId"] = late["id"].clone();
    let report = sync(&world.organizer, &event, NOW, &[early]).await;
    assert_eq!(report["scans"][0]["flag"], "not_allowed");
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

/// `domain.md` 5.20: the skew of a scanner is measured at each sync and applied; more than five minutes warns.
#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn s5_20_the_clock_of_a_scanner_is_measured_and_corrected(#[case] engine: Engine) {
    let world = world(engine).await;
    let (event, _, tickets) = doors(&world, 1).await;
    let door = &world.organizer;
    // Ten minutes fast: what it calls half past seven was twenty past.
    let report = sync(door, &event, "2027-01-15T08:10:00Z", &[scan(1, &tickets[0], "2027-01-15T07:30:00Z")]).await;
    assert_eq!((&report["clockSkewMs"], &report["clockWarning"]), (&json!(-600_000), &json!(true)));
    assert_eq!(report["scans"][0]["at"], "2027-01-15T07:20:00Z");
    // Five minutes slow: what it calls a quarter past was twenty past; not before.
    let report = sync(door, &event, "2027-01-15T07:55:00Z", &[scan(2, &tickets[0], "2027-01-15T07:15:01Z")]).await;
    assert_eq!((&report["clockSkewMs"], &report["clockWarning"]), (&json!(300_000), &json!(false)));
    assert_eq!(
        (&report["scans"][0]["at"], &report["scans"][0]["flag"]),
        (&json!("2027-01-15T07:20:01Z"), &json!("conflict"))
    );
    // What claims to come from tomorrow has happened by now.
    let report = sync(door, &event, NOW, &[scan(3, &tickets[0], "2027-01-16T08:00:00Z")]).await;
    assert_eq!(report["scans"][0]["at"], NOW);
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

/// What is told may be hostile: nothing but what the signatures say is taken over, and each scan for itself.
#[tokio::test]
async fn a_device_tells_nonsense() {
    let world = world(Engine::Sqlite).await;
    let (event, _, tickets) = doors(&world, 2).await;
    let (elsewhere, _, others) = doors(&world, 1).await;
    let door = &world.organizer;
    let mut none = scan(1, &tickets[0], NOW);
    none["code"] = json!("GT1:NONSENSE");
    let scans = [none, scan(2, &others[0], NOW), scan(3, &tickets[0], NOW), scan(3, &tickets[1], NOW)];
    let report = sync(door, &event, NOW, &scans).await;
    let words: Vec<_> = report["scans"].as_array().unwrap().iter().map(|scan| text(&scan["result"])).collect();
    assert_eq!(words, ["invalid", "wrong_event", "admitted", "invalid"], "an id is of one scan");
    // An id that another event has taken is no way to learn or to change anything there.
    let report = sync(door, &elsewhere, NOW, &[scan(3, &others[0], NOW)]).await;
    assert_eq!(report["scans"], json!([{ "id": Uuid::from_u128(3), "result": "invalid" }]));
    assert_eq!(online(door, &elsewhere, &others[0]).await["result"], "admitted");
    let path = format!("{event}/check-ins/sync");
    // What is wrong with one scan keeps no other from being told: its device would tell the same again and again.
    let mut list = scan(4, &tickets[1], NOW);
    list["listId"] = json!(Uuid::nil());
    let mut gate = scan(5, &tickets[1], NOW);
    gate["gate"] = json!("x".repeat(101));
    let report = sync(door, &event, NOW, &[list, gate]).await;
    let words: Vec<_> = report["scans"].as_array().unwrap().iter().map(|scan| text(&scan["result"])).collect();
    assert_eq!(words, ["not_on_list", "admitted"]);
    let many = vec![scan(4, &tickets[1], NOW); 501];
    door.post(&path, &json!({ "sentAt": NOW, "scans": many })).await.problem(422, "validation_failed");
    door.post(&path, &json!({ "sentAt": "yesterday", "scans": [] })).await.problem(400, "malformed_request");
    assert_eq!(sync(door, &event, NOW, &[]).await["scans"], json!([]));
    for caller in [&world.buyer, &world.stranger] {
        caller.post(&path, &json!({ "sentAt": NOW, "scans": [] })).await.problem(404, "not_found");
        caller.get(&format!("{event}/check-ins/bundle")).await.problem(404, "not_found");
    }
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

fn bytes(text: &Value) -> Vec<u8> {
    STANDARD.decode(text.as_str().unwrap()).unwrap()
}

/// How tickets stand on a list by a bundle: ticket, state.
fn standing(bundle: &Value) -> Vec<(Uuid, u8)> {
    let of = |list: &Value| {
        let (ids, states) = (bytes(&list["ids"]), bytes(&list["states"]));
        assert_eq!((bytes(&list["times"]).len(), bytes(&list["gates"]).len()), (states.len() * 4, states.len() * 2));
        ids.chunks(16).map(|id| Uuid::from_slice(id).unwrap()).zip(states).collect::<Vec<_>>()
    };
    bundle["entries"].as_array().unwrap().iter().flat_map(of).collect()
}

fn issues(bundle: &Value) -> Vec<(Uuid, u32)> {
    let (ids, issues) = (bytes(&bundle["tickets"]["ids"]), bytes(&bundle["tickets"]["issues"]));
    let ids = ids.chunks(16).map(|id| Uuid::from_slice(id).unwrap());
    ids.zip(issues.chunks(4).map(|issue| u32::from_be_bytes(issue.try_into().unwrap()))).collect()
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test]
async fn a_bundle_tells_all_and_then_what_is_new(#[case] engine: Engine) {
    let world = world(engine).await;
    let (event, booking, tickets) = doors(&world, 3).await;
    let door = &world.organizer;
    let path = format!("{event}/check-ins/bundle");
    let id = |at: usize| -> Uuid { text(&tickets[at]["id"]).parse().unwrap() };
    let first = door.get(&path).await.expect(200);
    assert_eq!((standing(&first), issues(&first)), (vec![], vec![]));
    assert_eq!((&first["cancelled"], &first["more"]), (&json!(false), &json!(false)));
    assert_eq!(bytes(&first["keys"][0]["key"]).len(), 32);
    assert_eq!(first["lists"][0]["default"], true);
    let entry = online(door, &event, &tickets[0]).await;
    world.buyer.act(&format!("/api/v1/tickets/{}/reissue", id(1))).await.expect(200);
    let reply = door.send(Method::GET, &path, &[], None).await;
    let etag = reply.header("etag").unwrap().to_owned();
    let second = reply.expect(200);
    assert_eq!((standing(&second), issues(&second)), (vec![(id(0), 1)], vec![(id(1), 2)]));
    assert_eq!(second["gates"], json!(["North"]));
    let same = door.send(Method::GET, &path, &[("if-none-match", &etag)], None).await;
    assert_eq!((same.status.as_u16(), same.text.as_str()), (304, ""));
    // Behind the cursor of the first, the same; behind that of the second, what is at its very end, and what is new.
    world.app.clock.step(TimeDelta::seconds(1));
    let behind = |bundle: &Value| format!("{path}?cursor={}", text(&bundle["cursor"]));
    let news = door.get(&behind(&first)).await.expect(200);
    assert_eq!((standing(&news), issues(&news)), (standing(&second), issues(&second)));
    door.act(&format!("{event}/check-ins/{}/undo", text(&entry["checkInId"]))).await.expect(200);
    online(door, &event, &tickets[2]).await;
    world.app.clock.step(TimeDelta::seconds(1));
    let news = door.get(&behind(&second)).await.expect(200);
    let mut now = standing(&news);
    now.sort_unstable();
    let mut expected = vec![(id(0), 0), (id(2), 1)];
    expected.sort_unstable();
    assert_eq!(now, expected, "an entry that was undone is taken back");
    world.buyer.act(&format!("{booking}/cancel")).await.expect(200);
    let last = door.get(&behind(&news)).await.expect(200);
    let mut gone = issues(&last);
    gone.sort_unstable();
    let mut expected: Vec<_> = (0..3).map(|at| (id(at), 0)).collect();
    expected.sort_unstable();
    assert_eq!(gone, expected, "a cancelled booking has no tickets that let in");
    door.get(&format!("{path}?cursor=nonsense")).await.problem(400, "malformed_request");
    world.app.stop().await;
}

/// 50,000 tickets that have all let in, at 40 gates, and 1,000 that were revoked: with ids of which no bit can be guessed.
#[tokio::test]
async fn a_bundle_of_50_000_tickets_has_at_most_a_megabyte_and_a_half() {
    let world = world(Engine::Sqlite).await;
    let (event, booking, tickets) = doors(&world, 10).await;
    world.buyer.act(&format!("{booking}/cancel")).await.expect(200);
    let key = EventId::new(event.rsplit('/').next().unwrap().parse().unwrap());
    let sale = world.app.database.database.sale(key).await.unwrap().unwrap().sale;
    let random = |number: u32, what: u8| {
        let digest = Sha256::digest([number.to_be_bytes().as_slice(), &[what]].concat());
        Uuid::from_slice(&digest[..16]).unwrap()
    };
    let entry = |number: u32| CheckIn {
        id: CheckInId::new(random(number, 0)),
        event: key,
        list: CheckInListId::default_of(key),
        ticket: TicketId::new(random(number, 1)),
        turn: Some(1),
        gate: Some(Text::parse("gate", &format!("Gate {}", number % 40), 100).unwrap()),
        at: at(i64::from(number * 7 % 20_000)),
        device_at: None,
        synced: None,
        flag: None,
        exited_at: None,
        undone_at: None,
        sequence: 1,
        changed_at: at(i64::from(number / 1_000)),
    };
    for part in 0..50_u32 {
        let new_check_ins = (part * 1_000..(part + 1) * 1_000).map(entry).collect();
        let changes = LaneChanges { lanes: vec![mark(&sale)], new_check_ins, ..LaneChanges::default() };
        write(&world.app.database.database, &changes).await.unwrap();
    }
    let path = format!("{event}/check-ins/bundle");
    let zipped = world.organizer.stream(Method::GET, &path, &[("accept-encoding", "gzip")], None).await;
    assert_eq!(zipped.headers()["content-encoding"], "gzip");
    let zipped = zipped.into_body().collect().await.unwrap().to_bytes();
    println!("50,000 tickets: {} bytes", zipped.len());
    assert!(zipped.len() <= 1_500_000, "{} bytes", zipped.len());
    let bundle = world.organizer.get(&path).await.expect(200);
    assert_eq!((standing(&bundle).len(), bundle["gates"].as_array().unwrap().len()), (50_000, 40));
    assert_eq!(issues(&bundle).len(), tickets.len());
    assert_eq!(bundle["more"], false);
    world.app.stop().await;
}

/// Codes, a bundle and words of this server, for the verifier.
async fn fixture(world: &World) -> Value {
    let (event, _, tickets) = doors(world, 6).await;
    let (_, _, others) = doors(world, 1).await;
    let door = &world.organizer;
    let lists = format!("{event}/check-in-lists");
    let other = json!({ "name": "Seated", "price": 1 });
    let other = door.post(&format!("{event}/ticket-types"), &other).await.expect(201)["id"].clone();
    let list = async |list: Value| door.post(&lists, &list).await.expect(201)["id"].clone();
    let stage = list(json!({ "name": "Stage", "ticketTypeIds": [other] })).await;
    let early = list(json!({ "name": "Early", "until": "2027-01-15T08:00:00Z" })).await;
    let late = list(json!({ "name": "Late", "from": "2027-01-15T08:00:01Z" })).await;
    let again = list(json!({ "name": "Main door", "entry": "re_entry" })).await;
    let enter = async |ticket: &Value, list: &Value| {
        let shown = json!({ "code": ticket["code"], "listId": list, "gate": "Nørd «1»" });
        door.post(&format!("{event}/check-ins"), &shown).await.expect(200)
    };
    let anew = |at: usize| format!("/api/v1/tickets/{}/reissue", text(&tickets[at]["id"]));
    let replaced = world.buyer.act(&anew(1)).await.expect(200);
    let used = enter(&tickets[2], &Value::Null).await;
    enter(&tickets[3], &again).await;
    let gone_out = enter(&tickets[4], &again).await;
    door.act(&format!("{event}/check-ins/{}/exit", text(&gone_out["checkInId"]))).await.expect(200);

    let block = |deed: &str| format!("/api/v1/tickets/{}/{deed}", text(&tickets[5]["id"]));
    door.act(&block("block")).await.expect(200);

    let bundle = door.get(&format!("{event}/check-ins/bundle")).await.expect(200);
    let code = |ticket: &Value| ticket["code"].clone();
    let mut forged = text(&tickets[0]["code"]).to_owned();
    forged.replace_range(110..113, if &forged[110..113] == "000" { "111" } else { "000" });
    let shown = [
        ("a good one", code(&tickets[0]), Value::Null),
        ("replaced", code(&tickets[1]), Value::Null),
        ("what replaced it", code(&replaced), Value::Null),
        ("blocked", code(&tickets[5]), Value::Null),
        ("used", code(&tickets[2]), Value::Null),
        ("used on another list", code(&tickets[2]), again.clone()),
        ("inside", code(&tickets[3]), again.clone()),
        ("out again", code(&tickets[4]), again.clone()),
        ("not on the list", code(&tickets[0]), stage),
        ("too late", code(&tickets[0]), early),
        ("too early", code(&tickets[0]), late),
        ("of another event", code(&others[0]), Value::Null),
        ("forged", json!(forged), Value::Null),
        ("nonsense", json!("hello"), Value::Null),
    ];
    // What the server says, each on a door as the bundle shows it: what was let in is undone again.
    let mut words = Vec::new();
    for (about, code, list) in shown {
        let said = door.post(&format!("{event}/check-ins"), &json!({ "code": code, "listId": list })).await.expect(200);
        if said["result"] == "admitted" {
            let undo = format!("{event}/check-ins/{}/undo", text(&said["checkInId"]));
            door.act(&undo).await.expect(200);
        }
        words.push(json!({ "about": about, "code": code, "listId": list, "result": said["result"] }));
    }
    let said = |word: &str| words.iter().filter(|said| said["result"] == word).count();
    let all =
        ["admitted", "already_used", "revoked", "blocked", "not_valid_now", "not_on_list", "wrong_event", "invalid"];
    assert!(all.iter().all(|word| said(word) > 0), "{words:?}");
    door.act(&format!("{event}/check-ins/{}/undo", text(&used["checkInId"]))).await.expect(200);
    world.buyer.act(&anew(0)).await.expect(200);
    door.act(&block("unblock")).await.expect(200);
    let later = door.get(&format!("{event}/check-ins/bundle?cursor={}", text(&bundle["cursor"]))).await.expect(200);
    let ticket = |at: usize| json!({ "code": tickets[at]["code"], "ticketId": tickets[at]["id"] });
    json!({
        "now": NOW, "bundle": bundle, "later": later, "words": words,
        "valid": ticket(0), "revoked": ticket(1), "used": ticket(2), "blocked": ticket(5),
    })
}

/// What a program says; it must end well.
fn run(command: &mut Command, about: &str) -> String {
    let output =
        command.output().unwrap_or_else(|error| panic!("{about}: {error}; scripts/services.sh up installs it"));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{about}: {said}");
    said
}

/// Each code gets the word that the server gives, and no forged, truncated, foreign, revoked, replayed, non-canonical or
/// flipped one is let in: in node, and in a browser.
#[tokio::test]
async fn the_verifier_says_what_the_server_says_in_node_and_in_chromium() {
    let world = world(Engine::Sqlite).await;
    let fixture = fixture(&world).await;
    assert_sound(&world.app.database).await;
    world.app.stop().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fixture.json");
    std::fs::write(&file, fixture.to_string()).unwrap();
    let door = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/door");
    let programs = tokio::task::spawn_blocking(move || {
        let test = door.join("verifier.test.js");
        let mut node = Command::new("node");
        let said = run(node.arg("--test").arg(&test).env("DOOR_FIXTURE", &file), "node");
        assert!(said.contains("fail 0") && !said.contains("pass 0"), "{said}");
        let said = run(Command::new("node").arg(door.join("chromium.mjs")).arg("cases").arg(&file), "Chromium");
        assert!(said.contains("17 of 17 cases passed"), "{said}");
    });
    programs.await.unwrap();
}
