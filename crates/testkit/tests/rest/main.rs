//! Everything over REST: through the real router, with real storage, in one process with the test.
//!
//! One program, because each program of tests that holds the whole server costs 200 MB and a link of its own.

#![expect(clippy::unwrap_used, reason = "a test that fails by it fails well, in its helpers too")]

mod access;
mod access_matrix;
mod accounts;
mod api_keys;
mod audit;
mod contract;
mod cookies;
mod credentials;
mod door;
mod door_live;
mod door_offline;
mod guards;
mod invitations;
mod members;
mod notices;
mod oauth;
mod payments;
mod prices;
mod privacy;
mod problems;
mod promo_codes;
mod reconcile;
mod sale;
mod second_factor;
mod stripe;
mod tickets;
