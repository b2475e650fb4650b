//! Paying over HTTP, with a sandbox that is called over HTTP and tells by signed webhooks over HTTP. Each test ends with
//! `verify`: each captured amount is in a paid booking, a refund or an open case.

use std::time::Duration;

use adapter_payment::{Behaviour, Settlement};
use application::clock::Clock;
use application::payment::Charge;
use axum::http::Method;
use chrono::TimeDelta;
use domain::{Money, PaymentId};
use goticket_testkit::databases::Engine;
use goticket_testkit::till::{Till, till};
use rstest::rstest;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) fn id(value: &Value) -> PaymentId {
    PaymentId::new(value["id"].as_str().unwrap().parse::<Uuid>().unwrap())
}

/// Waits until the booking stands there.
async fn becomes(till: &Till, booking: &str, status: &str) {
    let reached = async {
        while till.status(booking).await != status {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached).await.expect("the booking changes in time");
}

pub(crate) const SILENT: Behaviour =
    Behaviour { slow_millis: 3_000, delay_millis: 0, disorder_millis: 0, duplicate_percent: 0, lose_percent: 100 };

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_pays_a_booking_and_a_declined_one_leaves_it_held(#[case] engine: Engine) {
    let till = till(engine).await;
    let (booking, _) = till.held(2_500, 10).await;
    let declined = till.pay(&booking, "card_declined").await.expect(201).clone();
    assert_eq!((&declined["status"], &declined["failureCode"]), (&json!("failed"), &json!("card_declined")));
    assert_eq!(till.status(&booking).await, "pending");
    let reply = till.pay(&booking, "card_ok").await;
    assert_eq!(reply.header("location"), Some(format!("/api/v1/bookings/{booking}/payments").as_str()));
    let paid = reply.expect(201);
    assert_eq!((&paid["status"], &paid["captured"]), (&json!("succeeded"), &json!(2_500)));
    assert_eq!(till.status(&booking).await, "confirmed");
    let tickets = till.world.buyer.get(&format!("/api/v1/bookings/{booking}/tickets")).await.expect(200).clone();
    assert_eq!(tickets.as_array().unwrap().len(), 1);
    let statuses: Vec<_> = till.payments(&booking).await.iter().map(|payment| payment["status"].clone()).collect();
    assert_eq!(statuses, ["failed", "succeeded"]);
    till.pay(&booking, "card_ok").await.problem(409, "invalid_state");
    till.pay(&booking, "cowries").await.problem(422, "validation_failed");
    // Paid is paid: it goes with its money alone.
    till.world.organizer.act(&format!("/api/v1/bookings/{booking}/cancel")).await.problem(409, "invalid_state");
    till.close().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_decided_later_comes_by_webhook_however_often(#[case] engine: Engine) {
    let till = till(engine).await;
    till.sandbox.behave(Behaviour { duplicate_percent: 100, disorder_millis: 50, lose_percent: 0, ..SILENT });
    let (booking, _) = till.held(2_500, 10).await;
    let started = till.pay(&booking, "checkout").await.expect(201).clone();
    assert_eq!(started["status"], "processing");
    assert!(started["checkoutUrl"].as_str().unwrap().starts_with("http"));
    till.pay(&booking, "card_ok").await.problem(409, "invalid_state");
    assert!(till.sandbox.settle(id(&started), &Settlement::Captured(None)));
    becomes(&till, &booking, "confirmed").await;
    till.close().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_tells_of_is_asked_for(#[case] engine: Engine) {
    let mut till = till(engine).await;
    till.sandbox.behave(SILENT);
    let (paid, _) = till.held(2_500, 10).await;
    let (given_up, _) = till.held(2_500, 10).await;
    let (cancelled, _) = till.held(2_500, 10).await;
    let started = till.pay(&paid, "checkout").await.expect(201).clone();
    till.pay(&given_up, "checkout").await.expect(201);
    let late = till.pay(&cancelled, "checkout").await.expect(201).clone();
    assert!(till.sandbox.settle(id(&started), &Settlement::Captured(None)));
    assert!(till.sandbox.settle(id(&late), &Settlement::Captured(None)));
    till.world.buyer.act(&format!("/api/v1/bookings/{cancelled}/cancel")).await.expect(200);
    assert_eq!(till.status(&paid).await, "pending");
    till.world.app.clock.step(TimeDelta::seconds(6));
    till.work().await;
    assert_eq!(till.status(&paid).await, "confirmed");
    assert_eq!(till.status(&given_up).await, "pending");
    assert_eq!(till.payments(&given_up).await[0]["status"], "processing", "its buyer may yet pay");
    let back = &till.payments(&cancelled).await[0];
    assert_eq!((&back["captured"], &back["refunded"]), (&json!(2_500), &json!(2_500)));
    assert_eq!(back["refunds"][0]["reason"], "cancelled");
    // Its time is over: the request is taken back at the provider, and then nobody can pay it any more.
    till.world.app.clock.step(TimeDelta::minutes(14) + TimeDelta::minutes(3));
    till.world.buyer = till.world.app.sign_in("buyer").await;
    till.work().await;
    let found = till.payments(&given_up).await;
    assert_eq!(found[0]["status"], "cancelled");
    assert!(!till.sandbox.settle(id(&found[0]), &Settlement::Captured(None)));
    till.close().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_little_is_a_case_and_too_much_goes_back(#[case] engine: Engine) {
    let till = till(engine).await;
    let (short, _) = till.held(2_500, 10).await;
    let (long, _) = till.held(2_500, 10).await;
    for (booking, minor) in [(&short, 1_000), (&long, 2_600)] {
        let started = till.pay(booking, "checkout").await.expect(201).clone();
        assert!(till.sandbox.settle(id(&started), &Settlement::Captured(Some(minor))));
    }
    becomes(&till, &long, "confirmed").await;
    till.world.app.clock.step(TimeDelta::seconds(6));
    till.work().await;
    let found = &till.payments(&long).await[0];
    assert_eq!((&found["refunded"], &found["refunds"][0]["reason"]), (&json!(100), &json!("surplus")));
    assert_eq!(till.status(&short).await, "pending");
    assert_eq!(till.payments(&short).await[0]["unsettled"], 1_000);
    let cases = format!("{}/payment-cases", crate::organizer(&till.world).await);
    let found = till.world.organizer.get(&cases).await.expect(200).clone();
    assert_eq!((&found["items"][0]["kind"], found["items"].as_array().unwrap().len()), (&json!("unsettled"), 1));
    assert_eq!(till.world.stranger.get(&cases).await.status, 404);
    let figures = async || {
        let health = till.world.app.anybody().get("/health").await.expect(200).clone();
        assert_eq!(health["status"], "up", "a case makes nothing unhealthy");
        health["figures"].clone()
    };
    assert_eq!(figures().await, json!([{ "name": "payment_cases", "count": 1 }]));
    // What is missing is asked for, and both pay.
    assert_eq!(till.pay(&short, "card_ok").await.expect(201)["amount"], 1_500);
    assert_eq!(till.status(&short).await, "confirmed");
    assert_eq!(till.world.organizer.get(&cases).await.expect(200)["items"], json!([]));
    assert_eq!(figures().await, json!([{ "name": "payment_cases", "count": 0 }]));
    till.close().await;
}

/// A provider that cannot be asked takes nothing: who wants to pay hears so at once, and pays when it is back. What was
/// asked before, and is asked for again meanwhile, may have been taken, and stays open.
#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_provider_that_cannot_be_asked(#[case] engine: Engine) {
    let mut till = till(engine).await;
    till.sandbox.behave(SILENT);
    let (asked, _) = till.held(2_500, 10).await;
    let (booking, _) = till.held(2_500, 10).await;
    let path = format!("/api/v1/bookings/{asked}/payments");
    let keyed = [("content-type", "application/json"), ("idempotency-key", "pay")];
    let body = json!({ "method": "checkout" }).to_string();
    till.world.buyer.send(Method::POST, &path, &keyed, Some(body.clone())).await.expect(201);
    let address = till.provider_goes().await;
    // More often than the breaker bears: it is the same to the buyer whether nobody answers or nobody is asked.
    for _ in 0..7 {
        let failed = till.pay(&booking, "card_ok").await.expect(201).clone();
        assert_eq!((&failed["status"], &failed["failureCode"]), (&json!("failed"), &json!("provider_unavailable")));
    }
    let again = till.world.buyer.send(Method::POST, &path, &keyed, Some(body)).await;
    assert_eq!(again.expect(201)["status"], "processing");
    till.provider_comes_at(address).await;
    till.world.app.clock.step(TimeDelta::seconds(31));
    assert_eq!(till.pay(&booking, "card_ok").await.expect(201)["status"], "succeeded");
    assert_eq!(till.status(&booking).await, "confirmed");
    till.close().await;
}

/// The provider was changed while a payment was open: nobody asks after it, and somebody should know at once.
#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_open_at_a_provider_that_is_gone_is_a_case(#[case] engine: Engine) {
    let till = till(engine).await;
    till.sandbox.behave(SILENT);
    let (booking, _) = till.held(2_500, 10).await;
    till.pay(&booking, "checkout").await.expect(201);
    let cases = format!("{}/payment-cases", crate::organizer(&till.world).await);
    assert_eq!(till.world.organizer.get(&cases).await.expect(200)["items"], json!([]));
    till.world.app.database.tamper("UPDATE payments SET provider = 'piggy_bank'").await;
    let found = till.world.organizer.get(&cases).await.expect(200).clone();
    assert_eq!((&found["items"][0]["kind"], found["items"].as_array().unwrap().len()), (&json!("provider_gone"), 1));
    till.world.app.database.tamper("UPDATE payments SET provider = 'sandbox'").await;
    assert_eq!(till.world.organizer.get(&cases).await.expect(200)["items"], json!([]));
    till.close().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refunds_are_sent_and_those_that_fail_are_cases(#[case] engine: Engine) {
    let till = till(engine).await;
    let (good, _) = till.held(2_500, 10).await;
    let (bad, _) = till.held(2_500, 10).await;
    till.pay(&good, "card_ok").await.expect(201);
    till.pay(&bad, "card_refund_fails").await.expect(201);
    let refund = |booking: &str| format!("/api/v1/bookings/{booking}/refund");
    till.world.buyer.post(&refund(&good), &json!({})).await.problem(403, "forbidden");
    till.world.stranger.post(&refund(&good), &json!({})).await.problem(404, "not_found");
    let organizer = &till.world.organizer;
    for wrong in [json!({ "amount": 0 }), json!({ "amount": 2_501 }), json!({ "amount": -1 })] {
        organizer.post(&refund(&good), &wrong).await.problem(422, "validation_failed");
    }
    let part = json!({ "amount": 500, "cancelTickets": false }).to_string();
    let keyed = [("content-type", "application/json"), ("idempotency-key", "once")];
    let first = organizer.send(Method::POST, &refund(&good), &keyed, Some(part.clone())).await.expect(201).clone();
    let again = organizer.send(Method::POST, &refund(&good), &keyed, Some(part)).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(201)[0]["id"], first[0]["id"]);
    assert_eq!(till.status(&good).await, "confirmed");
    organizer.post(&refund(&good), &json!({})).await.expect(201);
    assert_eq!(till.status(&good).await, "cancelled");
    organizer.post(&refund(&good), &json!({})).await.problem(409, "invalid_state");
    organizer.post(&refund(&bad), &json!({})).await.expect(201);
    for _ in 0..2 {
        till.work().await;
        till.world.app.clock.step(TimeDelta::seconds(11));
    }
    till.work().await;
    let found = &till.payments(&good).await[0];
    let done: Vec<_> = found["refunds"].as_array().unwrap().iter().map(|refund| refund["status"].clone()).collect();
    assert_eq!((done, &found["refunded"]), (vec![json!("done"); 2], &json!(2_500)));
    let found = &till.payments(&bad).await[0];
    assert_eq!((&found["refunds"][0]["status"], &found["unsettled"]), (&json!("failed"), &json!(2_500)));
    // The card is closed: the organizer gives it back in cash, and the case is closed.
    let organizer = &till.world.organizer;
    let cases = format!("{}/payment-cases", crate::organizer(&till.world).await);
    assert_eq!(organizer.get(&cases).await.expect(200)["items"][0]["kind"], "unsettled");
    let in_cash = json!({ "byHand": true, "cancelTickets": false });
    let given = organizer.post(&refund(&bad), &in_cash).await.expect(201);
    assert_eq!((&given[0]["status"], &given[0]["byHand"]), (&json!("done"), &json!(true)));
    assert_eq!(organizer.get(&cases).await.expect(200)["items"], json!([]));
    let found = &till.payments(&bad).await[0];
    assert_eq!((&found["refunded"], &found["unsettled"]), (&json!(2_500), &json!(0)));
    organizer.post(&refund(&bad), &in_cash).await.problem(409, "invalid_state");
    till.work().await;
    till.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_is_asked_for_again_is_the_same_one() {
    let till = till(Engine::Sqlite).await;
    let (booking, _) = till.held(2_500, 10).await;
    let path = format!("/api/v1/bookings/{booking}/payments");
    let body = json!({ "method": "checkout" }).to_string();
    let keyed = [("content-type", "application/json"), ("idempotency-key", "pay")];
    let first = till.world.buyer.send(Method::POST, &path, &keyed, Some(body.clone())).await.expect(201).clone();
    let again = till.world.buyer.send(Method::POST, &path, &keyed, Some(body)).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.expect(201)["id"], first["id"]);
    let other = json!({ "method": "card_ok" }).to_string();
    let other = till.world.buyer.send(Method::POST, &path, &keyed, Some(other)).await;
    other.problem(422, "idempotency_conflict");
    assert_eq!(till.payments(&booking).await.len(), 1);
    till.close().await;
}

/// A charge that this installation knows nothing of tells of itself; a message that nobody has signed tells nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strange_messages_wait_or_are_not_believed() {
    let till = till(Engine::Sqlite).await;
    let buyer = &till.world.app.anybody();
    let path = "/api/v1/webhooks/sandbox";
    buyer.post(path, &json!({ "id": "evt_1" })).await.problem(401, "unauthenticated");
    let forged = [("content-type", "application/json"), ("goticket-signature", "t=1,v1=00")];
    let reply = buyer.send(Method::POST, path, &forged, Some("{}".into())).await;
    reply.problem(401, "unauthenticated");
    buyer.post("/api/v1/webhooks/cowries", &json!({})).await.problem(404, "not_found");
    let payment = PaymentId::new(till.world.app.ids.uuid());
    let amount = Money { minor: 5, currency: "PLN".parse().unwrap() };
    let asked_at = till.world.app.clock.now();
    let charge =
        Charge { payment, amount, method: "card_ok".into(), description: "ABC".into(), asked_at, reference: None };
    till.provider.charge(&charge).await.unwrap();
    let store = &till.world.app.database.database;
    let waits = async {
        use application::jobs::JobStore;
        while store.counts(till.world.app.clock.now()).await.unwrap().waiting == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waits).await.expect("the message waits as a job");
    till.close().await;
}

/// A hold that is being paid does not lapse, and so counts against the limits of its buyer.
#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_pays_late_has_no_more_than_his_limit(#[case] engine: Engine) {
    let mut till = till(engine).await;
    till.sandbox.behave(SILENT);
    let (booking, event) = till.held(2_500, 10).await;
    let path = format!("/api/v1/events/{event}");
    let ticket_type = till.world.organizer.get(&path).await.expect(200)["ticketTypes"][0]["id"].clone();
    let limit = json!({ "maxPerBuyer": 1 });
    let of_type = format!("{path}/ticket-types/{}", ticket_type.as_str().unwrap());
    till.world.organizer.send(Method::PATCH, &of_type, &[], Some(limit.to_string())).await.expect(200);
    let started = till.pay(&booking, "checkout").await.expect(201).clone();
    till.world.app.clock.step(TimeDelta::minutes(18));
    till.world.buyer = till.world.app.sign_in("buyer").await;
    let again = till.world.buyer.post(&format!("{path}/bookings"), &json!({})).await;
    again.problem(422, "limit_exceeded");
    assert!(till.sandbox.settle(id(&started), &Settlement::Captured(None)));
    till.work().await;
    assert_eq!(till.status(&booking).await, "confirmed");
    till.close().await;
}

