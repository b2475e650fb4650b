//! Invoices and credit notes: what waits, how it gets numbers, and that what is written stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use application::booking::{InvoiceDue, LaneChanges};
use application::clock::Clock;
use application::invoicing::{DueBatch, InvoiceFilter, InvoiceReads, IssueInvoices};
use application::store::{Store, StoreError};
use application::verify::Verifier;
use domain::booking::{Booking, BookingStatus, Buyer, Sale};
use domain::invoicing::{
    BilledEvent, Invoice, InvoiceKind, InvoiceLine, InvoiceNumber, NewSeller, Recipient, Seller, SellerTerms, Series,
    Sums,
};
use domain::pricing::Rate;
use domain::{BookingId, EmailAddress, InvoiceId, OrganizerId, SellerId, Text};

use super::audit::run;
use super::fixture::{
    assert_sound, at, booking, buyer, holds, id, moved, now, stored_concert, stored_organizer, write,
};
use crate::clock::TestClock;
use crate::databases::{Engine, TestDatabase};

fn terms(series: &str) -> SellerTerms {
    let new = NewSeller {
        name: "Zażółć Gęślą sp. z o.o.".into(),
        address_lines: vec!["ul. Długa 1".into(), "00-001 Warszawa".into()],
        country: "PL".into(),
        tax_id: Some("PL1234567890".into()),
        series: series.into(),
        credit_series: None,
        timezone: Some("Europe/Warsaw".into()),
    };
    SellerTerms::parse(&new).unwrap()
}

fn seller(organizer: OrganizerId, version: u32, series: &str) -> Seller {
    Seller { id: SellerId::new(id()), organizer, version, terms: terms(series), created_at: at(-60) }
}

async fn sells(db: &TestDatabase, organizer: OrganizerId) -> Seller {
    let seller = seller(organizer, 1, "FV");
    let mut uow = db.database.begin().await.unwrap();
    uow.insert_seller(&seller).await.unwrap();
    uow.commit().await.unwrap();
    seller
}

/// Who writes documents, at the time of the fixture.
fn issuer(database: &adapter_sql::Database) -> IssueInvoices {
    let port = Arc::new(database.clone());
    let clock = TestClock::default();
    clock.step(at(2) - clock.now());
    IssueInvoices {
        store: port.clone(),
        invoices: port,
        clock: Arc::new(clock),
        ids: Arc::new(adapter_system::SystemIds::default()),
    }
}

/// Confirms so many new bookings in one commit, as the desk does.
async fn confirm(db: &TestDatabase, sale: &Sale, many: usize) -> Vec<Booking> {
    let sold: Vec<Booking> = (0..many).map(|_| booking(sale, buyer(), 1, None)).collect();
    let due = |booking: &Booking| InvoiceDue { booking: booking.id, organizer: booking.organizer, was_confirmed: true };
    let changes = LaneChanges { invoices_due: sold.iter().map(due).collect(), ..holds(sale, &sold) };
    write(&db.database, &changes).await.unwrap();
    sold
}

fn numbers(invoices: &[Invoice]) -> Vec<u64> {
    let mut numbers: Vec<u64> = invoices.iter().map(|invoice| invoice.number.number).collect();
    numbers.sort_unstable();
    numbers
}

async fn all(db: &TestDatabase, organizer: OrganizerId) -> Vec<Invoice> {
    db.database.invoices_in(organizer, &InvoiceFilter::default(), None, 100_000).await.unwrap()
}

/// A line at 23 %.
fn line(name: &str, net: i64, tax: i64) -> InvoiceLine {
    let gross = net + tax;
    InvoiceLine {
        name: Text::parse("name", name, 200).unwrap(),
        quantity: 2,
        unit_price: gross,
        discount: gross,
        tax_rate: Rate::of_millionths(230_000),
        sums: Sums { net, tax, gross },
    }
}

