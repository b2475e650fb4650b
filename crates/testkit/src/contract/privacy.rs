//! [`Retained`] and `GuestRepository`: what is kept of people has an end, and money and stock stay.

use std::sync::Arc;

use application::audit::EraseAudit;
use application::booking::{BookingReads, LaneChanges};
use application::privacy::{ErasedGuest, ForgetAttendees, Retained};
use application::store::Store;
use application::verify::Verifier;
use chrono::TimeDelta;
use domain::booking::{Attendee, Booking, BookingStatus, Buyer, Sale};
use domain::{EmailAddress, Text, Timestamp};

use super::audit::{run, run_for, seal, verify};
use super::fixture::{
    assert_sound, at, booking, buyer, holds, id, moved, now, personal, store_sale, stored_concert, write,
};
use crate::clock::TestClock;
use crate::databases::{TestDatabase, still};

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse("email", text).unwrap()
}

fn guest(text: &str) -> Buyer {
    Buyer::Guest(address(text))
}

/// The booking with one who comes.
fn with_attendee(booking: Booking, email: &str) -> Booking {
    let name = Some(Text::trusted("Ana Nowak".to_owned()));
    let ticket_type = booking.items[0].ticket_type;
    Booking { attendees: vec![Attendee { ticket_type, name, email: Some(address(email)) }], ..booking }
}

async fn stored(db: &TestDatabase, sale: &Sale, bookings: &[Booking]) {
    let mut changes = holds(sale, bookings);
    for line in &mut changes.audit {
        line.personal = Some(personal("192.0.2.1"));
    }
    write(&db.database, &changes).await.unwrap();
}

async fn read(db: &TestDatabase, booking: &Booking) -> Booking {
    still(async || db.database.booking(booking.id).await).await.unwrap().unwrap()
}

/// Names nobody: neither as the guest nor as the one who comes.
fn is_forgotten(booking: &Booking) -> bool {
    let guest = match &booking.buyer {
        Buyer::Account(_) => true,
        Buyer::Guest(email) => email.as_str().ends_with(".invalid"),
    };
    guest && booking.attendees.iter().all(|attendee| attendee.name.is_none() && attendee.email.is_none())
}

fn clock_at(time: Timestamp) -> TestClock {
    use application::clock::Clock;
    let clock = TestClock::default();
    clock.step(time - clock.now());
    clock
}

/// Who came is forgotten when the time since the event is over, a bounded number of bookings at a time, and nobody else.
pub async fn attendees_are_forgotten_after_the_event(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let mut later = super::fixture::concert(sale.event.organizer, None, None);
    later.event.terms.end_at = sale.event.terms.end_at + TimeDelta::days(1);
    store_sale(&db, &later).await;
    let mine = with_attendee(booking(&sale, buyer(), 1, None), "ana@example.com");
    let others = [
        with_attendee(booking(&sale, guest("guest@example.com"), 1, None), "ana@example.com"),
        booking(&sale, buyer(), 1, None),
    ];
    let stays = with_attendee(booking(&later, buyer(), 1, None), "ana@example.com");
    stored(&db, &sale, &[std::slice::from_ref(&mine), &others[..]].concat()).await;
    stored(&db, &later, std::slice::from_ref(&stays)).await;
    let (kept_for, end) = (TimeDelta::days(366), sale.event.terms.end_at);
    let run_at = async |time: Timestamp| {
        let retained = Arc::new(db.database.clone());
        run(&ForgetAttendees { retained, clock: Arc::new(clock_at(time)), kept_for }).await;
    };
    run_at(end + kept_for).await;
    assert_eq!(read(&db, &mine).await, mine, "not yet");
    for _ in 0..2 {
        run_at(end + kept_for + TimeDelta::seconds(1)).await;
        for booking in [&mine, &others[0], &others[1]] {
            assert!(is_forgotten(&read(&db, booking).await));
        }
        assert_eq!(read(&db, &stays).await, stays, "another event");
    }
    let found = read(&db, &mine).await;
    let facts = |booking: &Booking| (booking.total, booking.status, booking.attendees.len(), booking.sequence);
    assert_eq!(facts(&found), facts(&mine), "money and stock stay");
    assert_eq!(found.buyer, mine.buyer);
    // In pieces, from where the last one ended.
    let first = db.database.forget_attendees(sale.event.id, None, 2).await.unwrap();
    assert_eq!(first, Some(others[0].id));
    let second = db.database.forget_attendees(sale.event.id, first, 2).await.unwrap();
    assert_eq!(second, Some(others[1].id));
    assert_eq!(db.database.forget_attendees(sale.event.id, second, 2).await.unwrap(), None);
    // An event that is held once more is looked at once more.
    db.tamper("UPDATE events SET attendees_forgotten_at = end_at - 1").await;
    let again = db.database.event_to_forget(at(100_000)).await.unwrap();
    assert_eq!(again.map(|past| past.event), Some(sale.event.id));
    assert_sound(&db).await;
}

