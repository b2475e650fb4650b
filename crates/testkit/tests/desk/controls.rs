//! The negative controls of the races in `sale`: without the lock of the lane and without the constraints of the database
//! they oversell, and are seen to. Either of them alone prevents it. A race that could not lose would prove nothing.

use std::collections::HashMap;
use std::sync::Arc;

use adapter_sql::NegativeControl;
use application::booking::Desk;
use application::error::AppError;
use application::idempotency::IdempotencyKey;
use application::verify::Verifier;
use domain::booking::BookingStatus;
use domain::catalog::NewTicketType;
use domain::{PoolId, UserId};
use futures::future::join_all;
use goticket_testkit::contract::fixture::stored_concert;
use goticket_testkit::contract::race::race;
use goticket_testkit::databases::{Engine, TestDatabase};
use goticket_testkit::hall::{Hall, hold, ticket_type};
use goticket_testkit::on_both_engines;
use uuid::Uuid;

use crate::sale::mix;

on_both_engines!(
    the_race_at_the_store_oversells_without_both,
    the_race_with_returners_oversells_without_both,
    the_plain_race_oversells_without_both,
    the_mixed_race_oversells_without_both,
    a_buyer_gets_more_than_his_limit_without_the_lock,
    the_same_key_makes_one_booking_by_the_constraint_alone,
);

/// How often a race may be run until it is lost.
const RUNS_MAX: usize = 20;

/// How often what protects must hold.
const RUNS_KEPT: usize = 5;

const NEITHER: NegativeControl = NegativeControl { skip_lane_lock: true, drop_pool_checks: true };
const CONSTRAINTS_ALONE: NegativeControl = NegativeControl { skip_lane_lock: true, drop_pool_checks: false };
const LOCK_ALONE: NegativeControl = NegativeControl { skip_lane_lock: false, drop_pool_checks: true };

fn buyer(n: u128) -> UserId {
    UserId::new(Uuid::from_u128(n))
}

/// A database without some protection.
async fn database(engine: Engine, control: NegativeControl) -> TestDatabase {
    let test = TestDatabase::create_with(engine, |settings| settings.negative_control = control).await;
    test.database.weaken(control).await.expect("the constraint can be dropped");
    test
}

/// An event in a database without some protection, and three desks on it. SQLite has one in what we ship; here its file has
/// three, since a race needs somebody to lose against.
async fn weakened(
    engine: Engine,
    control: NegativeControl,
    types: &[NewTicketType],
    shared: Option<i64>,
) -> (Hall, [Desk; 3]) {
    let hall = Hall::open_in(database(engine, control).await, types, shared).await;
    let desks = [hall.desk.clone(), hall.another_desk().await, hall.another_desk().await];
    (hall, desks)
}

/// Runs a race until it is lost, and fails if it never is: then it would prove nothing.
async fn must_be_lost(race: impl AsyncFn() -> bool) {
    for _ in 0..RUNS_MAX {
        if race().await {
            return;
        }
    }
    panic!("the race proves nothing: it was never lost");
}

/// Whether `verify` finds nothing.
async fn clean(test: &TestDatabase) -> bool {
    test.database.verify().await.unwrap().differences.is_empty()
}

/// Twenty units and sixty buyers over three processes without a desk (`contract::race`), beside so many who give back what
/// they got; says how many were bought and kept, and whether `verify` is clean.
async fn store_race(engine: Engine, control: NegativeControl, returners: usize) -> (usize, bool) {
    let test = database(engine, control).await;
    let event = stored_concert(&test, Some(20), None).await.event.id;
    let databases = vec![test.database.clone(), test.open().await, test.open().await];
    let bought = race(databases, event, 60, returners).await;
    (bought, clean(&test).await)
}

/// Without both the race is lost at last, and `verify` sees it.
async fn must_oversell_the_store(engine: Engine, returners: usize) {
    must_be_lost(async || {
        let (bought, clean) = store_race(engine, NEITHER, returners).await;
        assert!(bought <= 20 || !clean, "verify sees what was oversold");
        bought > 20
    })
    .await;
}

async fn the_race_at_the_store_oversells_without_both(engine: Engine) {
    must_oversell_the_store(engine, 0).await;
    for _ in 0..RUNS_KEPT {
        assert_eq!(store_race(engine, CONSTRAINTS_ALONE, 0).await, (20, true), "the constraint has the last word");
        assert_eq!(store_race(engine, LOCK_ALONE, 0).await, (20, true), "the lock is enough");
    }
}

async fn the_race_with_returners_oversells_without_both(engine: Engine) {
    must_oversell_the_store(engine, 30).await;
    for _ in 0..RUNS_KEPT {
        for control in [CONSTRAINTS_ALONE, LOCK_ALONE] {
            let (bought, clean) = store_race(engine, control, 30).await;
            assert!(bought <= 20 && clean, "either is enough: {bought} bought, clean: {clean}");
        }
    }
}

/// Fifty units, thirty buyers at a time by three processes; says how many were promised and whether `verify` is clean.
async fn plain_race(engine: Engine, control: NegativeControl) -> (usize, bool) {
    let (hall, desks) = weakened(engine, control, &[ticket_type(100, Some(50))], None).await;
    let ask = |n: u128| hold(&desks[n as usize % desks.len()], hall.event, hall.request(buyer(n), 1), None);
    let mut promised = 0;
    for burst in 0..4 {
        let answers = join_all((0..30).map(|n| ask(burst * 30 + n))).await;
        promised += answers.iter().filter(|answer| answer.is_ok()).count();
    }
    (promised, clean(&hall.test).await)
}

