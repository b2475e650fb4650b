//! A sale over REST from the first account to the last ticket, on both engines.

use axum::http::Method;
use goticket_testkit::databases::Engine;
use goticket_testkit::world::{gala, world};
use serde_json::{Value, json};

async fn a_sale(engine: Engine) {
    let world = world(engine).await;
    let made = world.organizer.post("/api/v1/events", &gala(2_500, 3)).await;
    let event = made.body["id"].as_str().unwrap().to_owned();
    assert_eq!(made.header("location"), Some(format!("/api/v1/events/{event}").as_str()));
    let draft = made.expect(201);
    assert_eq!((&draft["status"], &draft["currency"], &draft["version"]), (&json!("draft"), &json!("EUR"), &json!(1)));
    assert_eq!(draft["ticketTypes"][0]["name"], "General admission");
    let fields = "blocksDisputed createdAt currency description endAt holdSeconds id name offerSeconds organizerId pools pricing slug \
                  startAt status ticketTypes timezone updatedAt venue version waitingList";
    assert_eq!(fields_of(&draft), fields);
    let fields = "available capacity codeRequired currentPrice hidden id maxPerBooking maxPerBuyer minPerBooking name \
    openPrice poolIds price priceTiers \
                  salesEndAt salesStartAt status taxRate";
    assert_eq!(fields_of(&draft["ticketTypes"][0]), fields);

    let path = format!("/api/v1/events/{event}");
    world.app.anybody().get(&path).await.problem(404, "not_found");
    world.organizer.act(&format!("{path}/publish")).await.expect(200);
    let seen = world.app.anybody().get(&path).await.expect(200);
    assert_eq!((&seen["status"], &seen["ticketTypes"][0]["available"]), (&json!("published"), &json!(3)));
    let slug = seen["slug"].as_str().unwrap();
    assert_eq!(world.app.anybody().get(&format!("/api/v1/events/{slug}")).await.expect(200), seen);

    let booked = world.buyer.post(&format!("{path}/bookings"), &json!({ "quantity": 2, "expectedTotal": 5_000 })).await;
    let location = booked.header("location").unwrap().to_owned();
    let booking = booked.expect(201);
    assert_eq!(location, format!("/api/v1/bookings/{}", booking["id"].as_str().unwrap()));
    assert_eq!(
        (&booking["status"], &booking["total"], &booking["expiresAt"]),
        (&json!("pending"), &json!(5_000), &json!("2027-01-15T08:15:00Z"))
    );
    let fields =
        "attendees buyer channel createdAt currency eventId expiresAt id items reference status total updatedAt";
    assert_eq!(fields_of(&booking), fields);
    assert_eq!(fields_of(&booking["items"][0]), "cancelled name quantity ticketTypeId unitPrice");
    assert_eq!((&booking["channel"], &booking["buyer"]), (&json!("api"), &json!({ "userId": world.buyer.user() })));
    let refused = world.buyer.post(&format!("{path}/bookings"), &json!({ "quantity": 2 })).await;
    let left = &refused.problem(409, "sold_out")["left"];
    assert_eq!(left, &json!([{ "ticketTypeId": seen["ticketTypes"][0]["id"], "available": 1 }]));

    let confirmed = world.organizer.post(&format!("{location}/confirm"), &json!({ "note": "cash" })).await.expect(200);
    assert_eq!((&confirmed["status"], &confirmed["expiresAt"]), (&json!("confirmed"), &Value::Null));
    assert_eq!(world.organizer.act(&format!("{location}/confirm")).await.expect(200), confirmed, "twice is once");
    assert_eq!(world.buyer.get(&location).await.expect(200), confirmed);

    let second = world.book(&event, 1).await;
    let second = format!("/api/v1/bookings/{}", second["id"].as_str().unwrap());
    assert_eq!(world.buyer.act(&format!("{second}/cancel")).await.expect(200)["status"], "cancelled");

    let mine = world.buyer.get("/api/v1/bookings?limit=1").await.expect(200);
    assert_eq!(mine["items"][0]["status"], "cancelled", "newest first");
    let next = mine["nextCursor"].as_str().unwrap();
    let rest = world.buyer.get(&format!("/api/v1/bookings?cursor={next}")).await.expect(200);
    assert_eq!((&rest["items"][0], &rest["nextCursor"]), (&confirmed, &Value::Null));
    let theirs = world.organizer.get(&format!("{path}/bookings?status=confirmed")).await.expect(200);
    assert_eq!(theirs["items"], json!([confirmed]));
    let reference = confirmed["reference"].as_str().unwrap().to_lowercase();
    let found = world.organizer.get(&format!("{path}/bookings?reference={reference}&email=BUYER@example.com")).await;
    assert_eq!(found.expect(200)["items"], json!([confirmed]));
    world.app.stop().await;
}

