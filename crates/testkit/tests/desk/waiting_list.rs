//! The waiting list at the desk over real databases: what comes back is offered to who waits, in his turn, and the public
//! does not get in between.

use std::sync::Arc;
use std::time::Duration;

use application::booking::{
    Command, Desk, DeskSettings, LeaveWaitingLists, Notice, NoticeKind, NoticeReads, Outcome, SeenEntry, ServeWaiting,
    WaitingListReads,
};
use application::clock::Clock;
use application::error::AppError;
use application::jobs::{JobHandler, JobOutcome, LeasedJob};
use application::verify::Verifier;
use chrono::TimeDelta;
use domain::booking::{
    Booking, BookingStatus, Buyer, Canceller, Channel, CloseReason, EntryState, EntryStatus, JoinRequest, Refusal,
    SaleChange, WaitingListEntry,
};
use domain::catalog::{EventEdit, NewTicketType, StatusChange, TicketTypeEdit};
use domain::{JobId, UserId, WaitingListEntryId};
use futures::future::join_all;
use goticket_testkit::databases::{Engine, TestDatabase, still};
use goticket_testkit::hall::{Hall, hold, ticket_type};
use goticket_testkit::on_both_engines;
use uuid::Uuid;

on_both_engines!(
    what_comes_back_is_offered_in_the_same_commit,
    twenty_cancel_while_two_hundred_hammer,
    who_wants_more_than_there_is_keeps_his_place,
    a_raised_capacity_goes_to_many_who_wait,
    an_unused_offer_goes_to_the_next,
    what_is_free_waits_to_be_taken,
    who_has_his_limit_is_closed_and_keeps_nobody_waiting,
    what_one_gives_back_counts_no_more,
    who_waits_may_leave,
    a_type_is_waited_for_while_others_are_sold,
    offers_wait_for_the_sale,
    a_cancelled_event_offers_nothing,
    what_a_crash_has_left_is_gone_on_with,
    who_is_gone_is_passed_by,
    who_is_gone_leaves_beside_everything_else,
    what_a_busy_desk_refuses_is_left_later,
    only_what_is_sold_out_is_waited_for,
    an_offer_ends_with_the_sale,
    what_is_wrong_with_a_waiting_list_is_found,
    who_has_an_offer_does_not_join_again,
);

fn buyer(n: u128) -> UserId {
    UserId::new(Uuid::from_u128(n))
}

fn joins(hall: &Hall, n: u128, at: usize, quantity: u32) -> Command {
    let id = WaitingListEntryId::new(hall.ids.uuid());
    Command::JoinWaitingList(Box::new(JoinRequest { id, buyer: buyer(n), ticket_type: Some(hall.types[at]), quantity }))
}

fn entry(outcome: Result<Outcome, AppError>) -> WaitingListEntry {
    match outcome {
        Ok(Outcome::WaitingListEntry(entry)) => *entry,
        other => panic!("{other:?}"),
    }
}

/// Buyer `n` waits for units of the first type.
async fn wait_for(hall: &Hall, n: u128, quantity: u32) -> WaitingListEntry {
    entry(hall.submit(joins(hall, n, 0, quantity)).await)
}

/// All entries by their numbers, as the database has them.
async fn entries(hall: &Hall) -> Vec<SeenEntry> {
    still(async || hall.test.database.waiting_list_in(hall.event, None, 20_000).await).await.unwrap()
}

async fn statuses(hall: &Hall) -> Vec<EntryStatus> {
    entries(hall).await.iter().map(|seen| seen.status).collect()
}

/// The offers that hold now, oldest first.
async fn offers(hall: &Hall) -> Vec<Booking> {
    let mut bookings = hall.bookings().await;
    bookings.retain(|booking| {
        booking.channel == Channel::WaitingList
            && booking.status == BookingStatus::Pending
            && !booking.has_lapsed(hall.clock.now())
    });
    bookings.reverse();
    bookings
}

fn buyers(bookings: &[Booking]) -> Vec<u128> {
    let of = |booking: &Booking| match &booking.buyer {
        Buyer::Account(user) => user.uuid().as_u128(),
        Buyer::Guest(_) => panic!("there are no guests"),
    };
    bookings.iter().map(of).collect()
}

fn is_sold_out(answer: &Result<Booking, AppError>) -> bool {
    matches!(answer, Err(AppError::Refused(Refusal::SoldOut { .. })))
}

