//! Payments, refunds and their ledger.

use application::booking::{BookingChange, LaneChanges, LaneStore, LaneWait, ProviderEventRow};
use application::payment::{CaseTerms, MessageBatch, MessageLog, PaymentStore, ProviderEventKey, ProviderMessage};
use application::store::StoreError;
use application::verify::Verifier;
use chrono::TimeDelta;
use domain::booking::{Booking, BookingStatus, Sale};
use domain::payment::{
    Books, ChargeOutcome, ChargeReport, Payment, PaymentStatus, Refund, RefundOutcome, RefundReason, RefundRequest,
    RefundStatus, Settlement, StartPayment, apply_refund_report, apply_report, request_refund, start_payment,
};
use domain::{Money, PaymentId, RefundId, Text, Timestamp};
use uuid::Uuid;

use super::fixture::{
    Fresh, assert_sound, at, booking, buyer, holds, id, line, mark, message, now, stored_concert, write,
};
use crate::databases::TestDatabase;

/// A booking of one unit that its buyer pays.
async fn paying(db: &TestDatabase, sale: &Sale) -> (Booking, Payment) {
    let held = booking(sale, buyer(), 1, Some(at(900)));
    write(&db.database, &holds(sale, std::slice::from_ref(&held))).await.unwrap();
    let word = |word: &str| Text::parse("word", word, 64).unwrap();
    let start = StartPayment { id: PaymentId::new(id()), provider: word("sandbox"), method: word("card_ok") };
    let books = Books { sale, booking: &held, payments: &[], promo_has_room: true, now: now() };
    let (payment, settled) = start_payment(&books, &start).unwrap();
    let after = settle(db, sale, &held, &[], settled).await.unwrap();
    (after, payment)
}

/// Writes what was decided, as the desk does; answers the booking as it is then.
async fn settle(
    db: &TestDatabase,
    sale: &Sale,
    before: &Booking,
    known: &[Payment],
    settled: Settlement,
) -> Result<Booking, StoreError> {
    let after = settled.steps.last().unwrap().booking.clone();
    let release_before = before.hold.filter(|_| before.status == BookingStatus::Pending).map(|hold| hold.release_at);
    let (payments, new_payments) =
        settled.payments.into_iter().partition(|payment| known.iter().any(|known| known.id == payment.id));
    let (new_refunds, refunds) = settled.refunds.into_iter().partition(|refund: &Refund| refund.version == 1);
    let mut changes = LaneChanges {
        lanes: vec![mark(sale)],
        bookings: vec![BookingChange { booking: after.clone(), release_before }],
        new_payments,
        payments,
        new_refunds,
        refunds,
        ledger: settled.entries,
        ..LaneChanges::default()
    };
    for step in &settled.steps {
        changes.outbox.push(message(after.id.uuid(), step.fact.sequence));
        changes.audit.push(line(&step.booking));
        for change in &step.stock {
            let (id, held, sold) = (change.pool, change.held, change.sold);
            changes.pools.push(application::booking::PoolChange { id, held, sold, settings: None });
        }
    }
    changes.pools.sort_unstable_by_key(|pool| pool.id);
    if after.status == BookingStatus::Confirmed && before.status != BookingStatus::Confirmed {
        changes.new_tickets = super::fixture::tickets(&after);
    }
    if before.status == BookingStatus::Confirmed && after.status != BookingStatus::Confirmed {
        changes.revoked = vec![after.id];
    }
    write(&db.database, &changes).await.map(|()| after)
}

/// A booking with one payment, as a decision sees it.
fn books<'a>(sale: &'a Sale, booking: &'a Booking, payment: &'a Payment, now: Timestamp) -> Books<'a> {
    Books { sale, booking, payments: std::slice::from_ref(payment), promo_has_room: true, now }
}

fn succeeded(sale: &Sale, held: &Booking, payment: &Payment, minor: i64) -> Settlement {
    let books = books(sale, held, payment, at(1));
    let outcome = ChargeOutcome::Succeeded(Money { minor, currency: sale.event.currency });
    let report = ChargeReport { reference: Text::parse("reference", "ch_żółć", 64).ok(), outcome };
    apply_report(&books, payment.id, &report, &mut Fresh).unwrap().unwrap()
}

