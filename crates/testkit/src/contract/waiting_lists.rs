//! `LaneTransaction` and [`WaitingListReads`]: who waits, in which order, and what has become of it.

use application::booking::{
    LaneChanges, LaneStore, LaneWait, SeenEntry, WaitingCount, WaitingListReads, WhoWaits, WhoWaitsFor,
};
use application::catalog::CatalogReads;
use application::store::StoreError;
use domain::booking::{
    Booking, BookingStatus, Buyer, Channel, CloseReason, EntryState, EntryStatus, Sale, WaitingListEntry,
};
use domain::{TicketTypeId, UserId, WaitingListEntryId};

use super::fixture::{assert_sound, at, booking, holds, id, mark, message, moved, now, stored_concert, write};
use crate::databases::{TestDatabase, still};

fn buyer() -> UserId {
    UserId::new(id())
}

fn entry(sale: &Sale, buyer: UserId, number: u64, quantity: u32) -> WaitingListEntry {
    WaitingListEntry {
        id: WaitingListEntryId::new(id()),
        event: sale.event.id,
        organizer: sale.event.organizer,
        ticket_type: sale.ticket_types[0].id,
        buyer,
        quantity,
        number,
        state: EntryState::Waiting,
        version: 1,
        created_at: now(),
        updated_at: now(),
    }
}

fn becomes(entry: &WaitingListEntry, state: EntryState) -> WaitingListEntry {
    WaitingListEntry { state, version: entry.version + 1, updated_at: at(1), ..entry.clone() }
}

/// What the desk writes of these entries, of which so many more wait by it.
fn changes(sale: &Sale, entries: &[WaitingListEntry], by: i64) -> LaneChanges {
    let mut changes = LaneChanges { lanes: vec![mark(sale)], waiting_list: entries.to_vec(), ..LaneChanges::default() };
    changes.outbox = entries.iter().map(|entry| message(entry.id.uuid(), entry.version)).collect();
    changes.waiting_counts = vec![WaitingCount { ticket_type: sale.ticket_types[0].id, by }];
    changes.waiting_counts.retain(|count| count.by != 0);
    changes
}

/// The booking of an offer to who waits, held until then.
fn offer(sale: &Sale, entry: &WaitingListEntry, seconds: i64) -> Booking {
    let buyer = Buyer::Account(entry.buyer);
    Booking { channel: Channel::WaitingList, ..booking(sale, buyer, entry.quantity, Some(at(seconds))) }
}

async fn who_waits(db: &TestDatabase, sale: &Sale, quantity: u32, limit: u32) -> Vec<WhoWaits> {
    let mut open = db.database.begin_lanes(&[sale.event.id], LaneWait::Queue).await.unwrap();
    let asked = [WhoWaitsFor { ticket_type: sale.ticket_types[0].id, quantity }];
    let found = open.transaction.who_waits(sale.event.id, &asked, limit).await.unwrap();
    open.transaction.commit().await.unwrap();
    found
}

async fn seen(db: &TestDatabase, of: &WaitingListEntry) -> SeenEntry {
    still(async || db.database.waiting_list_entry(of.id).await).await.unwrap().unwrap()
}

/// Those who wait come by their numbers, those who want more than there is left out.
pub async fn who_waits_comes_by_numbers(db: TestDatabase) {
    let (sale, other) = (stored_concert(&db, Some(9), None).await, stored_concert(&db, Some(9), None).await);
    let all: Vec<_> =
        [(3, 1), (1, 2), (2, 4), (4, 1)].map(|(number, units)| entry(&sale, buyer(), number, units)).into();
    write(&db.database, &changes(&sale, &all, 4)).await.unwrap();
    let elsewhere = entry(&other, buyer(), 1, 1);
    write(&db.database, &changes(&other, std::slice::from_ref(&elsewhere), 1)).await.unwrap();
    let numbers = |found: &[WhoWaits]| found.iter().map(|it| it.entry.number).collect::<Vec<_>>();
    assert_eq!(numbers(&who_waits(&db, &sale, u32::MAX, 10).await), [1, 2, 3, 4]);
    let found = who_waits(&db, &sale, 2, 10).await;
    assert_eq!(numbers(&found), [1, 3, 4]);
    assert_eq!((&found[1].entry, found[1].is_gone), (&all[0], false));
    assert_eq!(numbers(&who_waits(&db, &sale, 2, 2).await), [1, 3], "at most so many");
    let mut open = db.database.begin_lanes(&[sale.event.id], LaneWait::Queue).await.unwrap();
    assert_eq!(open.transaction.last_waiting_list_number(sale.event.id).await.unwrap(), 4);
    let both = [all[0].id, WaitingListEntryId::new(id())];
    assert_eq!(open.transaction.waiting_list_entries(&both).await.unwrap(), all[..1]);
    open.transaction.commit().await.unwrap();
    let counted = db.database.sale(sale.event.id).await.unwrap().unwrap().sale.waiting;
    assert_eq!(counted, [(sale.ticket_types[0].id, 4)].into());
    assert_sound(&db).await;
}

