//! The schema: migrations that are part of the program, forward only, run under a lock.
//!
//! A migration runs while the old version still serves: expand, backfill and contract in separate releases. To add one,
//! write a file beside this one, named by day and number, and append it to the list; one that was released is never
//! changed. Statements are written once for both engines; what differs are the few words of [`Words`].

mod m20261121_000001_ground;
mod m20261121_000002_access;
mod m20261121_000003_accounts;
mod m20261121_000004_holds;
mod m20261121_000012_invitations;

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr};
use sea_orm_migration::{MigrationTrait, MigratorTrait, SchemaManager};

/// All migrations in their order.
pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_ground::Migration),
            Box::new(m20261121_000002_access::Migration),
            Box::new(m20261121_000003_accounts::Migration),
            Box::new(m20261121_000004_holds::Migration),
            Box::new(m20261121_000012_invitations::Migration),
        ]
    }
}

/// Changes whenever the schema does: by it one recognises an empty database that was prepared for tests.
pub(crate) fn fingerprint() -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    m20261121_000001_ground::STATEMENTS.concat().hash(&mut hasher);
    m20261121_000002_access::STATEMENTS.hash(&mut hasher);
    m20261121_000003_accounts::STATEMENTS.hash(&mut hasher);
    m20261121_000004_holds::STATEMENTS.hash(&mut hasher);
    m20261121_000012_invitations::STATEMENTS.hash(&mut hasher);
    hasher.finish()
}

/// The words by which the engines differ.
struct Words(&'static [(&'static str, &'static str)]);

const POSTGRES: Words = Words(&[
    ("{uuid}", "uuid"),
    ("{bytes}", "bytea"),
    // Rows that every commit updates keep room for their next version on the same page, and no index is touched.
    ("{hot}", " WITH (fillfactor = 50)"),
    ("{by_key}", ""),
    ("{bytewise}", " COLLATE \"C\""),
]);

const SQLITE: Words = Words(&[
    ("{uuid}", "blob"),
    ("{bytes}", "blob"),
    ("{hot}", ""),
    // The table is its primary key: one tree instead of two.
    ("{by_key}", " WITHOUT ROWID"),
    ("{bytewise}", ""),
]);

/// Runs statements of a schema in the dialect of the connection.
async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    let Words(words) = match manager.get_database_backend() {
        DatabaseBackend::Sqlite => SQLITE,
        _ => POSTGRES,
    };
    for statement in statements {
        let sql = words.iter().fold((*statement).to_owned(), |sql, (word, meaning)| sql.replace(word, meaning));
        manager.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}
