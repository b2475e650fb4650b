//! Tickets that let in nobody for the time being: because staff wants it so, or because a bank asks back what paid them.

use chrono::TimeDelta;
use goticket_testkit::contract::fixture::assert_sound;
use goticket_testkit::databases::Engine;
use goticket_testkit::on_both_engines;
use goticket_testkit::till::{Till, till};
use goticket_testkit::world::{World, world};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::payments::{dispute, id, stands};
use crate::{doors, text};

fn path(ticket: &Value, deed: &str) -> String {
    format!("/api/v1/tickets/{}/{deed}", text(&ticket["id"]))
}

async fn shown(world: &World, event: &str, ticket: &Value) -> String {
    let scan = json!({ "code": ticket["code"] });
    text(&world.organizer.post(&format!("{event}/check-ins"), &scan).await.expect(200)["result"]).to_owned()
}

async fn a_blocked_ticket_lets_in_nobody_until_it_is_unblocked(engine: Engine) {
    let world = world(engine).await;
    let (event, booking, tickets) = doors(&world, 3).await;
    let (block, unblock) = (path(&tickets[0], "block"), path(&tickets[0], "unblock"));
    for deed in [&block, &unblock] {
        world.buyer.act(deed).await.problem(403, "forbidden");
        world.stranger.act(deed).await.problem(404, "not_found");
    }
    assert_eq!(world.organizer.act(&unblock).await.expect(200), tickets[0], "it lets in already");
    let blocked = world.organizer.act(&block).await.expect(200);
    assert_eq!(
        (&blocked["status"], &blocked["code"], &blocked["pdf"]),
        (&json!("blocked"), &Value::Null, &Value::Null)
    );
    assert_eq!(world.organizer.act(&block).await.expect(200), blocked, "twice is once");
    assert_eq!(shown(&world, &event, &tickets[0]).await, "blocked");
    assert_eq!(shown(&world, &event, &tickets[1]).await, "admitted");
    for picture in [path(&tickets[0], "qr.svg"), format!("/api/v1/tickets/{}.pdf", text(&tickets[0]["id"]))] {
        let refused = world.buyer.get(&picture).await;
        assert_eq!(refused.problem(409, "invalid_state")["detail"], "the ticket is blocked");
    }
    world.buyer.act(&path(&tickets[0], "reissue")).await.problem(409, "invalid_state");
    world.buyer.post(&path(&tickets[0], "transfer"), &json!({ "name": "Ben" })).await.problem(409, "invalid_state");
    // A device that did not know has let him in: he is inside, and somebody should know.
    let scan = json!({ "id": Uuid::from_u128(7), "code": tickets[0]["code"], "at": "2027-01-15T07:30:00Z" });
    let told = json!({ "sentAt": "2027-01-15T08:00:00Z", "scans": [scan] });
    let report = world.organizer.post(&format!("{event}/check-ins/sync"), &told).await.expect(200);
    assert_eq!((&report["scans"][0]["result"], &report["scans"][0]["flag"]), (&json!("admitted"), &json!("blocked")));
    let undo = format!("{event}/check-ins/{}/undo", Uuid::from_u128(7));
    world.organizer.act(&undo).await.expect(200);
    // The same code lets in again.
    let lifted = world.organizer.act(&unblock).await.expect(200);
    assert_eq!((&lifted["status"], &lifted["code"]), (&json!("valid"), &tickets[0]["code"]));
    assert_eq!(shown(&world, &event, &tickets[0]).await, "admitted");
    // Revoked is for ever, whatever was blocked before.
    world.organizer.act(&path(&tickets[2], "block")).await.expect(200);
    world.organizer.act(&format!("{booking}/cancel")).await.expect(200);
    assert_eq!(shown(&world, &event, &tickets[2]).await, "revoked");
    world.organizer.act(&path(&tickets[2], "unblock")).await.problem(409, "invalid_state");
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

/// `domain.md` 5.16. Three bookings, paid, at an event where disputes block tickets.
async fn disputed_bookings(till: &Till) -> Vec<(String, Value)> {
    let event = till.world.on_sale(2_500, 9).await;
    let url = format!("/api/v1/events/{event}");
    assert_eq!(till.world.organizer.get(&url).await.expect(200)["blocksDisputed"], false);
    till.world.organizer.patch(&url, &json!({ "blocksDisputed": true })).await.expect(200);
    let mut bookings = Vec::new();
    for _ in 0..3 {
        let booking = text(&till.world.book(&event, 1).await["id"]).to_owned();
        let paid = till.pay(&booking, "card_ok").await.expect(201).clone();
        dispute(till, id(&paid), "opened").await;
        stands(till, &booking, "disputed").await;
        bookings.push((booking, paid));
    }
    bookings
}

async fn s5_16_a_dispute_blocks_the_ticket_until_it_is_won(engine: Engine) {
    let till = till(engine).await;
    let bookings = disputed_bookings(&till).await;
    let World { organizer, buyer, .. } = &till.world;
    let tickets =
        async |booking: &str| buyer.get(&format!("/api/v1/bookings/{booking}/tickets")).await.expect(200)[0].clone();
    let [(won, _), (kept, _), (lost, _)] = &bookings[..] else { panic!("three of them") };
    for (booking, _) in &bookings {
        assert_eq!(tickets(booking).await["status"], "blocked");
    }
    // Of one of them staff says so too, and does not take it back when the bank does.
    organizer.act(&path(&tickets(kept).await, "block")).await.expect(200);
    for (booking, paid) in &bookings[..2] {
        dispute(&till, id(paid), "won").await;
        stands(&till, booking, "succeeded").await;
    }
    let back = tickets(won).await;
    assert!(back["status"] == "valid" && back["code"].is_string(), "{back}");
    assert_eq!(tickets(kept).await["status"], "blocked");
    dispute(&till, id(&bookings[2].1), "lost").await;
    stands(&till, lost, "charged_back").await;
    assert_eq!(tickets(lost).await["status"], "blocked", "the bank has the money");
    // Whoever comes to terms with his organizer comes in.
    organizer.act(&path(&tickets(lost).await, "unblock")).await.expect(200);
    assert_eq!(tickets(lost).await["status"], "valid");
    // What staff has unblocked, and what was disputed before disputes blocked, the end of the dispute leaves as it is.
    for (switched, unblocked) in [(false, true), (true, false)] {
        let event = till.world.on_sale(2_500, 9).await;
        let url = format!("/api/v1/events/{event}");
        let switch = async |on: bool| organizer.patch(&url, &json!({ "blocksDisputed": on })).await.expect(200);
        switch(!switched).await;
        let booking = text(&till.world.book(&event, 1).await["id"]).to_owned();
        let paid = till.pay(&booking, "card_ok").await.expect(201).clone();
        dispute(&till, id(&paid), "opened").await;
        stands(&till, &booking, "disputed").await;
        assert_eq!(tickets(&booking).await["status"], if switched { "valid" } else { "blocked" });
        switch(true).await;
        if unblocked {
            organizer.act(&path(&tickets(&booking).await, "unblock")).await.expect(200);
        }
        dispute(&till, id(&paid), "lost").await;
        stands(&till, &booking, "charged_back").await;
        assert_eq!(tickets(&booking).await["status"], "valid", "{switched} {unblocked}");
    }
    // A blocked ticket is cancelled like any.
    let wish = json!({ "ticketIds": [tickets(kept).await["id"]] });
    organizer.post(&format!("/api/v1/bookings/{kept}/refund"), &wish).await.expect(201);
    assert_eq!(tickets(kept).await["status"], "revoked");
    till.close().await;
}

/// A mail with nothing but blocked tickets waits until one lets in.
async fn a_mail_waits_for_tickets_that_are_blocked(engine: Engine) {
    let world = world(engine).await;
    let (_, _, tickets) = doors(&world, 1).await;
    world.app.tell_buyers().await;
    world.organizer.act(&path(&tickets[0], "block")).await.expect(200);
    let told = async || {
        let mails = world.app.mails_to("buyer@example.com").await;
        mails.iter().filter(|mail| mail.subject.starts_with("Your tickets")).count()
    };
    assert_eq!(told().await, 0);
    world.organizer.act(&path(&tickets[0], "unblock")).await.expect(200);
    world.app.clock.step(TimeDelta::minutes(6));
    assert_eq!(told().await, 1);
    world.app.stop().await;
}

on_both_engines!(
    a_mail_waits_for_tickets_that_are_blocked,
    a_blocked_ticket_lets_in_nobody_until_it_is_unblocked,
    s5_16_a_dispute_blocks_the_ticket_until_it_is_won,
);
