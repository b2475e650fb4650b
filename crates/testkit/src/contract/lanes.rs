//! [`LaneStore`]: locks, loads, writes, commits.

use application::booking::{
    BookingReads, LaneChanges, LaneStore, LaneWait, Notice, NoticeBatch, NoticeKind, NoticeReads, PoolChange,
};
use application::catalog::CatalogReads;
use application::store::{Store, StoreError};
use domain::booking::{Attendee, Booking, BookingStatus, Buyer};
use domain::catalog::{EventStatus, TicketTypeStatus};
use domain::{BookingId, EmailAddress, EventId, OutboxId, PoolId, Text, TicketId, UserId};

use super::fixture::{
    answer, assert_sound, at, booking, buyer, event, holds, id, mark, moved, now, store_sale, stored_concert,
    with_type, write,
};
use crate::databases::{Engine, TestDatabase};

async fn load(db: &TestDatabase, of: &Booking) -> Option<Booking> {
    let mut open = db.database.begin_lanes(&[of.event], LaneWait::Queue).await.unwrap();
    let found = open.transaction.bookings(&[of.id, BookingId::new(id())]).await.unwrap().pop();
    open.transaction.commit().await.unwrap();
    found
}

/// A batch is there afterwards as it was written, with the version of its lane one higher.
pub async fn a_batch_is_read_as_it_was_written(db: TestDatabase) {
    let sale = stored_concert(&db, Some(100), Some(150)).await;
    let mut held = booking(&sale, buyer(), 2, Some(at(900)));
    let name = Some(Text::parse("name", "Łucja 🎟", 200).unwrap());
    let email = EmailAddress::parse("email", "lucja@example.com").ok();
    let ticket_type = sale.ticket_types[0].id;
    held.attendees = vec![Attendee { ticket_type, name, email: None }, Attendee { ticket_type, name: None, email }];
    let guest = Buyer::Guest(EmailAddress::parse("email", "guest@example.com").unwrap());
    let sold = booking(&sale, guest, 3, None);
    write(&db.database, &holds(&sale, &[held.clone(), sold.clone()])).await.unwrap();

    assert_eq!(load(&db, &held).await.as_ref(), Some(&held));
    assert_eq!(db.database.booking(sold.id).await.unwrap().as_ref(), Some(&sold));
    let seen = db.database.sale(sale.event.id).await.unwrap().unwrap();
    assert_eq!(seen.version, 1);
    let counters: Vec<_> = seen.sale.pools.iter().map(|pool| (pool.held, pool.sold)).collect();
    assert_eq!(counters, [(2, 3), (2, 3)], "own and shared pool alike");
    assert_sound(&db).await;
}

/// What people are to be told waits until it is told, oldest first; of a part the rest waits, and what another has told
/// meanwhile is not told again.
pub async fn notices_wait_until_they_are_told(db: TestDatabase) {
    let sale = stored_concert(&db, Some(100), None).await;
    assert_eq!(db.database.oldest_notices().await.unwrap(), None);
    let notice = |kind| Notice::Booking(BookingId::new(id()), kind);
    let first = vec![
        notice(NoticeKind::Confirmed),
        notice(NoticeKind::Cancelled(0)),
        notice(NoticeKind::EventCancelled(2_500)),
        notice(NoticeKind::PaidBack(i64::MAX)),
        notice(NoticeKind::Transferred(TicketId::new(id()), u32::MAX)),
        notice(NoticeKind::OtherPaidBack),
        notice(NoticeKind::TicketsCancelled(u32::MAX, i64::MAX)),
        Notice::EventMoved(sale.event.id),
    ];
    let second = vec![notice(NoticeKind::Confirmed)];
    for notices in [&first, &second] {
        let booked = booking(&sale, buyer(), 1, None);
        write(&db.database, &LaneChanges { notices: notices.clone(), ..holds(&sale, &[booked]) }).await.unwrap();
    }
    let settle = async |batch: &NoticeBatch, told: usize| {
        let mut uow = db.database.begin().await.unwrap();
        let settled = uow.settle_notices(batch, told).await.unwrap();
        uow.commit().await.unwrap();
        settled
    };
    let whole = db.database.oldest_notices().await.unwrap().unwrap();
    assert_eq!(whole.notices, first);
    assert!(settle(&whole, 2).await);
    assert!(!settle(&whole, 2).await, "who read it before hears that somebody was here");
    assert!(!settle(&whole, 8).await);
    let rest = db.database.oldest_notices().await.unwrap().unwrap();
    assert_eq!((rest.id, &rest.notices[..]), (whole.id, &first[2..]));
    assert!(settle(&rest, 6).await);
    assert!(!settle(&rest, 6).await);
    let last = db.database.oldest_notices().await.unwrap().unwrap();
    assert_eq!(last.notices, second);
    // An offer ends: it is told before all that waits.
    let (offer, booked) = (notice(NoticeKind::Offered), booking(&sale, buyer(), 1, None));
    write(&db.database, &LaneChanges { notices: vec![offer], ..holds(&sale, &[booked]) }).await.unwrap();
    let urgent = db.database.oldest_notices().await.unwrap().unwrap();
    assert_eq!(urgent.notices, [offer]);
    assert!(settle(&urgent, 1).await);
    // Who gives up has told nothing.
    let mut uow = db.database.begin().await.unwrap();
    assert!(uow.settle_notices(&last, 1).await.unwrap());
    drop(uow);
    assert_eq!(db.database.oldest_notices().await.unwrap(), Some(last));
    assert_sound(&db).await;
}

