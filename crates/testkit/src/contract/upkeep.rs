//! Starting, surviving, verifying.

use adapter_sql::{ConnectError, Database, DatabaseSettings};
use application::booking::{LaneStore, LaneWait};
use application::store::{Store, StoreError};
use application::verify::Verifier;

use super::fixture::{assert_sound, at, booking, buyer, holds, id, stored_concert, write};
use crate::databases::{Engine, TestDatabase, still};

/// Many replicas may migrate at once, from nothing, and again.
pub async fn migrations_run_once(db: TestDatabase) {
    let empty = TestDatabase::create_empty(db.engine).await;
    for _ in 0..2 {
        let mut tasks = Vec::new();
        for _ in 0..4 {
            let database = empty.open().await;
            tasks.push(tokio::spawn(async move { database.migrate().await }));
        }
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    }
    stored_concert(&empty, Some(1), None).await;
    assert_sound(&empty).await;
}

/// A second server on one SQLite file is refused; a command beside the server is not. PostgreSQL takes all.
pub async fn a_file_has_one_server(db: TestDatabase) {
    let serving = DatabaseSettings { exclusive: true, ..db.settings() };
    let first = Database::connect(&serving).await.unwrap();
    let second = Database::connect(&serving).await;
    match db.engine {
        Engine::Postgres => drop(second.unwrap()),
        Engine::Sqlite => assert!(matches!(second, Err(ConnectError::InUse(_))), "{second:?}"),
    }
    db.open().await.ping().await.unwrap();
    first.close().await;
    drop(first);
    Database::connect(&serving).await.unwrap();
}

/// Addresses that lead nowhere are told so.
pub async fn an_address_must_be_one(_db: TestDatabase) {
    for url in ["", "mysql://localhost/x", "sqlite::memory:", "sqlite://"] {
        let refused = Database::connect(&DatabaseSettings::new(url)).await;
        assert!(matches!(refused, Err(ConnectError::Url(_))), "{url}: {refused:?}");
    }
}

/// Connections that were cut are replaced without anybody's help.
pub async fn cut_connections_are_survived(db: TestDatabase) {
    let sale = stored_concert(&db, Some(100), None).await;
    for _ in 0..3 {
        write(&db.database, &holds(&sale, &[booking(&sale, buyer(), 1, Some(at(900)))])).await.unwrap();
        db.cut_connections().await;
        write(&db.database, &holds(&sale, &[booking(&sale, buyer(), 1, Some(at(900)))])).await.unwrap();
        still(async || db.database.ping().await).await.unwrap();
    }
    assert_sound(&db).await;
}

/// A transaction that is lost in the middle leaves nothing and frees the lane; where it is lost with its connection, it says
/// «unavailable».
pub async fn a_cut_transaction_leaves_nothing(db: TestDatabase) {
    let sale = stored_concert(&db, Some(100), None).await;
    let mut open = db.database.begin_lanes(&[sale.event.id], LaneWait::Queue).await.unwrap();
    let changes = holds(&sale, &[booking(&sale, buyer(), 1, Some(at(900)))]);
    match db.engine {
        Engine::Postgres => {
            db.cut_connections().await;
            let failed = open.transaction.write(&changes).await.unwrap_err();
            assert!(matches!(failed, StoreError::Unavailable(_)), "{failed:?}");
        }
        // There is no connection to cut. The transaction is lost with who has it.
        Engine::Sqlite => open.transaction.write(&changes).await.unwrap(),
    }
    drop(open);
    write(&db.database, &changes).await.unwrap();
    assert_sound(&db).await;
}

/// What was changed behind the program's back is found, each by its name.
pub async fn verify_finds_what_is_wrong(db: TestDatabase) {
    let sale = stored_concert(&db, Some(100), None).await;
    let bookings = [
        booking(&sale, buyer(), 1, Some(at(900))),
        booking(&sale, buyer(), 2, None),
        booking(&sale, buyer(), 3, None),
        booking(&sale, buyer(), 4, None),
    ];
    write(&db.database, &holds(&sale, &bookings)).await.unwrap();
    assert_sound(&db).await;
    let name = |at: usize| match db.engine {
        Engine::Sqlite => format!("x'{}'", bookings[at].id.uuid().simple()),
        Engine::Postgres => format!("'{}'", bookings[at].id.uuid()),
    };
    let orphan = match db.engine {
        Engine::Sqlite => format!("x'{}'", id().simple()),
        Engine::Postgres => format!("'{}'", id()),
    };
    db.tamper(&format!("UPDATE bookings SET total = total + 1 WHERE id = {}", name(0))).await;
    db.tamper(&format!("UPDATE booking_items SET booking_id = {orphan} WHERE booking_id = {}", name(1))).await;
    db.tamper(&format!("UPDATE outbox SET sequence = 2 WHERE aggregate = {}", name(2))).await;
    db.tamper(&format!("DELETE FROM audit_log WHERE object = {}", name(3))).await;
    db.tamper("UPDATE holds SET release_at = release_at + 1").await;
    db.tamper("DELETE FROM lanes").await;
    db.tamper("UPDATE events SET version = version + 1").await;
    let report = db.database.verify().await.unwrap();
    let mut found: Vec<&str> = report.differences.iter().map(|difference| difference.invariant).collect();
    found.sort_unstable();
    found.dedup();
    let expected = [
        "audit_trail",
        "booking_total",
        "empty_bookings",
        "event_version",
        "holds",
        "lane_of_event",
        "orphan_items",
        "outbox_sequence",
        "pool_counters",
        "stray_tickets",
    ];
    assert_eq!(found, expected, "{report:#?}");
    assert!(report.looked_at.contains(&("bookings", 4)), "{:?}", report.looked_at);
}