/// A booking that was paid, with its payment.
async fn paid(db: &TestDatabase, sale: &Sale) -> (Booking, Payment) {
    let (held, payment) = paying(db, sale).await;
    let settled = succeeded(sale, &held, &payment, held.total.minor);
    let now = settled.payments[0].clone();
    let confirmed = settle(db, sale, &held, std::slice::from_ref(&payment), settled).await.unwrap();
    (confirmed, now)
}

/// What is written is read, a change of a payment needs a higher version, and the books add up.
pub async fn payments_are_read_as_they_were_written(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let (held, payment) = paying(&db, &sale).await;
    assert_eq!(db.database.payment(payment.id).await.unwrap().as_ref(), Some(&payment));
    assert_sound(&db).await;
    let settled = succeeded(&sale, &held, &payment, held.total.minor + 7);
    let (now, refund) = (settled.payments[0].clone(), settled.refunds[0].clone());
    assert_eq!((now.status, refund.reason), (PaymentStatus::Succeeded, RefundReason::Surplus));
    let known = std::slice::from_ref(&payment);
    let confirmed = settle(&db, &sale, &held, known, settled.clone()).await.unwrap();
    assert_eq!(confirmed.status, BookingStatus::Confirmed);
    assert_eq!(db.database.payments_of(held.id).await.unwrap(), std::slice::from_ref(&now));
    assert_eq!(db.database.refunds_of(held.id).await.unwrap(), std::slice::from_ref(&refund));
    assert_eq!(db.database.refund(refund.id).await.unwrap(), Some(refund.clone()));
    let again = settle(&db, &sale, &held, known, settled).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
    assert_sound(&db).await;
    let books = books(&sale, &confirmed, &now, at(2));
    let failed = RefundOutcome::Failed(Text::parse("failure", "closed", 64).unwrap());
    let failed = apply_refund_report(&books, std::slice::from_ref(&refund), refund.id, &failed, &mut Fresh);
    let failed = failed.unwrap().unwrap();
    settle(&db, &sale, &confirmed, std::slice::from_ref(&now), failed.clone()).await.unwrap();
    assert_eq!(db.database.refunds_of(held.id).await.unwrap(), failed.refunds);
    assert_eq!(failed.refunds[0].status, RefundStatus::Failed);
    assert_eq!(db.database.payment(PaymentId::new(id())).await.unwrap(), None);
    assert_eq!(db.database.refund(RefundId::new(id())).await.unwrap(), None);
    let mut open = db.database.begin_lanes(&[sale.event.id], LaneWait::Queue).await.unwrap();
    assert_eq!(open.transaction.payments(&[held.id]).await.unwrap(), failed.payments);
    assert_eq!(open.transaction.refunds(&[held.id]).await.unwrap(), failed.refunds);
    open.transaction.commit().await.unwrap();
    assert_sound(&db).await;
}

/// The database itself keeps a booking from being paid twice at once, and a message from having its effect twice.
pub async fn one_payment_is_open_and_a_message_is_seen_once(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let (held, payment) = paying(&db, &sale).await;
    let second = Payment { id: PaymentId::new(id()), ..payment };
    let changes = LaneChanges { lanes: vec![mark(&sale)], new_payments: vec![second], ..LaneChanges::default() };
    let twice = write(&db.database, &changes).await;
    assert!(matches!(twice, Err(StoreError::Conflict(_))), "{twice:?}");
    let key = |provider: &str, event: &str| ProviderEventKey { provider: provider.into(), event: event.into() };
    let seen = |keys: &[ProviderEventKey]| {
        let provider_events = keys.iter().map(|key| ProviderEventRow { key: key.clone(), at: now() }).collect();
        LaneChanges { lanes: vec![mark(&sale)], provider_events, ..LaneChanges::default() }
    };
    let many: Vec<_> = (0..70).map(|n| key("sandbox", &format!("evt_{n}"))).collect();
    write(&db.database, &seen(&many)).await.unwrap();
    let again = write(&db.database, &seen(&many[5..6])).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
    write(&db.database, &seen(&[key("stripe", "evt_5")])).await.unwrap();
    let mut open = db.database.begin_lanes(&[sale.event.id], LaneWait::Queue).await.unwrap();
    let asked = [key("sandbox", "evt_69"), key("stripe", "evt_69"), key("sandbox", "evt_70")];
    assert_eq!(open.transaction.provider_events(&asked).await.unwrap(), asked[..1]);
    open.transaction.commit().await.unwrap();
    assert_eq!(db.database.payments_of(held.id).await.unwrap().len(), 1);
}

