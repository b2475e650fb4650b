//! The rules of GoTicket.
//!
//! What is here decides and nothing else: no I/O, no clock, no randomness, no async, no serialisation. Time and ids
//! come in by parameter; what goes out is a new state, the facts that happened, or a refusal. The architecture test of
//! `testkit` keeps it so.
//!
//! Each folder is a bounded context. Its `mod.rs` is its published face: other contexts use what is re-exported there
//! and cannot reach further in, because the files behind it are private modules.
//! `identity` ← `catalog` ← `booking` ← `admission`, `payment`, `invoicing`: an arrow shows who may know whom. `pricing` is arithmetic,
//! which knows none of them and may be known by all.

pub mod admission;
pub mod booking;
pub mod catalog;
pub mod identity;
pub mod invoicing;
pub mod payment;
pub mod pricing;

#[cfg(test)]
mod fixture;
mod ids;
mod language;
mod money;
mod page;
mod problem;
mod text;

pub use ids::{
    ApiKeyId, BookingId, CheckInId, CheckInListId, EventId, ExternalIdentityId, InvitationId, InvoiceId, JobId,
    LedgerTransactionId, OrganizerId, OutboxId, PassIssuerId, PaymentId, PoolId, PromoCodeId, RefundId, SellerId,
    SessionId, SigningKeyId, TicketId, TicketTypeId, UserId, WaitingListEntryId,
};
pub use language::{Language, UnknownLanguage};
pub use money::{Currency, Money, MoneyError, UnknownCurrency};
pub use page::Limit;
pub use problem::{FieldProblem, Problems};
pub use text::{EmailAddress, Text};

/// An instant in UTC, cut to whole microseconds by the clock port, because that is what PostgreSQL keeps: a row that is
/// read is then equal to the row that was written.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