fn state(answer: Result<Outcome, AppError>) -> String {
    match answer {
        Err(AppError::Refused(Refusal::InvalidState(why))) => why,
        other => panic!("{other:?}"),
    }
}

async fn edit_type(hall: &Hall, at: usize, edit: TicketTypeEdit) -> Result<Outcome, AppError> {
    hall.change(SaleChange::EditTicketType { id: hall.types[at], edit }).await
}

fn capacity(units: i64) -> TicketTypeEdit {
    TicketTypeEdit { capacity: Some(Some(units)), ..TicketTypeEdit::default() }
}

/// A sold-out event of so many units at 100, one to a booking.
async fn full(engine: Engine, units: u32) -> (Hall, Vec<Booking>) {
    let hall = Hall::open(engine, &[ticket_type(100, Some(units.into()))]).await;
    let held = join_all((0..units).map(|_| hall.hold(1))).await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    for booking in &held {
        hall.submit(Command::Confirm { booking: booking.id, note: None }).await.unwrap();
    }
    (hall, held)
}

/// What was paid goes back, and its units with it.
async fn refund(hall: &Hall, booking: &Booking) {
    let request = domain::payment::RefundRequest::WHOLE;
    hall.submit(Command::Refund { booking: booking.id, request: Box::new(request) }).await.unwrap();
}

async fn what_comes_back_is_offered_in_the_same_commit(engine: Engine) {
    let (hall, sold) = full(engine, 3).await;
    for n in 1..=3 {
        assert_eq!(wait_for(&hall, n, 1).await.number, u64::try_from(n).unwrap());
    }
    assert_eq!(hall.sale().await.sale.waiting(), 3);
    let before = hall.sale().await.version;
    refund(&hall, &sold[0]).await;
    let seen = hall.sale().await;
    assert_eq!((seen.version, seen.sale.waiting(), seen.sale.pools[0].occupied()), (before + 1, 2, 3), "one commit");
    let offers = offers(&hall).await;
    assert_eq!(buyers(&offers), [1]);
    assert_eq!((offers[0].total.minor, offers[0].items[0].quantity), (100, 1));
    assert_eq!(offers[0].hold.unwrap().expires_at, offers[0].created_at + TimeDelta::days(1));
    assert!(is_sold_out(&hall.hold(1).await), "nothing is left for the public");
    let listed = entries(&hall).await;
    assert_eq!(listed[0].entry.state, EntryState::Offered(offers[0].id));
    assert_eq!(listed[0].offer_expires_at, offers[0].hold.map(|hold| hold.expires_at));
    let mut told = Vec::new();
    while let Some(batch) = hall.test.database.oldest_notices().await.unwrap() {
        told.extend(batch.notices.iter().filter_map(|notice| match notice {
            Notice::Booking(booking, NoticeKind::Offered) => Some(*booking),
            _ => None,
        }));
        let mut uow = application::store::Store::begin(&hall.test.database).await.unwrap();
        uow.settle_notices(&batch, batch.notices.len()).await.unwrap();
        uow.commit().await.unwrap();
    }
    assert_eq!(told, [offers[0].id]);
    // Paid, it is a booking like others.
    hall.submit(Command::Confirm { booking: offers[0].id, note: None }).await.unwrap();
    assert_eq!(statuses(&hall).await, [EntryStatus::Purchased, EntryStatus::Waiting, EntryStatus::Waiting]);
    let bought = hall.bookings().await.into_iter().find(|booking| booking.id == offers[0].id).unwrap();
    refund(&hall, &bought).await;
    assert_eq!(statuses(&hall).await, [EntryStatus::Purchased, EntryStatus::Offered, EntryStatus::Waiting]);
    hall.verify().await;
}