async fn the_plain_race_oversells_without_both(engine: Engine) {
    let mut oversold = 0;
    for _ in 0..RUNS_MAX {
        let (promised, clean) = plain_race(engine, NEITHER).await;
        assert_eq!(promised > 50, !clean, "verify sees what was oversold, and nothing else");
        oversold += usize::from(promised > 50);
        if oversold > 2 {
            break;
        }
    }
    assert!(oversold > 0, "the race proves nothing: it never oversold");
    for _ in 0..RUNS_KEPT {
        let (promised, clean) = plain_race(engine, CONSTRAINTS_ALONE).await;
        assert!(promised <= 50 && clean, "the constraint has the last word: {promised} promised, clean: {clean}");
        let (promised, clean) = plain_race(engine, LOCK_ALONE).await;
        assert!(promised == 50 && clean, "the lock is enough: {promised} promised, clean: {clean}");
    }
}

/// Holds, renewals, confirmations, cancellations, capacities that move and a shared pool, all at once; says whether some
/// pool has more units than room, counted by the bookings themselves, and whether `verify` is clean.
async fn mixed_race(engine: Engine, control: NegativeControl) -> (bool, bool) {
    let types = [ticket_type(100, Some(60)), ticket_type(0, Some(60))];
    let (hall, desks) = weakened(engine, control, &types, Some(80)).await;
    let hall = Arc::new(hall);
    // Without the lock a decision may rest on what is no longer so, and then its rows are refused, too.
    let any: fn(&AppError) -> bool = |_| true;
    let tasks = (0..12_u128).map(|n| {
        let (hall, desk) = (Arc::clone(&hall), desks[n as usize % desks.len()].clone());
        tokio::spawn(async move { mix(&hall, &desk, n, any).await })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
    let sale = hall.sale().await.sale;
    let mut taken: HashMap<PoolId, u32> = HashMap::new();
    for booking in hall.bookings().await {
        if !matches!(booking.status, BookingStatus::Pending | BookingStatus::Confirmed) {
            continue;
        }
        for item in &booking.items {
            let of = sale.ticket_types.iter().find(|known| known.id == item.ticket_type).unwrap();
            for pool in of.shared_pools.iter().chain([&of.own_pool]) {
                *taken.entry(*pool).or_default() += item.quantity;
            }
        }
    }
    let over = |pool: PoolId, capacity: u32| taken.get(&pool).is_some_and(|units| *units > capacity);
    let oversold = sale.pools.iter().any(|pool| pool.capacity.is_some_and(|capacity| over(pool.id, capacity)));
    (oversold, clean(&hall.test).await)
}

async fn the_mixed_race_oversells_without_both(engine: Engine) {
    must_be_lost(async || {
        let (over, clean) = mixed_race(engine, NEITHER).await;
        assert!(!over || !clean, "verify sees what was oversold");
        over
    })
    .await;
    for _ in 0..RUNS_KEPT {
        assert!(!mixed_race(engine, CONSTRAINTS_ALONE).await.0, "the constraints have the last word");
        assert_eq!(mixed_race(engine, LOCK_ALONE).await, (false, true), "the lock is enough");
    }
}

/// What one buyer got of 90 that he asked for by three processes, where his limit is 7. No constraint guards that.
async fn limit_race(engine: Engine, control: NegativeControl) -> usize {
    let limited = NewTicketType { max_per_buyer: Some(7), ..ticket_type(100, None) };
    let (hall, desks) = weakened(engine, control, &[limited], None).await;
    let ask = |n: usize| hold(&desks[n % desks.len()], hall.event, hall.request(hall.user, 1), None);
    let mut held = 0;
    for burst in 0..6 {
        let answers = join_all((0..15).map(|n| ask(burst * 15 + n))).await;
        held += answers.iter().filter(|answer| answer.is_ok()).count();
    }
    held
}

async fn a_buyer_gets_more_than_his_limit_without_the_lock(engine: Engine) {
    must_be_lost(async || limit_race(engine, CONSTRAINTS_ALONE).await > 7).await;
    for _ in 0..RUNS_KEPT {
        assert_eq!(limit_race(engine, LOCK_ALONE).await, 7, "the lock is enough");
    }
}

async fn the_same_key_makes_one_booking_by_the_constraint_alone(engine: Engine) {
    for _ in 0..RUNS_KEPT {
        let (hall, desks) = weakened(engine, CONSTRAINTS_ALONE, &[ticket_type(100, Some(100))], None).await;
        let key = IdempotencyKey { caller: hall.user.into(), key: "k-1".into(), fingerprint: [1; 32] };
        let ask = |n: usize| hold(&desks[n % desks.len()], hall.event, hall.request(hall.user, 2), Some(key.clone()));
        let answers = join_all((0..30).map(ask)).await;
        let answered: Vec<_> = answers.iter().flatten().map(|booking| booking.id).collect();
        let there = hall.bookings().await;
        assert_eq!(there.len(), 1, "the second is refused with its key");
        assert!(answered.iter().all(|id| *id == there[0].id), "all are told of the same one");
    }
}
