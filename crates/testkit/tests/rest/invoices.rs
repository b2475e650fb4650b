//! Invoices and credit notes over HTTP: what is confirmed gets one, what goes back another, and neither ever changes.

use application::clock::Clock;
use application::invoicing::InvoiceReads;
use chrono::TimeDelta;
use goticket_testkit::app::{Caller, PASSWORD};
use goticket_testkit::contract::fixture::assert_sound;
use goticket_testkit::databases::Engine;
use goticket_testkit::on_both_engines;
use goticket_testkit::till::{Till, till};
use goticket_testkit::world::{World, gala, world};
use serde_json::{Value, json};

use crate::payments::{dispute, id, stands};
use crate::text;

fn club() -> Value {
    json!({
        "name": "Klub Stodoła sp. z o.o.", "addressLines": ["ul. Batorego 10", "02-670 Warszawa"], "country": "PL",
        "taxId": "PL5212345678", "series": "FV", "timezone": "Europe/Warsaw",
    })
}

/// The organizer of the world, as a path; its first event makes it.
async fn organizer(world: &World) -> String {
    world.draft(1, 1).await;
    crate::organizer(world).await
}

/// The organizer as a path, once it writes invoices.
async fn sells(world: &World) -> String {
    let organizer = organizer(world).await;
    world.organizer.put(&format!("{organizer}/invoicing"), &club()).await.expect(200);
    organizer
}

/// Documents of a booking, written by now.
async fn documents(world: &World, booking: &str) -> Vec<Value> {
    world.app.issue_invoices().await;
    let path = format!("/api/v1/bookings/{booking}/invoices");
    let documents = world.buyer.get(&path).await.expect(200);
    assert_eq!(world.organizer.get(&path).await.expect(200), documents, "both see the same");
    documents.as_array().unwrap().clone()
}

/// A booking that is paid by hand.
async fn confirmed(world: &World, event: &str, quantity: u32) -> String {
    let booking = text(&world.book(event, quantity).await["id"]).to_owned();
    world.organizer.act(&format!("/api/v1/bookings/{booking}/confirm")).await.expect(200);
    booking
}

