//! SQLite and PostgreSQL behind the storage ports of `application`: one code over both engines.
//!
//! Everything ordinary is SeaORM: entities in `entity`, their translation into the types of `domain` in `mapping`. Raw
//! statements are in `lane` alone, where the booking desk writes a whole batch in one commit; there both dialects stand
//! side by side. No rule of the business is decided here; the constraints of `migration` are the last line behind the
//! rules of `domain`.
//!
//! | question | file |
//! |---|---|
//! | which settings, which pools, which pragmas? | `settings`, `connect`, `postgres`, `sqlite_lock` |
//! | what do SeaORM's queries run on? | `transaction` |
//! | which tables, which constraints, and why so few indexes? | `migration` |
//! | which SQL runs for a booking? | `lane/postgres`, `lane/sqlite`; loads: `lane/load` |
//! | which error of a driver means what? | `error` |
//! | accounts, catalog, lists of bookings, tickets, payments, invoices, jobs, `goticket verify` | `identity`, `catalog`, `booking`, `tickets`, `payments`, `invoices`, `jobs`, `verify` |
//! | how are audit lines sealed, and read as evidence? | `audit` |
//!
//! Times are integers, microseconds since 1970 in UTC, on both engines: what is read equals what was written, they sort
//! as they are, and they take 8 bytes where SQLite would keep a text of 35. UUIDs are `uuid` on PostgreSQL and blobs of
//! 16 bytes on SQLite.

mod api_keys;
mod audit;
mod audit_erase;
mod audit_page;
mod booking;
mod catalog;
mod connect;
mod door_counts;
mod door_log;
mod entity;
mod error;
mod event_figures;
mod external_identities;
mod guests;
mod identity;
mod invitations;
mod invoices;
mod jobs;
mod lane;
mod mapping;
mod migration;
mod notices;
mod pass_issuers;
mod payments;
mod postgres;
mod provider_messages;
mod retention;
mod rewrap;
mod second_factors;
mod settings;
mod sqlite;
mod sqlite_lock;
mod tickets;
mod transaction;
mod unit_of_work;
mod verify;
mod waiting_list;

pub use connect::{ConnectError, Database};
pub use settings::DatabaseSettings;
#[cfg(feature = "negative-control")]
pub use settings::NegativeControl;