/// Whoever is declined again and again does not fill the books.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_has_a_bounded_number_of_payments() {
    let till = till(Engine::Sqlite).await;
    let (booking, _) = till.held(2_500, 10).await;
    for _ in 0..20 {
        assert_eq!(till.pay(&booking, "card_declined").await.expect(201)["status"], "failed");
    }
    till.pay(&booking, "card_ok").await.problem(409, "invalid_state");
    till.world.organizer.act(&format!("/api/v1/bookings/{booking}/confirm")).await.expect(200);
    till.close().await;
}

/// An event that has sold is cancelled: what it costs is told before, how far it is after, and the job that was stopped
/// halfway, or runs twice, ends at the same (domain.md 5.8).
#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_event_gives_everybody_his_money_back(#[case] engine: Engine) {
    let till = till(engine).await;
    let event = till.world.on_sale(2_500, 20).await;
    let book = async |method: Option<&str>| {
        let booking = till.world.book(&event, 1).await["id"].as_str().unwrap().to_owned();
        if let Some(method) = method {
            till.pay(&booking, method).await.expect(201);
        }
        booking
    };
    let paid = [book(Some("card_ok")).await, book(Some("card_ok")).await];
    let (failing, held) = (book(Some("card_refund_fails")).await, book(None).await);
    let (paying, by_hand) = (book(Some("checkout")).await, book(None).await);
    let asked_back = book(Some("card_ok")).await;
    let at_bank = id(&till.payments(&asked_back).await[0]);
    dispute(&till, at_bank, "opened").await;
    stands(&till, &asked_back, "disputed").await;
    let organizer = &till.world.organizer;
    organizer.act(&format!("/api/v1/bookings/{by_hand}/confirm")).await.expect(200);
    let path = format!("/api/v1/events/{event}/cancellation");
    let figures = async || organizer.get(&path).await.expect(200).clone();
    let preview = json!({
        "state": "not_cancelled", "pendingBookings": 2, "confirmedBookings": 5, "cancelledBookings": 0,
        "openPayments": 1, "currency": "EUR", "toRefund": 7_500, "toHandBack": 2_500, "disputed": 2_500,
        "unsettled": 0, "refunds": []
    });
    assert_eq!(figures().await, preview);
    assert_eq!(figures().await, preview, "to look changes nothing");
    organizer.act(&format!("/api/v1/events/{event}/cancel")).await.expect(200);
    assert_eq!(figures().await["state"], "running");
    till.world.buyer.post(&format!("/api/v1/events/{event}/bookings"), &json!({})).await.problem(422, "sales_closed");
    organizer.act(&format!("/api/v1/events/{event}/archive")).await.problem(409, "invalid_state");
    for _ in 0..3 {
        till.work().await;
        till.world.app.clock.step(TimeDelta::seconds(11));
    }
    let after = json!({
        "state": "done", "pendingBookings": 0, "confirmedBookings": 0, "cancelledBookings": 7,
        "openPayments": 0, "currency": "EUR", "toRefund": 0, "toHandBack": 0, "disputed": 2_500,
        "unsettled": 2_500, "refunds": [{ "status": "done", "count": 3, "amount": 7_500 }, { "status": "failed", "count": 1, "amount": 2_500 }]
    });
    assert_eq!(figures().await, after);
    for booking in [&paid[0], &paid[1], &failing, &held, &paying, &by_hand] {
        assert_eq!(till.status(booking).await, "cancelled");
    }
    assert_eq!(till.payments(&paying).await[0]["status"], "cancelled", "nobody can pay it any more");
    organizer.act(&format!("/api/v1/events/{event}/cancel")).await.expect(200);
    till.work().await;
    assert_eq!(figures().await, after, "twice is once");
    // What the bank gives back goes to the buyer as well.
    dispute(&till, at_bank, "won").await;
    stands(&till, &asked_back, "succeeded").await;
    assert_eq!(figures().await["state"], "running");
    till.work().await;
    let after = figures().await;
    assert_eq!((&after["state"], &after["disputed"], &after["unsettled"]), (&json!("done"), &json!(0), &json!(2_500)));
    assert_eq!(after["refunds"][0], json!({ "status": "done", "count": 4, "amount": 10_000 }));
    organizer.act(&format!("/api/v1/events/{event}/archive")).await.expect(200);
    till.close().await;
}

