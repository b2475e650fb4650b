//! [`AdmissionStore`], and the tickets that the desk writes.

use application::admission::{AdmissionStore, DoorCursor, EntryNews, GateCount, LastEntry, LetsIn, StoredTicketKey};
use application::booking::{AttendeeChange, BookingReads, DisputedTickets, LaneChanges, LaneStore, LaneWait};
use application::store::StoreError;
use application::verify::Verifier;
use chrono::TimeDelta;
use domain::admission::{Blocker, CheckIn, CheckInList, EntryRule, Flag, ListTerms, Synced, Ticket, TicketStatus};
use domain::booking::{Attendee, Booking, BookingStatus, Sale};
use domain::{BookingId, CheckInId, CheckInListId, EmailAddress, SigningKeyId, Text, TicketId};

use super::fixture::{assert_sound, at, booking, buyer, holds, id, mark, moved, now, stored_concert, write};
use crate::databases::TestDatabase;

fn named(sale: &Sale, name: &str, email: Option<&str>) -> Attendee {
    Attendee {
        ticket_type: sale.ticket_types[0].id,
        name: Some(Text::parse("name", name, 200).unwrap()),
        email: email.map(|email| EmailAddress::parse("email", email).unwrap()),
    }
}

/// What the desk writes for tickets alone.
fn changes(sale: &Sale) -> LaneChanges {
    LaneChanges { lanes: vec![mark(sale)], ..LaneChanges::default() }
}

/// A confirmed booking with as many units, and its tickets.
async fn sold(db: &TestDatabase, sale: &Sale, units: u32) -> (Booking, Vec<Ticket>) {
    let sold = booking(sale, buyer(), units, None);
    write(&db.database, &holds(sale, std::slice::from_ref(&sold))).await.unwrap();
    let tickets = db.database.tickets_of(sold.id).await.unwrap();
    (sold, tickets)
}

/// Tickets are read as they were written, in the order of their units, also when they are many.
pub async fn tickets_are_read_as_they_were_written(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let mut crowd = booking(&sale, buyer(), 1_000, Some(at(900)));
    crowd.attendees = vec![named(&sale, "Łucja", None)];
    let held = booking(&sale, buyer(), 2, Some(at(900)));
    write(&db.database, &holds(&sale, &[crowd.clone(), held.clone()])).await.unwrap();
    assert_eq!(db.database.tickets_of(crowd.id).await.unwrap(), [], "a hold has none");
    let (_, confirm) = moved(&sale, &crowd, BookingStatus::Confirmed);
    write(&db.database, &confirm).await.unwrap();
    let found = db.database.tickets_of(crowd.id).await.unwrap();
    assert_eq!(found, confirm.new_tickets);
    assert_eq!(found[0].attendee, Some(0));
    assert_eq!(db.database.ticket(found[7].id).await.unwrap().as_ref(), Some(&found[7]));
    assert_eq!(db.database.ticket(TicketId::new(id())).await.unwrap(), None);
    let mut open = db.database.begin_lanes(&[sale.event.id], LaneWait::Queue).await.unwrap();
    let asked = [found[3].id, TicketId::new(id())];
    assert_eq!(open.transaction.tickets(&asked).await.unwrap(), [found[3].clone()]);
    open.transaction.commit().await.unwrap();
    assert_sound(&db).await;
}

/// A unit has one ticket, whatever else fails.
pub async fn a_unit_has_one_ticket(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let (_, tickets) = sold(&db, &sale, 2).await;
    let twice = Ticket { id: TicketId::new(id()), ..tickets[1].clone() };
    let twice = LaneChanges { new_tickets: vec![twice], ..changes(&sale) };
    let refused = write(&db.database, &twice).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Conflict(_)), "{refused:?}");
    assert_sound(&db).await;
}