/// What the desk loads in a transaction equals what was inserted.
pub async fn sales_are_loaded_whole(db: TestDatabase) {
    let sale = stored_concert(&db, Some(100), None).await;
    let other = stored_concert(&db, None, Some(5)).await;
    let unknown = EventId::new(id());
    let keys = [sale.event.id, other.event.id, unknown];
    let mut open = db.database.begin_lanes(&keys, LaneWait::Skip).await.unwrap();
    assert_eq!(open.locked.iter().map(|lane| lane.key).collect::<Vec<_>>(), keys[..2], "in key order");
    assert_eq!((open.locked[0].version, open.locked[0].decided_at), (0, now()));
    assert_eq!(open.busy, []);
    let mut sales = open.transaction.sales(&keys).await.unwrap();
    sales.sort_unstable_by_key(|sale| sale.event.id);
    assert_eq!(sales, [sale, other]);
    assert!(open.transaction.sales(&[]).await.unwrap().is_empty());
}

/// More than a pool has is refused by the database itself, with the name of the constraint, and leaves nothing.
pub async fn the_constraint_has_the_last_word(db: TestDatabase) {
    let sale = stored_concert(&db, Some(1), None).await;
    let greedy = booking(&sale, buyer(), 2, Some(at(900)));
    let refused = write(&db.database, &holds(&sale, std::slice::from_ref(&greedy))).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Conflict(name) if name == "pools_stock"), "{refused:?}");
    assert_eq!(load(&db, &greedy).await, None);
    // Stock that was never taken does not come back either.
    let mut changes = LaneChanges { lanes: vec![mark(&sale)], ..LaneChanges::default() };
    changes.pools = vec![PoolChange { id: sale.ticket_types[0].own_pool, held: -1, sold: 0, settings: None }];
    let refused = write(&db.database, &changes).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Conflict(name) if name == "pools_stock"), "{refused:?}");
    assert_sound(&db).await;
}

/// A row that should have changed and did not is a conflict: a lane, a pool, a booking that was changed meanwhile.
pub async fn what_does_not_change_is_a_conflict(db: TestDatabase) {
    let sale = stored_concert(&db, Some(10), None).await;
    let held = booking(&sale, buyer(), 1, Some(at(900)));
    write(&db.database, &holds(&sale, std::slice::from_ref(&held))).await.unwrap();
    let (_, confirm) = moved(&sale, &held, BookingStatus::Confirmed);
    write(&db.database, &confirm).await.unwrap();
    let (_, mut again) = moved(&sale, &held, BookingStatus::Cancelled);
    again.pools.clear();
    assert!(matches!(write(&db.database, &again).await, Err(StoreError::Conflict(_))), "an older sequence");
    let mut nowhere = LaneChanges { lanes: vec![mark(&sale)], ..LaneChanges::default() };
    nowhere.pools = vec![PoolChange { id: PoolId::new(id()), held: 1, sold: 0, settings: None }];
    assert!(matches!(write(&db.database, &nowhere).await, Err(StoreError::Conflict(_))), "an unknown pool");
    assert_sound(&db).await;
}

/// A hold that becomes a contract keeps everything but status, sequence and time.
pub async fn a_hold_is_confirmed(db: TestDatabase) {
    let sale = stored_concert(&db, Some(10), None).await;
    let held = booking(&sale, buyer(), 2, Some(at(900)));
    write(&db.database, &holds(&sale, std::slice::from_ref(&held))).await.unwrap();
    let (confirmed, changes) = moved(&sale, &held, BookingStatus::Confirmed);
    write(&db.database, &changes).await.unwrap();
    assert_eq!(load(&db, &held).await, Some(confirmed));
    assert_sound(&db).await;
}

