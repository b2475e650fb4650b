//! The desk over real databases: races, replays, stale clocks, lost commits. `controls` shows that these races would see
//! overselling.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use application::booking::{Command, Desk, LaneStore, LaneWait, Outcome};
use application::clock::Clock;
use application::error::AppError;
use application::idempotency::IdempotencyKey;
use application::origin::Origin;
use chrono::TimeDelta;
use domain::booking::{Booking, BookingStatus, Canceller, Refusal, SaleChange};
use domain::catalog::{NewTicketType, StatusChange, TicketTypeEdit};
use domain::{BookingId, UserId};
use futures::future::join_all;
use goticket_testkit::databases::{Engine, TestDatabase};
use goticket_testkit::hall::{Hall, hold, ticket_type};
use rstest::rstest;
use uuid::Uuid;

fn is_sold_out(result: &Result<Booking, AppError>) -> bool {
    matches!(result, Err(AppError::Refused(Refusal::SoldOut { .. })))
}

fn buyer(n: u128) -> UserId {
    UserId::new(Uuid::from_u128(n))
}

#[rstest]
#[case(Engine::Sqlite, 1)]
#[case(Engine::Postgres, 1)]
#[case(Engine::Postgres, 3)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_as_many_are_sold_as_there_are(#[case] engine: Engine, #[case] processes: usize) {
    let hall = Hall::open(engine, &[ticket_type(100, Some(50))]).await;
    let mut desks = vec![hall.desk.clone()];
    for _ in 1..processes {
        desks.push(hall.another_desk().await);
    }
    let ask = |n: u128| hold(&desks[n as usize % desks.len()], hall.event, hall.request(buyer(n), 1), None);
    let answers = join_all((0..400).map(ask)).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 50);
    assert!(answers.iter().all(|answer| answer.is_ok() || is_sold_out(answer)), "{answers:?}");
    let pools = hall.sale().await.sale.pools;
    assert_eq!((pools[0].held, pools[0].sold), (50, 0));
    hall.verify().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_buyer_with_a_thousand_requests_gets_exactly_his_limit(#[case] engine: Engine) {
    let limited = NewTicketType { max_per_buyer: Some(7), ..ticket_type(100, None) };
    let hall = Hall::open(engine, &[limited]).await;
    let answers = join_all((0..1_000).map(|_| hall.hold(1))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 7);
    let limit = |answer: &&Result<Booking, AppError>| {
        matches!(answer, Err(AppError::Refused(Refusal::LimitExceeded { limit: 7, .. })))
    };
    assert_eq!(answers.iter().filter(limit).count(), 993);
    hall.clock.step(TimeDelta::seconds(60));
    assert!(hall.hold(7).await.is_ok(), "what has lapsed no longer counts");
    hall.verify().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lapsed_holds_are_free_for_the_very_next_decision(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(100, Some(10))]).await;
    let first = join_all((0..10).map(|_| hall.hold(1))).await;
    assert!(is_sold_out(&hall.hold(1).await));
    hall.clock.step(TimeDelta::seconds(60));
    let second = hall.hold(3).await.unwrap();
    let expired = hall.bookings().await.iter().filter(|known| known.status == BookingStatus::Expired).count();
    assert_eq!(expired, 3, "no more than are needed");
    // A first buyer whose hold was not needed yet comes too late all the same.
    let kept =
        hall.bookings().await.into_iter().find(|known| known.status == BookingStatus::Pending && known.id != second.id);
    let late = hall.submit(Command::Renew(kept.unwrap().id)).await;
    assert!(matches!(late, Err(AppError::Refused(Refusal::BookingExpired))), "{late:?}");
    assert!(matches!(hall.submit(Command::Expire(100)).await, Ok(Outcome::Expired(7))));
    assert!(matches!(hall.submit(Command::Expire(100)).await, Ok(Outcome::Expired(0))), "twice is once");
    assert!(first.iter().all(Result::is_ok));
    hall.verify().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_lapsed_holds_than_one_commit_reclaims_are_still_found(#[case] engine: Engine) {
    let limited = [ticket_type(100, Some(300)), ticket_type(100, Some(5))];
    let hall = Hall::open_in(TestDatabase::create(engine).await, &limited, Some(305)).await;
    // The oldest 300 stand in another pool than the one that will be short.
    join_all((0..300).map(|_| hall.hold(1))).await;
    hall.clock.step(TimeDelta::seconds(1));
    let second = || hold(&hall.desk, hall.event, hall.request_of(buyer(1), &[(1, 1)]), None);
    assert!(join_all((0..5).map(|_| second())).await.iter().all(Result::is_ok));
    hall.clock.step(TimeDelta::seconds(60));
    assert!(second().await.is_ok(), "behind the first hundreds lies one that helps");
    hall.verify().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_lapsed_in_another_pool_is_not_remembered_as_sold(#[case] engine: Engine) {
    let limited = [ticket_type(100, Some(3)), ticket_type(100, Some(1))];
    let hall = Hall::open(engine, &limited).await;
    hall.hold(2).await.unwrap();
    hall.hold(1).await.unwrap();
    hall.clock.step(TimeDelta::seconds(60));
    // The second type runs out. What has lapsed of the first is no help, and is free all the same.
    let second = hold(&hall.desk, hall.event, hall.request_of(buyer(1), &[(1, 2)]), None).await;
    assert!(is_sold_out(&second));
    assert!(hall.hold(1).await.is_ok(), "the very next decision gets what has lapsed");
    let both = hold(&hall.desk, hall.event, hall.request_of(buyer(1), &[(0, 1), (1, 2)]), None).await;
    let Err(AppError::Refused(Refusal::SoldOut { left })) = both else { panic!("{both:?}") };
    assert_eq!(left, [(hall.types[0], 2), (hall.types[1], 1)]);
    hall.verify().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_fifty_times_makes_one_booking(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(100, Some(100))]).await;
    let others = hall.another_desk_if(engine).await;
    let key = IdempotencyKey { caller: hall.user.into(), key: "k-1".into(), fingerprint: [1; 32] };
    let ask = |n: usize| {
        let desk = if n.is_multiple_of(2) { &hall.desk } else { &others };
        hold(desk, hall.event, hall.request(hall.user, 2), Some(key.clone()))
    };
    let answers: Vec<Booking> = join_all((0..50).map(ask)).await.into_iter().map(Result::unwrap).collect();
    let ids: HashSet<_> = answers.iter().map(|booking| booking.id).collect();
    assert_eq!(ids.len(), 1);
    // All that a caller sees; pools are the lane's own.
    let told = |booking: &Booking| (booking.reference.clone(), booking.total, booking.created_at, booking.hold);
    assert!(answers.iter().all(|booking| told(booking) == told(&answers[0])), "50 equal answers");
    assert_eq!(hall.bookings().await.len(), 1);

    let other = IdempotencyKey { fingerprint: [2; 32], ..key.clone() };
    let conflict = hold(&hall.desk, hall.event, hall.request(hall.user, 2), Some(other.clone())).await;
    assert!(matches!(conflict, Err(AppError::IdempotencyConflict)), "{conflict:?}");
    hall.clock.step(TimeDelta::hours(24));
    let anew = hold(&hall.desk, hall.event, hall.request(hall.user, 2), Some(other)).await.unwrap();
    assert!(!ids.contains(&anew.id), "after a day the key may be used anew");
    hall.verify().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_not_kept_under_its_key(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(100, Some(1))]).await;
    let first = hall.hold(1).await.unwrap();
    let key = IdempotencyKey { caller: hall.user.into(), key: "k-1".into(), fingerprint: [1; 32] };
    let ask = || hold(&hall.desk, hall.event, hall.request(hall.user, 1), Some(key.clone()));
    assert!(is_sold_out(&ask().await));
    hall.submit(Command::Cancel(first.id, Canceller::Buyer)).await.unwrap();
    assert!(ask().await.is_ok());
    hall.verify().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_of_a_lane_never_runs_backwards(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(100, Some(1))]).await;
    let held = hall.hold(1).await.unwrap();
    hall.clock.step(TimeDelta::seconds(60));
    assert!(matches!(hall.submit(Command::Expire(1)).await, Ok(Outcome::Expired(1))));
    hall.clock.step(TimeDelta::hours(-1));
    let next = hall.hold(1).await.unwrap();
    assert!(next.created_at > held.created_at && next.hold.unwrap().release_at > held.hold.unwrap().release_at);
    hall.clock.step(TimeDelta::days(20));
    assert!(hall.hold(1).await.is_ok(), "a step forward only lapses what it passes");
    hall.verify().await;
}