/// An issue goes up and never back, and what is revoked stays so.
pub async fn an_issue_never_comes_back(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let (sold, tickets) = sold(&db, &sale, 2).await;
    let issued = |issue| {
        let ticket = Ticket { issue, ..tickets[0].clone() };
        LaneChanges { tickets: vec![ticket], ..changes(&sale) }
    };
    write(&db.database, &issued(2)).await.unwrap();
    for older in [1, 2] {
        let refused = write(&db.database, &issued(older)).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    }
    let found = db.database.tickets_of(sold.id).await.unwrap();
    assert_eq!(found.iter().map(|ticket| ticket.issue).collect::<Vec<_>>(), [2, 1], "the other one keeps its own");
    // Issued anew and revoked in one commit: revoked it is.
    let (cancelled, mut both) = moved(&sale, &sold, BookingStatus::Cancelled);
    both.pools.iter_mut().for_each(|pool| (pool.held, pool.sold) = (0, -2));
    both.revoked = vec![cancelled.id];
    both.tickets = issued(3).tickets;
    write(&db.database, &both).await.unwrap();
    let found = db.database.tickets_of(sold.id).await.unwrap();
    assert!(found.iter().all(|ticket| ticket.status == TicketStatus::Revoked), "{found:?}");
    let refused = write(&db.database, &issued(4)).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    assert_sound(&db).await;
}

/// A ticket that is cancelled takes a unit of its booking with it, and no more than there are; and it may go with its booking
/// in the same commit.
pub async fn a_cancelled_ticket_takes_its_unit_along(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let (sold, tickets) = sold(&db, &sale, 3).await;
    let cancels = |booking: &Booking, ticket: &Ticket, units: i64| {
        let (after, mut changes) = moved(&sale, booking, BookingStatus::Cancelled);
        changes.pools.iter_mut().for_each(|pool| (pool.held, pool.sold) = (0, -units));
        changes.cancelled_tickets = vec![ticket.clone()];
        (after, changes)
    };
    let (after, mut one) = cancels(&sold, &tickets[1], 1);
    one.bookings[0].booking.status = BookingStatus::Confirmed;
    write(&db.database, &one).await.unwrap();
    let found = db.database.booking(sold.id).await.unwrap().unwrap();
    assert_eq!((found.items[0].quantity, found.items[0].cancelled), (3, 1));
    let kept = db.database.tickets_of(sold.id).await.unwrap();
    let statuses: Vec<TicketStatus> = kept.iter().map(|ticket| ticket.status).collect();
    assert_eq!(statuses, [TicketStatus::Valid, TicketStatus::Revoked, TicketStatus::Valid]);
    assert_sound(&db).await;
    // One of them, and the whole booking with the rest.
    let (_, mut both) = cancels(&after, &tickets[0], 2);
    both.revoked = vec![sold.id];
    write(&db.database, &both).await.unwrap();
    let kept = db.database.tickets_of(sold.id).await.unwrap();
    assert!(kept.iter().all(|ticket| ticket.status == TicketStatus::Revoked), "{kept:?}");
    assert_sound(&db).await;
    // More than there are, and of what is not there: defects that are not written.
    let stray = Ticket { booking: BookingId::new(id()), ..tickets[2].clone() };
    let many = vec![tickets[2].clone(); 3];
    for cancelled_tickets in [vec![stray], many] {
        assert!(write(&db.database, &LaneChanges { cancelled_tickets, ..changes(&sale) }).await.is_err());
    }
    assert_sound(&db).await;
}