/// A thousand bookings are one batch, whatever the limit of binds.
pub async fn a_thousand_bookings_are_one_batch(db: TestDatabase) {
    let sale = stored_concert(&db, None, None).await;
    let bookings: Vec<Booking> = (0..1_037).map(|_| booking(&sale, buyer(), 1, Some(at(900)))).collect();
    write(&db.database, &holds(&sale, &bookings)).await.unwrap();
    let ids: Vec<BookingId> = bookings.iter().map(|booking| booking.id).collect();
    let mut open = db.database.begin_lanes(&[sale.event.id], LaneWait::Queue).await.unwrap();
    assert_eq!(open.transaction.bookings(&ids).await.unwrap().len(), bookings.len());
    assert_eq!(open.transaction.lapsed(sale.event.id, at(900), 1_000).await.unwrap().len(), 1_000);
    open.transaction.commit().await.unwrap();
    assert_sound(&db).await;
}

/// A dropped transaction leaves nothing and frees its lanes.
pub async fn dropping_rolls_back(db: TestDatabase) {
    let sale = stored_concert(&db, Some(10), None).await;
    let held = booking(&sale, buyer(), 1, Some(at(900)));
    let mut open = db.database.begin_lanes(&[sale.event.id], LaneWait::Queue).await.unwrap();
    open.transaction.write(&holds(&sale, std::slice::from_ref(&held))).await.unwrap();
    drop(open);
    assert_eq!(load(&db, &held).await, None);
    assert_sound(&db).await;
}

/// A lane that somebody has delays nobody who wants another, and he who queues gets it in the end.
pub async fn a_busy_lane_is_left_out(db: TestDatabase) {
    let busy = stored_concert(&db, Some(10), None).await.event.id;
    let free = stored_concert(&db, Some(10), None).await.event.id;
    let other = db.open().await;
    let held = db.database.begin_lanes(&[busy], LaneWait::Queue).await.unwrap();
    if db.engine == Engine::Postgres {
        let open = other.begin_lanes(&[busy, free], LaneWait::Skip).await.unwrap();
        assert_eq!(open.locked.iter().map(|lane| lane.key).collect::<Vec<_>>(), [free]);
        assert_eq!(open.busy, [busy]);
        open.transaction.commit().await.unwrap();
    }
    let queued = tokio::spawn(async move {
        let open = other.begin_lanes(&[busy, free], LaneWait::Queue).await.unwrap();
        (open.locked.len(), open.busy.len())
    });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(!queued.is_finished(), "it waits");
    held.transaction.commit().await.unwrap();
    assert_eq!(queued.await.unwrap(), (2, 0));
}

/// The fate of a transaction is known by a row of its outbox.
pub async fn a_commit_is_proved_by_its_outbox(db: TestDatabase) {
    let sale = stored_concert(&db, Some(10), None).await;
    let changes = holds(&sale, &[booking(&sale, buyer(), 1, Some(at(900)))]);
    let proof = changes.outbox[0].id;
    assert!(!db.database.was_committed(sale.event.id, proof).await.unwrap());
    write(&db.database, &changes).await.unwrap();
    assert!(db.database.was_committed(sale.event.id, proof).await.unwrap());
    assert!(!db.database.was_committed(sale.event.id, OutboxId::new(id())).await.unwrap());
    // The question leaves nothing locked.
    let open = db.open().await.begin_lanes(&[sale.event.id], LaneWait::Skip).await.unwrap();
    assert_eq!(open.locked.len(), 1);
}

/// Holds lapse at their `release_at`, oldest first; the next to come is told.
pub async fn lapsed_holds_come_oldest_first(db: TestDatabase) {
    let sale = stored_concert(&db, Some(10), None).await;
    let idle = stored_concert(&db, Some(10), None).await;
    let ends = [30, 10, 20, 40].map(|end| booking(&sale, buyer(), 1, Some(at(end))));
    let sold = booking(&sale, buyer(), 1, None);
    write(&db.database, &holds(&sale, &[&ends[..], &[sold]].concat())).await.unwrap();
    write(&db.database, &holds(&idle, &[booking(&idle, buyer(), 1, Some(at(5)))])).await.unwrap();
    let lane = sale.event.id;
    let mut open = db.database.begin_lanes(&[lane], LaneWait::Queue).await.unwrap();
    let lapsed = open.transaction.lapsed(lane, at(30), 2).await.unwrap();
    assert_eq!(lapsed, [ends[1].clone(), ends[2].clone()]);
    assert_eq!(open.transaction.lapsed(lane, at(30), 9).await.unwrap().len(), 3, "the bound is part of it");
    assert_eq!(open.transaction.next_release(lane, at(30)).await.unwrap(), Some(at(40)));
    assert_eq!(open.transaction.next_release(lane, at(40)).await.unwrap(), None);
    open.transaction.commit().await.unwrap();
    assert_eq!(db.database.lanes_with_lapsed(at(30), 9).await.unwrap(), [idle.event.id, lane]);
    assert_eq!(db.database.lanes_with_lapsed(at(30), 1).await.unwrap(), [idle.event.id]);
    assert_eq!(db.database.lanes_with_lapsed(at(4), 9).await.unwrap(), []);
}