/// Which messages of providers were taken is forgotten when its time is over, the oldest first.
pub async fn messages_of_providers_are_forgotten(db: TestDatabase) {
    use application::privacy::Retained;
    let sale = stored_concert(&db, None, None).await;
    let key = |n: i64| {
        let provider = if n == 1 { "stripe" } else { "sandbox" };
        ProviderEventKey { provider: provider.to_owned(), event: format!("evt_{n}") }
    };
    let seen = |n: i64| ProviderEventRow { key: key(n), at: now() + TimeDelta::days(n) };
    let provider_events = (0..5).map(seen).collect();
    let changes = LaneChanges { lanes: vec![mark(&sale)], provider_events, ..LaneChanges::default() };
    write(&db.database, &changes).await.unwrap();
    assert_eq!(db.database.prune_provider_events(now(), 100).await.unwrap(), 0, "nothing is older");
    let before = now() + TimeDelta::days(3);
    assert_eq!(db.database.prune_provider_events(before, 2).await.unwrap(), 2, "at most so many");
    assert_eq!(db.database.prune_provider_events(before, 100).await.unwrap(), 1);
    assert_eq!(db.database.prune_provider_events(before, 100).await.unwrap(), 0);
    let mut open = db.database.begin_lanes(&[sale.event.id], LaneWait::Queue).await.unwrap();
    let left = open.transaction.provider_events(&[key(0), key(1), key(2), key(3), key(4)]).await.unwrap();
    assert_eq!(left, [key(3), key(4)]);
    open.transaction.commit().await.unwrap();
}

/// What providers told is kept as it came, in the order in which it was kept, until its time is over.
pub async fn what_providers_told_is_kept_as_it_came(db: TestDatabase) {
    use application::privacy::Retained;
    let database = &db.database;
    let message = |n: i64| ProviderMessage {
        provider: "stripe".to_owned(),
        received_at: now() + TimeDelta::days(n),
        body: format!("{{ \"id\":\"evt_{n}\",\t\"name\": \"Zażółć \u{1f980} \\u0000 \u{7f}\" }}\r\n"),
    };
    let batches: Vec<_> = [vec![message(0), message(0)], vec![message(1)], vec![message(3), message(2)]]
        .into_iter()
        .zip(1..)
        .map(|(messages, n)| MessageBatch { id: Uuid::from_u128(n << 80), messages })
        .collect();
    for batch in batches.iter().chain([&MessageBatch { id: Uuid::from_u128(9 << 80), messages: Vec::new() }]) {
        database.keep(batch).await.unwrap();
    }
    assert!(database.keep(&batches[0]).await.is_err(), "a batch is written once");
    assert_eq!(database.batches_behind(None, 10).await.unwrap(), batches, "one without messages is none");
    assert_eq!(database.batches_behind(Some(batches[0].id), 1).await.unwrap(), batches[1..2]);
    let before = |days: i64| now() + TimeDelta::days(days);
    assert_eq!(database.prune_provider_messages(before(0), 10).await.unwrap(), 0, "nothing is older");
    assert_eq!(database.prune_provider_messages(before(9), 1).await.unwrap(), 1, "at most so many");
    assert_eq!(database.prune_provider_messages(before(3), 10).await.unwrap(), 1, "by the last of a batch");
    assert_eq!(database.batches_behind(None, 10).await.unwrap(), batches[2..]);
}

