//! The books of the provider against ours: what differs is found, each in its kind, and nothing else is.

use std::sync::Arc;

use application::clock::Clock;
use application::payment::{Charge, Difference, DifferenceKind as Kind, Period, Reconcile, Reconciled};
use application::payment::{RefundOrder, RefundState};
use chrono::TimeDelta;
use domain::{Money, PaymentId, RefundId};
use goticket_testkit::databases::Engine;
use goticket_testkit::till::{Till, till};
use rstest::rstest;
use serde_json::Value;
use uuid::Uuid;

async fn compared(till: &Till) -> (Vec<Difference>, Reconciled) {
    let now = till.world.app.clock.now();
    let period = Period { from: now - TimeDelta::hours(1), until: now + TimeDelta::seconds(1) };
    let store = Arc::new(till.world.app.database.database.clone());
    let reconcile = Reconcile { store, provider: till.provider.clone() };
    let mut found = Vec::new();
    let done = reconcile.run(period, &mut |difference| found.push(difference.clone())).await.unwrap();
    assert_eq!(done.differences, found.len() as u64);
    (found, done)
}

async fn kinds(till: &Till) -> Vec<Kind> {
    compared(till).await.0.iter().map(|difference| difference.kind).collect()
}

fn uuid(value: &Value) -> Uuid {
    value["id"].as_str().unwrap().parse().unwrap()
}

fn pln(minor: i64) -> Money {
    Money { minor, currency: "PLN".parse().unwrap() }
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_books_tell_differently_is_found(#[case] engine: Engine) {
    let till = till(engine).await;
    let (kept, _) = till.held(2_500, 10).await;
    let (back, _) = till.held(2_500, 10).await;
    let (declined, _) = till.held(2_500, 10).await;
    let kept = till.pay(&kept, "card_ok").await.expect(201).clone();
    till.pay(&back, "card_ok").await.expect(201);
    till.pay(&declined, "card_declined").await.expect(201);
    let refund = format!("/api/v1/bookings/{back}/refund");
    let some = serde_json::json!({ "amount": 1_000, "cancelTickets": false });
    till.world.organizer.post(&refund, &some).await.expect(201);
    till.work().await;
    let (found, done) = compared(&till).await;
    assert_eq!(found, []);
    assert_eq!((done.charges, done.payments, done.refunds, done.sent, done.others), (3, 2, 1, 1, 0));
    // What the organizer has given back himself no provider has to know of.
    let by_hand = serde_json::json!({ "amount": 500, "cancelTickets": false, "byHand": true });
    till.world.organizer.post(&refund, &by_hand).await.expect(201);
    let (found, done) = compared(&till).await;
    assert_eq!((found.len(), done.refunds, done.sent), (0, 1, 1));

    // Somebody has changed our books; each is put right again.
    let database = &till.world.app.database;
    let of = |id: Uuid| database.literal(id);
    let id = of(uuid(&kept));
    let payment = async |wrong: &str, right: &str, kind: Kind| {
        database.tamper(&format!("UPDATE payments SET {wrong} WHERE id = {id}")).await;
        assert_eq!(kinds(&till).await, [kind], "{wrong}");
        database.tamper(&format!("UPDATE payments SET {right} WHERE id = {id}")).await;
    };
    payment("captured = 2400, booked = 2400", "captured = 2500, booked = 2500", Kind::ChargeAmount).await;
    payment("currency = 'JPY'", "currency = 'EUR'", Kind::ChargeCurrency).await;
    payment("status = 3, captured = 0, booked = 0", "status = 2, captured = 2500, booked = 2500", Kind::ChargeStatus)
        .await;
    payment("provider = 'stripe'", "provider = 'sandbox'", Kind::UnknownCharge).await;
    let refunds = async |wrong: &str, right: &str, kind: Kind| {
        database.tamper(&format!("UPDATE refunds SET {wrong}")).await;
        assert_eq!(kinds(&till).await, [kind], "{wrong}");
        database.tamper(&format!("UPDATE refunds SET {right}")).await;
    };
    refunds("amount = amount - 1", "amount = amount + 1", Kind::RefundAmount).await;
    refunds("currency = 'JPY'", "currency = 'EUR'", Kind::RefundCurrency).await;
    refunds("status = 3", "status = 2", Kind::RefundStatus).await;
    assert_eq!(kinds(&till).await, []);

    // The provider has what we know nothing of, and we have what it knows nothing of.
    let stray = PaymentId::new(Uuid::from_u128(7));
    let charge = Charge {
        payment: stray,
        amount: pln(900),
        method: "card_ok".to_owned(),
        description: "stray".to_owned(),
        asked_at: till.world.app.clock.now(),
        reference: None,
    };
    till.provider.charge(&charge).await.unwrap();
    let order = RefundOrder {
        refund: RefundId::new(Uuid::from_u128(8)),
        payment: stray,
        amount: pln(100),
        charge_reference: None,
    };
    assert_eq!(till.provider.refund(&order).await, Ok(RefundState::Done));
    let (found, _) = compared(&till).await;
    let said: Vec<_> = found.iter().map(|one| (one.kind, one.payment, one.refund, one.ours)).collect();
    let expected =
        [(Kind::UnknownCharge, Some(stray), None, None), (Kind::UnknownRefund, Some(stray), Some(order.refund), None)];
    assert_eq!(said, expected);
    assert_eq!(found[0].theirs.unwrap().amount, Some(pln(900)));
    let moved = of(Uuid::from_u128(9));
    let rows = [("ledger_entries", "payment_id"), ("payments", "id")];
    for (table, column) in rows {
        database.tamper(&format!("UPDATE {table} SET {column} = {moved} WHERE {column} = {id}")).await;
    }
    let found = kinds(&till).await;
    assert_eq!(found, [Kind::UnknownCharge, Kind::UnknownCharge, Kind::MissingCharge, Kind::UnknownRefund]);
    for (table, column) in rows {
        database.tamper(&format!("UPDATE {table} SET {column} = {id} WHERE {column} = {moved}")).await;
    }
    till.close().await;
}

/// Nothing outside of the period is told of, whichever side has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_day_is_another_day() {
    let till = till(Engine::Sqlite).await;
    let (booking, _) = till.held(2_500, 10).await;
    let paid = till.pay(&booking, "card_ok").await.expect(201).clone();
    let id = till.world.app.database.literal(uuid(&paid));
    till.world.app.database.tamper(&format!("UPDATE payments SET captured = 1, booked = 1 WHERE id = {id}")).await;
    assert_eq!(kinds(&till).await, [Kind::ChargeAmount]);
    till.world.app.clock.step(TimeDelta::hours(2));
    let (found, done) = compared(&till).await;
    assert_eq!((found, done.charges, done.payments), (vec![], 0, 0));
    till.world
        .app
        .database
        .tamper(&format!("UPDATE payments SET captured = 2500, booked = 2500 WHERE id = {id}"))
        .await;
    till.close().await;
}
