//! What people are told of their bookings, by mails that are really sent: each once, with tickets that open the door.

use std::sync::Arc;

use application::booking::{NoticeBatch, NoticeReads, TellMoved};
use application::clock::Clock;
use application::jobs::{JobHandler, JobStore};
use application::store::Store;
use axum::http::Method;
use chrono::TimeDelta;
use goticket_testkit::app::{PASSWORD, TestApp, TestMail};
use goticket_testkit::databases::Engine;
use goticket_testkit::on_both_engines;
use goticket_testkit::till::{Till, till};
use goticket_testkit::world::{World, gala, world};
use serde_json::json;

use crate::text;

const BUYER: &str = "buyer@example.com";

fn only(mut mails: Vec<TestMail>) -> TestMail {
    let mail = mails.pop().expect("a mail");
    assert!(mails.is_empty(), "{mail:?} and {mails:?}");
    mail
}

fn subjects(mails: &[TestMail]) -> Vec<&str> {
    mails.iter().map(|mail| mail.subject.as_str()).collect()
}

fn pages(mail: &TestMail) -> usize {
    let (name, pdf) = &mail.enclosed[0];
    assert!(name.starts_with("tickets-") && name.ends_with(".pdf") && pdf.starts_with(b"%PDF-"), "{name}");
    let count = String::from_utf8_lossy(pdf)
        .split("/Count ")
        .nth(1)
        .map(|rest| rest.split(['/', '\n', '>']).next().unwrap().trim().parse());
    count.unwrap().unwrap()
}

async fn a_confirmed_booking_brings_its_tickets_once(engine: Engine) {
    let world = world(engine).await;
    let event = world.on_sale(0, 10).await;
    let booking = world.book(&event, 3).await;
    let mail = only(world.app.mails_to(BUYER).await);
    assert_eq!(mail.subject, "Your tickets: Gala");
    for part in [text(&booking["reference"]), "2030-02-01", "Tickets: 3"] {
        assert!(mail.text.contains(part), "{part}: {}", mail.text);
    }
    assert!(!mail.text.contains("Total"), "it is free: {}", mail.text);
    assert_eq!(mail.enclosed.len(), 2);
    assert_eq!(pages(&mail), 3);
    let (name, calendar) = &mail.enclosed[1];
    assert_eq!(name, "event.ics");
    let served = world.app.anybody().get(&format!("/api/v1/events/{event}/event.ics")).await;
    assert_eq!(std::str::from_utf8(calendar).unwrap().replace("\r\n", "\n"), served.text.replace("\r\n", "\n"));
    // A hold tells nothing, nor does one that is given back; and what was told is not told again.
    let event = world.on_sale(2_500, 10).await;
    let held = world.book(&event, 1).await;
    let path = format!("/api/v1/bookings/{}", text(&held["id"]));
    world.buyer.act(&format!("{path}/cancel")).await.expect(200);
    only(world.app.mails_to(BUYER).await);
    world.app.stop().await;
}

async fn mails_are_in_the_language_of_the_buyer(engine: Engine) {
    let world = world(engine).await;
    let ola = json!({ "email": "ola@example.com", "password": PASSWORD });
    let headers = [("content-type", "application/json"), ("accept-language", "pl-PL, en;q=0.5")];
    let anybody = world.app.anybody();
    anybody.send(Method::POST, "/api/v1/auth/register", &headers, Some(ola.to_string())).await.expect(201);
    let tokens = anybody.post("/api/v1/auth/login", &ola).await.expect(200);
    let buyer = world.app.bearer(text(&tokens["accessToken"]));
    let made = json!({ "venue": "Hala <b>Ludowa</b>", "timezone": "Europe/Warsaw" });
    let mut body = gala(2_500, 10);
    body.as_object_mut().unwrap().extend(made.as_object().unwrap().clone());
    let event = world.organizer.post("/api/v1/events", &body).await.expect(201)["id"].as_str().unwrap().to_owned();
    world.organizer.act(&format!("/api/v1/events/{event}/publish")).await.expect(200);
    let booking = buyer.post(&format!("/api/v1/events/{event}/bookings"), &json!({ "quantity": 1 })).await.expect(201);
    world.organizer.act(&format!("/api/v1/bookings/{}/confirm", text(&booking["id"]))).await.expect(200);
    let mails = world.app.mails_to("ola@example.com").await;
    let mail = mails.iter().find(|mail| mail.subject == "Twoje bilety: Gala").unwrap();
    for part in ["Gdzie: Hala <b>Ludowa</b>", "Razem: 25.00 ", "2030-02-01 19:00 (Europe/Warsaw)"] {
        assert!(mail.text.contains(part), "{part}: {}", mail.text);
    }
    world.app.stop().await;
}