/// What a buyer has, by event and type: contracts and holds that run, of accounts and guests.
pub async fn holdings_are_what_a_buyer_occupies(db: TestDatabase) {
    let sale = stored_concert(&db, Some(100), None).await;
    let other = stored_concert(&db, Some(100), None).await;
    let (ana, ben) = (buyer(), Buyer::Guest(EmailAddress::parse("email", "ben@example.com").unwrap()));
    let cancelled = booking(&sale, ana.clone(), 8, Some(at(900)));
    let bookings = [
        booking(&sale, ana.clone(), 1, None),
        booking(&sale, ana.clone(), 2, Some(at(900))),
        booking(&sale, ana.clone(), 4, Some(at(0))),
        booking(&sale, ben.clone(), 6, Some(at(900))),
        booking(&sale, buyer(), 5, None),
        cancelled.clone(),
    ];
    write(&db.database, &holds(&sale, &bookings)).await.unwrap();
    write(&db.database, &moved(&sale, &cancelled, BookingStatus::Cancelled).1).await.unwrap();
    write(&db.database, &holds(&other, &[booking(&other, ana.clone(), 4, None)])).await.unwrap();
    let mut open = db.database.begin_lanes(&[sale.event.id], LaneWait::Queue).await.unwrap();
    let of = [(sale.event.id, ana.clone()), (sale.event.id, ben.clone())];
    let mut found = open.transaction.holdings(&of, now()).await.unwrap();
    found.sort_unstable_by_key(|holding| holding.units);
    let units: Vec<_> = found.iter().map(|holding| (holding.buyer.clone(), holding.units)).collect();
    assert_eq!(units, [(ana, 3), (ben, 6)]);
    assert!(found.iter().all(|holding| holding.ticket_type == sale.ticket_types[0].id));
    assert!(open.transaction.holdings(&[], now()).await.unwrap().is_empty());
}

/// Whether anything was booked, in whatever state it is now.
pub async fn a_lane_tells_whether_it_is_booked(db: TestDatabase) {
    let (sale, other) = (stored_concert(&db, Some(100), None).await, stored_concert(&db, Some(100), None).await);
    let is_booked = async || {
        let mut open = db.database.begin_lanes(&[sale.event.id], LaneWait::Queue).await.unwrap();
        let booked = open.transaction.is_booked(sale.event.id).await.unwrap();
        open.transaction.commit().await.unwrap();
        booked
    };
    write(&db.database, &holds(&other, &[booking(&other, buyer(), 1, None)])).await.unwrap();
    assert!(!is_booked().await);
    write(&db.database, &holds(&sale, &[booking(&sale, buyer(), 1, Some(at(900)))])).await.unwrap();
    assert!(is_booked().await);
}