/// A hold does not lapse while somebody pays for it, and does when he does not any more.
pub async fn what_is_being_paid_does_not_lapse(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let (held, payment) = paying(&db, &sale).await;
    let idle = booking(&sale, buyer(), 1, Some(at(900)));
    write(&db.database, &holds(&sale, std::slice::from_ref(&idle))).await.unwrap();
    let lapsed = async || {
        let mut open = db.database.begin_lanes(&[sale.event.id], LaneWait::Queue).await.unwrap();
        let found = open.transaction.lapsed(sale.event.id, at(10_000), 10).await.unwrap();
        open.transaction.commit().await.unwrap();
        found.into_iter().map(|booking| booking.id).collect::<Vec<_>>()
    };
    assert_eq!(lapsed().await, [idle.id]);
    let open = |after| db.database.open_payments(at(1), after, 10);
    assert_eq!(open(None).await.unwrap(), std::slice::from_ref(&payment));
    assert_eq!(open(Some(payment.id)).await.unwrap(), []);
    assert_eq!(db.database.open_payments(now(), None, 10).await.unwrap(), [], "too young");
    let books = books(&sale, &held, &payment, at(1));
    let report = ChargeReport { reference: None, outcome: ChargeOutcome::Cancelled };
    let settled = apply_report(&books, payment.id, &report, &mut Fresh).unwrap().unwrap();
    settle(&db, &sale, &held, std::slice::from_ref(&payment), settled).await.unwrap();
    // It was told of the booking, whose hold stays where it is.
    assert_eq!(lapsed().await, [idle.id, held.id]);
    assert_eq!(open(None).await.unwrap(), []);
    assert_sound(&db).await;
}

/// Money that belongs nowhere and what has been open for long are found, by organizer and in pages.
pub async fn cases_are_found(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let other = stored_concert(&db, None, None).await;
    let (held, short) = paying(&db, &sale).await;
    let settled = succeeded(&sale, &held, &short, 1);
    let short = settled.payments[0].clone();
    settle(&db, &sale, &held, std::slice::from_ref(&short), settled).await.unwrap();
    let (_, stuck) = paying(&db, &sale).await;
    let (confirmed, paid) = paid(&db, &sale).await;
    let books = books(&sale, &confirmed, &paid, now());
    let request = RefundRequest::WHOLE;
    let settled = request_refund(&books, &request, &[], &mut Fresh).unwrap();
    let back = settled.payments[0].clone();
    settle(&db, &sale, &confirmed, std::slice::from_ref(&paid), settled).await.unwrap();
    let (_, foreign) = paying(&db, &other).await;
    let terms = |since| CaseTerms { stuck_since: at(since), providers: vec!["sandbox"] };
    let cases = async |since, before, rows| {
        db.database.payment_cases(sale.event.organizer, &terms(since), before, rows).await.unwrap()
    };
    let counted = async |terms: CaseTerms| db.database.count_payment_cases(&terms).await.unwrap();
    assert_eq!(cases(-600, None, 10).await, std::slice::from_ref(&short));
    assert_eq!(cases(600, None, 10).await, [back.clone(), stuck.clone(), short.clone()]);
    assert_eq!(cases(600, None, 2).await, [back.clone(), stuck.clone()]);
    assert_eq!(cases(600, Some(stuck.id), 2).await, std::slice::from_ref(&short));
    let foreign_cases = db.database.payment_cases(other.event.organizer, &terms(600), None, 10).await.unwrap();
    assert_eq!(foreign_cases, [foreign]);
    // All organizers' together, each payment once; young ones that nobody can go on with are among them.
    assert_eq!((counted(terms(-600)).await, counted(terms(600)).await), (1, 4));
    let gone = CaseTerms { stuck_since: at(-600), providers: vec!["stripe"] };
    assert_eq!(counted(gone.clone()).await, 4);
    let theirs = db.database.payment_cases(sale.event.organizer, &gone, None, 10).await.unwrap();
    assert_eq!(theirs, [back.clone(), stuck.clone(), short.clone()]);
    assert_eq!(counted(CaseTerms { providers: Vec::new(), ..gone }).await, 4);
    let open = db.database.open_refunds(None, 10).await.unwrap();
    let [(refund, of)] = open.as_slice() else { panic!("one refund is open: {open:?}") };
    assert_eq!((refund.payment, of), (back.id, &back));
    assert_eq!(db.database.open_refunds(Some(refund.id), 10).await.unwrap(), []);
    assert_sound(&db).await;
}