/// Sends what a bank tells of a dispute by the sandbox's own interface.
pub(crate) async fn dispute(till: &Till, payment: PaymentId, state: &str) {
    let url = format!("{}/v1/charges/{}/dispute", till.sandbox.url(), payment.uuid());
    let request = reqwest::Client::builder().no_proxy().build().unwrap().post(url);
    let request = request.bearer_auth("sandbox secret of tests").header("content-type", "application/json");
    let answer = request.body(json!({ "state": state }).to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

/// Waits until the first payment of the booking stands there.
pub(crate) async fn stands(till: &Till, booking: &str, status: &str) -> Value {
    let reached = async {
        loop {
            let payment = till.payments(booking).await.remove(0);
            if payment["status"] == status {
                return payment;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached).await.expect("the payment changes in time")
}

/// A bank asks money back: it is a case, the tickets stay, and what is decided is seen.
#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disputed_payment_is_a_case_until_it_is_decided(#[case] engine: Engine) {
    let till = till(engine).await;
    let (won, event) = till.held(2_500, 5).await;
    let lost = till.world.book(&event, 1).await["id"].as_str().unwrap().to_owned();
    let organizer = till.world.organizer.get(&format!("/api/v1/events/{event}")).await.expect(200);
    let path = format!("/api/v1/organizers/{}/payment-cases", organizer["organizerId"].as_str().unwrap());
    let cases = async || {
        let found = till.world.organizer.get(&path).await.expect(200);
        let all = found["items"].as_array().unwrap().iter().map(|case| case["kind"].as_str().unwrap().to_owned());
        all.collect::<Vec<_>>()
    };
    let won_payment = id(&till.pay(&won, "card_ok").await.expect(201));
    let lost_payment = id(&till.pay(&lost, "card_ok").await.expect(201));
    for (payment, booking) in [(won_payment, &won), (lost_payment, &lost)] {
        dispute(&till, payment, "opened").await;
        let disputed = stands(&till, booking, "disputed").await;
        assert_eq!((&disputed["captured"], &disputed["unsettled"]), (&json!(2_500), &json!(0)));
        assert_eq!(till.status(booking).await, "confirmed");
        let refund = format!("/api/v1/bookings/{booking}/refund");
        till.world.organizer.post(&refund, &json!({ "cancelTickets": false })).await.problem(409, "invalid_state");
    }
    assert_eq!(cases().await, ["disputed", "disputed"]);
    dispute(&till, won_payment, "won").await;
    stands(&till, &won, "succeeded").await;
    dispute(&till, lost_payment, "lost").await;
    stands(&till, &lost, "charged_back").await;
    assert_eq!(cases().await, ["charged_back"]);
    assert_eq!(till.status(&lost).await, "confirmed");
    // The case is closed with the tickets; no money is there to go back.
    let refund = format!("/api/v1/bookings/{lost}/refund");
    assert_eq!(till.world.organizer.post(&refund, &json!({})).await.expect(201), json!([]));
    assert_eq!(till.status(&lost).await, "cancelled");
    assert_eq!(cases().await, [""; 0]);
    till.close().await;
}

/// A dispute that is told of before the success is known waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispute_before_its_success_waits() {
    let till = till(Engine::Sqlite).await;
    till.sandbox.behave(SILENT);
    let (booking, _) = till.held(2_500, 5).await;
    let payment = id(&till.pay(&booking, "card_slow").await.expect(201));
    assert!(till.sandbox.settle(payment, &Settlement::Captured(None)));
    // Of that nobody has heard, nor will: it is lost before the sandbox behaves again.
    let lost = async {
        while !till.sandbox.is_quiet() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), lost).await.expect("the message is lost in time");
    till.sandbox.behave(Behaviour::default());
    dispute(&till, payment, "opened").await;
    let store = &till.world.app.database.database;
    let waits = async {
        use application::jobs::JobStore;
        while store.counts(till.world.app.clock.now()).await.unwrap().waiting == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waits).await.expect("the message waits as a job");
    assert_eq!(till.payments(&booking).await[0]["status"], "processing");
    till.world.app.clock.step(TimeDelta::seconds(30));
    till.work().await;
    till.world.app.clock.step(TimeDelta::minutes(5));
    till.work().await;
    assert_eq!(till.payments(&booking).await[0]["status"], "disputed");
    till.close().await;
}
