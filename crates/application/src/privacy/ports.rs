//! What the end of personal data needs of a store.

use async_trait::async_trait;
use domain::booking::BookingStatus;
use domain::{BookingId, EmailAddress, EventId, OrganizerId, Timestamp};

use crate::store::StoreError;

/// What was found of somebody, and is found no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ErasedGuest {
    /// Bookings that he had made without an account.
    pub bookings: u64,
    /// How often he was told as the one who comes.
    pub attendees: u64,
}

/// A booking that somebody without an account has to do with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GuestBooking {
    /// Which.
    pub id: BookingId,
    /// Of which event.
    pub event: EventId,
    /// Where it stands.
    pub status: BookingStatus,
    /// When the event ends.
    pub event_ends_at: Timestamp,
}

impl GuestBooking {
    /// Whether it brings him to an event that is not over.
    #[must_use]
    pub fn is_expected(&self, now: Timestamp) -> bool {
        let occupies = matches!(self.status, BookingStatus::Pending | BookingStatus::Confirmed);
        occupies && self.event_ends_at > now
    }
}

/// Guests and attendees within a transaction.
#[async_trait]
pub trait GuestRepository {
    /// Bookings of the organizer that a guest of this address has made, or that name an attendee of it, in ascending order
    /// of their ids, at most so many.
    async fn bookings_of_guest(
        &mut self,
        organizer: OrganizerId,
        email: &EmailAddress,
        rows: u64,
    ) -> Result<Vec<GuestBooking>, StoreError>;

    /// Puts the pseudonym in the place of the address in those of these bookings that a guest has made by it, and takes
    /// name and address from their attendees of this address. Nothing else of a booking changes, and no lane is needed:
    /// no decision asks who somebody is by an event that is over.
    async fn erase_guest(
        &mut self,
        bookings: &[BookingId],
        email: &EmailAddress,
        pseudonym: &EmailAddress,
    ) -> Result<ErasedGuest, StoreError>;
}

/// An event whose attendees are to be forgotten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PastEvent {
    /// Which.
    pub event: EventId,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// What goes by itself when its time is over. All of it may run twice, and stop anywhere.
#[async_trait]
pub trait Retained: Send + Sync {
    /// The event that ended first of those that ended before `before` and whose attendees are not forgotten since.
    async fn event_to_forget(&self, before: Timestamp) -> Result<Option<PastEvent>, StoreError>;

    /// Takes names and addresses from the attendees, and the addresses of guests, in so many bookings of the event behind
    /// `after`; says where it has got to, and nothing at the end.
    async fn forget_attendees(
        &self,
        event: EventId,
        after: Option<BookingId>,
        bookings: u32,
    ) -> Result<Option<BookingId>, StoreError>;

    /// Notes that the attendees of the event are forgotten, so that it is not looked at again, unless it should end later
    /// than that.
    async fn attendees_forgotten(&self, event: EventId, at: Timestamp) -> Result<(), StoreError>;

    /// Deletes messages from the beginning of the outbox that are older than `before`, at most `limit`, and notes that
    /// what is older may be missing; says how many.
    async fn prune_outbox(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;

    /// Forgets which messages of payment providers had their effect before `before`, at most `limit`; says how many. Whoever
    /// sends one of them again finds the payment as it is.
    async fn prune_provider_events(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;

    /// Deletes what payment providers told before `before`, from its beginning, at most `limit` commits of it; says how many.
    async fn prune_provider_messages(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;

    /// Deletes API keys that were revoked or expired before `before`, at most `limit`; says how many.
    async fn purge_ended_keys(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
}
