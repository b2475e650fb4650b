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
mod m20261121_000013_external_identities;
mod m20261121_000015_audit_chain;
mod m20261122_000016_audit_digests;
mod m20261122_000017_second_factor;
mod m20261122_000018_retention;
mod m20261122_000020_tickets;
mod m20261122_000021_check_ins;
mod m20261122_000022_payments;
mod m20261122_000025_pricing;
mod m20261122_000026_promo_codes;
mod m20261122_000027_disputes;
mod m20261122_000028_provider_events;
mod m20261122_000029_check_in_lists;
mod m20261122_000030_keys_of_events;
mod m20261122_000031_opened_types;
mod m20261122_000032_prices_of_types;
mod m20261122_000035_booking_notices;
mod m20261122_000036_invoices;
mod m20261122_000037_waiting_lists;
mod m20261122_000038_pass_issuers;
mod m20261122_000039_cancelled_units;
mod m20261122_000040_blocked_tickets;
mod m20261122_000041_disputes_that_block;
mod m20261122_000042_refunds_by_hand;
mod m20261123_000043_tickets_passed_on;
mod m20261123_000044_provider_messages;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait, SchemaManager};

/// All migrations in their order.
const ALL: &[Migration] = &[
    Migration { name: "m20261121_000001_ground", steps: m20261121_000001_ground::STEPS },
    Migration { name: "m20261121_000002_access", steps: m20261121_000002_access::STEPS },
    Migration { name: "m20261121_000003_accounts", steps: m20261121_000003_accounts::STEPS },
    Migration { name: "m20261121_000004_holds", steps: m20261121_000004_holds::STEPS },
    Migration { name: "m20261121_000012_invitations", steps: m20261121_000012_invitations::STEPS },
    Migration { name: "m20261121_000013_external_identities", steps: m20261121_000013_external_identities::STEPS },
    Migration { name: "m20261121_000015_audit_chain", steps: m20261121_000015_audit_chain::STEPS },
    Migration { name: "m20261122_000016_audit_digests", steps: m20261122_000016_audit_digests::STEPS },
    Migration { name: "m20261122_000017_second_factor", steps: m20261122_000017_second_factor::STEPS },
    Migration { name: "m20261122_000018_retention", steps: m20261122_000018_retention::STEPS },
    Migration { name: "m20261122_000020_tickets", steps: m20261122_000020_tickets::STEPS },
    Migration { name: "m20261122_000021_check_ins", steps: m20261122_000021_check_ins::STEPS },
    Migration { name: "m20261122_000022_payments", steps: m20261122_000022_payments::STEPS },
    Migration { name: "m20261122_000025_pricing", steps: m20261122_000025_pricing::STEPS },
    Migration { name: "m20261122_000026_promo_codes", steps: m20261122_000026_promo_codes::STEPS },
    Migration { name: "m20261122_000027_disputes", steps: m20261122_000027_disputes::STEPS },
    Migration { name: "m20261122_000028_provider_events", steps: m20261122_000028_provider_events::STEPS },
    Migration { name: "m20261122_000029_check_in_lists", steps: m20261122_000029_check_in_lists::STEPS },
    Migration { name: "m20261122_000030_keys_of_events", steps: m20261122_000030_keys_of_events::STEPS },
    Migration { name: "m20261122_000031_opened_types", steps: m20261122_000031_opened_types::STEPS },
    Migration { name: "m20261122_000032_prices_of_types", steps: m20261122_000032_prices_of_types::STEPS },
    Migration { name: "m20261122_000035_booking_notices", steps: m20261122_000035_booking_notices::STEPS },
    Migration { name: "m20261122_000036_invoices", steps: m20261122_000036_invoices::STEPS },
    Migration { name: "m20261122_000037_waiting_lists", steps: m20261122_000037_waiting_lists::STEPS },
    Migration { name: "m20261122_000038_pass_issuers", steps: m20261122_000038_pass_issuers::STEPS },
    Migration { name: "m20261122_000039_cancelled_units", steps: m20261122_000039_cancelled_units::STEPS },
    Migration { name: "m20261122_000040_blocked_tickets", steps: m20261122_000040_blocked_tickets::STEPS },
    Migration { name: "m20261122_000041_disputes_that_block", steps: m20261122_000041_disputes_that_block::STEPS },
    Migration { name: "m20261122_000042_refunds_by_hand", steps: m20261122_000042_refunds_by_hand::STEPS },
    Migration { name: "m20261123_000043_tickets_passed_on", steps: m20261123_000043_tickets_passed_on::STEPS },
    Migration { name: "m20261123_000044_provider_messages", steps: m20261123_000044_provider_messages::STEPS },
];

/// One change of the schema. The database remembers its name.
#[derive(Clone, Copy)]
struct Migration {
    name: &'static str,
    steps: &'static [Step],
}

/// Statements of a migration, and the engines that need them.
#[derive(Clone, Copy, Hash)]
enum Step {
    Both(&'static [&'static str]),
    Postgres(&'static [&'static str]),
    Sqlite(&'static [&'static str]),
}

/// What runs them.
pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        ALL.iter().map(|migration| Box::new(*migration) as _).collect()
    }
}

impl MigrationName for Migration {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    #[expect(elided_lifetimes_in_paths, reason = "the trait is declared so, and `async_trait` wants it repeated")]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let is_sqlite = manager.get_database_backend() == DatabaseBackend::Sqlite;
        let Words(words) = if is_sqlite { SQLITE } else { POSTGRES };
        for step in self.steps {
            let statements: &[&str] = match step {
                Step::Postgres(_) if is_sqlite => &[],
                Step::Sqlite(_) if !is_sqlite => &[],
                Step::Both(statements) | Step::Postgres(statements) | Step::Sqlite(statements) => statements,
            };
            for statement in statements {
                let sql = words.iter().fold((*statement).to_owned(), |sql, (word, meaning)| sql.replace(word, meaning));
                manager.get_connection().execute_unprepared(&sql).await?;
            }
        }
        Ok(())
    }
}

/// Changes whenever the schema does: by it one recognises an empty database that was prepared for tests.
pub(crate) fn fingerprint() -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    ALL.iter().for_each(|migration| migration.steps.hash(&mut hasher));
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
