//! Tickets of a booking go back one by one, over HTTP: their money, their stock, their codes, and what is written of it.

use axum::http::Method;
use goticket_testkit::app::Caller;
use goticket_testkit::contract::fixture::assert_sound;
use goticket_testkit::databases::Engine;
use goticket_testkit::on_both_engines;
use goticket_testkit::till::{Till, till};
use goticket_testkit::world::{World, gala, world};
use serde_json::{Value, json};

use crate::text;

/// The tickets of a booking, by their units.
async fn tickets(caller: &Caller, booking: &str) -> Vec<Value> {
    caller.get(&format!("/api/v1/bookings/{booking}/tickets")).await.expect(200).as_array().unwrap().clone()
}

fn of(tickets: &[&Value]) -> Value {
    json!({ "ticketIds": tickets.iter().map(|ticket| ticket["id"].clone()).collect::<Vec<_>>() })
}

fn refund(booking: &str) -> String {
    format!("/api/v1/bookings/{booking}/refund")
}

/// What becomes of a code at the door.
async fn shown(world: &World, event: &str, ticket: &Value) -> String {
    let scan = json!({ "code": ticket["code"] });
    let answer = world.organizer.post(&format!("/api/v1/events/{event}/check-ins"), &scan).await.expect(200);
    text(&answer["result"]).to_owned()
}

/// Of a booking: where it stands, and how many units of it were booked and are cancelled.
async fn stands(world: &World, booking: &str) -> (String, u64, u64) {
    let found = world.buyer.get(&format!("/api/v1/bookings/{booking}")).await.expect(200);
    let number = |name: &str| found["items"][0][name].as_u64().unwrap();
    (text(&found["status"]).to_owned(), number("quantity"), number("cancelled"))
}

/// Three tickets at 25.00, which are all that there are, paid by card.
async fn paid(till: &Till) -> (String, String, Vec<Value>) {
    let event = till.world.on_sale(2_500, 3).await;
    let booking = text(&till.world.book(&event, 3).await["id"]).to_owned();
    till.pay(&booking, "card_ok").await.expect(201);
    let tickets = tickets(&till.world.buyer, &booking).await;
    (event, booking, tickets)
}

async fn a_ticket_goes_back_and_the_others_stand(engine: Engine) {
    let till = till(engine).await;
    let (event, booking, before) = paid(&till).await;
    let World { organizer, buyer, stranger, .. } = &till.world;
    let (refund, wish) = (refund(&booking), of(&[&before[1]]));
    buyer.post(&refund, &wish).await.problem(403, "forbidden");
    stranger.post(&refund, &wish).await.problem(404, "not_found");
    let keyed = || organizer.send(Method::POST, &refund, &[("idempotency-key", "k")], Some(wish.to_string()));
    let made = keyed().await.expect(201);
    assert_eq!((made.as_array().unwrap().len(), &made[0]["amount"]), (1, &json!(2_500)));
    assert_eq!(keyed().await.expect(201)[0]["id"], made[0]["id"], "asked again, it is the same refund");
    assert_eq!(stands(&till.world, &booking).await, ("confirmed".to_owned(), 3, 1));
    let after = tickets(buyer, &booking).await;
    let statuses: Vec<&str> = after.iter().map(|ticket| text(&ticket["status"])).collect();
    assert_eq!((statuses, &after[1]["code"]), (vec!["valid", "revoked", "valid"], &Value::Null));
    assert_eq!(shown(&till.world, &event, &before[1]).await, "revoked");
    assert_eq!(shown(&till.world, &event, &before[0]).await, "not_valid_now", "it is a ticket, and too early");
    // Its unit is free, and anybody's.
    let bookings = format!("/api/v1/events/{event}/bookings");
    stranger.post(&bookings, &json!({ "quantity": 2 })).await.problem(409, "sold_out");
    stranger.post(&bookings, &json!({})).await.expect(201);
    let mail = till.world.app.mails_to("buyer@example.com").await.pop().unwrap();
    assert_eq!(mail.subject, "Tickets cancelled: Gala");
    for part in ["One ticket of your booking", "is cancelled", "We give back 25.00 "] {
        assert!(mail.text.contains(part), "{part}: {}", mail.text);
    }
    // The rest goes as a whole, with what is left.
    till.work().await;
    assert_eq!(organizer.post(&refund, &json!({})).await.expect(201)[0]["amount"], 5_000);
    assert_eq!(stands(&till.world, &booking).await, ("cancelled".to_owned(), 3, 1));
    assert_eq!(till.payments(&booking).await[0]["refunded"], 7_500);
    till.close().await;
}