/// The names of the fields of an object, sorted.
fn fields_of(object: &Value) -> String {
    let mut names: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names.join(" ")
}

#[tokio::test]
async fn a_sale_on_sqlite() {
    a_sale(Engine::Sqlite).await;
}

#[tokio::test]
async fn a_sale_on_postgres() {
    a_sale(Engine::Postgres).await;
}

async fn the_same_key(engine: Engine) {
    let world = world(engine).await;
    let event = world.on_sale(0, 10).await;
    let path = format!("/api/v1/events/{event}/bookings");
    let post = async |key: &str, body: Value| {
        world.buyer.send(Method::POST, &path, &[("idempotency-key", key)], Some(body.to_string())).await
    };
    let first = post("\"k-1\"", json!({})).await;
    assert_eq!(first.header("idempotency-replayed"), None);
    let again = post("k-1", json!({})).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.expect(201), first.expect(201));
    post("k-1", json!({ "quantity": 2 })).await.problem(422, "idempotency_conflict");
    let other = world.stranger.send(Method::POST, &path, &[("idempotency-key", "k-1")], Some("{}".into())).await;
    assert_eq!(other.header("idempotency-replayed"), None, "keys are the caller's own");
    post("k-2", json!({ "quantity": 11 })).await.problem(422, "limit_exceeded");
    post("k-2", json!({ "quantity": 3 })).await.expect(201);

    let many = futures::future::join_all((0..50).map(|_| post("k-3", json!({})))).await;
    let mut bodies = std::collections::BTreeSet::new();
    for reply in many {
        match reply.status.as_u16() {
            201 => {
                bodies.insert(reply.text);
            }
            _ => {
                reply.problem(409, "request_in_progress");
                assert_eq!(reply.header("retry-after"), Some("1"));
            }
        }
    }
    assert_eq!(bodies.len(), 1, "one booking, and equal answers, however often it was asked for");
    world.app.stop().await;
}

#[tokio::test]
async fn the_same_key_on_sqlite() {
    the_same_key(Engine::Sqlite).await;
}

#[tokio::test]
async fn the_same_key_on_postgres() {
    the_same_key(Engine::Postgres).await;
}