/// A key is written in the commit of its booking, once; a lapsed one gives way.
pub async fn answers_are_kept_once(db: TestDatabase) {
    let sale = stored_concert(&db, Some(100), None).await;
    let caller = UserId::new(id());
    let with = |word: &str, when| {
        let mut changes = holds(&sale, &[booking(&sale, buyer(), 1, Some(at(900)))]);
        changes.answers = vec![answer(caller, word, when)];
        changes
    };
    write(&db.database, &with("a", now())).await.unwrap();
    write(&db.database, &with("b", at(1))).await.unwrap();
    let twice = with("a", at(86_399));
    assert!(matches!(write(&db.database, &twice).await, Err(StoreError::Conflict(_))));
    let mut open = db.database.begin_lanes(&[sale.event.id], LaneWait::Queue).await.unwrap();
    let keys = ["a", "b", "c"].map(|word| answer(caller, word, now()).key);
    let mut kept = open.transaction.kept_answers(&keys).await.unwrap();
    kept.sort_unstable_by(|a, b| a.key.key.cmp(&b.key.key));
    let kept: Vec<_> = kept.into_iter().map(|kept| (kept.key, kept.snapshot, kept.at)).collect();
    let expected = |at: usize, when| (keys[at].clone(), r#"{"v":1}"#.to_owned(), when);
    assert_eq!(kept, [expected(0, now()), expected(1, at(1))]);
    open.transaction.commit().await.unwrap();
    write(&db.database, &with("a", at(86_400))).await.unwrap();
    assert_sound(&db).await;
}

/// Capacity and stock change in one step: neither order of both would pass the constraint.
pub async fn capacity_and_stock_change_together(db: TestDatabase) {
    let sale = stored_concert(&db, Some(2), None).await;
    let held = booking(&sale, buyer(), 2, Some(at(900)));
    write(&db.database, &holds(&sale, std::slice::from_ref(&held))).await.unwrap();
    let (_, mut changes) = moved(&sale, &held, BookingStatus::Expired);
    let own = sale.ticket_types[0].own_pool;
    for pool in changes.pools.iter_mut().filter(|pool| pool.id == own) {
        pool.settings = Some(("Renamed".into(), Some(0)));
    }
    write(&db.database, &changes).await.unwrap();
    let seen = db.database.sale(sale.event.id).await.unwrap().unwrap().sale;
    let pool = seen.pool(own).unwrap();
    assert_eq!((pool.name.as_str(), pool.capacity, pool.held), ("Renamed", Some(0), 0));
    assert_eq!(
        seen.pools.iter().filter(|pool| pool.shared).map(|pool| pool.name.as_str()).collect::<Vec<_>>(),
        ["Hall"]
    );
}

/// Terms change with the lane: event, types, their shared pools, and new ones of all.
pub async fn terms_are_changed_and_added(db: TestDatabase) {
    let before = stored_concert(&db, Some(2), Some(9)).await;
    let mut after =
        with_type(&before, "Seated", Some(5), vec![]).with_pool(PoolId::new(id()), "Balcony", None, "").unwrap();
    after.event.status = EventStatus::Published;
    after.event.terms.description = None;
    after.event.version = 2;
    let balcony = after.pools.iter().find(|pool| pool.name.as_str() == "Balcony").unwrap().id;
    after.ticket_types[0].shared_pools = vec![balcony];
    after.ticket_types[0].status = TicketTypeStatus::Archived;
    after.ticket_types[0].max_per_buyer = None;
    (after.ticket_types[0].hidden, after.ticket_types[0].code_required) = (true, true);
    let changes = LaneChanges {
        lanes: vec![mark(&before)],
        events: vec![after.event.clone()],
        new_pools: after.pools.iter().filter(|pool| before.pool(pool.id).is_none()).cloned().collect(),
        new_ticket_types: after.ticket_types[1..].to_vec(),
        ticket_types: after.ticket_types[..1].to_vec(),
        ..LaneChanges::default()
    };
    write(&db.database, &changes).await.unwrap();
    assert_eq!(db.database.sale(before.event.id).await.unwrap().unwrap().sale, after);
}

/// A deleted event is gone with all that belongs to it.
pub async fn a_deleted_event_is_gone(db: TestDatabase) {
    let sale = stored_concert(&db, Some(2), Some(9)).await;
    let kept = stored_concert(&db, Some(2), Some(9)).await;
    let deleted_events = vec![sale.event.id];
    let changes = LaneChanges { lanes: vec![mark(&sale)], deleted_events, ..LaneChanges::default() };
    write(&db.database, &changes).await.unwrap();
    assert!(db.database.sale(sale.event.id).await.unwrap().is_none());
    assert!(db.database.sale(kept.event.id).await.unwrap().is_some());
    let open = db.database.begin_lanes(&[sale.event.id], LaneWait::Skip).await.unwrap();
    assert!(open.locked.is_empty() && open.busy.is_empty(), "it does not exist");
}

/// Two events in one transaction: both or none.
pub async fn lanes_of_a_transaction_commit_together(db: TestDatabase) {
    let sale = stored_concert(&db, Some(1), None).await;
    let empty = event(sale.event.organizer, "Other");
    let other = with_type(&empty, "Any", Some(1), vec![]);
    store_sale(&db, &other).await;
    let mut both = holds(&sale, &[booking(&sale, buyer(), 1, Some(at(900)))]);
    let more = holds(&other, &[booking(&other, buyer(), 2, Some(at(900)))]);
    both.lanes.extend(more.lanes);
    both.pools.extend(more.pools);
    both.new_bookings.extend(more.new_bookings);
    assert!(matches!(write(&db.database, &both).await, Err(StoreError::Conflict(_))));
    let versions = db.database.lane_versions(&[sale.event.id, other.event.id]).await.unwrap();
    assert!(versions.iter().all(|(_, version)| *version == 0));
    assert_sound(&db).await;
}