async fn particulars_are_said_and_changed(engine: Engine) {
    let world = world(engine).await;
    let path = format!("{}/invoicing", organizer(&world).await);
    world.organizer.get(&path).await.problem(404, "not_found");
    let set = world.organizer.put(&path, &club()).await.expect(200);
    for (field, value) in club().as_object().unwrap() {
        assert_eq!(&set[field], value);
    }
    assert_eq!((&set["version"], &set["creditNoteSeries"]), (&json!(1), &json!("FV-CN")));
    assert_eq!(world.organizer.get(&path).await.expect(200), set);
    world.app.clock.step(TimeDelta::seconds(5));
    assert_eq!(world.organizer.put(&path, &club()).await.expect(200), set, "the same is no change");
    let mut other = club();
    other["name"] = json!("Klub Stodoła S.A.");
    other["taxId"] = Value::Null;
    let moved = world.organizer.put(&path, &other).await.expect(200);
    assert_eq!((&moved["version"], &moved["name"], &moved["taxId"]), (&json!(2), &other["name"], &Value::Null));
    let wrong = json!({ "name": "", "addressLines": [], "country": "P", "series": "F/V", "timezone": "Mars" });
    let reply = world.organizer.put(&path, &wrong).await;
    let told = reply.problem(422, "validation_failed")["errors"].clone();
    let fields: Vec<_> = told.as_array().unwrap().iter().map(|error| text(&error["field"])).collect();
    assert_eq!(fields, ["name", "addressLines", "country", "series", "timezone"]);
    let reply = world.organizer.put(&path, &json!({ "name": "Club" })).await;
    reply.problem(400, "malformed_request");
    world.stranger.put(&path, &wrong).await.problem(404, "not_found");
    world.stranger.get(&path).await.problem(404, "not_found");
    // Both changes stand in the audit log, and in messages of the organizer that have no gap.
    world.app.seal_audit().await;
    let log = path.replace("invoicing", "audit?action=organizer.invoicing_changed");
    let log = world.organizer.get(&log).await.expect(200);
    assert_eq!(log["items"].as_array().unwrap().len(), 2);
    assert_eq!(log["items"][0]["before"]["name"], "Klub Stodoła sp. z o.o.");
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

async fn a_confirmed_booking_has_its_invoice(engine: Engine) {
    let world = world(engine).await;
    let event = world.on_sale(2_500, 10).await;
    let before = confirmed(&world, &event, 1).await;
    assert_eq!(documents(&world, &before).await, [json!(null); 0], "who says nothing writes none");
    sells(&world).await;
    let held = text(&world.book(&event, 1).await["id"]).to_owned();
    let booking = confirmed(&world, &event, 2).await;
    assert_eq!(documents(&world, &held).await.len(), 0, "nothing is owed yet");
    assert_eq!(documents(&world, &before).await.len(), 0, "what was before stays without");
    let found = documents(&world, &booking).await;
    assert_eq!(found.len(), 1);
    let invoice = &found[0];
    assert_eq!((&invoice["kind"], &invoice["number"]), (&json!("invoice"), &json!("FV-2027-1")));
    assert_eq!((&invoice["net"], &invoice["tax"], &invoice["gross"]), (&json!(5_000), &json!(0), &json!(5_000)));
    assert_eq!(invoice["recipient"], json!({ "name": "buyer", "email": "buyer@example.com" }));
    let line = json!({
        "name": "General admission", "quantity": 2, "unitPrice": 2_500, "discount": 0, "taxRate": null,
        "net": 5_000, "tax": 0, "gross": 5_000,
    });
    assert_eq!(invoice["lines"], json!([line]));
    assert_eq!(invoice["eventName"], "Gala");
    let path = format!("/api/v1/invoices/{}", text(&invoice["id"]));
    let shown = world.buyer.get(&path).await.expect(200);
    assert_eq!(shown["seller"]["name"], club()["name"]);
    assert_eq!(shown["lines"], invoice["lines"]);
    // Whatever becomes of seller and buyer: the document stays.
    let mut other = club();
    other["name"] = json!("Somebody else");
    world.organizer.put(&format!("{}/invoicing", organizer(&world).await), &other).await.expect(200);
    assert_eq!(world.organizer.get(&path).await.expect(200), shown);
    world.buyer.post("/api/v1/users/me/delete", &json!({ "password": PASSWORD })).await.expect(204);
    assert_eq!(world.organizer.get(&path).await.expect(200), shown, "the seller owes it to the tax office");
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

async fn taxes_fees_and_discounts_stand_in_it(engine: Engine) {
    let world = world(engine).await;
    sells(&world).await;
    let mut body = gala(12_300, 10);
    body["pricing"] = json!({
        "taxRate": 230_000,
        "fees": [
            { "name": "Service", "amount": 108, "per": "unit", "taxRate": 80_000 },
            { "name": "Card", "rate": 20_000, "paidBy": "organizer" },
        ],
    });
    let event = world.organizer.post("/api/v1/events", &body).await.expect(201)["id"].as_str().unwrap().to_owned();
    world.organizer.act(&format!("/api/v1/events/{event}/publish")).await.expect(200);
    let code = json!({ "code": "TENTH", "rate": 100_000 });
    world.organizer.post(&format!("/api/v1/events/{event}/promo-codes"), &code).await.expect(201);
    let wish = json!({ "quantity": 2, "promoCode": "TENTH" });
    let made = world.buyer.post(&format!("/api/v1/events/{event}/bookings"), &wish).await.expect(201);
    let booking = text(&made["id"]);
    world.organizer.act(&format!("/api/v1/bookings/{booking}/confirm")).await.expect(200);
    let invoice = documents(&world, booking).await.remove(0);
    let lines: Vec<_> = invoice["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            (text(&line["name"]).to_owned(), line["discount"].clone(), line["net"].clone(), line["tax"].clone())
        })
        .collect();
    let expected = [
        ("General admission".to_owned(), json!(2_460), json!(18_000), json!(4_140)),
        ("Service".to_owned(), json!(0), json!(200), json!(16)),
    ];
    assert_eq!(lines, expected, "what the organizer bears is none of the buyer");
    assert_eq!(invoice["gross"], made["total"]);
    assert_eq!(
        invoice["taxes"],
        json!([
            { "taxRate": 80_000, "net": 200, "tax": 16, "gross": 216 },
            { "taxRate": 230_000, "net": 18_000, "tax": 4_140, "gross": 22_140 },
        ])
    );
    // A part of it goes back, of both rates their share, and then the rest.
    let refund = format!("/api/v1/bookings/{booking}/refund");
    world.organizer.post(&refund, &json!({ "amount": 10_000, "cancelTickets": false })).await.expect(201);
    let found = documents(&world, booking).await;
    assert_eq!(found[0], invoice);
    assert_eq!((&found[1]["kind"], &found[1]["gross"]), (&json!("credit_note"), &json!(10_000)));
    assert_eq!((&found[1]["correctsInvoiceId"], &found[1]["number"]), (&invoice["id"], &json!("FV-CN-2027-1")));
    assert_eq!(found[1]["taxes"].as_array().unwrap().len(), 2);
    world.organizer.post(&refund, &json!({})).await.expect(201);
    let found = documents(&world, booking).await;
    assert_eq!(found.len(), 3);
    for field in ["net", "tax", "gross"] {
        let back: i64 = found[1..].iter().map(|note| note[field].as_i64().unwrap()).sum();
        assert_eq!(json!(back), invoice[field], "{field}: all of it went back");
    }
    assert_eq!(documents(&world, booking).await.len(), 3, "and nothing more is written");
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

async fn an_organizer_finds_its_documents(engine: Engine) {
    let world = world(engine).await;
    let organizer = sells(&world).await;
    let event = world.on_sale(2_500, 10).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let booking = confirmed(&world, &event, 1).await;
        ids.push(documents(&world, &booking).await[0]["id"].clone());
        world.app.clock.step(TimeDelta::minutes(1));
    }
    let path = format!("{organizer}/invoices");
    let found = async |caller: &Caller, query: &str| {
        let page = caller.get(&format!("{path}{query}")).await.expect(200);
        page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect::<Vec<_>>()
    };
    let owner = &world.organizer;
    assert_eq!(found(owner, "").await, [ids[2].clone(), ids[1].clone(), ids[0].clone()]);
    assert_eq!(found(owner, "?number=fv-2027-2").await, [ids[1].clone()]);
    assert_eq!(found(owner, "?number=FV-2027-9").await, [json!(null); 0]);
    let at = |minutes: i64| {
        let start = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::minutes(minutes);
        start.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    };
    assert_eq!(found(owner, &format!("?from={}", at(1))).await.len(), 2);
    assert_eq!(found(owner, &format!("?to={}", at(1))).await, [ids[0].clone()]);
    let first = owner.get(&format!("{path}?limit=2")).await.expect(200);
    let rest = found(owner, &format!("?limit=2&cursor={}", text(&first["nextCursor"]))).await;
    assert_eq!(rest, [ids[0].clone()]);
    for wrong in ["?number=17", "?limit=0"] {
        owner.get(&format!("{path}{wrong}")).await.problem(422, "validation_failed");
    }
    for wrong in ["?from=yesterday", "?series=FV", "?cursor=x"] {
        owner.get(&format!("{path}{wrong}")).await.problem(400, "malformed_request");
    }
    // Another tenant, and another buyer, learn nothing.
    world.stranger.get(&path).await.problem(404, "not_found");
    for name in ["", "/invoice.pdf"] {
        let one = format!("/api/v1/invoices/{}{name}", text(&ids[0]));
        world.stranger.get(&one).await.problem(404, "not_found");
        world.app.anybody().get(&one).await.problem(401, "unauthenticated");
        owner.get(&one).await.expect(200);
    }
    // That names were listed is noted.
    world.app.seal_audit().await;
    let log = owner.get(&format!("{organizer}/audit?action=invoices.listed")).await.expect(200);
    assert!(!log["items"].as_array().unwrap().is_empty());
    world.app.stop().await;
}

async fn a_document_is_printed(engine: Engine) {
    let world = world(engine).await;
    sells(&world).await;
    let event = world.on_sale(2_500, 10).await;
    let booking = confirmed(&world, &event, 2).await;
    let invoice = documents(&world, &booking).await.remove(0);
    let path = text(&invoice["pdf"]).to_owned();
    let print = async |language: &str| {
        let headers = [("accept-language", language)];
        let reply = world.buyer.stream(axum::http::Method::GET, &path, &headers, None).await;
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.headers()["content-type"], "application/pdf");
        assert_eq!(reply.headers()["cache-control"], "private, no-store");
        axum::body::to_bytes(reply.into_body(), 1_000_000).await.unwrap()
    };
    let english = print("en").await;
    assert!(english.starts_with(b"%PDF-"));
    assert_eq!(english, print("de, en").await, "the same bytes each time");
    let polish = print("pl-PL").await;
    assert_ne!(english, polish);
    let is_titled = |bytes: &[u8], title: &str| bytes.windows(title.len()).any(|part| part == title.as_bytes());
    assert!(is_titled(&english, "Invoice FV-2027-1") && is_titled(&polish, "Faktura FV-2027-1"));
    world.app.stop().await;
}