async fn a_ticket_that_is_passed_on_goes_to_who_has_it_now(engine: Engine) {
    let world = world(engine).await;
    let event = world.on_sale(0, 10).await;
    let booking = world.book(&event, 2).await;
    let path = format!("/api/v1/bookings/{}/tickets", text(&booking["id"]));
    let ticket = world.buyer.get(&path).await.expect(200)[0]["id"].as_str().unwrap().to_owned();
    only(world.app.mails_to(BUYER).await);
    let to = json!({ "name": "Ola", "email": "ola@example.com" });
    let transfer = format!("/api/v1/tickets/{ticket}/transfer");
    world.buyer.post(&transfer, &to).await.expect(200);
    let mail = only(world.app.mails_to("ola@example.com").await);
    assert_eq!(mail.subject, "A ticket for you: Gala");
    assert_eq!(pages(&mail), 1, "this one alone");
    assert!(!mail.text.contains(text(&booking["reference"])), "the rest is not hers: {}", mail.text);
    only(world.app.mails_to(BUYER).await);
    // Without an address there is nobody to write to.
    world.buyer.post(&transfer, &json!({ "name": "Jan" })).await.expect(200);
    assert_eq!(world.app.mails_to("ola@example.com").await.len(), 1);
    world.app.stop().await;
}

/// The mail to the first one waits while the ticket goes on: it must not bring the code of the second one.
async fn a_ticket_that_goes_on_at_once_reaches_the_last_alone(engine: Engine) {
    let world = world(engine).await;
    let event = world.on_sale(0, 10).await;
    let booking = world.book(&event, 1).await;
    let path = format!("/api/v1/bookings/{}/tickets", text(&booking["id"]));
    let ticket = world.buyer.get(&path).await.expect(200)[0]["id"].as_str().unwrap().to_owned();
    let pass = async |name: &str| {
        let to = json!({ "name": name, "email": format!("{name}@example.com") });
        world.buyer.post(&format!("/api/v1/tickets/{ticket}/transfer"), &to).await.expect(200);
    };
    // Told, and not sent before it went on; and not even told.
    pass("jan").await;
    world.app.tell_buyers().await;
    pass("ewa").await;
    pass("ola").await;
    assert!(world.app.mails_to("jan@example.com").await.is_empty());
    assert!(world.app.mails_to("ewa@example.com").await.is_empty());
    only(world.app.mails_to("ola@example.com").await);
    world.app.stop().await;
}

/// What commits have noted one by one is not told one by one, with a pause after each.
async fn one_round_tells_what_many_commits_have_noted(engine: Engine) {
    let world = world(engine).await;
    let event = world.on_sale(0, 10).await;
    for _ in 0..3 {
        world.book(&event, 1).await;
    }
    goticket_testkit::contract::audit::run(&world.app.teller()).await;
    assert_eq!(world.app.database.database.oldest_notices().await.unwrap(), None);
    assert_eq!(world.app.mails_to(BUYER).await.len(), 3);
    world.app.stop().await;
}

