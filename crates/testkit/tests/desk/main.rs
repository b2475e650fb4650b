//! The desk over real databases, without REST.

#![expect(clippy::unwrap_used, reason = "a test that fails by it fails well, in its helpers too")]

mod controls;
mod payments;
mod prices;
mod promo_codes;
mod sale;
mod tickets;
mod waiting_list;