async fn twenty_cancel_while_two_hundred_hammer(engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(100, Some(60))]).await;
    let held = join_all((0..60).map(|_| hall.hold(1))).await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    hall.clock.step(TimeDelta::seconds(30));
    for n in 1..=50 {
        wait_for(&hall, n, 1).await;
    }
    let desks = [hall.desk.clone(), hall.another_desk_if(engine).await];
    let hammer = |n: u128| {
        let desk = &desks[n as usize % 2];
        let hall = &hall;
        async move {
            let mut got = 0;
            for _ in 0..5 {
                got += u32::from(hold(desk, hall.event, hall.request(buyer(1_000 + n), 1), None).await.is_ok());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            got
        }
    };
    let cancel = |booking: &Booking| hall.submit(Command::Cancel(booking.id, Canceller::Buyer));
    let (taken, cancelled) = tokio::join!(join_all((0..200).map(hammer)), join_all(held.iter().take(20).map(cancel)));
    assert!(cancelled.iter().all(Result::is_ok), "{cancelled:?}");
    assert_eq!(taken.iter().sum::<u32>(), 0, "the public gets nothing");
    assert_eq!(buyers(&offers(&hall).await), (1..=20).collect::<Vec<_>>());
    // The other holds lapse: whoever comes next is served first, the next thirty by these forty.
    hall.clock.step(TimeDelta::seconds(31));
    let public = hall.hold(1).await.unwrap();
    assert_eq!(public.channel, Channel::Api, "ten are left that nobody waits for");
    assert_eq!(buyers(&offers(&hall).await), (1..=50).collect::<Vec<_>>());
    hall.verify().await;
    // All of them let their offers lapse, and nobody is offered them again.
    hall.clock.step(TimeDelta::days(1));
    hall.submit(Command::Expire(500)).await.unwrap();
    assert_eq!(statuses(&hall).await, [EntryStatus::Expired; 50]);
    assert!(join_all((0..60).map(|_| hall.hold(1))).await.iter().all(Result::is_ok));
    hall.verify().await;
}

async fn who_wants_more_than_there_is_keeps_his_place(engine: Engine) {
    let (hall, sold) = full(engine, 4).await;
    wait_for(&hall, 1, 3).await;
    wait_for(&hall, 2, 1).await;
    wait_for(&hall, 3, 1).await;
    refund(&hall, &sold[0]).await;
    assert_eq!(buyers(&offers(&hall).await), [2]);
    // Two at once: the third is served by one of them, and the other is nobody's who waits.
    let two = [&sold[1], &sold[2]].map(|booking| refund(&hall, booking));
    join_all(two).await;
    assert_eq!(buyers(&offers(&hall).await), [2, 3]);
    assert_eq!(hall.hold(1).await.unwrap().channel, Channel::Api, "what nobody who waits can use is sold");
    assert_eq!(entries(&hall).await[0].status, EntryStatus::Waiting);
    edit_type(&hall, 0, capacity(7)).await.unwrap();
    assert_eq!(buyers(&offers(&hall).await), [2, 3, 1], "his turn, once there is enough");
    hall.verify().await;
}

async fn a_raised_capacity_goes_to_many_who_wait(engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(100, Some(1))]).await;
    hall.hold(1).await.unwrap();
    let joined = join_all((1..=600).map(|n| hall.submit(joins(&hall, n, 0, 1)))).await;
    assert!(joined.iter().all(Result::is_ok));
    let numbers: Vec<u64> = entries(&hall).await.iter().map(|seen| seen.entry.number).collect();
    assert_eq!(numbers, (1..=600).collect::<Vec<u64>>());
    let public = |n: u128| hold(&hall.desk, hall.event, hall.request(buyer(5_000 + n), 1), None);
    // More than one commit offers, and the public waits until that is done.
    let raise = edit_type(&hall, 0, capacity(551));
    let (raised, taken) = tokio::join!(raise, join_all((0..300).map(public)));
    raised.unwrap();
    assert!(taken.iter().all(is_sold_out), "{:?}", taken.iter().find(|answer| !is_sold_out(answer)));
    let served = async || hall.sale().await.sale.waiting() == 50;
    for _ in 0..500 {
        if served().await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut offered = buyers(&offers(&hall).await);
    offered.sort_unstable();
    assert_eq!(offered, (1..=550).collect::<Vec<_>>(), "the first ones");
    hall.verify().await;
}