/// The instant of the last decision, as the lane's row has it.
async fn decided_at(hall: &Hall) -> domain::Timestamp {
    let open = hall.test.database.begin_lanes(&[hall.event], LaneWait::Queue).await.unwrap();
    let decided_at = open.locked[0].decided_at;
    open.transaction.commit().await.unwrap();
    decided_at
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_may_step_both_ways_in_the_middle_of_a_sale(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(100, Some(30)), ticket_type(0, Some(200))]).await;
    let others = hall.another_desk_if(engine).await;
    let mut last = decided_at(&hall).await;
    // Forward past some holds, back behind their beginning, forward again; and a little both ways while buyers are at work.
    for step in [90, -3_600, 3_640, -7].repeat(4) {
        hall.clock.step(TimeDelta::seconds(step));
        let stepping = async {
            for step in [5, -9, 6] {
                tokio::time::sleep(Duration::from_millis(2)).await;
                hall.clock.step(TimeDelta::seconds(step));
            }
        };
        let selling = join_all((0..12_u128).map(|n| {
            let desk = if n.is_multiple_of(2) { &hall.desk } else { &others };
            let kind = usize::from(n % 4 == 3);
            hold(desk, hall.event, hall.request_of(buyer(n), &[(kind, 2)]), None)
        }));
        let (held, ()) = tokio::join!(selling, stepping);
        for (n, booking) in held.into_iter().flatten().enumerate() {
            let command = match n % 3 {
                0 => Command::Confirm { booking: booking.id, note: None },
                1 => Command::Renew(booking.id),
                _ => Command::Expire(3),
            };
            match hall.submit(command).await {
                Ok(_) | Err(AppError::Refused(Refusal::BookingExpired | Refusal::InvalidState(_))) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        let now = decided_at(&hall).await;
        assert!(now >= last, "the lane went from {last} to {now}");
        last = now;
    }
    let bookings = hall.bookings().await;
    assert!(bookings.len() > 30, "{} bookings", bookings.len());
    for booking in &bookings {
        assert!(booking.updated_at >= booking.created_at, "{booking:?}");
        let Some(hold) = booking.hold else { continue };
        assert!(
            hold.release_at >= booking.created_at + TimeDelta::seconds(60),
            "nobody's hold is cut short: {booking:?}"
        );
        match booking.status {
            BookingStatus::Expired => assert!(booking.updated_at >= hold.release_at, "it held no longer: {booking:?}"),
            BookingStatus::Confirmed => assert!(booking.updated_at < hold.release_at, "it still held: {booking:?}"),
            BookingStatus::Pending | BookingStatus::Cancelled => {}
        }
    }
    let count = |status| bookings.iter().filter(|known| known.status == status).count();
    assert!(count(BookingStatus::Expired) > 0 && count(BookingStatus::Confirmed) > 0, "{bookings:?}");
    hall.verify().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_refused_row_fails_no_neighbour(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(100, None)]).await;
    let taken = hall.hold(1).await.unwrap();
    let mut requests: Vec<_> = (0..40).map(|n| hall.request(buyer(n), 1)).collect();
    // Its reference is taken; the constraint of the database finds it, and the desk gives it another.
    requests[17].reference = taken.reference.clone();
    let answers = join_all(requests.into_iter().map(|request| hold(&hall.desk, hall.event, request, None))).await;
    let references: HashSet<_> = answers.into_iter().map(|answer| answer.unwrap().reference).collect();
    assert_eq!(references.len(), 40);
    assert!(!references.contains(&taken.reference));
    hall.verify().await;
}

