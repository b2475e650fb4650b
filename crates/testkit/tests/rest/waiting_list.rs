//! Waiting for what is sold out, over REST: offered by mail, taken, given back.

use adapter_payment::Settlement;
use application::catalog::CatalogReads;
use application::clock::Clock;
use application::jobs::{JobStore, NewJob};
use application::verify::Verifier;
use axum::http::Method;
use chrono::TimeDelta;
use domain::identity::Role;
use domain::{EventId, JobId};
use goticket_testkit::app::{Caller, PASSWORD};
use goticket_testkit::contract::fixture::{self, assert_sound};
use goticket_testkit::databases::Engine;
use goticket_testkit::on_both_engines;
use goticket_testkit::till::till;
use goticket_testkit::world::{World, gala, world};
use serde_json::{Value, json};

use crate::payments::{SILENT, id};
use crate::{organizer, text};

on_both_engines!(
    who_waits_is_offered_what_comes_back_by_mail,
    what_is_free_is_taken_by_its_buyer,
    a_waiting_list_is_opened_by_its_organizer,
    what_cannot_be_waited_for_is_refused,
    lists_come_in_pages,
    what_others_read_of_who_waits_is_noted,
    who_deletes_his_account_is_offered_nothing,
    what_was_offered_to_a_deleted_account_goes_to_the_next,
    who_pays_for_his_offer_keeps_it_though_his_account_is_deleted,
);

/// An event on sale with a waiting list, and its path.
async fn on_sale(world: &World, price: i64, capacity: i64) -> String {
    let mut body = gala(price, capacity);
    body["waitingList"] = json!(true);
    body["timezone"] = json!("Europe/Warsaw");
    let event = world.organizer.post("/api/v1/events", &body).await.expect(201);
    assert_eq!((&event["waitingList"], &event["offerSeconds"]), (&json!(true), &json!(86_400)));
    let path = format!("/api/v1/events/{}", text(&event["id"]));
    world.organizer.act(&format!("{path}/publish")).await.expect(200);
    path
}

/// Books so many, by the stranger.
async fn book(world: &World, event: &str, quantity: u32) -> String {
    let made = world.stranger.post(&format!("{event}/bookings"), &json!({ "quantity": quantity })).await.expect(201);
    format!("/api/v1/bookings/{}", text(&made["id"]))
}

async fn join(caller: &Caller, event: &str, quantity: u32) -> Value {
    caller.post(&format!("{event}/waiting-list"), &json!({ "quantity": quantity })).await.expect(201)
}

async fn who_waits_is_offered_what_comes_back_by_mail(engine: Engine) {
    let world = world(engine).await;
    let event = on_sale(&world, 2_500, 2).await;
    let booking = book(&world, &event, 2).await;
    let (path, wish) = (format!("{event}/waiting-list"), json!({ "quantity": 2 }).to_string());
    let keyed = || world.buyer.send(Method::POST, &path, &[("idempotency-key", "k")], Some(wish.clone()));
    let made = keyed().await;
    let own = made.header("location").unwrap().to_owned();
    let entry = made.expect(201);
    assert_eq!((&entry["status"], &entry["number"], &entry["bookingId"]), (&json!("waiting"), &json!(1), &Value::Null));
    let again = keyed().await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(201), entry);
    assert_eq!(world.buyer.get(&own).await.expect(200), entry);
    world.buyer.post(&path, &json!({ "quantity": 2 })).await.problem(409, "already_exists");

    world.stranger.act(&format!("{booking}/cancel")).await.expect(200);
    let offered = world.buyer.get(&own).await.expect(200);
    assert_eq!((&offered["status"], &offered["offerExpiresAt"]), (&json!("offered"), &json!("2027-01-16T08:00:00Z")));
    assert_eq!(keyed().await.expect(201), entry, "the first answer again");
    let public = world.stranger.post(&format!("{event}/bookings"), &json!({})).await;
    public.problem(409, "sold_out");
    let lane = EventId::new(text(&offered["eventId"]).parse().unwrap());
    let sale = world.app.database.database.sale(lane).await.unwrap().unwrap().sale;
    assert_eq!((sale.pools[0].room(), sale.pools[0].held), (0, 2), "nothing is free to the public");

    let mail = world.app.mails_to("buyer@example.com").await.pop().unwrap();
    assert_eq!(mail.subject, "Tickets for you: Gala");
    for part in ["2 × General admission", "Total: 50.00", "until 2027-01-16 09:00 (Europe/Warsaw)", "/account/offer#"]
    {
        assert!(mail.text.contains(part), "{part}: {}", mail.text);
    }
    assert_eq!(mail.token.as_deref(), offered["bookingId"].as_str());
    assert_eq!(world.app.anybody().get("/account/offer").await.status, 200);
    let taken = format!("/api/v1/bookings/{}", text(&offered["bookingId"]));
    let offer = world.buyer.get(&taken).await.expect(200);
    assert_eq!((&offer["status"], &offer["channel"]), (&json!("pending"), &json!("waiting_list")));
    world.buyer.act(&format!("{taken}/confirm")).await.problem(403, "forbidden");
    world.organizer.act(&format!("{taken}/confirm")).await.expect(200);
    assert_eq!(world.buyer.get(&own).await.expect(200)["status"], "purchased");
    world.buyer.act(&format!("{own}/withdraw")).await.problem(409, "invalid_state");
    world.organizer.post(&format!("{taken}/refund"), &json!({})).await.expect(201);
    assert_eq!(world.buyer.get(&own).await.expect(200)["status"], "purchased", "given back later, it was bought");
    let exported = world.buyer.get("/api/v1/users/me/export").await.expect(200);
    assert_eq!(exported["waitingList"][0]["id"], entry["id"]);
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

