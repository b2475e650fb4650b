//! What every store must do, one file a port. `tests/contract.rs` runs all of it on each engine; a further
//! implementation of the ports would run the very same functions.
//!
//! Each function is one promise and starts from an empty database.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

pub mod audit;
pub mod bookings;
pub mod catalog;
pub mod external_identities;
pub mod fixture;
pub mod identity;
pub mod invoices;
pub mod jobs;
pub mod lanes;
pub mod limits;
pub mod pass_issuers;
pub mod payment_provider;
pub mod payments;
pub mod privacy;
pub mod race;
pub mod second_factors;
pub mod tickets;
pub mod unit;
pub mod upkeep;
pub mod waiting_lists;