async fn s5_9_a_date_is_moved_and_holders_are_told(engine: Engine) {
    let world = world(engine).await;
    let event = world.on_sale(0, 10).await;
    let booking = world.book(&event, 3).await;
    let path = format!("/api/v1/bookings/{}/tickets", text(&booking["id"]));
    let before = world.buyer.get(&path).await.expect(200);
    let to = json!({ "name": "Ola", "email": "ola@example.com" });
    let transfer = format!("/api/v1/tickets/{}/transfer", text(&before[0]["id"]));
    world.buyer.post(&transfer, &to).await.expect(200);
    let cancelled = world.book(&event, 1).await;
    world.organizer.act(&format!("/api/v1/bookings/{}/cancel", text(&cancelled["id"]))).await.expect(200);
    // Who was merely named got no ticket by mail, whatever became of it, and gets none now.
    let named = json!({ "quantity": 1, "attendees": [{ "name": "Ana", "email": "ana@example.com" }] });
    let named = world.buyer.post(&format!("/api/v1/events/{event}/bookings"), &named).await.expect(201);
    let hers = world.buyer.get(&format!("/api/v1/bookings/{}/tickets", text(&named["id"]))).await.expect(200);
    world.buyer.act(&format!("/api/v1/tickets/{}/reissue", text(&hers[0]["id"]))).await.expect(200);
    let told = async |address: &str| {
        let mails = world.app.mails_to(address).await;
        let of = |mail: &TestMail| mail.subject == "Time and place: Gala";
        mails.into_iter().filter(of).collect::<Vec<_>>()
    };
    let patch = async |change: serde_json::Value| {
        let organizer = world.app.sign_in("organizer").await;
        organizer.patch(&format!("/api/v1/events/{event}"), &change).await.expect(200);
        world.app.tell_buyers().await;
    };
    // What does not move it is told to nobody.
    patch(json!({ "description": "With an orchestra" })).await;
    // What is mended at once is told once.
    patch(json!({ "startAt": "2030-03-01T18:00:00Z", "endAt": "2030-03-01T22:00:00Z" })).await;
    assert_eq!(told(BUYER).await.len(), 0, "not at once");
    patch(json!({ "startAt": "2030-03-02T18:00:00Z", "endAt": "2030-03-02T22:00:00Z", "venue": "Hala" })).await;
    assert_eq!(told(BUYER).await.len(), 0);
    world.app.clock.step(TimeDelta::minutes(2));
    let mails = told(BUYER).await;
    assert_eq!(mails.len(), 2, "one for each booking that stands");
    let mail = mails.iter().find(|mail| mail.text.contains(text(&booking["reference"]))).unwrap();
    for part in ["2030-03-02 18:00", "Where: Hala", "its tickets stay valid"] {
        assert!(mail.text.contains(part), "{part}: {}", mail.text);
    }
    assert_eq!(pages(mail), 2, "one of the three is somebody else's");
    assert!(String::from_utf8_lossy(&mail.enclosed[1].1).contains(":20300302T180000"));
    let mail = only(told("ola@example.com").await);
    assert_eq!(pages(&mail), 1);
    assert!(mail.text.contains("Your ticket stays valid") && !mail.text.contains(text(&booking["reference"])));
    assert_eq!(world.app.mails_to("ana@example.com").await.len(), 0);
    // The codes let in by the new times.
    let buyer = world.app.sign_in("buyer").await;
    let after = buyer.get(&path).await.expect(200);
    assert_ne!(text(&before[1]["code"]), text(&after[1]["code"]));
    assert_eq!((&before[1]["id"], &after[1]["status"]), (&after[1]["id"], &json!("valid")));
    // Another move is another mail, and not within the hour.
    patch(json!({ "venue": "Stadion" })).await;
    world.app.clock.step(TimeDelta::minutes(30));
    assert_eq!(told(BUYER).await.len(), 2);
    world.app.clock.step(TimeDelta::minutes(30));
    assert_eq!(told(BUYER).await.len(), 4);
    // Where nothing comes, it is over; a cancelled event is told of otherwise.
    world.app.clock.step(TimeDelta::hours(2));
    assert_eq!(told(BUYER).await.len(), 4);
    patch(json!({ "venue": "Park" })).await;
    let organizer = world.app.sign_in("organizer").await;
    organizer.act(&format!("/api/v1/events/{event}/cancel")).await.expect(200);
    world.app.clock.step(TimeDelta::minutes(2));
    assert_eq!(told(BUYER).await.len(), 4);
    world.app.stop().await;
}