#[tokio::test]
async fn what_was_made_is_found_at_its_location() {
    let world = world(Engine::Sqlite).await;
    // Both before he has a second organizer, which he would have to name.
    let (event, other) = (id(&world.draft(100, 10).await), id(&world.draft(100, 10).await));
    let path = format!("/api/v1/events/{event}");
    let made = async |path: &str, body: Value| {
        let made = world.organizer.post(path, &body).await;
        (made.header("location").unwrap().to_owned(), made.expect(201))
    };
    let (organizer, club) = made("/api/v1/organizers", json!({ "name": "Club" })).await;
    let (pool, hall) = made(&format!("{path}/pools"), json!({ "name": "Hall", "capacity": 12 })).await;
    let types = format!("{path}/ticket-types");
    let (shown, seated) = made(&types, json!({ "name": "Seated", "price": 5, "capacity": 3 })).await;
    let (hidden, press) = made(&types, json!({ "name": "Press", "price": 0, "hidden": true })).await;
    let own_pool = format!("{path}/pools/{}", uuid::Uuid::nil());

    let anybody = world.app.anybody();
    for (location, body) in [(&organizer, &club), (&pool, &hall), (&shown, &seated), (&hidden, &press)] {
        assert_eq!(&world.organizer.get(location).await.expect(200), body, "{location}");
        assert_eq!(&world.admin.get(location).await.expect(200), body, "{location}");
        world.stranger.get(location).await.problem(404, "not_found");
    }
    for location in [&organizer, &pool] {
        anybody.get(location).await.problem(401, "unauthenticated");
    }
    for location in [&shown, &hidden] {
        // It is a draft.
        anybody.get(location).await.problem(404, "not_found");
    }
    for nothing in [format!("/api/v1/organizers/{event}"), own_pool, format!("{types}/{event}")] {
        world.organizer.get(&nothing).await.problem(404, "not_found");
        world.admin.get(&nothing).await.problem(404, "not_found");
    }
    let elsewhere = shown.replace(&event, &other);
    world.organizer.get(&elsewhere).await.problem(404, "not_found");

    world.organizer.act(&format!("{path}/publish")).await.expect(200);
    let seen = anybody.get(&shown).await;
    assert_eq!(seen.header("cache-control"), Some("public, max-age=1"));
    let etag = seen.header("etag").unwrap().to_owned();
    assert_eq!(seen.expect(200), seated);
    let again = anybody.send(Method::GET, &shown, &[("if-none-match", &etag)], None).await;
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
    anybody.get(&hidden).await.problem(404, "not_found");
    world.buyer.get(&hidden).await.problem(404, "not_found");
    anybody.get(&pool).await.problem(401, "unauthenticated");
    world.buyer.get(&pool).await.problem(404, "not_found");
    let inside = world.organizer.get(&hidden).await;
    assert_eq!(inside.header("cache-control"), Some("private, no-cache"));
    assert_eq!(inside.expect(200), press);
    let etag = world.organizer.get(&pool).await.header("etag").unwrap().to_owned();
    let again = world.organizer.send(Method::GET, &pool, &[("if-none-match", &etag)], None).await;
    assert_eq!(again.status, 304);
    world.organizer.patch(&pool, &json!({ "capacity": 13 })).await.expect(200);
    let changed = world.organizer.send(Method::GET, &pool, &[("if-none-match", &etag)], None).await;
    assert_eq!(changed.expect(200)["capacity"], 13);
    world.app.stop().await;
}

fn id(body: &Value) -> String {
    body["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_creates_something_honours_the_key() {
    let world = world(Engine::Sqlite).await;
    let event = world.on_sale(100, 10).await;
    for (path, body) in [
        ("/api/v1/organizers".to_owned(), json!({ "name": "Club" })),
        (format!("/api/v1/events/{event}/ticket-types"), json!({ "name": "Seated", "price": 5, "capacity": 3 })),
        (format!("/api/v1/events/{event}/pools"), json!({ "name": "Hall", "capacity": 12 })),
        ("/api/v1/events".to_owned(), {
            let mut body = gala(0, 5);
            body["organizerId"] =
                world.app.anybody().get(&format!("/api/v1/events/{event}")).await.body["organizerId"].clone();
            body
        }),
    ] {
        let key = format!("k-{path}");
        let keyed = async || {
            world
                .organizer
                .send(Method::POST, &path, &[("idempotency-key", key.as_str())], Some(body.to_string()))
                .await
        };
        let first = keyed().await;
        let again = keyed().await;
        assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), (None, Some("true")));
        assert_eq!(again.header("location"), first.header("location"), "{path}");
        assert_eq!(again.expect(201), first.expect(201), "{path}");
    }
    world.app.stop().await;
}