fn document(of: &Booking, seller: &Seller, kind: InvoiceKind, series: &str, number: u64) -> Invoice {
    let lines = vec![line("Miejsce", 4_000, 920), InvoiceLine { tax_rate: None, ..line("Kaucja", 80, 0) }];
    Invoice {
        id: InvoiceId::new(id()),
        kind,
        number: InvoiceNumber { series: Series::parse("series", series).unwrap(), year: 2026, number },
        organizer: of.organizer,
        seller: seller.id,
        booking: of.id,
        event: of.event,
        reference: of.reference.clone(),
        billed: BilledEvent {
            name: Text::parse("name", "Wielki Koncert", 200).unwrap(),
            starts_on: now().date_naive(),
        },
        recipient: Recipient {
            name: Text::parse("name", "Łucja", 200).ok(),
            email: EmailAddress::parse("email", "lucja@example.com").ok(),
        },
        currency: of.total.currency,
        lines,
        sums: Sums { net: 4_080, tax: 920, gross: 5_000 },
        issued_at: now(),
    }
}

/// Documents and particulars come back as they were written, and lists have those that were asked for.
pub async fn documents_are_read_as_they_were_written(db: TestDatabase) {
    let sale = stored_concert(&db, Some(100), None).await;
    let organizer = sale.event.organizer;
    assert_eq!(db.database.seller_of(organizer).await.unwrap(), None);
    let first = sells(&db, organizer).await;
    let second = Seller { terms: SellerTerms { tax_id: None, ..terms("FV") }, ..seller(organizer, 2, "FV") };
    let stranger = stored_organizer(&db).await.0.id;
    let mut uow = db.database.begin().await.unwrap();
    assert_eq!(uow.lock_sellers(&[organizer, stranger]).await.unwrap(), std::slice::from_ref(&first));
    uow.insert_seller(&second).await.unwrap();
    assert_eq!(uow.lock_sellers(&[organizer]).await.unwrap(), std::slice::from_ref(&second), "the newest holds");
    uow.commit().await.unwrap();
    assert_eq!(db.database.seller_of(organizer).await.unwrap().as_ref(), Some(&second));
    assert_eq!(db.database.seller(first.id).await.unwrap().as_ref(), Some(&first), "what was written keeps its own");

    let sold = booking(&sale, buyer(), 2, None);
    write(&db.database, &holds(&sale, std::slice::from_ref(&sold))).await.unwrap();
    let invoice = document(&sold, &first, InvoiceKind::Invoice, "FV", 1);
    let note = document(&sold, &second, InvoiceKind::CreditNote(invoice.id), "FV-CN", 1);
    let note = Invoice { recipient: Recipient::default(), issued_at: at(60), ..note };
    let mut uow = db.database.begin().await.unwrap();
    for series in ["FV", "FV-CN"] {
        let series = Series::parse("series", series).unwrap();
        assert_eq!(uow.take_numbers(organizer, &series, 2026, 1).await.unwrap(), 1);
    }
    uow.insert_invoices(&[invoice.clone(), note.clone()]).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(db.database.invoice(invoice.id).await.unwrap().as_ref(), Some(&invoice));
    assert_eq!(db.database.invoice(InvoiceId::new(id())).await.unwrap(), None);
    assert_eq!(db.database.invoices_of(sold.id).await.unwrap(), [invoice.clone(), note.clone()]);
    let found = async |filter: InvoiceFilter, before: Option<InvoiceId>, rows: u64| {
        let found = db.database.invoices_in(organizer, &filter, before, rows).await.unwrap();
        found.into_iter().map(|document| document.id).collect::<Vec<_>>()
    };
    let any = InvoiceFilter::default;
    assert_eq!(found(any(), None, 10).await, [note.id, invoice.id], "newest first");
    assert_eq!(found(any(), None, 1).await, [note.id]);
    assert_eq!(found(any(), Some(note.id), 10).await, [invoice.id]);
    let called = |number: &InvoiceNumber| InvoiceFilter { number: Some(number.clone()), ..any() };
    assert_eq!(found(called(&invoice.number), None, 10).await, [invoice.id]);
    let far = InvoiceNumber { year: u16::MAX, number: u64::MAX, ..invoice.number.clone() };
    assert_eq!(found(called(&far), None, 10).await, []);
    assert_eq!(found(InvoiceFilter { from: Some(at(60)), ..any() }, None, 10).await, [note.id]);
    assert_eq!(found(InvoiceFilter { until: Some(at(60)), ..any() }, None, 10).await, [invoice.id]);
    let elsewhere = db.database.invoices_in(stranger, &any(), None, 10).await.unwrap();
    assert_eq!(elsewhere, [], "another tenant has none of them");
}