async fn an_unused_offer_goes_to_the_next(engine: Engine) {
    let (hall, sold) = full(engine, 1).await;
    for n in 1..=3 {
        wait_for(&hall, n, 1).await;
    }
    refund(&hall, &sold[0]).await;
    hall.clock.step(TimeDelta::hours(24) - TimeDelta::seconds(1));
    assert!(is_sold_out(&hall.hold(1).await));
    hall.clock.step(TimeDelta::seconds(1));
    // The very next decision, before any sweeper: the public finds nothing.
    assert!(is_sold_out(&hall.hold(1).await));
    assert_eq!(statuses(&hall).await, [EntryStatus::Expired, EntryStatus::Offered, EntryStatus::Waiting]);
    hall.clock.step(TimeDelta::days(1));
    let before = hall.sale().await.version;
    hall.submit(Command::Expire(100)).await.unwrap();
    assert_eq!(hall.sale().await.version, before + 1, "expired and offered in one commit");
    assert_eq!(statuses(&hall).await, [EntryStatus::Expired, EntryStatus::Expired, EntryStatus::Offered]);
    // Who let it lapse may wait again, at the end.
    assert_eq!(wait_for(&hall, 1, 1).await.number, 4);
    hall.verify().await;
}

async fn what_is_free_waits_to_be_taken(engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(0, Some(1))]).await;
    let first = hall.hold(1).await.unwrap();
    assert_eq!(first.status, BookingStatus::Confirmed);
    wait_for(&hall, 1, 1).await;
    hall.submit(Command::Cancel(first.id, Canceller::Buyer)).await.unwrap();
    let offer = offers(&hall).await.pop().unwrap();
    assert_eq!((offer.total.minor, offer.is_free_offer()), (0, true));
    assert!(is_sold_out(&hall.hold(1).await));
    let renewed = hall.submit(Command::Renew(offer.id)).await;
    assert!(matches!(renewed, Ok(Outcome::Booking(booking)) if booking.hold == offer.hold), "it cannot be made longer");
    hall.submit(Command::Confirm { booking: offer.id, note: None }).await.unwrap();
    assert_eq!(statuses(&hall).await, [EntryStatus::Purchased]);
    hall.verify().await;
}

async fn who_has_his_limit_is_closed_and_keeps_nobody_waiting(engine: Engine) {
    let limited = NewTicketType { max_per_buyer: Some(2), max_per_booking: Some(2), ..ticket_type(100, Some(3)) };
    let hall = Hall::open(engine, &[limited]).await;
    let held = hall.hold(2).await.unwrap();
    let third = hold(&hall.desk, hall.event, hall.request(buyer(9), 1), None).await.unwrap();
    let has_one = joins(&hall, 9, 0, 2);
    assert!(matches!(hall.submit(has_one).await, Err(AppError::Refused(Refusal::LimitExceeded { limit: 2, .. }))));
    wait_for(&hall, 1, 2).await;
    wait_for(&hall, 2, 2).await;
    // Tickets for two together are not sold any more by the time that they come back.
    let edit = TicketTypeEdit { max_per_booking: Some(1), ..TicketTypeEdit::default() };
    edit_type(&hall, 0, edit).await.unwrap();
    wait_for(&hall, 3, 1).await;
    hall.submit(Command::Cancel(held.id, Canceller::Buyer)).await.unwrap();
    let states: Vec<_> = entries(&hall).await.iter().map(|seen| seen.entry.state).collect();
    assert_eq!(states[..2], [EntryState::Closed(CloseReason::LimitExceeded); 2]);
    assert_eq!(buyers(&offers(&hall).await), [3]);
    // Who has bought meanwhile is within his limit no more.
    let edit = TicketTypeEdit { max_per_booking: Some(2), max_per_buyer: Some(Some(1)), ..TicketTypeEdit::default() };
    edit_type(&hall, 0, edit).await.unwrap();
    let bought = hold(&hall.desk, hall.event, hall.request(buyer(4), 1), None).await.unwrap();
    assert!(matches!(hall.submit(joins(&hall, 4, 0, 1)).await, Err(AppError::Refused(Refusal::LimitExceeded { .. }))));
    hall.submit(Command::Cancel(third.id, Canceller::Buyer)).await.unwrap();
    assert_eq!(bought.units(), 1);
    hall.verify().await;
}