async fn what_is_free_is_taken_by_its_buyer(engine: Engine) {
    let world = world(engine).await;
    let event = on_sale(&world, 0, 1).await;
    let booking = book(&world, &event, 1).await;
    let own = format!("/api/v1/waiting-list/{}", text(&join(&world.buyer, &event, 1).await["id"]));
    let other = world.app.account("other", Role::User).await;
    let next = format!("/api/v1/waiting-list/{}", text(&join(&other, &event, 1).await["id"]));
    world.stranger.act(&format!("{booking}/cancel")).await.expect(200);
    let offer = |entry: Value| format!("/api/v1/bookings/{}", text(&entry["bookingId"]));
    let mine = offer(world.buyer.get(&own).await.expect(200));
    assert_eq!(world.buyer.get(&mine).await.expect(200)["status"], "pending", "not confirmed unseen");
    let mail = world.app.mails_to("buyer@example.com").await.pop().unwrap();
    assert!(mail.text.contains("confirm it by then") && !mail.text.contains("Total"), "{}", mail.text);
    other.act(&format!("{mine}/confirm")).await.problem(404, "not_found");
    world.app.anybody().act(&format!("{mine}/confirm")).await.problem(401, "unauthenticated");
    for _ in 0..2 {
        assert_eq!(world.buyer.act(&format!("{mine}/confirm")).await.expect(200)["status"], "confirmed");
    }
    assert_eq!(world.buyer.get(&format!("{mine}/tickets")).await.expect(200).as_array().unwrap().len(), 1);
    // Given back, it is the next one's; who lets it lapse is told.
    world.buyer.act(&format!("{mine}/cancel")).await.expect(200);
    let his = offer(other.get(&next).await.expect(200));
    world.app.clock.step(TimeDelta::days(1));
    let other = world.app.sign_in("other").await;
    other.act(&format!("{his}/confirm")).await.problem(409, "booking_expired");
    let (desk, lane) = (&world.app.desk, EventId::new(event.rsplit('/').next().unwrap().parse().unwrap()));
    let sweep = application::booking::Command::Expire(10);
    desk.submit(lane, sweep, application::origin::Origin::system("test"), None).await.unwrap();
    assert_eq!(other.get(&next).await.expect(200)["status"], "expired");
    other.act(&format!("{next}/withdraw")).await.problem(409, "booking_expired");
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

async fn what_others_read_of_who_waits_is_noted(engine: Engine) {
    let world = world(engine).await;
    let event = on_sale(&world, 0, 1).await;
    book(&world, &event, 1).await;
    let entry = join(&world.buyer, &event, 1).await;
    for caller in [&world.buyer, &world.organizer] {
        caller.get(&format!("/api/v1/waiting-list/{}", text(&entry["id"]))).await.expect(200);
    }
    world.app.seal_audit().await;
    let log = format!("{}/audit?action=waiting_list.read", organizer(&world).await);
    let lines = world.organizer.get(&log).await.expect(200);
    let lines = lines["items"].as_array().unwrap();
    assert_eq!(lines.len(), 1, "who reads his own is not noted: {lines:?}");
    assert_eq!((&lines[0]["objectId"], &lines[0]["actorId"]), (&entry["id"], &json!(world.organizer.user())));
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

async fn a_waiting_list_is_opened_by_its_organizer(engine: Engine) {
    let world = world(engine).await;
    let event = format!("/api/v1/events/{}", world.on_sale(100, 1).await);
    let booking = book(&world, &event, 1).await;
    let wait = async || world.buyer.post(&format!("{event}/waiting-list"), &json!({})).await;
    assert!(text(&wait().await.problem(409, "invalid_state")["detail"]).contains("no waiting list"));
    let change = async |body: Value| world.organizer.patch(&event, &body).await;
    for wrong in [899, 604_801, 0, -1] {
        let problem = change(json!({ "offerSeconds": wrong })).await.problem(422, "validation_failed").clone();
        assert_eq!(problem["errors"][0]["field"], "offerSeconds");
    }
    change(json!({ "waitingList": null })).await.problem(400, "malformed_request");
    let changed = change(json!({ "waitingList": true, "offerSeconds": 900 })).await.expect(200);
    assert_eq!((&changed["waitingList"], &changed["offerSeconds"]), (&json!(true), &json!(900)));
    let entry = wait().await.expect(201);
    // Closed, it takes nobody more, and keeps who waits.
    change(json!({ "waitingList": false })).await.expect(200);
    let other = world.app.account("other", Role::User).await;
    other.post(&format!("{event}/waiting-list"), &json!({})).await.problem(409, "invalid_state");
    world.stranger.act(&format!("{booking}/cancel")).await.expect(200);
    let own = format!("/api/v1/waiting-list/{}", text(&entry["id"]));
    let offered = world.buyer.get(&own).await.expect(200);
    assert_eq!(offered["offerExpiresAt"], json!(world.app.clock.now() + TimeDelta::minutes(15)));
    // The organizer may take somebody off it.
    for _ in 0..2 {
        assert_eq!(world.organizer.act(&format!("{own}/withdraw")).await.expect(200)["status"], "withdrawn");
    }
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

async fn what_cannot_be_waited_for_is_refused(engine: Engine) {
    let world = world(engine).await;
    let event = on_sale(&world, 100, 3).await;
    let list = format!("{event}/waiting-list");
    let wrong = async |body: Value| {
        let problem = world.buyer.post(&list, &body).await.problem(422, "validation_failed").clone();
        text(&problem["errors"][0]["field"]).to_owned()
    };
    assert!(text(&world.buyer.post(&list, &json!({})).await.problem(409, "invalid_state")["detail"]).contains("book"));
    book(&world, &event, 3).await;
    assert_eq!(wrong(json!({ "quantity": 0 })).await, "quantity");
    assert_eq!(wrong(json!({ "quantity": 4 })).await, "quantity", "more than there are in all");
    let unknown = json!({ "ticketTypeId": "01890000-0000-7000-8000-000000000000" });
    assert_eq!(wrong(unknown).await, "ticketTypeId");
    world.buyer.post(&list, &json!({ "quantity": 11 })).await.problem(422, "limit_exceeded");
    world.buyer.post(&list, &json!({ "seats": 1 })).await.problem(400, "malformed_request");
    world.app.anybody().post(&list, &json!({})).await.problem(401, "unauthenticated");
    let vip = json!({ "name": "VIP", "price": 5, "capacity": 0 });
    let vip = world.organizer.post(&format!("{event}/ticket-types"), &vip).await.expect(201);
    assert_eq!(wrong(json!({})).await, "ticketTypeId", "there are two by now");
    assert_eq!(wrong(json!({ "ticketTypeId": vip["id"] })).await, "quantity", "there are none of them");
    // What is not on sale; and a draft, of which nobody hears.
    world.organizer.act(&format!("{event}/pause")).await.expect(200);
    let paused = json!({ "ticketTypeId": world.organizer.get(&event).await.expect(200)["ticketTypes"][0]["id"] });
    world.buyer.post(&list, &paused).await.problem(422, "sales_closed");
    let draft = format!("/api/v1/events/{}/waiting-list", text(&world.draft(1, 0).await["id"]));
    world.buyer.post(&draft, &json!({})).await.problem(404, "not_found");
    world.buyer.get("/api/v1/waiting-list/01890000-0000-7000-8000-000000000000").await.problem(404, "not_found");
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

async fn lists_come_in_pages(engine: Engine) {
    let world = world(engine).await;
    let event = on_sale(&world, 100, 1).await;
    book(&world, &event, 1).await;
    for caller in [&world.buyer, &world.organizer, &world.admin] {
        join(caller, &event, 1).await;
    }
    let numbers = async |path: &str| {
        let page = world.organizer.get(path).await.expect(200);
        let all: Vec<u64> = page["items"].as_array().unwrap().iter().map(|it| it["number"].as_u64().unwrap()).collect();
        (all, page["nextCursor"].as_str().map(str::to_owned))
    };
    let (first, next) = numbers(&format!("{event}/waiting-list?limit=2")).await;
    assert_eq!(first, [1, 2]);
    let next = next.unwrap();
    assert_eq!(numbers(&format!("{event}/waiting-list?limit=2&cursor={next}")).await, (vec![3], None));
    world.buyer.get(&format!("{event}/waiting-list")).await.problem(404, "not_found");
    let elsewhere = on_sale(&world, 100, 1).await;
    book(&world, &elsewhere, 1).await;
    join(&world.buyer, &elsewhere, 1).await;
    let mine = async |query: &str| world.buyer.get(&format!("/api/v1/waiting-list{query}")).await.expect(200);
    let newest = mine("?limit=1").await;
    assert_eq!(format!("/api/v1/events/{}", text(&newest["items"][0]["eventId"])), elsewhere);
    let rest = mine(&format!("?limit=1&cursor={}", text(&newest["nextCursor"]))).await;
    assert_eq!(format!("/api/v1/events/{}", text(&rest["items"][0]["eventId"])), event);
    assert_eq!(rest["nextCursor"], Value::Null);
    world.buyer.get(&format!("/api/v1/waiting-list?cursor={next}")).await.problem(400, "malformed_request");
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

async fn who_deletes_his_account_is_offered_nothing(engine: Engine) {
    let world = world(engine).await;
    let event = on_sale(&world, 100, 1).await;
    let booking = book(&world, &event, 1).await;
    let first = join(&world.buyer, &event, 1).await;
    let second = join(&world.organizer, &event, 1).await;
    world.buyer.post("/api/v1/users/me/delete", &json!({ "password": PASSWORD })).await;
    world.stranger.act(&format!("{booking}/cancel")).await.expect(200);
    let shown = async |entry: &Value| {
        world.organizer.get(&format!("/api/v1/waiting-list/{}", text(&entry["id"]))).await.expect(200)
    };
    let closed = shown(&first).await;
    assert_eq!((&closed["status"], &closed["reason"]), (&json!("closed"), &json!("account_deleted")));
    assert_eq!(shown(&second).await["status"], "offered");
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

/// An entry as the organizer sees it.
async fn shown(world: &World, entry: &Value) -> Value {
    world.organizer.get(&format!("/api/v1/waiting-list/{}", text(&entry["id"]))).await.expect(200)
}

/// The status of an entry's offer.
async fn offer(world: &World, entry: &Value) -> String {
    let booking = format!("/api/v1/bookings/{}", text(&shown(world, entry).await["bookingId"]));
    text(&world.organizer.get(&booking).await.expect(200)["status"]).to_owned()
}

/// The buyer deletes his account, and so much time passes that the work that this makes is due.
async fn delete_buyer(world: &World) {
    world.buyer.post("/api/v1/users/me/delete", &json!({ "password": PASSWORD })).await.expect(204);
    world.app.clock.step(TimeDelta::seconds(15));
}

/// Whether the job that ends what a deleted account waits for has still something to do.
async fn is_leaving(world: &World) -> bool {
    let (store, much_later) = (&world.app.database.database, world.app.clock.now() + TimeDelta::days(1));
    store.lease(&["waiting_list.leave"], much_later, much_later).await.unwrap().is_some()
}

async fn what_was_offered_to_a_deleted_account_goes_to_the_next(engine: Engine) {
    let world = world(engine).await;
    let (event, elsewhere) = (on_sale(&world, 100, 1).await, on_sale(&world, 100, 1).await);
    let booking = book(&world, &event, 1).await;
    book(&world, &elsewhere, 1).await;
    let first = join(&world.buyer, &event, 1).await;
    let waiting = join(&world.buyer, &elsewhere, 1).await;
    let second = join(&world.organizer, &event, 1).await;
    let third = join(&world.admin, &event, 1).await;
    world.stranger.act(&format!("{booking}/cancel")).await.expect(200);
    assert_eq!(shown(&world, &first).await["status"], "offered");

    delete_buyer(&world).await;
    assert_eq!(offer(&world, &first).await, "pending", "a job sees to it");
    let told = world.app.mails_to("buyer@example.com").await.len();
    assert_eq!(shown(&world, &first).await["status"], "withdrawn");
    assert_eq!(offer(&world, &first).await, "cancelled");
    assert_eq!(shown(&world, &second).await["status"], "offered");
    assert_eq!(shown(&world, &third).await["status"], "waiting");
    let closed = shown(&world, &waiting).await;
    assert_eq!((&closed["status"], &closed["reason"]), (&json!("closed"), &json!("account_deleted")));
    let mail = world.app.mails_to("organizer@example.com").await.pop().unwrap();
    assert_eq!(mail.subject, "Tickets for you: Gala");
    assert_eq!(world.app.mails_to("buyer@example.com").await.len(), told, "nobody writes to who is gone");
    assert!(!is_leaving(&world).await);

    // Done once more, it changes nothing.
    let messages = async || {
        let report = world.app.database.database.verify().await.unwrap();
        assert_eq!(report.differences, []);
        report.looked_at.iter().find(|(table, _)| *table == "outbox rows").unwrap().1
    };
    let (before, subject) = (messages().await, world.buyer.user().to_string());
    let (payload, run_at) = ("{}".to_owned(), world.app.clock.now());
    let again = NewJob { id: JobId::new(fixture::id()), kind: "waiting_list.leave", subject, payload, run_at };
    assert!(world.app.database.database.enqueue(&again).await.unwrap());
    world.app.work().await;
    assert!(!is_leaving(&world).await);
    assert_eq!(messages().await, before);
    assert_eq!(shown(&world, &second).await["status"], "offered");
    world.app.stop().await;
}

async fn who_pays_for_his_offer_keeps_it_though_his_account_is_deleted(engine: Engine) {
    let till = till(engine).await;
    till.sandbox.behave(SILENT);
    let world = &till.world;
    let mut entries = Vec::new();
    for _ in 0..4 {
        let event = on_sale(world, 100, 1).await;
        let booking = book(world, &event, 1).await;
        let entry = join(&world.buyer, &event, 1).await;
        join(&world.admin, &event, 1).await;
        world.stranger.act(&format!("{booking}/cancel")).await.expect(200);
        entries.push(shown(world, &entry).await);
    }
    let [paid, paying, failing, unpaid] = &entries[..] else { panic!("four entries") };
    let pay = async |entry: &Value, method: &str| till.pay(text(&entry["bookingId"]), method).await.expect(201);
    pay(paid, "card_ok").await;
    let (succeeds, fails) = (pay(paying, "checkout").await, pay(failing, "checkout").await);

    delete_buyer(world).await;
    let offers = async || {
        let mut statuses = Vec::new();
        for entry in &entries {
            statuses.push(offer(world, entry).await);
        }
        statuses
    };
    world.app.work().await;
    assert_eq!(offers().await, ["confirmed", "pending", "pending", "cancelled"]);
    assert_eq!(shown(world, paid).await["status"], "purchased");
    assert_eq!(shown(world, unpaid).await["status"], "withdrawn");
    assert!(till.sandbox.settle(id(&succeeds), &Settlement::Captured(None)));
    assert!(till.sandbox.settle(id(&fails), &Settlement::Failed("card_declined".to_owned())));
    till.work().await;
    assert_eq!(offers().await, ["confirmed", "confirmed", "pending", "cancelled"]);
    // What is not paid by then goes to the next, some time later.
    world.app.work().await;
    assert_eq!(offer(world, failing).await, "pending");
    world.app.clock.step(TimeDelta::minutes(1));
    world.app.work().await;
    assert_eq!(offers().await, ["confirmed", "confirmed", "cancelled", "cancelled"]);
    let queue = format!("/api/v1/events/{}/waiting-list", text(&failing["eventId"]));
    let queue = world.organizer.get(&queue).await.expect(200);
    assert_eq!((&queue["items"][0]["status"], &queue["items"][1]["status"]), (&json!("withdrawn"), &json!("offered")));
    assert!(!is_leaving(world).await);
    till.close().await;
}