async fn what_cannot_go_back_is_refused_and_changes_nothing(engine: Engine) {
    let till = till(engine).await;
    let (_, booking, own) = paid(&till).await;
    let organizer = &till.world.organizer;
    let (_, _, others) = paid(&till).await;
    let path = refund(&booking);
    organizer.post(&path, &of(&[&own[0], &others[0]])).await.problem(404, "not_found");
    organizer.post(&path, &of(&[&own[0], &own[0]])).await.problem(422, "validation_failed");
    organizer.post(&path, &of(&[])).await.problem(422, "validation_failed");
    let too_many = json!({ "ticketIds": vec![own[0]["id"].clone(); 1_001] });
    organizer.post(&path, &too_many).await.problem(422, "validation_failed");
    for wrong in [json!(["one"]), Value::Null, json!({})] {
        // Nothing is not all of them.
        organizer.post(&path, &json!({ "ticketIds": wrong })).await.problem(400, "malformed_request");
    }
    for amount in [0, -1, 7_501] {
        let mut wish = of(&[&own[0]]);
        wish["amount"] = json!(amount);
        organizer.post(&path, &wish).await.problem(422, "validation_failed");
    }
    assert_eq!(stands(&till.world, &booking).await, ("confirmed".to_owned(), 3, 0));
    // What a ticket has cost may go back while it stays, and another amount with it.
    let mut wish = of(&[&own[0]]);
    wish["cancelTickets"] = json!(false);
    assert_eq!(organizer.post(&path, &wish).await.expect(201)[0]["amount"], 2_500);
    assert_eq!(stands(&till.world, &booking).await, ("confirmed".to_owned(), 3, 0));
    let mut wish = of(&[&own[0], &own[1]]);
    wish["amount"] = json!(1_000);
    assert_eq!(organizer.post(&path, &wish).await.expect(201)[0]["amount"], 1_000);
    assert_eq!(stands(&till.world, &booking).await, ("confirmed".to_owned(), 3, 2));
    organizer.post(&path, &of(&[&own[0]])).await.problem(409, "invalid_state");
    // The last one takes the booking along; what is kept of it is the organizer's.
    assert_eq!(organizer.post(&path, &of(&[&own[2]])).await.expect(201)[0]["amount"], 2_500);
    assert_eq!(stands(&till.world, &booking).await, ("cancelled".to_owned(), 3, 3));
    organizer.post(&path, &of(&[&own[2]])).await.problem(409, "invalid_state");
    till.close().await;
}