/// Those who keep coming must not keep a refused batch from being halved down to the one that is bad.
#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_row_is_found_though_others_keep_coming(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(100, None)]).await;
    let taken = hall.hold(1).await.unwrap();
    let found = AtomicBool::new(false);
    let coming = join_all((0..40).map(|n| {
        let (hall, found) = (&hall, &found);
        async move {
            while !found.load(Ordering::Relaxed) {
                hold(&hall.desk, hall.event, hall.request(buyer(n), 1), None).await.unwrap();
            }
        }
    }));
    let bad = async {
        for _ in 0..5 {
            let mut request = hall.request(buyer(100), 1);
            request.reference = taken.reference.clone();
            let held = hold(&hall.desk, hall.event, request, None).await;
            assert_ne!(held.expect("it gets another reference before its patience ends").reference, taken.reference);
        }
        found.store(true, Ordering::Relaxed);
    };
    tokio::join!(coming, bad);
    hall.verify().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_confirmations_cancellations_and_capacities_at_once(#[case] engine: Engine) {
    let types = [ticket_type(100, Some(60)), ticket_type(0, Some(60))];
    let hall = Arc::new(Hall::open_in(TestDatabase::create(engine).await, &types, Some(80)).await);
    let others = hall.another_desk_if(engine).await;
    let tasks = (0..12_u128).map(|n| {
        let (hall, others) = (Arc::clone(&hall), others.clone());
        tokio::spawn(
            async move { mix(&hall, if n.is_multiple_of(2) { &hall.desk } else { &others }, n, refused).await },
        )
    });
    let mut promised = HashSet::new();
    for task in join_all(tasks).await {
        promised.extend(task.unwrap());
    }
    hall.verify().await;
    let there: HashSet<_> = hall.bookings().await.into_iter().map(|booking| booking.id).collect();
    assert_eq!(promised, there, "what was promised is there, and nothing else");
    let pools = hall.sale().await.sale.pools;
    assert!(pools.iter().all(|pool| pool.capacity.is_none_or(|capacity| pool.occupied() <= capacity)), "{pools:?}");
    assert!(hall.bookings().await.len() > 25, "the hall was filled at least once");
}