/// Within his limit is who gives back, in the same commit, what would bring him over it.
async fn what_one_gives_back_counts_no_more(engine: Engine) {
    let limited = NewTicketType { max_per_buyer: Some(3), max_per_booking: Some(3), ..ticket_type(100, Some(4)) };
    let hall = Hall::open(engine, &[limited]).await;
    let ask = |n: u128, quantity: u32| hold(&hall.desk, hall.event, hall.request(buyer(n), quantity), None);
    let mine = ask(1, 1).await.unwrap();
    ask(2, 3).await.unwrap();
    entry(hall.submit(joins(&hall, 1, 0, 2)).await);
    edit_type(&hall, 0, capacity(5)).await.unwrap();
    ask(1, 1).await.unwrap();
    edit_type(&hall, 0, capacity(6)).await.unwrap();
    assert_eq!(statuses(&hall).await, [EntryStatus::Waiting], "one alone is no help");
    // He has two, and would have four with those that he waits for.
    hall.submit(Command::Cancel(mine.id, Canceller::Buyer)).await.unwrap();
    assert_eq!(statuses(&hall).await, [EntryStatus::Offered], "one and two are three");
    hall.verify().await;
}

async fn who_waits_may_leave(engine: Engine) {
    let (hall, sold) = full(engine, 1).await;
    let first = wait_for(&hall, 1, 1).await;
    let second = wait_for(&hall, 2, 1).await;
    let third = wait_for(&hall, 3, 1).await;
    let leave = |entry: &WaitingListEntry| hall.submit(Command::WithdrawFromWaitingList(entry.id));
    // Twice at once is once.
    for left in join_all([leave(&first), leave(&first)]).await {
        assert_eq!(entry(left).state, EntryState::Withdrawn);
    }
    assert_eq!(hall.sale().await.sale.waiting(), 2);
    refund(&hall, &sold[0]).await;
    assert_eq!(buyers(&offers(&hall).await), [2]);
    // What was offered goes to the next in the same commit.
    let before = hall.sale().await.version;
    entry(leave(&second).await);
    assert_eq!(hall.sale().await.version, before + 1);
    assert_eq!(statuses(&hall).await, [EntryStatus::Withdrawn, EntryStatus::Withdrawn, EntryStatus::Offered]);
    entry(leave(&second).await);
    let offer = offers(&hall).await.pop().unwrap();
    hall.submit(Command::Confirm { booking: offer.id, note: None }).await.unwrap();
    assert!(state(leave(&third).await).contains("taken"));
    let unknown = hall.submit(Command::WithdrawFromWaitingList(WaitingListEntryId::new(hall.ids.uuid()))).await;
    assert!(matches!(unknown, Err(AppError::NotFound(_))), "{unknown:?}");
    // At once with the cancellation that would serve him.
    let fourth = wait_for(&hall, 4, 1).await;
    let bought = hall.bookings().await.into_iter().find(|booking| booking.id == offer.id).unwrap();
    let (left, ()) = tokio::join!(leave(&fourth), refund(&hall, &bought));
    assert!(left.is_ok(), "{left:?}");
    assert_eq!(entries(&hall).await[3].status, EntryStatus::Withdrawn);
    assert!(hall.hold(1).await.is_ok(), "nobody waits any more");
    hall.verify().await;
}

async fn a_type_is_waited_for_while_others_are_sold(engine: Engine) {
    let limited = [ticket_type(100, Some(1)), ticket_type(50, Some(5))];
    let hall = Hall::open_in(TestDatabase::create(engine).await, &limited, Some(4)).await;
    hall.hold(1).await.unwrap();
    wait_for(&hall, 1, 1).await;
    let second = |n: u128| hold(&hall.desk, hall.event, hall.request_of(buyer(n), &[(1, 1)]), None);
    let others = join_all((10..13).map(second)).await;
    assert!(others.iter().all(Result::is_ok), "the first type alone is waited for");
    // Now the hall is full: for the second type too.
    entry(hall.submit(joins(&hall, 2, 1, 1)).await);
    hall.submit(Command::Cancel(others[0].as_ref().unwrap().id, Canceller::Buyer)).await.unwrap();
    assert_eq!(buyers(&offers(&hall).await), [2], "who came first has no room in his own type");
    edit_type(&hall, 0, capacity(2)).await.unwrap();
    assert_eq!(buyers(&offers(&hall).await), [2], "nor in the hall");
    hall.submit(Command::Cancel(others[1].as_ref().unwrap().id, Canceller::Buyer)).await.unwrap();
    assert_eq!(buyers(&offers(&hall).await), [2, 1]);
    hall.verify().await;
}

