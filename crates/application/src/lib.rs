//! The use cases of GoTicket, and the ports (traits) that they need.
//!
//! Every transport calls the same use case; a use case reads as authorise → begin → load → decide → save → append to
//! the journals → commit. Nothing here knows a protocol or a database. One folder per bounded context, as in `domain`;
//! `booking` holds the desk, the hot path that all stock moves through.

pub mod access;
pub mod admission;
pub mod audit;
pub mod booking;
pub mod breaker;
pub mod catalog;
pub mod clock;
pub mod error;
pub mod guard;
pub mod idempotency;
pub mod identity;
pub mod invoicing;
pub mod jobs;
pub mod journal;
pub mod live;
pub mod mail;
pub mod origin;
pub mod page;
pub mod payment;
pub mod privacy;
mod recent;
pub mod store;
pub mod verify;
