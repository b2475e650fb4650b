//! What tickets need of a store, beside the desk.

use async_trait::async_trait;
use domain::admission::{CheckIn, CheckInList, Ticket};
use domain::{BookingId, CheckInId, EventId, TicketId};

use crate::admission::{DoorCursor, DoorNews, GateCount, StoredTicketKey};
use crate::store::StoreError;

/// Tickets outside of the desk, and the keys of their codes.
#[async_trait]
pub trait AdmissionStore: Send + Sync {
    /// The tickets of a booking, by their units.
    async fn tickets_of(&self, booking: BookingId) -> Result<Vec<Ticket>, StoreError>;

    /// One.
    async fn ticket(&self, id: TicketId) -> Result<Option<Ticket>, StoreError>;

    /// The entries that count for these tickets, in no order.
    async fn counted_check_ins(&self, of: &[TicketId]) -> Result<Vec<CheckIn>, StoreError>;

    /// One entry.
    async fn check_in(&self, id: CheckInId) -> Result<Option<CheckIn>, StoreError>;

    /// What became of the tickets and entries of an event behind the cursor: at most so many tickets and so many entries,
    /// but always all of an instant.
    async fn door_news(&self, event: EventId, since: DoorCursor, rows: u64) -> Result<DoorNews, StoreError>;

    /// The entries of an event that count, by lists and gates, in no order. It reads all of them: that is not for every
    /// request.
    async fn count_entries(&self, event: EventId) -> Result<Vec<GateCount>, StoreError>;

    /// The check-in lists of an event that are kept, oldest first.
    async fn check_in_lists(&self, event: EventId) -> Result<Vec<CheckInList>, StoreError>;

    /// The keys of an event, by their numbers.
    async fn ticket_keys(&self, event: EventId) -> Result<Vec<StoredTicketKey>, StoreError>;

    /// Adds a key; `false`, and nothing changes, where the event has one of this number.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where there is no such event any more.
    async fn insert_ticket_key(&self, key: &StoredTicketKey) -> Result<bool, StoreError>;
}

/// The keys of codes within a transaction.
#[async_trait]
pub trait TicketKeyRepository {
    /// As [`AdmissionStore::insert_ticket_key`].
    async fn add_ticket_key(&mut self, key: &StoredTicketKey) -> Result<bool, StoreError>;
}