/// All payments and refunds are read in portions, and those of some ids at once.
pub async fn all_payments_are_read_in_portions(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let (confirmed, first) = paid(&db, &sale).await;
    let books = books(&sale, &confirmed, &first, now());
    let request = RefundRequest::WHOLE;
    let settled = request_refund(&books, &request, &[], &mut Fresh).unwrap();
    let (first, back) = (settled.payments[0].clone(), settled.refunds[0].clone());
    settle(&db, &sale, &confirmed, &[Payment { version: 0, ..first.clone() }], settled).await.unwrap();
    let (_, second) = paid(&db, &sale).await;
    let (_, open) = paying(&db, &sale).await;
    let all = [first.clone(), second, open];
    assert_eq!(db.database.payments_behind(None, 10).await.unwrap(), all);
    assert_eq!(db.database.payments_behind(None, 2).await.unwrap(), all[..2]);
    assert_eq!(db.database.payments_behind(Some(all[1].id), 2).await.unwrap(), all[2..]);
    let nobody = PaymentId::new(id());
    let mut found = db.database.payments_by_ids(&[all[2].id, nobody, all[0].id]).await.unwrap();
    found.sort_unstable_by_key(|payment| payment.id);
    assert_eq!(found, [all[0].clone(), all[2].clone()]);
    assert_eq!(db.database.payments_by_ids(&[]).await.unwrap(), []);
    assert_eq!(db.database.refunds_behind(None, 10).await.unwrap(), [(back.clone(), first)]);
    assert_eq!(db.database.refunds_behind(Some(back.id), 10).await.unwrap(), []);
    let ids = [RefundId::new(id()), back.id];
    assert_eq!(db.database.refunds_by_ids(&ids).await.unwrap(), std::slice::from_ref(&back));
}

/// What was changed behind the program's back is found.
pub async fn wrong_money_is_found(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let (_, payment) = paid(&db, &sale).await;
    paid(&db, &sale).await;
    assert_sound(&db).await;
    let found = async || {
        let report = db.database.verify().await.unwrap();
        assert!(report.looked_at.contains(&("payments", 2)), "{:?}", report.looked_at);
        let mut names: Vec<_> = report.differences.iter().map(|difference| difference.invariant).collect();
        names.dedup();
        names
    };
    let name = db.literal(payment.id.uuid());
    let plant = async |wrong: &str, right: &str, expected: &[&str]| {
        db.tamper(wrong).await;
        assert_eq!(found().await, expected, "{wrong}");
        db.tamper(right).await;
        assert_sound(&db).await;
    };
    let set = |what: &str| format!("UPDATE payments SET {what} WHERE id = {name}");
    // Half of the money belongs nowhere, says the payment, and the ledger does not.
    let half = payment.booked / 2;
    plant(&set(&format!("booked = {half}")), &set("booked = captured"), &["payment_ledger"]).await;
    // It was refunded, and nobody was.
    plant(&set("booked = 0, refunded = captured"), &set("booked = captured, refunded = 0"), &["payment_ledger"]).await;
    plant(&set("status = 3"), &set("status = 2"), &["payment_ledger"]).await;
    // It was asked for more, or less, than its booking costs.
    for (wrong, right) in [("+", "-"), ("-", "+")] {
        let by = |sign: &str| set(&format!("amount = amount {sign} 1"));
        plant(&by(wrong), &by(right), &["payment_amount"]).await;
    }
    // A row of the ledger is another one than was written.
    let row = |what: &str| format!("UPDATE ledger_entries SET {what} WHERE transaction_id = {name} AND position = 0");
    plant(
        &row("amount = amount + 1"),
        &row("amount = amount - 1"),
        &["ledger_balance", "ledger_of_organizer", "payment_ledger"],
    )
    .await;
    plant(
        &row("currency = 'JPY'"),
        &row("currency = 'PLN'"),
        &["ledger_balance", "ledger_of_organizer", "stray_payments"],
    )
    .await;
    // What a provider took is in the account of what organizers took themselves.
    plant(&row("account = 1"), &row("account = 0"), &["ledger_cash"]).await;
    // It paid for its booking twice, and the ledger says so too.
    let entries = |what: &str| format!("UPDATE ledger_entries SET {what} WHERE transaction_id = {name}");
    db.tamper(&entries("amount = amount * 2")).await;
    db.tamper(&set("captured = captured * 2, booked = booked * 2")).await;
    assert_eq!(found().await, ["paid_twice"]);
    db.tamper(&entries("amount = amount / 2")).await;
    db.tamper(&set("captured = captured / 2, booked = booked / 2")).await;
    assert_sound(&db).await;
    // The money is gone from the books with both of its rows.
    db.tamper(&format!("CREATE TABLE aside AS SELECT * FROM ledger_entries WHERE transaction_id = {name}")).await;
    plant(
        &format!("DELETE FROM ledger_entries WHERE transaction_id = {name}"),
        "INSERT INTO ledger_entries SELECT * FROM aside",
        &["payment_ledger"],
    )
    .await;
    db.tamper("DROP TABLE aside").await;
    // A booking that nobody paid.
    let nobody = db.literal(id());
    let away = format!("UPDATE payments SET booking_id = {nobody} WHERE id = {name}");
    let back = format!("UPDATE payments SET booking_id = {} WHERE id = {name}", db.literal(payment.booking.uuid()));
    plant(&away, &back, &["booking_without_money", "stray_payments"]).await;
    // A refund of nothing.
    let refund = format!(
        "INSERT INTO refunds (id, payment_id, booking_id, event_id, organizer_id, amount, created_at, updated_at, version,
            status, reason, currency) SELECT {nobody}, {nobody}, booking_id, event_id, organizer_id, 1, 0, 0, 1, 2, 0,
            currency FROM payments WHERE id = {name}"
    );
    plant(&refund, "DELETE FROM refunds", &["stray_payments"]).await;
}