/// A number is given once, a booking has one invoice, and a version of particulars is there once: the database says so.
pub async fn the_database_has_the_last_word(db: TestDatabase) {
    let sale = stored_concert(&db, Some(100), None).await;
    let organizer = sale.event.organizer;
    let first = sells(&db, organizer).await;
    let [one, other] = [1, 2].map(|_| booking(&sale, buyer(), 2, None));
    write(&db.database, &holds(&sale, &[one.clone(), other.clone()])).await.unwrap();
    let insert = async |document: &Invoice| {
        let mut uow = db.database.begin().await.unwrap();
        uow.insert_invoices(std::slice::from_ref(document)).await?;
        uow.commit().await
    };
    insert(&document(&one, &first, InvoiceKind::Invoice, "FV", 1)).await.unwrap();
    let refused = |done: Result<(), StoreError>| matches!(done, Err(StoreError::Conflict(_)));
    assert!(refused(insert(&document(&other, &first, InvoiceKind::Invoice, "FV", 1)).await), "the number is taken");
    assert!(refused(insert(&document(&one, &first, InvoiceKind::Invoice, "FV", 2)).await), "the booking has one");
    let mut uow = db.database.begin().await.unwrap();
    assert!(refused(uow.insert_seller(&seller(organizer, 1, "B")).await));
    drop(uow);
    // Numbers that were not used are not taken.
    let series = Series::parse("series", "FV").unwrap();
    let take = async |count: u64, commits: bool| {
        let mut uow = db.database.begin().await.unwrap();
        let first = uow.take_numbers(organizer, &series, 2027, count).await.unwrap();
        if commits {
            uow.commit().await.unwrap();
        }
        first
    };
    assert_eq!([take(7, false).await, take(7, true).await, take(1, false).await, take(1, true).await], [1, 1, 8, 8]);
}

/// What a commit has noted waits until it is settled, oldest first; what is put there later with a lower id is found next,
/// and who comes second hears that somebody was here.
pub async fn what_is_due_waits_until_it_is_settled(db: TestDatabase) {
    let sale = stored_concert(&db, Some(100), None).await;
    let other = stored_concert(&db, Some(100), None).await;
    assert_eq!(db.database.invoices_due(&[], 10).await.unwrap(), []);
    let [late, early] = [0, 1].map(|_| booking(&sale, buyer(), 1, None));
    let due = |booking: &Booking, was_confirmed| InvoiceDue {
        booking: booking.id,
        organizer: booking.organizer,
        was_confirmed,
    };
    // Its messages have lower ids than those of the next commit, before which it does not come.
    let first = LaneChanges { invoices_due: vec![due(&late, true)], ..holds(&sale, std::slice::from_ref(&late)) };
    let elsewhere = booking(&other, buyer(), 1, None);
    let mut second = holds(&sale, std::slice::from_ref(&early));
    let foreign = holds(&other, std::slice::from_ref(&elsewhere));
    second.lanes.extend(foreign.lanes);
    second.pools.extend(foreign.pools);
    second.pools.sort_unstable_by_key(|pool| pool.id);
    second.new_bookings.extend(foreign.new_bookings);
    second.new_tickets.extend(foreign.new_tickets);
    second.new_payments.extend(foreign.new_payments);
    second.ledger.extend(foreign.ledger);
    second.outbox.extend(foreign.outbox);
    second.audit.extend(foreign.audit);
    second.lanes.sort_unstable_by_key(|lane| lane.key);
    second.invoices_due = vec![due(&early, true), due(&elsewhere, true), due(&early, false)];
    write(&db.database, &second).await.unwrap();
    let batches = db.database.invoices_due(&[], 10).await.unwrap();
    assert_eq!(batches.len(), 2, "one an organizer");
    let of = |batches: &[DueBatch], organizer| {
        batches.iter().find(|batch| batch.organizer == organizer).unwrap().bookings.clone()
    };
    assert_eq!(of(&batches, sale.event.organizer), [(early.id, true), (early.id, false)]);
    assert_eq!(of(&batches, other.event.organizer), [(elsewhere.id, true)]);
    let settle = async |batches: &[DueBatch]| {
        let ids: Vec<_> = batches.iter().map(|batch| batch.id).collect();
        let mut uow = db.database.begin().await.unwrap();
        let settled = uow.settle_invoices_due(&ids).await.unwrap();
        if settled {
            uow.commit().await.unwrap();
        }
        settled
    };
    assert!(settle(&batches[1..]).await);
    assert!(!settle(&batches).await, "somebody has had one of them, and nothing is settled");
    assert_eq!(db.database.invoices_due(&[], 10).await.unwrap(), &batches[..1]);
    write(&db.database, &first).await.unwrap();
    let rest = db.database.invoices_due(&[], 10).await.unwrap();
    assert_eq!(rest[0].bookings, [(late.id, true)], "later, and in front");
    assert_eq!(rest.len(), 2);
    assert!(settle(&rest).await);
    assert_eq!(db.database.invoices_due(&[], 10).await.unwrap(), []);
    assert_sound(&db).await;
}