/// What one participant does: a fixed mixture by a generator of its own, so that a failure can be run again.
pub(super) async fn mix(hall: &Hall, desk: &Desk, seed: u128, may_fail: fn(&AppError) -> bool) -> HashSet<BookingId> {
    let mut state = seed as u64 * 7_919 + 1;
    let mut next = move |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let (mut mine, mut promised): (Vec<Booking>, HashSet<BookingId>) = (vec![], HashSet::new());
    let submit = |command| desk.submit(hall.event, command, Origin::system("test"), None);
    for _ in 0..60 {
        match next(10) {
            0..=4 => {
                let units = [(next(2) as usize, 1 + next(3) as u32)];
                let held = allowed(hold(desk, hall.event, hall.request_of(buyer(seed), &units), None).await, may_fail);
                promised.extend(held.as_ref().map(|booking| booking.id));
                mine.extend(held);
            }
            5 => hall.clock.step(TimeDelta::seconds(next(40) as i64)),
            6 => {
                let capacity = Some(Some(40 + next(60) as i64));
                let edit = TicketTypeEdit { capacity, ..TicketTypeEdit::default() };
                let change = Box::new(SaleChange::EditTicketType { id: hall.types[next(2) as usize], edit });
                allowed(submit(Command::Change { change, expected_version: None }).await, may_fail);
            }
            7 => drop(allowed(submit(Command::Expire(20)).await, may_fail)),
            action => {
                let Some(booking) = mine.pop() else { continue };
                let command = match action {
                    8 => Command::Confirm { booking: booking.id, note: None },
                    _ if next(2) == 0 => Command::Cancel(booking.id, Canceller::Buyer),
                    _ => Command::Renew(booking.id),
                };
                drop(allowed(submit(command).await, may_fail));
            }
        }
    }
    promised
}

/// What came of it, where some errors may happen and no others.
fn allowed<T>(answer: Result<T, AppError>, may_fail: fn(&AppError) -> bool) -> Option<T> {
    match answer {
        Ok(done) => Some(done),
        Err(error) if may_fail(&error) => None,
        Err(other) => panic!("{other:?}"),
    }
}