/// What is older than its time goes from the beginning of the outbox, and nothing else may be missing from it.
pub async fn the_outbox_loses_its_beginning_and_verifies(db: TestDatabase) {
    let sale = stored_concert(&db, Some(100), None).await;
    let (old, long) = (booking(&sale, buyer(), 1, None), booking(&sale, buyer(), 1, Some(at(900))));
    stored(&db, &sale, &[old.clone(), long.clone()]).await;
    let (confirmed, mut changes) = moved(&sale, &long, BookingStatus::Confirmed);
    let much_later = now() + TimeDelta::days(400);
    changes.outbox[0].at = much_later;
    changes.bookings[0].booking.updated_at = much_later;
    write(&db.database, &changes).await.unwrap();
    let young = Booking { created_at: much_later, updated_at: much_later, ..booking(&sale, buyer(), 1, None) };
    let mut changes: LaneChanges = holds(&sale, std::slice::from_ref(&young));
    changes.outbox[0].at = much_later;
    write(&db.database, &changes).await.unwrap();
    assert_eq!(db.database.prune_outbox(now(), 100).await.unwrap(), 0, "nothing is older");
    let before = now() + TimeDelta::days(1);
    assert_eq!(db.database.prune_outbox(before, 2).await.unwrap(), 2, "at most so many");
    assert_sound(&db).await;
    assert_eq!(db.database.prune_outbox(before, 100).await.unwrap(), 1, "of the event and of both bookings the first");
    assert_eq!(db.database.prune_outbox(before, 100).await.unwrap(), 0);
    assert_eq!(db.database.prune_outbox(now(), 100).await.unwrap(), 0, "an earlier time takes nothing back");
    assert_sound(&db).await;
    let report = db.database.verify().await.unwrap();
    assert!(report.looked_at.contains(&("outbox rows", 2)), "{:?}", report.looked_at);
    // What is not so old must be there.
    let name = |booking: &Booking| match db.engine {
        crate::databases::Engine::Sqlite => format!("x'{}'", booking.id.uuid().simple()),
        crate::databases::Engine::Postgres => format!("'{}'", booking.id.uuid()),
    };
    for missing in [&young, &confirmed] {
        db.tamper(&format!("DELETE FROM outbox WHERE aggregate = {}", name(missing))).await;
        let found = db.database.verify().await.unwrap().differences;
        let told =
            found.iter().any(|it| it.invariant == "outbox_sequence" && it.detail.contains(&missing.id.to_string()));
        assert!(told, "{found:?}");
    }
}

/// A guest loses his address and an attendee his name, with that organizer alone; where he is expected is told before. The
/// audit log's lines about the guest's bookings lose what is personal, and the chain verifies.
pub async fn a_guest_is_erased(db: TestDatabase) {
    let (sale, clock) = (stored_concert(&db, None, None).await, clock_at(now()));
    let foreign = stored_concert(&db, None, None).await;
    let bookings = [
        booking(&sale, guest("guest@example.com"), 1, None),
        with_attendee(booking(&sale, buyer(), 1, Some(at(900))), "guest@example.com"),
        with_attendee(booking(&sale, guest("other@example.com"), 1, None), "ana@example.com"),
    ];
    stored(&db, &sale, &bookings).await;
    let theirs = with_attendee(booking(&foreign, guest("guest@example.com"), 1, None), "guest@example.com");
    stored(&db, &foreign, std::slice::from_ref(&theirs)).await;
    seal(&db, &clock).await;
    let (who, of) = (address("guest@example.com"), sale.event.organizer);
    let mut unit = db.database.begin().await.unwrap();
    let found = unit.bookings_of_guest(of, &who, 10).await.unwrap();
    let ids: Vec<_> = found.iter().map(|one| one.id).collect();
    assert_eq!(ids, [bookings[0].id, bookings[1].id]);
    assert!(found.iter().all(|one| one.is_expected(now()) && !one.is_expected(sale.event.terms.end_at)));
    assert_eq!(unit.bookings_of_guest(of, &who, 1).await.unwrap().len(), 1, "at most so many");
    let erasure = id();
    let pseudonym = EmailAddress::trusted(format!("erased-{erasure}@erased.invalid"));
    let erased = unit.erase_guest(&ids, &who, &pseudonym).await.unwrap();
    assert_eq!(erased, ErasedGuest { bookings: 1, attendees: 1 });
    assert_eq!(unit.bookings_of_guest(of, &who, 10).await.unwrap(), []);
    unit.commit().await.unwrap();
    assert_eq!(read(&db, &bookings[0]).await.buyer, Buyer::Guest(pseudonym));
    assert!(is_forgotten(&read(&db, &bookings[1]).await));
    assert_eq!(read(&db, &bookings[2]).await, bookings[2]);
    assert_eq!(read(&db, &theirs).await, theirs);
    let erase = EraseAudit { seals: Arc::new(db.database.clone()), clock: Arc::new(clock.clone()) };
    for _ in 0..2 {
        run_for(&erase, &format!("{of}/{erasure}")).await;
        let report = verify(&db, None).await;
        assert_eq!((report.lines, report.erased, report.findings), (4, 1, Vec::new()));
    }
    assert_sound(&db).await;
}