async fn a_year_is_that_of_the_seller(engine: Engine) {
    let mut world = world(engine).await;
    sells(&world).await;
    let event = world.on_sale(2_500, 10).await;
    // Half past eleven in London is the next year in Warsaw.
    let mut written = Vec::new();
    for evening in ["2027-12-31T22:30:00Z", "2027-12-31T23:30:00Z"] {
        let evening = chrono::DateTime::parse_from_rfc3339(evening).unwrap().to_utc();
        world.app.clock.step(evening - world.app.clock.now());
        world.organizer = world.app.sign_in("organizer").await;
        world.buyer = world.app.sign_in("buyer").await;
        let booking = confirmed(&world, &event, 1).await;
        written.push(documents(&world, &booking).await[0]["number"].clone());
    }
    assert_eq!(written, ["FV-2027-1", "FV-2028-1"]);
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}

on_both_engines!(
    particulars_are_said_and_changed,
    a_confirmed_booking_has_its_invoice,
    taxes_fees_and_discounts_stand_in_it,
    an_organizer_finds_its_documents,
    a_document_is_printed,
    a_year_is_that_of_the_seller,
);

/// Pays with the sandbox, and reads the documents.
async fn paid(till: &Till) -> (String, String) {
    let (booking, event) = till.held(2_500, 10).await;
    till.pay(&booking, "card_ok").await.expect(201);
    (booking, event)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_of_a_provider_has_documents_too() {
    let till = till(Engine::Sqlite).await;
    sells(&till.world).await;
    let (booking, event) = paid(&till).await;
    assert_eq!(documents(&till.world, &booking).await[0]["number"], "FV-2027-1");
    // The event is off: all of it goes back, and both documents say so.
    till.world.organizer.act(&format!("/api/v1/events/{event}/cancel")).await.expect(200);
    till.work().await;
    let found = documents(&till.world, &booking).await;
    assert_eq!((&found[1]["kind"], &found[1]["gross"]), (&json!("credit_note"), &json!(2_500)));
    // What fails to go back was given up all the same, and what is refunded again is no second credit note.
    let (failing, _) = till.held(2_500, 10).await;
    till.pay(&failing, "card_refund_fails").await.expect(201);
    till.world.organizer.post(&format!("/api/v1/bookings/{failing}/refund"), &json!({})).await.expect(201);
    till.work().await;
    assert_eq!(documents(&till.world, &failing).await.len(), 2);
    till.world.organizer.post(&format!("/api/v1/bookings/{failing}/refund"), &json!({})).await.expect(201);
    till.work().await;
    assert_eq!(documents(&till.world, &failing).await.len(), 2);
    // What is confirmed and given back before anybody looks has both documents.
    let (quick, _) = paid(&till).await;
    till.world.organizer.post(&format!("/api/v1/bookings/{quick}/refund"), &json!({})).await.expect(201);
    let kinds: Vec<_> = documents(&till.world, &quick).await.iter().map(|it| text(&it["kind"]).to_owned()).collect();
    assert_eq!(kinds, ["invoice", "credit_note"]);
    till.close().await;
}

/// What a bank takes back is owed all the same, as long as the tickets stand; whoever gives the booking up gives it up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chargeback_is_no_credit_until_the_booking_goes() {
    let till = till(Engine::Postgres).await;
    sells(&till.world).await;
    let (booking, _) = till.held(2_500, 10).await;
    let payment = id(&till.pay(&booking, "card_ok").await.expect(201));
    let refund = format!("/api/v1/bookings/{booking}/refund");
    let part = json!({ "amount": 500, "cancelTickets": false });
    till.world.organizer.post(&refund, &part).await.expect(201);
    till.work().await;
    let sums = async || {
        let found = documents(&till.world, &booking).await;
        found.iter().map(|it| it["gross"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(sums().await, [2_500, 500]);
    for (state, status) in [("opened", "disputed"), ("lost", "charged_back")] {
        dispute(&till, payment, state).await;
        stands(&till, &booking, status).await;
        assert_eq!(sums().await, [2_500, 500], "{state}");
        assert_sound(&till.world.app.database).await;
    }
    till.world.organizer.post(&refund, &json!({})).await.expect(201);
    assert_eq!(sums().await, [2_500, 500, 2_000]);
    till.close().await;
}

/// What waits for nobody does not wait: without a seller it is gone, and nothing is written later.
#[tokio::test]
async fn what_is_noted_for_nobody_goes() {
    let world = world(Engine::Sqlite).await;
    let event = world.on_sale(2_500, 10).await;
    let booking = confirmed(&world, &event, 1).await;
    let free = world.on_sale(0, 10).await;
    let port = &world.app.database.database;
    assert_eq!(port.invoices_due(&[], 10).await.unwrap().len(), 1);
    goticket_testkit::contract::audit::run(&world.app.issuer()).await;
    assert_eq!(port.invoices_due(&[], 10).await.unwrap(), []);
    world.book(&free, 1).await;
    world.book(&event, 1).await;
    assert_eq!(port.invoices_due(&[], 10).await.unwrap(), [], "what costs nothing, or is held, is not noted");
    sells(&world).await;
    assert_eq!(documents(&world, &booking).await.len(), 0);
    assert_sound(&world.app.database).await;
    world.app.stop().await;
}