/// Two that are moved by one commit are both told of.
async fn events_that_move_at_once_are_each_told_of(engine: Engine) {
    let world = world(engine).await;
    let mut events = Vec::new();
    // Fewer than would be a rush, in which mails wait.
    for _ in 0..6 {
        let event = world.on_sale(0, 10).await;
        world.book(&event, 1).await;
        events.push(event);
    }
    world.app.mails_to(BUYER).await;
    let (organizer, move_it) = (&world.organizer, json!({ "venue": "Hala" }));
    let paths = events.iter().map(|event| format!("/api/v1/events/{event}"));
    let moved = paths.map(|path| {
        let move_it = &move_it;
        async move { organizer.patch(&path, move_it).await.expect(200) }
    });
    futures::future::join_all(moved).await;
    world.app.tell_buyers().await;
    world.app.clock.step(TimeDelta::minutes(2));
    let mails = world.app.mails_to(BUYER).await;
    assert_eq!(mails.iter().filter(|mail| mail.subject == "Time and place: Gala").count(), 6);
    world.app.stop().await;
}

/// More than one part of the job, with a worker that dies in the middle of it.
async fn all_are_told_once_of_a_moved_event(engine: Engine) {
    let world = world(engine).await;
    let event = world.on_sale(0, 300).await;
    let book = format!("/api/v1/events/{event}/bookings");
    for _ in 0..230 {
        world.buyer.post(&book, &json!({ "quantity": 1 })).await.expect(201);
    }
    world.app.mails_to(BUYER).await;
    let put = world.organizer.patch(&format!("/api/v1/events/{event}"), &json!({ "venue": "Hala" })).await;
    put.expect(200);
    world.app.tell_buyers().await;
    world.app.clock.step(TimeDelta::minutes(2));
    // A part is told, and its worker says nothing any more; the one who comes after it goes on there.
    let (port, now) = (&world.app.database.database, world.app.clock.now());
    let job = port.lease(&["event.tell_moved"], now, now + TimeDelta::seconds(30)).await.unwrap().unwrap();
    let tell = TellMoved { tell: Arc::new(world.app.teller()) };
    tell.run(&job).await.unwrap();
    // Nor does it do any harm, where it wakes up late.
    world.app.clock.step(TimeDelta::minutes(1));
    let count = async || {
        let mails = world.app.mails_to(BUYER).await;
        mails.iter().filter(|mail| mail.subject == "Time and place: Gala").count()
    };
    assert_eq!(count().await, 230);
    tell.run(&job).await.unwrap();
    assert_eq!(count().await, 230);
    world.app.stop().await;
}

async fn who_is_too_late_to_be_told_is_not(engine: Engine) {
    let world = world(engine).await;
    let event = world.on_sale(0, 10).await;
    let booking = world.book(&event, 1).await;
    // The notice has become a mail, which waits; its tickets are revoked before it goes.
    world.app.tell_buyers().await;
    world.organizer.act(&format!("/api/v1/bookings/{}/cancel", text(&booking["id"]))).await.expect(200);
    let told = world.app.mails_to(BUYER).await;
    assert_eq!(subjects(&told), ["Booking cancelled: Gala"], "no tickets that open nothing");
    assert!(!told[0].text.contains("give back"), "nothing was paid: {}", told[0].text);
    // Here it was not even a mail.
    let second = world.book(&event, 1).await;
    world.organizer.act(&format!("/api/v1/bookings/{}/cancel", text(&second["id"]))).await.expect(200);
    assert_eq!(subjects(&world.app.mails_to(BUYER).await), ["Booking cancelled: Gala"; 2]);
    // Tickets to an event that is over are worth nothing.
    world.book(&event, 1).await;
    world.app.tell_buyers().await;
    world.app.clock.step(TimeDelta::days(365 * 10));
    assert_eq!(world.app.mails_to(BUYER).await.len(), 2);
    world.app.stop().await;
}