/// What is blocked is not revoked: it comes back, by staff or by the end of its dispute, each for itself; and what is revoked
/// stays so whatever blocks it.
pub async fn a_ticket_is_blocked_by_staff_or_by_a_dispute(db: TestDatabase) {
    use TicketStatus::{Blocked, Revoked, Valid};
    let sale = stored_concert(&db, None, None).await;
    let (sold, tickets) = sold(&db, &sale, 3).await;
    let block = async |places: &[usize], status| {
        let blocked_tickets = places.iter().map(|at| Ticket { status, ..tickets[*at].clone() }).collect();
        write(&db.database, &LaneChanges { blocked_tickets, ..changes(&sale) }).await.unwrap();
    };
    let dispute = async |is_disputed| {
        let disputed = vec![DisputedTickets { booking: sold.id, is_disputed }];
        write(&db.database, &LaneChanges { disputed, ..changes(&sale) }).await.unwrap();
    };
    let found = async || -> Vec<TicketStatus> {
        db.database.tickets_of(sold.id).await.unwrap().into_iter().map(|ticket| ticket.status).collect()
    };
    let (staff, disputed) = (Blocked(Blocker::Staff), Blocked(Blocker::Dispute));
    block(&[0], staff).await;
    dispute(true).await;
    assert_eq!(found().await, [staff, disputed, disputed]);
    block(&[1], Valid).await;
    let news = db.database.door_news(sale.event.id, DoorCursor::default(), 10).await.unwrap().tickets;
    let of = |at: usize| news.iter().find(|told| told.id == tickets[at].id).unwrap().lets_in;
    assert_eq!([of(0), of(1), of(2)], [LetsIn::Blocked, LetsIn::Issue(1), LetsIn::Blocked]);
    dispute(false).await;
    assert_eq!(found().await, [staff, Valid, Valid], "what staff has blocked stays blocked");
    dispute(true).await;
    let (cancelled, mut end) = moved(&sale, &sold, BookingStatus::Cancelled);
    end.pools.iter_mut().for_each(|pool| (pool.held, pool.sold) = (0, -3));
    end.revoked = vec![cancelled.id];
    write(&db.database, &end).await.unwrap();
    assert_eq!(found().await, [Revoked; 3]);
    dispute(false).await;
    assert_eq!(found().await, [Revoked; 3]);
    assert_sound(&db).await;
}

/// Somebody comes in the place of somebody else, or of nobody.
pub async fn attendees_are_put_in_their_place(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let mut sold = booking(&sale, buyer(), 2, None);
    sold.attendees = vec![named(&sale, "Ana", Some("ana@example.com"))];
    write(&db.database, &holds(&sale, std::slice::from_ref(&sold))).await.unwrap();
    let put = |place, attendee| AttendeeChange { booking: sold.id, place, attendee };
    let (ben, cleo) = (named(&sale, "Ben", None), named(&sale, "Cleo", Some("cleo@example.com")));
    let attendees = vec![put(0, ben.clone()), put(1, cleo.clone())];
    write(&db.database, &LaneChanges { attendees, ..changes(&sale) }).await.unwrap();
    let found = db.database.booking(sold.id).await.unwrap().unwrap();
    assert_eq!(found.attendees, [ben, cleo]);
    assert_sound(&db).await;
}

/// A number is taken once within an event; keys come in the order of their numbers, and go with their event.
pub async fn ticket_keys_are_numbered(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let other = stored_concert(&db, None, None).await;
    let key = |of: &Sale, number| StoredTicketKey {
        id: SigningKeyId::new(id()),
        event: of.event.id,
        number,
        public_key: [7; 32],
        sealed_private_key: vec![1, 2, 3],
        created_at: now(),
    };
    assert_eq!(db.database.ticket_keys(sale.event.id).await.unwrap(), []);
    let keys = [key(&sale, 1), key(&sale, 2)];
    assert!(db.database.insert_ticket_key(&keys[1]).await.unwrap());
    let makers = (0..8).map(|_| {
        let (database, mine) = (db.database.clone(), key(&sale, 1));
        tokio::spawn(async move { (database.insert_ticket_key(&mine).await.unwrap(), mine) })
    });
    let made: Vec<_> = futures::future::join_all(makers).await.into_iter().map(Result::unwrap).collect();
    let winners: Vec<_> = made.into_iter().filter(|(won, _)| *won).map(|(_, key)| key).collect();
    assert_eq!(winners.len(), 1, "one of eight makes the first key");
    assert!(db.database.insert_ticket_key(&key(&other, 1)).await.unwrap());
    let found = db.database.ticket_keys(sale.event.id).await.unwrap();
    assert_eq!(found, [winners[0].clone(), keys[1].clone()]);
    let gone = LaneChanges { deleted_events: vec![sale.event.id], ..LaneChanges::default() };
    let mut open = db.database.begin_lanes(&[sale.event.id], LaneWait::Queue).await.unwrap();
    open.transaction.write(&gone).await.unwrap();
    open.transaction.commit().await.unwrap();
    assert_eq!(db.database.ticket_keys(sale.event.id).await.unwrap(), []);
    assert!(db.database.insert_ticket_key(&key(&sale, 1)).await.is_err(), "there is no such event any more");
}