/// Two workers at once, and one that has died in between: no number is missing, none is there twice, and each booking has
/// one invoice.
pub async fn two_workers_number_without_gaps(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let other = stored_concert(&db, None, None).await;
    for organizer in [sale.event.organizer, other.event.organizer] {
        sells(&db, organizer).await;
    }
    let beside = db.open().await;
    for _ in 0..3 {
        for _ in 0..4 {
            confirm(&db, &sale, 7).await;
            confirm(&db, &other, 3).await;
        }
        // One that takes numbers, and dies before it commits.
        let dead = db.database.invoices_due(&[], 3).await.unwrap();
        let mut uow = db.database.begin().await.unwrap();
        uow.lock_sellers(&[sale.event.organizer]).await.unwrap();
        let ids: Vec<_> = dead.iter().map(|batch| batch.id).collect();
        assert!(uow.settle_invoices_due(&ids).await.unwrap());
        let series = Series::parse("series", "FV").unwrap();
        uow.take_numbers(sale.event.organizer, &series, 2026, 100).await.unwrap();
        drop(uow);
        let (one, two) = (issuer(&db.database), issuer(&beside));
        // Who meets another ends his round; the next one goes on.
        while !db.database.invoices_due(&[], 1).await.unwrap().is_empty() {
            futures::join!(run(&one), run(&two));
        }
    }
    for (sale, many) in [(&sale, 3 * 4 * 7), (&other, 3 * 4 * 3)] {
        let written = all(&db, sale.event.organizer).await;
        assert_eq!(numbers(&written), (1..=many).collect::<Vec<u64>>());
        let of: BTreeSet<BookingId> = written.iter().map(|invoice| invoice.booking).collect();
        assert_eq!(of.len(), written.len(), "one for each booking");
    }
    assert_sound(&db).await;
}

/// What cannot be written of one organizer keeps no other waiting.
pub async fn an_organizer_whose_invoices_fail_keeps_nobody_waiting(db: TestDatabase) {
    let (broken, sound) = (stored_concert(&db, None, None).await, stored_concert(&db, None, None).await);
    let seller = sells(&db, broken.event.organizer).await;
    sells(&db, sound.event.organizer).await;
    // A number that nobody has counted.
    let strange = document(&booking(&broken, buyer(), 1, None), &seller, InvoiceKind::Invoice, "FV", 1);
    // More than a round has.
    let sold = confirm(&db, &broken, 600).await;
    confirm(&db, &broken, 2).await;
    let mut uow = db.database.begin().await.unwrap();
    uow.insert_invoices(&[Invoice { booking: sold[1].id, ..strange }]).await.unwrap();
    uow.commit().await.unwrap();
    let waits = confirm(&db, &sound, 1).await.remove(0);
    run(&issuer(&db.database)).await;
    assert_eq!(all(&db, sound.event.organizer).await[0].booking, waits.id);
    let left = db.database.invoices_due(&[], 9).await.unwrap();
    assert_eq!(left.iter().map(|batch| batch.organizer).collect::<Vec<_>>(), [broken.event.organizer; 2]);
}