fn refused(error: &AppError) -> bool {
    matches!(error, AppError::Refused(_))
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_event_sells_nothing_and_a_deleted_one_is_not_there(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(0, Some(9))]).await;
    let free = hall.hold(1).await.unwrap();
    assert!(matches!(
        hall.submit(Command::Delete { expected_version: None }).await,
        Err(AppError::Refused(Refusal::InvalidState(_)))
    ));
    hall.change(SaleChange::Step(StatusChange::Cancel)).await.unwrap();
    assert!(matches!(hall.hold(1).await, Err(AppError::Refused(Refusal::SalesClosed(_)))));
    hall.submit(Command::CancelWithEvent(free.id)).await.unwrap();
    hall.verify().await;

    let empty = Hall::open(engine, &[ticket_type(0, Some(9))]).await;
    empty.submit(Command::Delete { expected_version: None }).await.unwrap();
    assert!(matches!(empty.hold(1).await, Err(AppError::NotFound("event"))));
    empty.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cuts_its_connections_loses_nothing_and_is_found_again() {
    let hall = Hall::open(Engine::Postgres, &[ticket_type(100, None)]).await;
    let (mut promised, mut cut_off) = (HashSet::new(), 0);
    for _ in 0..20 {
        let burst = join_all((0..20).map(|_| hall.hold(1)));
        let (answers, cut) = tokio::join!(burst, hall.test.cut_connections());
        cut_off += cut;
        for answer in answers {
            match answer {
                Ok(booking) => drop(promised.insert(booking.id)),
                Err(AppError::Unavailable { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    hall.hold(1).await.expect("it goes on without a restart");
    let there: HashSet<_> = hall.bookings().await.into_iter().map(|booking| booking.id).collect();
    assert!(cut_off > 0, "there was a connection to cut");
    assert!(!promised.is_empty(), "somebody was promised something between two cuts");
    assert!(promised.is_subset(&there), "every promise is kept");
    hall.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_another_process_holds_delays_no_other_and_is_served_when_it_is_free() {
    let stuck = Hall::open(Engine::Postgres, &[ticket_type(100, None)]).await;
    let url = stuck.test.settings().url;
    let mut holder = <sqlx::PgConnection as sqlx::Connection>::connect(&url).await.unwrap();
    sqlx::query("BEGIN").execute(&mut holder).await.unwrap();
    sqlx::query("SELECT 1 FROM lanes FOR UPDATE").execute(&mut holder).await.unwrap();
    let waiting = tokio::spawn({
        let (desk, event, request) = (stuck.desk.clone(), stuck.event, stuck.request(stuck.user, 1));
        async move { hold(&desk, event, request, None).await }
    });
    // A second event of the same desk is served meanwhile: an unknown one is told so at once.
    let unknown = domain::EventId::new(stuck.ids.uuid());
    let other = hold(&stuck.desk, unknown, stuck.request(stuck.user, 1), None);
    let other = tokio::time::timeout(Duration::from_secs(1), other).await.expect("nobody waits for the stuck lane");
    assert!(matches!(other, Err(AppError::NotFound("event"))));
    assert!(!waiting.is_finished());
    sqlx::query("ROLLBACK").execute(&mut holder).await.unwrap();
    waiting.await.unwrap().expect("it is served once the lane is free");
    stuck.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_carries_out_what_waits_and_takes_no_more() {
    let hall = Hall::open(Engine::Sqlite, &[ticket_type(100, None)]).await;
    let asked: Vec<_> = (0..200)
        .map(|n| {
            let (desk, event, request) = (hall.desk.clone(), hall.event, hall.request(buyer(n), 1));
            tokio::spawn(async move { hold(&desk, event, request, None).await })
        })
        .collect();
    while hall.desk.waiting() == 0 && asked.iter().any(|task| !task.is_finished()) {
        tokio::task::yield_now().await;
    }
    hall.desk.close().await;
    let mut held = 0;
    for task in asked {
        match task.await.unwrap() {
            Ok(_) => held += 1,
            Err(AppError::Unavailable { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(hall.bookings().await.len(), held, "each got a true answer");
    assert!(matches!(hall.hold(1).await, Err(AppError::Unavailable { .. })));
    hall.verify().await;
}

#[rstest]
#[case(Engine::Sqlite)]
#[case(Engine::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_decision_says_of_time_is_what_is_read_back(#[case] engine: Engine) {
    let hall = Hall::open(engine, &[ticket_type(100, None)]).await;
    let held = hall.hold(2).await.unwrap();
    assert_eq!(hall.bookings().await, std::slice::from_ref(&held));
    assert_eq!(held.created_at, hall.clock.now());
}