/// What was changed behind the program's back is found.
pub async fn wrong_tickets_are_found(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let (_, first) = sold(&db, &sale, 2).await;
    sold(&db, &sale, 1).await;
    assert_sound(&db).await;
    let found = async || {
        let report = db.database.verify().await.unwrap();
        assert!(report.looked_at.contains(&("tickets", 3)), "{:?}", report.looked_at);
        let mut names: Vec<_> = report.differences.iter().map(|difference| difference.invariant).collect();
        names.dedup();
        names
    };
    let name = db.literal(first[0].id.uuid());
    db.tamper(&format!("UPDATE tickets SET status = 1 WHERE id = {name}")).await;
    assert_eq!(found().await, ["tickets_of_booking"]);
    let nobody = db.literal(BookingId::new(id()).uuid());
    db.tamper(&format!("UPDATE tickets SET status = 0, booking_id = {nobody} WHERE id = {name}")).await;
    assert_eq!(found().await, ["tickets_of_booking", "stray_tickets"]);
}

/// Bookings that were confirmed before there were tickets get theirs, and others get none.
pub async fn old_bookings_get_their_tickets(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let mut group = booking(&sale, buyer(), 3, None);
    group.attendees = vec![named(&sale, "Ana", None), named(&sale, "Ben", None)];
    let single = booking(&sale, buyer(), 1, None);
    let held = booking(&sale, buyer(), 5, Some(at(900)));
    let mut old = holds(&sale, &[group.clone(), single.clone(), held.clone()]);
    old.new_tickets.clear();
    write(&db.database, &old).await.unwrap();
    db.tamper("DROP TABLE tickets").await;
    db.tamper("DROP TABLE ticket_keys").await;
    db.tamper("DROP TABLE check_ins").await;
    db.tamper("DROP TABLE check_in_lists").await;
    // Only these: what else came later may be there already, and stays.
    let these = "('m20261122_000020_tickets', 'm20261122_000021_check_ins', 'm20261122_000029_check_in_lists',
        'm20261122_000040_blocked_tickets', 'm20261123_000043_tickets_passed_on')";
    db.tamper(&format!("DELETE FROM seaql_migrations WHERE version IN {these}")).await;
    db.database.migrate().await.unwrap();
    let found = db.database.tickets_of(group.id).await.unwrap();
    let mut count = 0;
    let expected = domain::admission::issue(&group, || {
        count += 1;
        found[count - 1].id
    });
    assert_eq!(found, expected, "as the desk would have issued them");
    assert_eq!(db.database.tickets_of(single.id).await.unwrap().len(), 1);
    assert_eq!(db.database.tickets_of(held.id).await.unwrap(), []);
    let ids: std::collections::HashSet<_> = found.iter().map(|ticket| ticket.id).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| id.uuid().get_version_num() == 4), "{ids:?}");
    assert_sound(&db).await;
}

fn entry(sale: &Sale, ticket: &Ticket, gate: Option<&str>) -> CheckIn {
    CheckIn {
        id: CheckInId::new(id()),
        event: sale.event.id,
        list: CheckInListId::default_of(sale.event.id),
        ticket: ticket.id,
        turn: Some(1),
        gate: gate.map(|gate| Text::parse("gate", gate, 100).unwrap()),
        at: at(5),
        device_at: gate.map(|_| at(3)),
        synced: gate.map(|_| Synced { received_at: at(7), skew: TimeDelta::microseconds(-1_500_000) }),
        flag: gate.map(|_| Flag::NotAllowed),
        exited_at: None,
        undone_at: None,
        sequence: 1,
        changed_at: at(7),
    }
}