/// A booking that is confirmed gets its invoice, one that is given back its credit note; each in its own series, once,
/// whatever is noted again.
pub async fn a_booking_gets_what_it_lacks_once(db: TestDatabase) {
    let sale = stored_concert(&db, Some(100), None).await;
    let organizer = sale.event.organizer;
    let issue = issuer(&db.database);
    let note = async |of: &Booking, was_confirmed: bool| {
        // Any commit of the lane may bear a note.
        let other = booking(&sale, buyer(), 1, Some(at(900)));
        let due = InvoiceDue { booking: of.id, organizer: of.organizer, was_confirmed };
        let mut changes = holds(&sale, std::slice::from_ref(&other));
        changes.outbox[0].aggregate = of.id.uuid();
        changes.outbox[0].sequence = 99;
        changes.invoices_due = vec![due];
        let mut open = changes.clone();
        open.outbox.push(super::fixture::message(other.id.uuid(), 1));
        write(&db.database, &open).await.unwrap();
    };
    // What was confirmed before there was a seller has none, and never will.
    let old = confirm(&db, &sale, 1).await.remove(0);
    run(&issue).await;
    assert_eq!(db.database.invoices_due(&[], 1).await.unwrap(), [], "nobody waits for a seller");
    sells(&db, organizer).await;
    note(&old, false).await;
    run(&issue).await;
    assert_eq!(all(&db, organizer).await, []);
    // A guest, whose address is all that is known of him.
    let guest = EmailAddress::parse("email", "guest@example.com").unwrap();
    let held = booking(&sale, Buyer::Guest(guest.clone()), 2, Some(at(900)));
    write(&db.database, &holds(&sale, std::slice::from_ref(&held))).await.unwrap();
    let (sold, mut changes) = moved(&sale, &held, BookingStatus::Confirmed);
    changes.invoices_due = vec![InvoiceDue { booking: sold.id, organizer, was_confirmed: true }];
    write(&db.database, &changes).await.unwrap();
    run(&issue).await;
    let written = all(&db, organizer).await;
    assert_eq!(written.len(), 1);
    let invoice = &written[0];
    assert_eq!((invoice.kind, invoice.sums.gross), (InvoiceKind::Invoice, 5_000));
    assert_eq!((invoice.booking, invoice.number.to_string().as_str()), (sold.id, "FV-2026-1"));
    assert_eq!(invoice.recipient, Recipient { name: None, email: Some(guest) });
    assert_eq!(invoice.issued_at, at(2));
    note(&sold, true).await;
    run(&issue).await;
    assert_eq!(all(&db, organizer).await.len(), 1, "it has one");
    // 20.00 of it go back.
    let takes = "UPDATE payments SET booked = booked - 2000, refunded = 2000 WHERE booking_id = ";
    db.tamper(&format!("{takes}{}", db.literal(sold.id.uuid()))).await;
    note(&sold, false).await;
    run(&issue).await;
    let written = all(&db, organizer).await;
    let back = &written[0];
    assert_eq!((back.kind, back.sums.gross), (InvoiceKind::CreditNote(invoice.id), 2_000));
    assert_eq!(back.number.to_string(), "FV-CN-2026-1");
    note(&sold, false).await;
    run(&issue).await;
    assert_eq!(all(&db, organizer).await.len(), 2, "nothing more went back");
}

/// Rows of documents and particulars are refused to be changed, by the database itself.
pub async fn documents_are_never_changed(db: TestDatabase) {
    let sale = stored_concert(&db, Some(100), None).await;
    sells(&db, sale.event.organizer).await;
    confirm(&db, &sale, 1).await;
    run(&issuer(&db.database)).await;
    let before = all(&db, sale.event.organizer).await;
    assert_eq!(before.len(), 1);
    for sql in [
        "UPDATE invoices SET gross = gross + 1, net = net + 1",
        "DELETE FROM invoices",
        "UPDATE invoice_lines SET name = 'x'",
        "DELETE FROM invoice_lines",
        "UPDATE sellers SET name = 'x'",
        "DELETE FROM sellers",
    ] {
        assert!(db.try_tamper(sql).await.is_err(), "{sql}");
    }
    assert_eq!(all(&db, sale.event.organizer).await, before);
    assert_sound(&db).await;
}