async fn offers_wait_for_the_sale(engine: Engine) {
    let (hall, sold) = full(engine, 1).await;
    wait_for(&hall, 1, 1).await;
    hall.change(SaleChange::Step(StatusChange::Pause)).await.unwrap();
    refund(&hall, &sold[0]).await;
    assert_eq!(statuses(&hall).await, [EntryStatus::Waiting]);
    assert!(matches!(hall.submit(joins(&hall, 2, 0, 1)).await, Err(AppError::Refused(Refusal::SalesClosed(_)))));
    let public = || hold(&hall.desk, hall.event, hall.request(buyer(7), 1), None);
    let (resumed, taken) = tokio::join!(hall.change(SaleChange::Step(StatusChange::Resume)), public());
    assert!(resumed.is_ok() && taken.is_err(), "{taken:?}");
    assert_eq!(statuses(&hall).await, [EntryStatus::Offered]);
    hall.verify().await;
}

async fn a_cancelled_event_offers_nothing(engine: Engine) {
    let (hall, sold) = full(engine, 1).await;
    for n in 1..=250 {
        wait_for(&hall, n, 1).await;
    }
    hall.change(SaleChange::Step(StatusChange::Cancel)).await.unwrap();
    hall.submit(Command::CancelWithEvent(sold[0].id)).await.unwrap();
    for _ in 0..500 {
        if hall.sale().await.sale.waiting() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let closed = EntryState::Closed(CloseReason::SalesClosed);
    assert!(entries(&hall).await.iter().all(|seen| seen.entry.state == closed));
    assert_eq!(offers(&hall).await, []);
    let leave = Command::WithdrawFromWaitingList(entries(&hall).await[0].entry.id);
    assert!(state(hall.submit(leave).await).contains("closed"));
    hall.verify().await;
}

fn serve(hall: &Hall) -> ServeWaiting {
    let reads = Arc::new(hall.test.database.clone());
    ServeWaiting { desk: hall.desk.clone(), reads, clock: Arc::new(hall.clock.clone()) }
}

async fn to_serve(hall: &Hall) -> bool {
    let database = &hall.test.database;
    let found = still(async || database.lanes_to_serve(hall.clock.now(), None, 10).await).await.unwrap();
    found == [hall.event]
}

async fn what_a_crash_has_left_is_gone_on_with(engine: Engine) {
    let (hall, _) = full(engine, 1).await;
    wait_for(&hall, 1, 1).await;
    wait_for(&hall, 2, 1).await;
    assert!(!to_serve(&hall).await, "nothing is to be had");
    goticket_testkit::contract::audit::run(&serve(&hall)).await;
    assert_eq!(statuses(&hall).await, [EntryStatus::Waiting; 2]);
    // As if the process had ended before the commit that makes the offers.
    hall.test.tamper("UPDATE pools SET capacity = 2").await;
    hall.test.tamper("UPDATE lanes SET version = version + 1").await;
    assert!(to_serve(&hall).await);
    for _ in 0..2 {
        goticket_testkit::contract::audit::run(&serve(&hall)).await;
        assert_eq!(statuses(&hall).await, [EntryStatus::Offered, EntryStatus::Waiting]);
        assert!(!to_serve(&hall).await);
    }
    // By the clock alone: who waits when sales end is closed.
    hall.clock.step(TimeDelta::days(31));
    assert!(to_serve(&hall).await);
    goticket_testkit::contract::audit::run(&serve(&hall)).await;
    assert_eq!(entries(&hall).await[1].status, EntryStatus::Closed);
    assert!(!to_serve(&hall).await);
    hall.verify().await;
}

async fn who_is_gone_is_passed_by(engine: Engine) {
    let (hall, sold) = full(engine, 1).await;
    let his =
        JoinRequest { id: WaitingListEntryId::new(hall.ids.uuid()), buyer: hall.user, ticket_type: None, quantity: 1 };
    entry(hall.submit(Command::JoinWaitingList(Box::new(his))).await);
    wait_for(&hall, 2, 1).await;
    hall.test.tamper("UPDATE users SET deleted_at = 1").await;
    refund(&hall, &sold[0]).await;
    assert_eq!(entries(&hall).await[0].entry.state, EntryState::Closed(CloseReason::AccountDeleted));
    assert_eq!(buyers(&offers(&hall).await), [2]);
    hall.verify().await;
}

async fn who_is_gone_leaves_beside_everything_else(engine: Engine) {
    let (hall, sold) = full(engine, 1).await;
    let leave = |entry: &WaitingListEntry| hall.submit(Command::LeaveWaitingList(entry.id));
    let first = wait_for(&hall, 1, 1).await;
    wait_for(&hall, 2, 1).await;
    // At once with what would make the offer, and twice.
    let (once, twice, (), taken) = tokio::join!(leave(&first), leave(&first), refund(&hall, &sold[0]), hall.hold(1));
    assert!(once.is_ok() && twice.is_ok() && is_sold_out(&taken), "{once:?} {twice:?} {taken:?}");
    assert!(matches!(statuses(&hall).await[..], [EntryStatus::Closed | EntryStatus::Withdrawn, EntryStatus::Offered]));
    // An offer goes to the next in the same commit.
    let (second, third) = (entries(&hall).await[1].entry.clone(), wait_for(&hall, 3, 1).await);
    let before = hall.sale().await.version;
    entry(leave(&second).await);
    assert_eq!(hall.sale().await.version, before + 1);
    assert_eq!(buyers(&offers(&hall).await), [3]);
    // What is over stays as it is: lapsed, given back, taken.
    hall.clock.step(TimeDelta::days(1));
    hall.submit(Command::Expire(10)).await.unwrap();
    let fourth = {
        hall.hold(1).await.unwrap();
        wait_for(&hall, 4, 1).await
    };
    let held = hall.bookings().await.into_iter().find(|booking| booking.status == BookingStatus::Pending).unwrap();
    hall.submit(Command::Cancel(held.id, Canceller::Buyer)).await.unwrap();
    let offer = offers(&hall).await.pop().unwrap();
    hall.submit(Command::Confirm { booking: offer.id, note: None }).await.unwrap();
    let before = hall.sale().await.version;
    for over in [&first, &second, &third, &fourth] {
        entry(leave(over).await);
    }
    assert_eq!(hall.sale().await.version, before, "nothing was written");
    let seen = statuses(&hall).await;
    assert_eq!(seen[1..], [EntryStatus::Withdrawn, EntryStatus::Expired, EntryStatus::Purchased]);
    let unknown = hall.submit(Command::LeaveWaitingList(WaitingListEntryId::new(hall.ids.uuid()))).await;
    assert!(matches!(unknown, Err(AppError::NotFound(_))), "{unknown:?}");
    hall.verify().await;
}

async fn what_a_busy_desk_refuses_is_left_later(engine: Engine) {
    let (hall, sold) = full(engine, 1).await;
    wait_for(&hall, 1, 1).await;
    wait_for(&hall, 2, 1).await;
    refund(&hall, &sold[0]).await;
    // More than a page of what is newer than his offer, and over.
    for _ in 0..101 {
        let his = hall.submit(joins(&hall, 3, 0, 1)).await;
        hall.submit(Command::WithdrawFromWaitingList(entry(his).id)).await.unwrap();
    }
    let first = "(SELECT buyer_user_id FROM waiting_list_entries WHERE number = 1)";
    hall.test.tamper(&format!("UPDATE waiting_list_entries SET buyer_user_id = {first} WHERE number > 2")).await;
    let store = Arc::new(hall.test.database.clone());
    let full_up = DeskSettings { committers: 1, queue_max: 0, ..DeskSettings::default() };
    let busy = Desk::open(store.clone(), Arc::new(hall.clock.clone()), hall.ids.clone(), full_up);
    let run = async |desk: &Desk, subject: UserId| {
        let reads = store.clone();
        let leave = LeaveWaitingLists { desk: desk.clone(), reads, clock: Arc::new(hall.clock.clone()) };
        assert!(!leave.recurs());
        let (id, kind, payload) = (JobId::new(hall.ids.uuid()), leave.kind().to_owned(), "{}".to_owned());
        let job = LeasedJob { id, kind, subject: subject.to_string(), payload, attempts: 0, fence: 1 };
        leave.run(&job).await.unwrap()
    };
    let later = JobOutcome::Again { run_at: hall.clock.now() + TimeDelta::minutes(1), payload: "{}".to_owned() };
    assert_eq!(run(&busy, buyer(1)).await, later);
    assert_eq!(buyers(&offers(&hall).await), [1]);
    for _ in 0..2 {
        assert_eq!(run(&hall.desk, buyer(1)).await, JobOutcome::Done);
        assert_eq!(buyers(&offers(&hall).await), [2]);
    }
    assert_eq!(run(&hall.desk, buyer(9)).await, JobOutcome::Done, "he waits for nothing");
    busy.close().await;
    hall.verify().await;
}

async fn only_what_is_sold_out_is_waited_for(engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(100, Some(3))]).await;
    let join = async |n: u128, quantity: u32| hall.submit(joins(&hall, n, 0, quantity)).await;
    assert!(state(join(1, 1).await).contains("book them"));
    hall.hold(2).await.unwrap();
    assert!(state(join(1, 1).await).contains("book them"));
    entry(join(1, 2).await);
    assert!(matches!(join(1, 2).await, Err(AppError::AlreadyExists(_))), "once for each type");
    let more = join(2, 4).await;
    assert!(
        matches!(&more, Err(AppError::Refused(Refusal::Invalid(wrong))) if wrong.as_slice()[0].field == "quantity")
    );
    assert!(matches!(join(2, 11).await, Err(AppError::Refused(Refusal::LimitExceeded { limit: 10, .. }))));
    hall.clock.step(TimeDelta::seconds(60));
    assert!(state(join(2, 1).await).contains("book them"), "what has lapsed is served first, and one is left");
    assert_eq!(buyers(&offers(&hall).await), [1], "what had lapsed was his");
    let close = EventEdit { waiting_list: Some(false), ..EventEdit::default() };
    hall.change(SaleChange::EditEvent(close)).await.unwrap();
    assert!(state(join(3, 2).await).contains("no waiting list"));
    hall.verify().await;
}