/// Money of another currency is kept as it came, and the books add up in each currency.
pub async fn money_of_another_currency_is_kept_as_it_came(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let (held, payment) = paying(&db, &sale).await;
    let books = books(&sale, &held, &payment, at(1));
    let yen = Money { minor: 700, currency: "JPY".parse().unwrap() };
    let report = ChargeReport { reference: None, outcome: ChargeOutcome::Succeeded(yen) };
    let settled = apply_report(&books, payment.id, &report, &mut Fresh).unwrap().unwrap();
    let case = settled.payments[0].clone();
    let after = settle(&db, &sale, &held, std::slice::from_ref(&payment), settled).await.unwrap();
    assert_eq!((after.status, case.amount, case.unsettled()), (BookingStatus::Pending, yen, 700));
    assert_eq!(db.database.payment(case.id).await.unwrap().as_ref(), Some(&case));
    let terms = CaseTerms { stuck_since: at(-600), providers: vec!["sandbox"] };
    let cases = db.database.payment_cases(sale.event.organizer, &terms, None, 10).await.unwrap();
    assert_eq!(cases, std::slice::from_ref(&case));
    assert_sound(&db).await;
    let figures = db.database.event_figures(sale.event.id).await.unwrap();
    assert_eq!((figures.unsettled, figures.by_provider), (0, 0), "they are of the event's currency");
    db.tamper(&format!("UPDATE payments SET booked = 700 WHERE id = {}", db.literal(case.id.uuid()))).await;
    let found = db.database.verify().await.unwrap().differences;
    assert!(found.iter().any(|difference| difference.invariant == "stray_payments"), "{found:?}");
}

/// Bookings that were confirmed before there were payments get the one by hand that they were confirmed for.
pub async fn old_bookings_get_their_payments(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let (sold, held) = (booking(&sale, buyer(), 3, None), booking(&sale, buyer(), 1, Some(at(900))));
    let mut old = holds(&sale, &[sold.clone(), held.clone()]);
    old.new_payments.clear();
    old.ledger.clear();
    write(&db.database, &old).await.unwrap();
    for table in ["payments", "refunds", "ledger_entries", "provider_events"] {
        db.tamper(&format!("DROP TABLE {table}")).await;
    }
    let these = [
        "m20261122_000022_payments",
        "m20261122_000027_disputes",
        "m20261122_000028_provider_events",
        "m20261122_000042_refunds_by_hand",
    ];
    for later in these {
        db.tamper(&format!("DELETE FROM seaql_migrations WHERE version = '{later}'")).await;
    }
    db.database.migrate().await.unwrap();
    let found = db.database.payments_of(sold.id).await.unwrap();
    let payment = &found[0];
    assert_eq!((found.len(), payment.booked, payment.captured), (1, sold.total.minor, sold.total.minor));
    assert_eq!((payment.provider.as_str(), payment.status), ("manual", PaymentStatus::Succeeded));
    assert_eq!((payment.amount, payment.id.uuid().get_version_num()), (sold.total, 4));
    assert_eq!(db.database.payments_of(held.id).await.unwrap(), []);
    assert_sound(&db).await;
}