/// Who waits for a type, or has a pending offer of it, does so once; what has become of it frees his place.
pub async fn an_entry_is_open_until_its_offer_ends(db: TestDatabase) {
    let sale = stored_concert(&db, Some(9), None).await;
    let (ana, ben) = (buyer(), buyer());
    let all = [entry(&sale, ana, 1, 1), entry(&sale, ben, 2, 2)];
    write(&db.database, &changes(&sale, &all, 2)).await.unwrap();
    let twice = changes(&sale, &[entry(&sale, ana, 3, 1)], 1);
    assert!(matches!(write(&db.database, &twice).await, Err(StoreError::Conflict(_))), "the database says so too");
    let same_number = changes(&sale, &[entry(&sale, buyer(), 2, 1)], 1);
    assert!(matches!(write(&db.database, &same_number).await, Err(StoreError::Conflict(_))));
    let open = async || {
        let mut open = db.database.begin_lanes(&[sale.event.id], LaneWait::Queue).await.unwrap();
        let asked = [ana, ben, buyer()];
        let mut found = open.transaction.open_waiting_list_entries(sale.event.id, &asked).await.unwrap();
        open.transaction.commit().await.unwrap();
        found.sort_unstable();
        found
    };
    let of = |buyers: &[UserId]| -> Vec<(UserId, TicketTypeId)> {
        let mut all: Vec<_> = buyers.iter().map(|buyer| (*buyer, sale.ticket_types[0].id)).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(open().await, of(&[ana, ben]));
    let made = offer(&sale, &all[1], 900);
    let offered = becomes(&all[1], EntryState::Offered(made.id));
    let mut both = holds(&sale, std::slice::from_ref(&made));
    let rest = changes(&sale, &[offered.clone(), becomes(&all[0], EntryState::Withdrawn)], -2);
    (both.waiting_list, both.waiting_counts) = (rest.waiting_list, rest.waiting_counts);
    both.outbox.extend(rest.outbox);
    write(&db.database, &both).await.unwrap();
    assert_eq!(open().await, of(&[ben]));
    write(&db.database, &moved(&sale, &made, BookingStatus::Expired).1).await.unwrap();
    assert_eq!(open().await, []);
    // An older version changes nothing, and a booking is the offer of one.
    let stale = changes(&sale, std::slice::from_ref(&all[1]), 0);
    assert!(matches!(write(&db.database, &stale).await, Err(StoreError::Conflict(_))));
    let third = entry(&sale, buyer(), 3, 1);
    let doubled = WaitingListEntry { state: EntryState::Offered(made.id), ..third };
    assert!(matches!(write(&db.database, &changes(&sale, &[doubled], 0)).await, Err(StoreError::Conflict(_))));
    let fewer = changes(&sale, &[becomes(&offered, EntryState::Offered(made.id))], -1);
    let refused = write(&db.database, &fewer).await;
    assert!(matches!(&refused, Err(StoreError::Conflict(name)) if name == "ticket_types_waiting"), "{refused:?}");
    assert_sound(&db).await;
}

/// What has become of an offer is read from its booking; a booking that was ever confirmed was bought.
pub async fn entries_are_read_with_what_became_of_them(db: TestDatabase) {
    let sale = stored_concert(&db, Some(90), None).await;
    let who = buyer();
    let mut all = Vec::new();
    for number in 1..=5 {
        let waiting = entry(&sale, if number == 5 { who } else { buyer() }, number, 1);
        write(&db.database, &changes(&sale, std::slice::from_ref(&waiting), 1)).await.unwrap();
        let made = offer(&sale, &waiting, 900);
        let mut offered = holds(&sale, std::slice::from_ref(&made));
        let entry = becomes(&waiting, EntryState::Offered(made.id));
        let rest = changes(&sale, std::slice::from_ref(&entry), -1);
        (offered.waiting_list, offered.waiting_counts) = (rest.waiting_list, rest.waiting_counts);
        offered.outbox.extend(rest.outbox);
        write(&db.database, &offered).await.unwrap();
        all.push((entry, made));
    }
    for (at, status) in
        [BookingStatus::Confirmed, BookingStatus::Cancelled, BookingStatus::Expired].into_iter().enumerate()
    {
        write(&db.database, &moved(&sale, &all[at].1, status).1).await.unwrap();
    }
    let closed = WaitingListEntry { state: EntryState::Closed(CloseReason::LimitExceeded), ..entry(&sale, who, 6, 3) };
    write(&db.database, &changes(&sale, std::slice::from_ref(&closed), 0)).await.unwrap();
    let expected = [
        EntryStatus::Purchased,
        EntryStatus::Withdrawn,
        EntryStatus::Expired,
        EntryStatus::Offered,
        EntryStatus::Offered,
        EntryStatus::Closed,
    ];
    let read = async |after: Option<u64>, rows| {
        still(async || db.database.waiting_list_in(sale.event.id, after, rows).await).await.unwrap()
    };
    let listed = read(None, 10).await;
    assert_eq!(listed.iter().map(|seen| seen.status).collect::<Vec<_>>(), expected);
    assert_eq!(read(Some(2), 2).await, listed[2..4]);
    let one = seen(&db, &all[3].0).await;
    assert_eq!((&one.entry, one.offer_expires_at), (&all[3].0, Some(at(900))));
    assert_eq!(seen(&db, &closed).await, SeenEntry::without_offer(closed.clone()));
    let mine = async |before| still(async || db.database.waiting_list_of(who, before, 1).await).await.unwrap();
    let newest = mine(None).await;
    assert_eq!(newest[0].entry, closed);
    assert_eq!(mine(Some(closed.id)).await[0].entry, all[4].0);
    assert_eq!(mine(Some(all[4].0.id)).await, []);
    assert_sound(&db).await;
}

/// Lanes are found in which somebody could be served, or can be no more, and no others.
pub async fn lanes_are_found_in_which_somebody_could_be_served(db: TestDatabase) {
    let (full, free) = (stored_concert(&db, Some(1), None).await, stored_concert(&db, Some(2), None).await);
    let hall = stored_concert(&db, Some(5), Some(1)).await;
    let nobody = stored_concert(&db, Some(5), None).await;
    for sale in [&full, &free, &hall] {
        let taken = booking(sale, Buyer::Account(buyer()), 1, None);
        write(&db.database, &holds(sale, &[taken])).await.unwrap();
        write(&db.database, &changes(sale, &[entry(sale, buyer(), 1, 1)], 1)).await.unwrap();
    }
    db.tamper("UPDATE events SET status = 'published'").await;
    let found = async |after, limit, seconds: i64| {
        still(async || db.database.lanes_to_serve(at(seconds), after, limit).await).await.unwrap()
    };
    assert_eq!(found(None, 10, 0).await, [free.event.id]);
    assert_eq!(found(Some(free.event.id), 10, 0).await, [], "behind it");
    assert!(!found(None, 10, 0).await.contains(&nobody.event.id));
    let over = found(None, 10, 10_000_000).await;
    assert_eq!(over.len(), 3, "sales are over: those who wait are to be closed");
    assert_eq!(found(None, 2, 10_000_000).await, over[..2]);
    db.tamper("UPDATE events SET status = 'paused'").await;
    assert_eq!(found(None, 10, 0).await, [], "nothing is sold at the moment");
    db.tamper("UPDATE events SET status = 'cancelled'").await;
    assert_eq!(found(None, 10, 0).await, over);
}
