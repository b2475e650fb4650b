//! Many at once: exactly as much is sold as there is.

use std::sync::Arc;

use adapter_sql::Database;
use application::booking::{LaneStore, LaneWait};
use domain::EventId;
use domain::booking::{BookingStatus, Sale, StockMove};

use super::fixture::{assert_sound, at, booking, buyer, holds, moved, stored_concert};
use crate::databases::TestDatabase;

/// What a buyer does without a desk: lock, load, decide, write, commit.
async fn buy(store: &Database, event: EventId, give_back: bool) -> bool {
    loop {
        let Ok(mut open) = store.begin_lanes(&[event], LaneWait::Queue).await else { continue };
        let Ok(mut sales) = open.transaction.sales(&[event]).await else { continue };
        let Some(sale) = sales.pop() else { continue };
        let booking = booking(&sale, buyer(), 1, Some(at(900)));
        if !has_room(&sale, &booking) {
            return false;
        }
        if open.transaction.write(&holds(&sale, std::slice::from_ref(&booking))).await.is_err()
            || open.transaction.commit().await.is_err()
        {
            continue;
        }
        if give_back {
            let (_, changes) = moved(&sale, &booking, BookingStatus::Cancelled);
            while super::fixture::write(store, &changes).await.is_err() {}
        }
        return !give_back;
    }
}

fn has_room(sale: &Sale, booking: &domain::booking::Booking) -> bool {
    let pools = booking.items[0].pools.iter();
    let moves: Vec<StockMove> = pools.map(|pool| StockMove { pool: *pool, held: 1, sold: 0 }).collect();
    sale.has_room(&moves)
}

/// So many who buy one each, and so many who give theirs back, in turn over these databases; says how many were bought and
/// kept.
///
/// # Panics
/// When a task does.
pub async fn race(databases: Vec<Database>, event: EventId, buyers: usize, returners: usize) -> usize {
    let databases = Arc::new(databases);
    let mut tasks = Vec::new();
    for at in 0..buyers + returners {
        let databases = Arc::clone(&databases);
        tasks.push(tokio::spawn(async move { buy(&databases[at % databases.len()], event, at >= buyers).await }));
    }
    let mut sold = 0;
    for task in tasks {
        sold += usize::from(task.await.unwrap());
    }
    sold
}

/// Fifty buyers, one ticket.
pub async fn one_ticket_is_sold_once(db: TestDatabase) {
    let event = stored_concert(&db, Some(1), None).await.event.id;
    assert_eq!(race(vec![db.database.clone()], event, 50, 0).await, 1);
    assert_sound(&db).await;
}

/// Two and three processes on one database, or as near to it as one process can play: the shared pool is the short one.
pub async fn replicas_sell_no_more_than_there_is(db: TestDatabase) {
    let event = stored_concert(&db, Some(100), Some(20)).await.event.id;
    let replicas = vec![db.database.clone(), db.open().await, db.open().await];
    assert_eq!(race(replicas, event, 60, 0).await, 20);
    assert_sound(&db).await;
}

/// Some give back what they got, while others buy.
pub async fn what_comes_back_is_counted_once(db: TestDatabase) {
    let event = stored_concert(&db, Some(30), None).await.event.id;
    let sold = race(vec![db.database.clone(), db.open().await], event, 20, 10).await;
    assert_eq!(sold, 20, "there was room for everybody");
    assert_sound(&db).await;
}