async fn an_offer_ends_with_the_sale(engine: Engine) {
    use application::clock::Clock;
    let (hall, sold) = full(engine, 1).await;
    let soon = hall.clock.now() + TimeDelta::hours(2);
    let edit = TicketTypeEdit { sales_end_at: Some(Some(soon)), ..TicketTypeEdit::default() };
    edit_type(&hall, 0, edit).await.unwrap();
    wait_for(&hall, 1, 1).await;
    wait_for(&hall, 2, 1).await;
    refund(&hall, &sold[0]).await;
    assert_eq!(offers(&hall).await[0].hold.unwrap().expires_at, soon);
    hall.clock.step(TimeDelta::hours(2));
    hall.submit(Command::Expire(10)).await.unwrap();
    assert_eq!(statuses(&hall).await, [EntryStatus::Expired, EntryStatus::Closed]);
    hall.verify().await;
}

async fn what_is_wrong_with_a_waiting_list_is_found(engine: Engine) {
    for (wrong, invariant) in [
        ("UPDATE ticket_types SET waiting = waiting + 1", "waiting_counts"),
        ("UPDATE waiting_list_entries SET status = 2 WHERE status = 0", "waiting_counts"),
        ("UPDATE waiting_list_entries SET quantity = 7 WHERE status = 1", "waiting_list"),
        ("UPDATE bookings SET channel = 1 WHERE channel = 3", "waiting_list"),
        ("UPDATE bookings SET channel = 3", "waiting_list"),
        ("UPDATE waiting_list_entries SET version = version + 1", "waiting_list"),
        ("DELETE FROM waiting_list_entries WHERE status = 1", "waiting_list"),
    ] {
        let (hall, sold) = full(engine, 2).await;
        wait_for(&hall, 1, 1).await;
        wait_for(&hall, 2, 1).await;
        refund(&hall, &sold[0]).await;
        hall.verify().await;
        hall.test.tamper(wrong).await;
        let found = still(async || hall.test.database.verify().await).await.unwrap().differences;
        assert!(found.iter().any(|difference| difference.invariant == invariant), "{wrong}: {found:?}");
    }
}

/// Not even in the very batch that makes it.
async fn who_has_an_offer_does_not_join_again(engine: Engine) {
    let (hall, sold) = full(engine, 8).await;
    for n in 1..=8 {
        wait_for(&hall, n, 1).await;
    }
    for (n, booking) in (1..=8).zip(&sold) {
        let again = join_all((0..6).map(|_| hall.submit(joins(&hall, n, 0, 1))));
        let ((), again) = tokio::join!(refund(&hall, booking), again);
        for answer in again {
            assert!(matches!(answer, Err(AppError::AlreadyExists(_))), "{answer:?}");
        }
    }
    assert_eq!(buyers(&offers(&hall).await), (1..=8).collect::<Vec<_>>());
    assert_eq!(entries(&hall).await.len(), 8);
    hall.verify().await;
}
