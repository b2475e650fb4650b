//! What lies beneath: the contract of the storage ports, and what is kept of people, of secrets and of mails.

#![expect(clippy::unwrap_used, reason = "a test that fails by it fails well, in its helpers too")]

mod contract;
mod identity;
mod mail;
mod privacy;
mod rewrap;
