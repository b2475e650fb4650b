//! Live counters of the door, as whoever lets in watches them.

use std::time::Duration;

use axum::http::Method;
use goticket_testkit::app::{Caller, Settings, TestApp};
use goticket_testkit::contract::fixture::assert_sound;
use goticket_testkit::databases::Engine;
use goticket_testkit::world::{World, world_of};
use rstest::rstest;
use serde_json::{Value, json};

use crate::stream::Stream;
use crate::{doors, organizer, text};

impl Stream {
    /// The next figures for which `is_it` holds, and their id. What is counted in between is told of or not.
    async fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> (String, Value) {
        loop {
            let frame = self.frame().await.expect("figures");
            let Some(rest) = frame.strip_prefix("id: ") else { continue };
            let (id, rest) = rest.split_once("\nevent: door\ndata: ").expect("an event of the door");
            let figures: Value = serde_json::from_str(rest).unwrap();
            if is_it(&figures) {
                return (id.to_owned(), figures);
            }
        }
    }
}

async fn watch(caller: &Caller, event: &str, headers: &[(&str, &str)]) -> Stream {
    let response = caller.stream(Method::GET, &format!("{event}/check-ins/live"), headers, None).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let mut stream = Stream::of(response);
    assert_eq!(stream.frame().await.unwrap(), "retry: 3000\n\n");
    stream
}

/// An event whose doors are open, with codes of its tickets.
async fn open_doors(world: &World) -> (String, Vec<String>) {
    let (path, _, tickets) = doors(world, 3).await;
    (path, tickets.iter().map(|ticket| text(&ticket["code"]).to_owned()).collect())
}

async fn scan(world: &World, event: &str, body: Value) -> Value {
    let said = world.organizer.post(&format!("{event}/check-ins"), &body).await.expect(200);
    assert_eq!(said["result"], "admitted");
    said.clone()
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lets_in_watches_how_many_have_come(#[case] engine: Engine) {
    let world = world_of(TestApp::start(engine).await).await;
    let (event, codes) = open_doors(&world).await;
    let hall = json!({ "name": "Hall", "entry": "re_entry" });
    let hall = world.organizer.post(&format!("{event}/check-in-lists"), &hall).await.expect(201);
    let mut stream = watch(&world.organizer, &event, &[]).await;
    let (_, first) = stream.until(|_| true).await;
    let lists = first["lists"].as_array().unwrap();
    assert_eq!((lists.len(), &lists[1]["id"], &lists[1]["name"]), (2, &hall["id"], &json!("Hall")));
    assert_eq!((&lists[0]["expected"], &lists[0]["admitted"], &lists[0]["gates"]), (&json!(3), &json!(0), &json!([])));

    scan(&world, &event, json!({ "code": codes[0], "gate": "North" })).await;
    scan(&world, &event, json!({ "code": codes[1] })).await;
    let entry = scan(&world, &event, json!({ "code": codes[0], "gate": "North", "listId": hall["id"] })).await;
    world.organizer.act(&format!("{event}/check-ins/{}/exit", text(&entry["checkInId"]))).await.expect(200);
    scan(&world, &event, json!({ "code": codes[0], "gate": "South", "listId": hall["id"] })).await;
    let again = scan(&world, &event, json!({ "code": codes[2], "gate": "South", "listId": hall["id"] })).await;
    let (_, figures) = stream.until(|seen| seen["lists"][1]["admitted"] == 2).await;
    let gate = |gate: Value, admitted, entries| json!({ "gate": gate, "admitted": admitted, "entries": entries });
    let expected = json!({ "lists": [
        {
            "id": lists[0]["id"], "name": lists[0]["name"], "expected": 3, "admitted": 2, "inside": 2,
            "gates": [gate(json!("North"), 1, 1), gate(Value::Null, 1, 1)],
        },
        {
            "id": hall["id"], "name": "Hall", "expected": 3, "admitted": 2, "inside": 2,
            "gates": [gate(json!("South"), 1, 2), gate(json!("North"), 1, 1)],
        },
    ] });
    assert_eq!(figures, expected);

    // What is taken back is counted no more, who buys is expected, and a list that is put away is told of no more.
    world.organizer.act(&format!("{event}/check-ins/{}/undo", text(&again["checkInId"]))).await.expect(200);
    stream.until(|seen| seen["lists"][1]["admitted"] == 1).await;
    world.buyer.post(&format!("{event}/bookings"), &json!({ "quantity": 2 })).await.expect(201);
    stream.until(|seen| seen["lists"][0]["expected"] == 5).await;
    let list = format!("{event}/check-in-lists/{}", text(&hall["id"]));
    world.organizer.patch(&list, &json!({ "archived": true })).await.expect(200);
    let (known, _) = stream.until(|seen| seen["lists"].as_array().unwrap().len() == 1).await;

    // Who comes back knows it already; then there is news.
    let mut returned = watch(&world.organizer, &event, &[("last-event-id", &known)]).await;
    scan(&world, &event, json!({ "code": codes[2] })).await;
    let (id, figures) = returned.until(|_| true).await;
    assert_eq!(figures["lists"][0]["admitted"], 3);
    assert_ne!(id, known);
    assert_sound(&world.app.database).await;
    world.app.stop().await;
    while let Some(frame) = stream.frame().await {
        assert!(!frame.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_the_right_to_let_in() {
    let mut settings = Settings::default();
    settings.door.watchers_max = 2;
    settings.door.heartbeat = Duration::from_millis(50);
    let world = world_of(TestApp::start_with(Engine::Sqlite, settings).await).await;
    let (event, _) = open_doors(&world).await;
    let keys = format!("{}/api-keys", organizer(&world).await);
    let id = event.rsplit('/').next().unwrap();
    let key = async |scopes: &[&str]| {
        let new = json!({ "name": "Scanner", "scopes": scopes, "eventId": id });
        world.organizer.post(&keys, &new).await.expect(201).clone()
    };
    let device = key(&["check-ins:write"]).await;
    let other = key(&["events:read"]).await;
    let path = format!("{event}/check-ins/live");
    world.app.anybody().get(&path).await.problem(401, "unauthenticated");
    world.app.bearer(text(&other["secret"])).get(&path).await.problem(403, "forbidden");
    world.buyer.get(&path).await.problem(404, "not_found");
    world.stranger.get(&path).await.problem(404, "not_found");
    let (elsewhere, _) = open_doors(&world).await;
    let scanner = world.app.bearer(text(&device["secret"]));
    scanner.get(&format!("{elsewhere}/check-ins/live")).await.problem(404, "not_found");

    let mut stream = watch(&scanner, &event, &[]).await;
    stream.until(|_| true).await;
    assert_eq!(stream.frame().await.unwrap(), ": still here\n\n");
    let second = watch(&world.organizer, &event, &[]).await;
    let refused = world.organizer.get(&path).await;
    refused.problem(503, "unavailable");
    assert!(refused.header("retry-after").is_some());
    drop(second);
    // What is revoked opens nothing any more, and shows nothing either.
    world.organizer.send(Method::DELETE, &format!("{keys}/{}", text(&device["id"])), &[], None).await.expect(204);
    while let Some(frame) = stream.frame().await {
        assert!(frame.starts_with(':'), "{frame}");
    }
    world.app.stop().await;
}
