//! What payments need of a store, beside the desk.

use async_trait::async_trait;
use domain::payment::{Payment, Refund};
use domain::{BookingId, EventId, OrganizerId, PaymentId, RefundId, Timestamp};

use crate::payment::EventFigures;
use crate::store::StoreError;

/// A message of a provider.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ProviderEventKey {
    /// Whose.
    pub provider: String,
    /// Its id there.
    pub event: String,
}

/// What makes a payment or a refund that is not decided a case for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaseTerms {
    /// It is stuck when it has been open since before then.
    pub stuck_since: Timestamp,
    /// Whom this process can ask. What is open at another provider nobody goes on with, however young it is.
    pub providers: Vec<&'static str>,
}

/// Payments and refunds outside of the desk. All of them only read: the lane of their event alone changes them.
#[async_trait]
pub trait PaymentStore: Send + Sync {
    /// One.
    async fn payment(&self, id: PaymentId) -> Result<Option<Payment>, StoreError>;

    /// Those of a booking, oldest first.
    async fn payments_of(&self, booking: BookingId) -> Result<Vec<Payment>, StoreError>;

    /// One.
    async fn refund(&self, id: RefundId) -> Result<Option<Refund>, StoreError>;

    /// Those of a booking, oldest first.
    async fn refunds_of(&self, booking: BookingId) -> Result<Vec<Refund>, StoreError>;

    /// Payments that are not decided and were made before `before`, in the order of their ids, behind `after`.
    async fn open_payments(
        &self,
        before: Timestamp,
        after: Option<PaymentId>,
        rows: u64,
    ) -> Result<Vec<Payment>, StoreError>;

    /// Refunds that are to be sent or on their way, each with its payment, in the order of their ids, behind `after`.
    async fn open_refunds(&self, after: Option<RefundId>, rows: u64) -> Result<Vec<(Refund, Payment)>, StoreError>;

    /// Those of these ids that there are, in no order.
    async fn payments_by_ids(&self, ids: &[PaymentId]) -> Result<Vec<Payment>, StoreError>;

    /// Those of these ids that there are, in no order.
    async fn refunds_by_ids(&self, ids: &[RefundId]) -> Result<Vec<Refund>, StoreError>;

    /// All payments, in the order of their ids, behind `after`.
    async fn payments_behind(&self, after: Option<PaymentId>, rows: u64) -> Result<Vec<Payment>, StoreError>;

    /// All refunds, each with its payment, in the order of their ids, behind `after`.
    async fn refunds_behind(&self, after: Option<RefundId>, rows: u64) -> Result<Vec<(Refund, Payment)>, StoreError>;

    /// What is booked in an event, and what was paid for it. It reads all bookings of the event.
    async fn event_figures(&self, event: EventId) -> Result<EventFigures, StoreError>;

    /// Payments of an organizer that somebody should look at, newest first, behind `before`: money that belongs nowhere,
    /// what is open and stuck by these terms, what is disputed, and what was charged back while its booking is confirmed.
    async fn payment_cases(
        &self,
        organizer: OrganizerId,
        terms: &CaseTerms,
        before: Option<PaymentId>,
        rows: u64,
    ) -> Result<Vec<Payment>, StoreError>;

    /// How many [`payment_cases`](Self::payment_cases) all organizers have. It reads what is not decided and what is
    /// disputed, whatever was sold, and is not for every request.
    async fn count_payment_cases(&self, terms: &CaseTerms) -> Result<u64, StoreError>;
}
