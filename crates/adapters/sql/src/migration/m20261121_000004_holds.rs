//! Holds stand in a table of their own while they are pending, in the order in which they lapse (ADR 0014).
//!
//! An index over what is pending cannot stay on `bookings`: where a column of an index changes, PostgreSQL makes new
//! entries in all the others too. Without it, and with room on the page, the end of a hold touches no index at all.
//! No version was released before it, so that nothing has to serve beside it.

#![expect(elided_lifetimes_in_paths, reason = "the trait is declared so, and `async_trait` wants it repeated")]

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m20261121_000004_holds"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        super::run(manager, STATEMENTS).await?;
        if manager.get_database_backend() == DatabaseBackend::Postgres {
            // Nearly every booking changes once, when its hold ends.
            manager.get_connection().execute_unprepared("ALTER TABLE bookings SET (fillfactor = 50)").await?;
        }
        Ok(())
    }
}

pub(super) const STATEMENTS: &[&str] = &[
    "CREATE TABLE holds (
        event_id {uuid} NOT NULL,
        release_at bigint NOT NULL,
        booking_id {uuid} NOT NULL,
        PRIMARY KEY (event_id, release_at, booking_id)
    ){by_key}",
    "INSERT INTO holds (event_id, release_at, booking_id)
        SELECT event_id, release_at, id FROM bookings WHERE status = 0",
    "DROP INDEX bookings_release",
];