async fn the_tax_of_what_goes_back_is_that_of_its_line(engine: Engine) {
    let world = world(engine).await;
    let mut body = gala(12_300, 10);
    body["pricing"] = json!({
        "taxRate": 230_000, "fees": [{ "name": "Service", "amount": 108, "per": "unit", "taxRate": 80_000 }],
    });
    let event = world.organizer.post("/api/v1/events", &body).await.expect(201);
    let seller = json!({
        "name": "Klub", "addressLines": ["ul. Batorego 10"], "country": "PL", "series": "FV",
    });
    let organizer = format!("/api/v1/organizers/{}", text(&event["organizerId"]));
    world.organizer.put(&format!("{organizer}/invoicing"), &seller).await.expect(200);
    let event = format!("/api/v1/events/{}", text(&event["id"]));
    world.organizer.act(&format!("{event}/publish")).await.expect(200);
    // A tenth is taken off three tickets: 332.10 with tax, 110.70 each; and three times 1.08 on top.
    world
        .organizer
        .post(&format!("{event}/promo-codes"), &json!({ "code": "TENTH", "rate": 100_000 }))
        .await
        .expect(201);
    let wish = json!({ "quantity": 3, "promoCode": "TENTH" });
    let made = world.buyer.post(&format!("{event}/bookings"), &wish).await.expect(201);
    let booking = text(&made["id"]);
    world.organizer.act(&format!("/api/v1/bookings/{booking}/confirm")).await.expect(200);
    let found = tickets(&world.buyer, booking).await;
    let documents = async || {
        world.app.issue_invoices().await;
        world.buyer.get(&format!("/api/v1/bookings/{booking}/invoices")).await.expect(200)
    };
    assert_eq!(documents().await[0]["gross"], 33_210 + 324);
    let back = world.organizer.post(&refund(booking), &of(&[&found[2]])).await.expect(201);
    assert_eq!((&back[0]["amount"], &back[0]["status"]), (&json!(11_070), &json!("done")), "the fee stays");
    let note = documents().await[1].clone();
    assert_eq!(note["taxes"], json!([{ "taxRate": 230_000, "net": 9_000, "tax": 2_070, "gross": 11_070 }]));
    // An amount beyond what the ticket has cost is of the fees too.
    let mut wish = of(&[&found[1]]);
    wish["amount"] = json!(11_070 + 216);
    world.organizer.post(&refund(booking), &wish).await.expect(201);
    let note = documents().await[2].clone();
    let rates: Vec<_> = note["taxes"].as_array().unwrap().iter().map(|tax| tax["taxRate"].clone()).collect();
    assert_eq!((rates, &note["gross"]), (vec![json!(80_000), json!(230_000)], &json!(11_286)));
    world.organizer.post(&refund(booking), &json!({})).await.expect(201);
    let all = documents().await;
    for field in ["net", "tax", "gross"] {
        let back: i64 = (1..=3).map(|at: usize| all[at][field].as_i64().unwrap()).sum();
        assert_eq!(json!(back), all[0][field], "{field}: all of it went back");
    }
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

/// All tickets of a booking that go by their ids leave its fee, and its tax.
async fn the_last_ticket_leaves_the_fee_with_its_tax(engine: Engine) {
    let world = world(engine).await;
    let mut body = gala(10_000, 10);
    body["pricing"] = json!({
        "taxRate": 230_000, "fees": [{ "name": "Order", "amount": 1_000, "per": "booking", "taxRate": 80_000 }],
    });
    let event = world.organizer.post("/api/v1/events", &body).await.expect(201);
    let seller = json!({ "name": "Klub", "addressLines": ["ul. Batorego 10"], "country": "PL", "series": "FV" });
    let organizer = format!("/api/v1/organizers/{}", text(&event["organizerId"]));
    world.organizer.put(&format!("{organizer}/invoicing"), &seller).await.expect(200);
    let event = text(&event["id"]);
    world.organizer.act(&format!("/api/v1/events/{event}/publish")).await.expect(200);
    let booking = text(&world.book(event, 1).await["id"]).to_owned();
    world.organizer.act(&format!("/api/v1/bookings/{booking}/confirm")).await.expect(200);
    let found = tickets(&world.buyer, &booking).await;
    let back = world.organizer.post(&refund(&booking), &of(&[&found[0]])).await.expect(201);
    assert_eq!((&back[0]["amount"], &back[0]["byHand"]), (&json!(10_000), &json!(true)));
    assert_eq!(stands(&world, &booking).await, ("cancelled".to_owned(), 1, 1));
    world.app.issue_invoices().await;
    let documents = world.buyer.get(&format!("/api/v1/bookings/{booking}/invoices")).await.expect(200);
    let taxes = json!([{ "taxRate": 230_000, "net": 8_130, "tax": 1_870, "gross": 10_000 }]);
    assert_eq!((&documents[0]["gross"], &documents[1]["taxes"]), (&json!(11_000), &taxes));
    // One mail says both.
    let told = world.app.mails_to("buyer@example.com").await;
    assert_eq!(told.last().unwrap().subject, "Booking cancelled: Gala");
    assert!(told.last().unwrap().text.contains("We give back 100.00 "), "{told:?}");
    assert!(!told.iter().any(|mail| mail.subject.starts_with("Tickets cancelled")), "{told:?}");
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

async fn a_unit_that_comes_back_is_offered_to_who_waits(engine: Engine) {
    let world = world(engine).await;
    let mut body = gala(0, 3);
    body["waitingList"] = json!(true);
    let event = text(&world.organizer.post("/api/v1/events", &body).await.expect(201)["id"]).to_owned();
    world.organizer.act(&format!("/api/v1/events/{event}/publish")).await.expect(200);
    let booking = text(&world.book(&event, 3).await["id"]).to_owned();
    let path = format!("/api/v1/events/{event}/waiting-list");
    let entry = world.stranger.post(&path, &json!({ "quantity": 1 })).await.expect(201);
    // It costs nothing: there is no refund, and the ticket goes.
    let found = tickets(&world.buyer, &booking).await;
    let back = world.organizer.post(&refund(&booking), &of(&[&found[0]])).await.expect(201);
    assert_eq!(back, json!([]));
    let offered = world.stranger.get(&format!("/api/v1/waiting-list/{}", text(&entry["id"]))).await.expect(200);
    assert_eq!(offered["status"], "offered");
    assert_eq!(stands(&world, &booking).await, ("confirmed".to_owned(), 3, 1));
    let mail = world.app.mails_to("buyer@example.com").await.pop().unwrap();
    assert!(mail.subject == "Tickets cancelled: Gala" && !mail.text.contains("give back"), "{}", mail.text);
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

async fn a_ticket_that_went_back_counts_for_nobody(engine: Engine) {
    let world = world(engine).await;
    let mut body = gala(0, 10);
    body["ticketTypes"] = json!([{ "name": "Standing", "price": 0, "capacity": 10, "maxPerBuyer": 3 }]);
    for field in ["price", "capacity"] {
        body.as_object_mut().unwrap().remove(field);
    }
    let event = text(&world.organizer.post("/api/v1/events", &body).await.expect(201)["id"]).to_owned();
    world.organizer.act(&format!("/api/v1/events/{event}/publish")).await.expect(200);
    let booking = text(&world.book(&event, 3).await["id"]).to_owned();
    let bookings = format!("/api/v1/events/{event}/bookings");
    world.buyer.post(&bookings, &json!({})).await.problem(422, "limit_exceeded");
    let found = tickets(&world.buyer, &booking).await;
    world.organizer.post(&refund(&booking), &of(&[&found[0], &found[1]])).await.expect(201);
    world.buyer.post(&bookings, &json!({ "quantity": 3 })).await.problem(422, "limit_exceeded");
    world.buyer.post(&bookings, &json!({ "quantity": 2 })).await.expect(201);
    // What is left of it is issued anew and passed on as ever; what went back is not.
    let reissue = |ticket: &Value| format!("/api/v1/tickets/{}/reissue", text(&ticket["id"]));
    world.buyer.act(&reissue(&found[0])).await.problem(409, "invalid_state");
    world.buyer.act(&reissue(&found[2])).await.expect(200);
    // The messages of the booking tell which.
    let told = format!("/api/v1/bookings/{booking}/cancel");
    world.buyer.act(&told).await.expect(200);
    assert_eq!(stands(&world, &booking).await, ("cancelled".to_owned(), 3, 2));
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

on_both_engines!(
    a_ticket_goes_back_and_the_others_stand,
    what_cannot_go_back_is_refused_and_changes_nothing,
    the_tax_of_what_goes_back_is_that_of_its_line,
    the_last_ticket_leaves_the_fee_with_its_tax,
    a_unit_that_comes_back_is_offered_to_who_waits,
    a_ticket_that_went_back_counts_for_nobody,
);