fn undone(entry: &CheckIn) -> CheckIn {
    CheckIn { undone_at: Some(at(9)), sequence: 2, changed_at: at(9), ..entry.clone() }
}

/// Entries are read as they were written: those that are asked for, and those that count for a ticket.
pub async fn entries_are_read_as_they_were_written(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let (_, tickets) = sold(&db, &sale, 300).await;
    let mut entries: Vec<CheckIn> = tickets[1..].iter().map(|ticket| entry(&sale, ticket, None)).collect();
    entries.push(entry(&sale, &tickets[0], Some("Brama «Północ»")));
    write(&db.database, &LaneChanges { new_check_ins: entries.clone(), ..changes(&sale) }).await.unwrap();
    let undone = undone(&entries[0]);
    let undo = || LaneChanges { check_ins: vec![undone.clone()], ..changes(&sale) };
    write(&db.database, &undo()).await.unwrap();
    assert!(matches!(write(&db.database, &undo()).await, Err(StoreError::Conflict(_))), "an entry is undone once");
    let out = CheckIn { exited_at: Some(at(8)), sequence: 2, changed_at: at(8), ..entries[1].clone() };
    write(&db.database, &LaneChanges { check_ins: vec![out.clone()], ..changes(&sale) }).await.unwrap();
    entries[1] = out;
    // Another one came before it: it is kept, and does not count.
    let conflict =
        CheckIn { turn: None, flag: Some(Flag::Conflict), sequence: 2, changed_at: at(8), ..entries[2].clone() };
    write(&db.database, &LaneChanges { check_ins: vec![conflict.clone()], ..changes(&sale) }).await.unwrap();
    assert_eq!(db.database.check_in(conflict.id).await.unwrap(), Some(conflict));
    entries.remove(2);
    let mut open = db.database.begin_lanes(&[sale.event.id], LaneWait::Queue).await.unwrap();
    let named = [undone.id, CheckInId::new(id())];
    assert_eq!(open.transaction.check_ins(&named, &[]).await.unwrap(), std::slice::from_ref(&undone));
    let of: Vec<TicketId> = tickets.iter().map(|ticket| ticket.id).chain([TicketId::new(id())]).collect();
    let mut counted = open.transaction.check_ins(&[], &of).await.unwrap();
    counted.sort_unstable_by_key(|entry| entry.id);
    let mut expected = entries[1..].to_vec();
    expected.sort_unstable_by_key(|entry| entry.id);
    assert_eq!(counted, expected);
    open.transaction.commit().await.unwrap();
    assert_eq!(db.database.counted_check_ins(&of[..1]).await.unwrap(), entries[298..]);
    assert_eq!(db.database.counted_check_ins(&of[1..2]).await.unwrap(), [], "what was undone does not count");
    assert_sound(&db).await;
}

/// The database itself lets nobody in twice, also within one commit; after an undoing it does.
pub async fn one_entry_of_a_ticket_counts(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let (_, tickets) = sold(&db, &sale, 1).await;
    let [first, second, third] = [(); 3].map(|()| entry(&sale, &tickets[0], None));
    let enter = |entries: &[&CheckIn]| {
        let new_check_ins = entries.iter().copied().cloned().collect();
        LaneChanges { new_check_ins, ..changes(&sale) }
    };
    let twice = write(&db.database, &enter(&[&first, &second])).await;
    assert!(matches!(twice, Err(StoreError::Conflict(_))), "{twice:?}");
    write(&db.database, &enter(&[&first])).await.unwrap();
    let again = write(&db.database, &enter(&[&second])).await;
    assert!(matches!(again, Err(StoreError::Conflict(_))), "{again:?}");
    let both = LaneChanges { check_ins: vec![undone(&first)], ..enter(&[&third]) };
    write(&db.database, &both).await.unwrap();
    assert_eq!(db.database.counted_check_ins(&[tickets[0].id]).await.unwrap(), [third]);
    assert_sound(&db).await;
    let inside = CheckIn { turn: Some(2), ..entry(&sale, &tickets[0], None) };
    write(&db.database, &enter(&[&inside])).await.unwrap();
    let report = db.database.verify().await.unwrap();
    assert!(report.differences.iter().all(|difference| difference.invariant == "inside_twice"), "{report:?}");
    assert_eq!(report.differences.len(), 1, "nobody is inside twice");
    write(&db.database, &LaneChanges { check_ins: vec![undone(&inside)], ..changes(&sale) }).await.unwrap();
    let nothing = db.literal(TicketId::new(id()).uuid());
    db.tamper(&format!("UPDATE check_ins SET ticket_id = {nothing} WHERE turn = 1")).await;
    let report = db.database.verify().await.unwrap();
    assert!(report.differences.iter().all(|difference| difference.invariant == "stray_check_ins"), "{report:?}");
    assert_eq!(report.differences.len(), 2);
}