async fn nobody_writes_to_an_account_that_is_gone(engine: Engine) {
    let world = world(engine).await;
    let event = world.on_sale(0, 10).await;
    world.book(&event, 1).await;
    let gone = json!({ "password": PASSWORD });
    world.buyer.post("/api/v1/users/me/delete", &gone).await.expect(204);
    let told = world.app.mails_to(BUYER).await;
    assert!(!subjects(&told).iter().any(|subject| subject.starts_with("Your tickets")), "{told:?}");
    assert!(world.app.post.mails().iter().all(|mail| !mail.to.iter().any(|to| to.ends_with(".invalid"))));
    world.app.stop().await;
}

async fn two_workers_tell_once(engine: Engine) {
    let world = world(engine).await;
    let event = world.on_sale(0, 10).await;
    world.book(&event, 1).await;
    let port = world.app.database.database.clone();
    let batch = port.oldest_notices().await.unwrap().unwrap();
    let settle = async |batch: &NoticeBatch| {
        let mut uow = port.begin().await.unwrap();
        let settled = uow.settle_notices(batch, batch.notices.len()).await.unwrap();
        uow.commit().await.unwrap();
        settled
    };
    assert!(settle(&batch).await, "the first has it");
    assert!(!settle(&batch).await, "and the second hears that it is gone");
    assert_eq!(port.oldest_notices().await.unwrap(), None);
    assert!(world.app.mails_to(BUYER).await.is_empty());
    world.app.stop().await;
}

on_both_engines!(
    a_confirmed_booking_brings_its_tickets_once,
    mails_are_in_the_language_of_the_buyer,
    a_ticket_that_is_passed_on_goes_to_who_has_it_now,
    a_ticket_that_goes_on_at_once_reaches_the_last_alone,
    one_round_tells_what_many_commits_have_noted,
    s5_9_a_date_is_moved_and_holders_are_told,
    events_that_move_at_once_are_each_told_of,
    all_are_told_once_of_a_moved_event,
    who_is_too_late_to_be_told_is_not,
    nobody_writes_to_an_account_that_is_gone,
    two_workers_tell_once,
);

async fn paid(till: &Till, price: i64) -> (String, String) {
    let (booking, event) = till.held(price, 10).await;
    till.pay(&booking, "card_ok").await.expect(201);
    assert_eq!(till.status(&booking).await, "confirmed");
    (booking, event)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_goes_back_is_told_with_what_it_is_for() {
    let till = till(Engine::Sqlite).await;
    let mails = async || till.world.app.mails_to(BUYER).await;
    let (booking, event) = paid(&till, 2_500).await;
    let tickets = only(mails().await);
    assert!(tickets.text.contains("Total: 25.00 "), "{}", tickets.text);
    // Some of it, while the booking stands.
    let part = json!({ "amount": 500, "cancelTickets": false });
    till.world.organizer.post(&format!("/api/v1/bookings/{booking}/refund"), &part).await.expect(201);
    let told = mails().await;
    assert!(told[1].subject.starts_with("5.00 ") && told[1].subject.ends_with(" goes back to you"), "{told:?}");
    // And the rest with the whole event: one mail says both.
    till.world.organizer.act(&format!("/api/v1/events/{event}/cancel")).await.expect(200);
    till.work().await;
    let told = mails().await;
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[2].subject, "Cancelled: Gala");
    assert!(told[2].text.contains("We give back 20.00 "), "{}", told[2].text);
    assert!(told[2].enclosed.is_empty());
    till.close().await;
}

/// The word of a test application that never tells must not look like one that has told.
#[tokio::test]
async fn what_is_to_be_told_waits_in_the_database() {
    let app = TestApp::start(Engine::Sqlite).await;
    assert_eq!(app.database.database.oldest_notices().await.unwrap(), None);
    let world: World = goticket_testkit::world::world_of(app).await;
    let event = world.on_sale(0, 10).await;
    world.book(&event, 1).await;
    let waiting = world.app.database.database.oldest_notices().await.unwrap();
    assert_eq!(waiting.unwrap().notices.len(), 1);
    assert!(world.app.post.mails().is_empty());
    world.app.stop().await;
}