/// `verify` finds gaps, wrong sums, what was taken back too much, and what has no document.
pub async fn wrong_documents_are_found(db: TestDatabase) {
    let sale = stored_concert(&db, Some(100), None).await;
    let seller = sells(&db, sale.event.organizer).await;
    let sold = confirm(&db, &sale, 3).await;
    run(&issuer(&db.database)).await;
    assert_sound(&db).await;
    let triggers = match db.engine {
        Engine::Postgres => {
            "ALTER TABLE invoices DISABLE TRIGGER USER; ALTER TABLE invoice_lines DISABLE TRIGGER USER;"
        }
        Engine::Sqlite => {
            "DROP TRIGGER invoices_not_changed; DROP TRIGGER invoices_not_deleted;
             DROP TRIGGER invoice_lines_not_changed; DROP TRIGGER invoice_lines_not_deleted;"
        }
    };
    db.tamper(triggers).await;
    let found = async || -> BTreeMap<&'static str, usize> {
        let report = db.database.verify().await.unwrap();
        let mut found = BTreeMap::new();
        for difference in report.differences {
            *found.entry(difference.invariant).or_default() += 1;
        }
        found
    };
    let changed = async |sql: &str, back: &str, expected: &[(&'static str, usize)]| {
        db.tamper(sql).await;
        assert_eq!(found().await, expected.iter().copied().collect(), "{sql}");
        db.tamper(back).await;
        assert_eq!(found().await, BTreeMap::new(), "{back}");
    };
    let gap = ("UPDATE invoices SET number = 7 WHERE number = 2", "UPDATE invoices SET number = 2 WHERE number = 7");
    changed(gap.0, gap.1, &[("invoice_numbers", 1)]).await;
    let last = ("UPDATE invoice_series SET last = 4", "UPDATE invoice_series SET last = 3");
    changed(last.0, last.1, &[("invoice_numbers", 1)]).await;
    let lines = (
        "UPDATE invoice_lines SET net = net + 1, gross = gross + 1",
        "UPDATE invoice_lines SET net = net - 1, gross = gross - 1",
    );
    changed(lines.0, lines.1, &[("invoice_sums", 3)]).await;
    let sums = (
        "UPDATE invoices SET net = net + 1, gross = gross + 1 WHERE number = 1",
        "UPDATE invoices SET net = net - 1, gross = gross - 1 WHERE number = 1",
    );
    changed(sums.0, sums.1, &[("invoice_sums", 2), ("invoiced_bookings", 1)]).await;
    // What was confirmed and has no invoice, unless it is about to get one.
    let one = db.literal(sold[0].id.uuid());
    let told = format!("UPDATE outbox SET kind = 'goticket.booking.confirmed.v1' WHERE aggregate = {one}");
    db.tamper(&told).await;
    assert_eq!(found().await, BTreeMap::new());
    let more = booking(&sale, buyer(), 1, None);
    let mut changes = holds(&sale, std::slice::from_ref(&more));
    changes.outbox[0].kind = "goticket.booking.confirmed.v1";
    changes.invoices_due = vec![InvoiceDue { booking: more.id, organizer: more.organizer, was_confirmed: true }];
    write(&db.database, &changes).await.unwrap();
    assert_eq!(found().await, BTreeMap::new(), "it is due");
    db.tamper("DELETE FROM invoices_due").await;
    assert_eq!(found().await, BTreeMap::from([("invoiced_bookings", 1)]));
    // A credit note that takes back more than there was, in another rate than there was.
    let invoice = db.database.invoices_of(sold[0].id).await.unwrap().remove(0);
    let note = document(&sold[0], &seller, InvoiceKind::CreditNote(invoice.id), "FV-CN", 1);
    let mut uow = db.database.begin().await.unwrap();
    let series = Series::parse("series", "FV-CN").unwrap();
    uow.take_numbers(sale.event.organizer, &series, 2026, 1).await.unwrap();
    uow.insert_invoices(&[note]).await.unwrap();
    uow.commit().await.unwrap();
    assert_eq!(found().await, BTreeMap::from([("credit_notes", 1), ("invoiced_bookings", 2)]));
}