/// Entries that count are counted by lists and gates; a ticket is admitted where it has entered first.
pub async fn entries_are_counted_by_gates(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let other = stored_concert(&db, None, None).await;
    let (_, tickets) = sold(&db, &sale, 4).await;
    let (_, elsewhere) = sold(&db, &other, 1).await;
    assert_eq!(db.database.count_entries(sale.event.id).await.unwrap(), []);
    let stage = CheckInListId::new(id());
    let turn = |at: usize, gate, turn| CheckIn { turn: Some(turn), ..entry(&sale, &tickets[at], gate) };
    let out = |entry: CheckIn| CheckIn { exited_at: Some(at(8)), ..entry };
    let entries = vec![
        out(turn(0, Some("North"), 1)),
        turn(0, Some("South"), 2),
        turn(1, Some("North"), 1),
        turn(2, None, 1),
        // The first entry of this one does not count any more.
        turn(3, Some("South"), 1),
        turn(3, Some("South"), 2),
        CheckIn { list: stage, ..turn(1, Some("South"), 1) },
        // Another one came before it.
        CheckIn { turn: None, ..entry(&sale, &tickets[2], Some("North")) },
    ];
    write(&db.database, &LaneChanges { new_check_ins: entries.clone(), ..changes(&sale) }).await.unwrap();
    write(&db.database, &LaneChanges { check_ins: vec![undone(&entries[4])], ..changes(&sale) }).await.unwrap();
    let foreign = vec![entry(&other, &elsewhere[0], Some("North"))];
    write(&db.database, &LaneChanges { new_check_ins: foreign, ..changes(&other) }).await.unwrap();
    let mut found = db.database.count_entries(sale.event.id).await.unwrap();
    let name = |count: &GateCount| count.gate.as_ref().map(|gate| gate.as_str().to_owned());
    found.sort_by_key(|count| (count.list == stage, name(count)));
    let figures = |count: &GateCount| (name(count), count.entries, count.admitted, count.inside);
    let expected = [
        (None, 1, 1, 1),
        (Some("North".to_owned()), 2, 2, 1),
        (Some("South".to_owned()), 2, 1, 2),
        (Some("South".to_owned()), 1, 1, 1),
    ];
    assert_eq!(found.iter().map(figures).collect::<Vec<_>>(), expected);
    assert_eq!((found[2].list, found[3].list), (CheckInListId::default_of(sale.event.id), stage));
}

