//! The storage ports that all contexts share, and the rules for both kinds of transaction.
//!
//! - A [`UnitOfWork`] is for everything that moves no stock. It is a value that the use case owns: begin, load, decide,
//!   save, append to the journals, commit; dropping it rolls back. After an error it must not be used again.
//! - What moves stock, and what changes the terms of a sale, goes through the booking desk, whose transaction is the
//!   `LaneTransaction` of [`crate::booking`]. Nothing else locks lane or pool rows.
//!
//! Within a transaction no other service is called.

use std::error::Error;

use async_trait::async_trait;

use crate::idempotency::{IdempotencyKey, KeptAnswer};
use crate::journal::{AuditRow, OutboxRow};

/// What a store can answer instead of success. «Not found» is no error: it is `Ok(None)`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer, answers too late, or has no connection left. The same call may succeed later.
    #[error("the database is not available")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// A constraint said no; it bears the name of the constraint or of its columns.
    #[error("the constraint {0} was violated")]
    Conflict(String),
    /// Anything else: a defect of ours.
    #[error("the database refused a statement")]
    Defect(#[source] Box<dyn Error + Send + Sync>),
}

/// Where units of work begin.
#[async_trait]
pub trait Store: Send + Sync {
    /// Begins a transaction that sees what was committed before each of its statements (PostgreSQL: `READ COMMITTED`)
    /// or, on SQLite, holds the writer's lock from the start (`BEGIN IMMEDIATE`), so that reading before writing is safe.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when no connection is had within the configured time.
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError>;

    /// One round trip to the database, for `/readiness` and `/health`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it does not answer in time.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// One transaction over the tables of every context. Dropping it rolls back.
#[async_trait]
pub trait UnitOfWork:
    crate::identity::IdentityRepository
    + crate::identity::ApiKeyRepository
    + crate::identity::ExternalIdentityRepository
    + crate::identity::SecondFactorRepository
    + crate::catalog::CatalogRepository
    + crate::catalog::InvitationRepository
    + Journal
    + KeptAnswers
    + crate::jobs::JobQueue
    + crate::booking::NoticeRepository
    + crate::admission::PassIssuerRepository
    + crate::admission::TicketKeyRepository
    + crate::invoicing::InvoiceRepository
    + crate::privacy::GuestRepository
    + Send
{
    /// Makes all of it durable, or nothing.
    ///
    /// # Errors
    /// After an error it is not known whether it was committed if the connection broke; callers answer 503 and a retry
    /// with an idempotency key finds out.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// The journals within a transaction.
#[async_trait]
pub trait Journal {
    /// Appends to the outbox.
    async fn append_outbox(&mut self, rows: &[OutboxRow]) -> Result<(), StoreError>;

    /// Appends to the audit log.
    async fn append_audit(&mut self, rows: &[AuditRow]) -> Result<(), StoreError>;
}

/// Idempotency keys within a transaction.
#[async_trait]
pub trait KeptAnswers {
    /// What was kept under this key of this caller, with whatever fingerprint, lapsed or not.
    async fn kept_answer(&mut self, key: &IdempotencyKey) -> Result<Option<KeptAnswer>, StoreError>;

    /// Keeps an answer; a lapsed one under the same key gives way.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another transaction has kept one meanwhile.
    async fn keep_answer(&mut self, answer: &KeptAnswer) -> Result<(), StoreError>;
}