/// Check-in lists are read as they were written, changed in their place, and go with their event.
pub async fn check_in_lists_are_kept(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let terms = ListTerms {
        entry: EntryRule::ReEntry,
        from: Some(at(1)),
        until: Some(at(2)),
        ticket_types: vec![sale.ticket_types[0].id],
    };
    let list = |name: &str, terms: &ListTerms| CheckInList {
        id: CheckInListId::new(id()),
        event: sale.event.id,
        name: Text::parse("name", name, 100).unwrap(),
        terms: terms.clone(),
        archived: false,
        version: 1,
        created_at: now(),
        updated_at: now(),
    };
    let (hall, stage) = (list("Łąka", &ListTerms::default()), list("Backstage", &terms));
    let both = vec![hall.clone(), stage.clone()];
    write(&db.database, &LaneChanges { check_in_lists: both.clone(), ..changes(&sale) }).await.unwrap();
    assert_eq!(db.database.check_in_lists(sale.event.id).await.unwrap(), both);
    let after = CheckInList { terms, archived: true, version: 2, updated_at: at(9), ..hall };
    write(&db.database, &LaneChanges { check_in_lists: vec![after.clone()], ..changes(&sale) }).await.unwrap();
    let mut open = db.database.begin_lanes(&[sale.event.id], LaneWait::Queue).await.unwrap();
    assert_eq!(open.transaction.check_in_lists(sale.event.id).await.unwrap(), [after, stage]);
    let gone = LaneChanges { deleted_events: vec![sale.event.id], ..LaneChanges::default() };
    open.transaction.write(&gone).await.unwrap();
    open.transaction.commit().await.unwrap();
    assert_eq!(db.database.check_in_lists(sale.event.id).await.unwrap(), []);
}

/// What became of entries and tickets is told in portions: each once or again, none left out, all of an instant together.
pub async fn door_news_come_in_portions(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let other = stored_concert(&db, None, None).await;
    let (_, tickets) = sold(&db, &sale, 9).await;
    let (_, elsewhere) = sold(&db, &other, 1).await;
    let made = |sale: &Sale, ticket: &Ticket, seconds| CheckIn { changed_at: at(seconds), ..entry(sale, ticket, None) };
    // Five at one instant, more than a portion holds, and four at others.
    let times = [10, 20, 20, 20, 20, 20, 30, 40, 40];
    let entries: Vec<CheckIn> = tickets.iter().zip(times).map(|(ticket, at)| made(&sale, ticket, at)).collect();
    write(&db.database, &LaneChanges { new_check_ins: entries.clone(), ..changes(&sale) }).await.unwrap();
    let foreign = vec![made(&other, &elsewhere[0], 20)];
    write(&db.database, &LaneChanges { new_check_ins: foreign, ..changes(&other) }).await.unwrap();
    for most in [1, 2, 3, 5, 100] {
        let (mut cursor, mut seen, mut rounds) = (DoorCursor::default(), std::collections::BTreeMap::new(), 0);
        loop {
            let news = db.database.door_news(sale.event.id, cursor, most).await.unwrap();
            seen.extend(news.entries.into_iter().map(|entry| (entry.ticket, entry.last.unwrap().at)));
            assert!(news.more || news.cursor.entries == Some(at(40)) || news.cursor.entries > Some(at(40)));
            cursor = news.cursor;
            rounds += 1;
            if !news.more {
                break;
            }
            assert!(rounds < 20, "it goes on");
        }
        assert_eq!(seen.len(), 9, "portions of {most}");
    }
    // An entry that is superseded gives way to the one that counts now.
    let beaten =
        CheckIn { turn: None, flag: Some(Flag::Conflict), sequence: 2, changed_at: at(50), ..entries[0].clone() };
    let counts = CheckIn { at: at(1), changed_at: at(50), ..entry(&sale, &tickets[0], Some("West")) };
    let both = LaneChanges { check_ins: vec![beaten], new_check_ins: vec![counts.clone()], ..changes(&sale) };
    write(&db.database, &both).await.unwrap();
    let since = DoorCursor { tickets: None, entries: Some(at(45)) };
    let news = db.database.door_news(sale.event.id, since, 100).await.unwrap();
    let last = LastEntry { at: at(1), gate: counts.gate.clone(), is_out: false };
    let standing = EntryNews { list: counts.list, ticket: counts.ticket, last: Some(last) };
    assert_eq!((news.entries, news.cursor.entries, news.more), (vec![standing], Some(at(50)), false));
    assert_eq!(news.tickets, [], "tickets that are as they were issued are no news");
}
