//! What the booking desk and the reading of bookings need of a store.

use std::collections::HashMap;

use async_trait::async_trait;
use domain::admission::{CheckIn, CheckInList, Ticket};
use domain::booking::{
    Attendee, Booking, BookingStatus, Buyer, EntryStatus, Pool, PromoCode, PromoUse, PromoWord, Reference, Sale,
    WaitingListEntry,
};
use domain::catalog::{Event, TicketType};
use domain::payment::{LedgerEntry, Payment, Refund};
use domain::pricing::PricePart;
use domain::{
    BookingId, CheckInId, EmailAddress, EventId, OrganizerId, OutboxId, PoolId, PromoCodeId, TicketId, TicketTypeId,
    Timestamp, UserId, WaitingListEntryId,
};

use crate::booking::Notice;
use crate::idempotency::{IdempotencyKey, KeptAnswer};
use crate::journal::{AuditRow, OutboxRow};
use crate::payment::ProviderEventKey;
use crate::store::StoreError;

/// The key of a lane. Opaque to the desk; today it is the event, later perhaps a date of a series.
pub type LaneKey = EventId;

/// What to do about a lane whose row another transaction has locked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LaneWait {
    /// Leave it out: it must delay nobody else.
    Skip,
    /// Wait in the database's own queue, for as long as its lock timeout says.
    Queue,
}

/// A lane row that this transaction has locked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LockedLane {
    /// Which.
    pub key: LaneKey,
    /// Counts the commits that changed anything of the sale. Whoever remembers the sale of this very version need not
    /// load it again: nothing changes a sale without the lock on its lane and a new version.
    pub version: u64,
    /// The `now` of the last decision; the time of a lane never runs backwards.
    pub decided_at: Timestamp,
}

/// A transaction with the lanes that it has locked.
pub struct LockedLanes {
    /// The transaction.
    pub transaction: Box<dyn LaneTransaction>,
    /// The lanes it got, in key order.
    pub locked: Vec<LockedLane>,
    /// The lanes that others hold. What is in neither list does not exist.
    pub busy: Vec<LaneKey>,
}

/// Where transactions of the desk begin. It has its own connections, so that no reader keeps the desk waiting, with a
/// lock timeout and a limit on idling inside a transaction: a paused replica cannot freeze an event.
#[async_trait]
pub trait LaneStore: Send + Sync {
    /// Begins a transaction and locks the rows of these lanes in key order.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] without a connection, or where a queued lock was not had in time.
    async fn begin_lanes(&self, lanes: &[LaneKey], wait: LaneWait) -> Result<LockedLanes, StoreError>;

    /// Whether the transaction that wrote this outbox row has committed. It waits for the lane's lock first: the lost
    /// transaction, if it still runs, holds it, so that the answer is final.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it stays unknown.
    async fn was_committed(&self, lane: LaneKey, proof: OutboxId) -> Result<bool, StoreError>;
}

/// Why a commit did not say yes.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// It was rolled back, for certain.
    #[error("the transaction was rolled back")]
    RolledBack(#[source] StoreError),
    /// The connection was lost on the way: it may have been committed. Ask [`LaneStore::was_committed`].
    #[error("the connection was lost while committing")]
    Unknown(#[source] StoreError),
}

/// One transaction of the desk. Everything is set-wise: a call is one statement (or few), however many rows.
#[async_trait]
pub trait LaneTransaction: Send {
    /// The sales of these lanes.
    async fn sales(&mut self, lanes: &[LaneKey]) -> Result<Vec<Sale>, StoreError>;

    /// These bookings, without the parts of their prices; those that do not exist are left out.
    async fn bookings(&mut self, ids: &[BookingId]) -> Result<Vec<Booking>, StoreError>;

    /// The parts of the prices of these bookings, in their order. Asked only of events that have had taxes or fees.
    async fn price_parts(&mut self, of: &[BookingId]) -> Result<HashMap<BookingId, Vec<PricePart>>, StoreError>;

    /// With which promo codes these bookings were made. Asked only of events that have promo codes, taxes or fees.
    async fn promo_uses(&mut self, of: &[BookingId]) -> Result<HashMap<BookingId, PromoUse>, StoreError>;

    /// The promo codes of these texts in these events, and those of these ids, in no order; one may come twice.
    async fn promo_codes(
        &mut self,
        named: &[(LaneKey, PromoWord)],
        ids: &[PromoCodeId],
    ) -> Result<Vec<PromoCode>, StoreError>;

    /// How many promo codes the event has.
    async fn count_promo_codes(&mut self, lane: LaneKey) -> Result<u64, StoreError>;

    /// How many bookings of these buyers in these events hold (not lapsed at `now`) or are confirmed with each code.
    async fn promo_uses_of(
        &mut self,
        of: &[(PromoCodeId, LaneKey, Buyer)],
        now: Timestamp,
    ) -> Result<Vec<(PromoCodeId, Buyer, u32)>, StoreError>;

    /// These tickets; those that do not exist are left out.
    async fn tickets(&mut self, ids: &[TicketId]) -> Result<Vec<Ticket>, StoreError>;

    /// These entries, and those that count for these tickets; what does not exist is left out.
    async fn check_ins(&mut self, ids: &[CheckInId], of: &[TicketId]) -> Result<Vec<CheckIn>, StoreError>;

    /// The check-in lists of the event that are kept, oldest first.
    async fn check_in_lists(&mut self, lane: LaneKey) -> Result<Vec<CheckInList>, StoreError>;

    /// The payments of these bookings, oldest first.
    async fn payments(&mut self, of: &[BookingId]) -> Result<Vec<Payment>, StoreError>;

    /// The refunds of these bookings, oldest first.
    async fn refunds(&mut self, of: &[BookingId]) -> Result<Vec<Refund>, StoreError>;

    /// Those of these messages that were taken note of before.
    async fn provider_events(&mut self, among: &[ProviderEventKey]) -> Result<Vec<ProviderEventKey>, StoreError>;

    /// The oldest pending bookings of the lane whose `release_at` is not after `now`, and of which no payment is open:
    /// what is being paid does not lapse before its provider was asked. Without the parts of their prices.
    async fn lapsed(&mut self, lane: LaneKey, now: Timestamp, limit: u32) -> Result<Vec<Booking>, StoreError>;

    /// The earliest `release_at` of a pending booking of the lane that lies after `now`: until then nothing comes back
    /// by itself.
    async fn next_release(&mut self, lane: LaneKey, now: Timestamp) -> Result<Option<Timestamp>, StoreError>;

    /// Units that these buyers have confirmed or hold (not lapsed at `now`), by event and ticket type.
    async fn holdings(&mut self, of: &[(LaneKey, Buyer)], now: Timestamp) -> Result<Vec<Holding>, StoreError>;

    /// These entries of waiting lists; those that do not exist are left out.
    async fn waiting_list_entries(&mut self, ids: &[WaitingListEntryId]) -> Result<Vec<WaitingListEntry>, StoreError>;

    /// The highest number of an entry of the event; 0 where there is none. Asked where somebody wants to join.
    async fn last_waiting_list_number(&mut self, lane: LaneKey) -> Result<u64, StoreError>;

    /// Who of these buyers waits for which type of the event, or has a pending offer of it.
    async fn open_waiting_list_entries(
        &mut self,
        lane: LaneKey,
        buyers: &[UserId],
    ) -> Result<Vec<(UserId, TicketTypeId)>, StoreError>;

    /// The first who wait for each of these types for at most so many units, by their numbers, at most `limit` of each
    /// type. Asked only while somebody waits.
    async fn who_waits(
        &mut self,
        lane: LaneKey,
        asked: &[WhoWaitsFor],
        limit: u32,
    ) -> Result<Vec<WhoWaits>, StoreError>;

    /// Whether the event has any booking, in whatever state.
    async fn is_booked(&mut self, lane: LaneKey) -> Result<bool, StoreError>;

    /// What was kept under these keys (caller and word), whatever their fingerprint, lapsed or not.
    async fn kept_answers(&mut self, keys: &[IdempotencyKey]) -> Result<Vec<KeptAnswer>, StoreError>;

    /// Writes all of it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] or [`StoreError::Defect`] when the database refuses a row: the transaction is over, and
    /// the desk tries the halves of the batch each for itself.
    async fn write(&mut self, changes: &LaneChanges) -> Result<(), StoreError>;

    /// Makes all of it durable, or nothing.
    async fn commit(self: Box<Self>) -> Result<(), CommitError>;
}

/// Units that a buyer occupies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holding {
    /// In which event.
    pub lane: LaneKey,
    /// Who.
    pub buyer: Buyer,
    /// Of which type.
    pub ticket_type: TicketTypeId,
    /// How many.
    pub units: u32,
}

/// Those who wait for a type, for at most so many units.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WhoWaitsFor {
    /// For which type.
    pub ticket_type: TicketTypeId,
    /// For how many units at the most.
    pub quantity: u32,
}

/// Somebody who waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WhoWaits {
    /// His entry.
    pub entry: WaitingListEntry,
    /// Whether his account was deleted.
    pub is_gone: bool,
}

/// All rows of one commit of the desk.
#[derive(Clone, Default, Debug)]
pub struct LaneChanges {
    /// The lanes that were decided on; the version of each goes up by one.
    pub lanes: Vec<LaneMark>,
    /// Pools whose stock or settings change, sorted by id, each once.
    pub pools: Vec<PoolChange>,
    /// New pools.
    pub new_pools: Vec<Pool>,
    /// Events whose settings change.
    pub events: Vec<Event>,
    /// Events that are deleted with all that belongs to them. They have no bookings.
    pub deleted_events: Vec<EventId>,
    /// New ticket types.
    pub new_ticket_types: Vec<TicketType>,
    /// Ticket types whose settings change.
    pub ticket_types: Vec<TicketType>,
    /// New promo codes.
    pub new_promo_codes: Vec<PromoCode>,
    /// Promo codes whose terms change.
    pub promo_codes: Vec<PromoCode>,
    /// Promo codes that are used by more bookings, or by fewer.
    pub promo_counts: Vec<PromoCount>,
    /// New bookings with their items, attendees, parts of prices and promo codes.
    pub new_bookings: Vec<Booking>,
    /// Bookings that change.
    pub bookings: Vec<BookingChange>,
    /// Tickets of bookings that are confirmed by this commit.
    pub new_tickets: Vec<Ticket>,
    /// Tickets that are issued anew: valid ones, with a higher issue than they have until this commit.
    pub tickets: Vec<Ticket>,
    /// Bookings whose tickets are blocked, or not blocked any more, for a dispute of their money.
    pub disputed: Vec<DisputedTickets>,
    /// Tickets that are blocked or unblocked one by one, after those of whole bookings: each as it is now.
    pub blocked_tickets: Vec<Ticket>,
    /// Tickets that are cancelled one by one, after all else of this commit, each with a unit of its booking's item.
    pub cancelled_tickets: Vec<Ticket>,
    /// Who comes, at these places of bookings, whether somebody is named there or not.
    pub attendees: Vec<AttendeeChange>,
    /// Bookings all of whose valid tickets are revoked, after all else of this commit.
    pub revoked: Vec<BookingId>,
    /// Check-in lists that are new or change.
    pub check_in_lists: Vec<CheckInList>,
    /// Entries that change, each with a higher sequence than it has until this commit.
    pub check_ins: Vec<CheckIn>,
    /// New entries. Of one ticket, list and turn one counts.
    pub new_check_ins: Vec<CheckIn>,
    /// New payments.
    pub new_payments: Vec<Payment>,
    /// Payments that change, each with a higher version than it has until this commit.
    pub payments: Vec<Payment>,
    /// New refunds.
    pub new_refunds: Vec<Refund>,
    /// Refunds that change, each with a higher version than it has until this commit.
    pub refunds: Vec<Refund>,
    /// Rows of the ledger.
    pub ledger: Vec<LedgerEntry>,
    /// Messages of providers whose effect is in this commit. Of each there is one.
    pub provider_events: Vec<ProviderEventRow>,
    /// Entries of the waiting list that are new or change, each with a higher version than it has until this commit.
    pub waiting_list: Vec<WaitingListEntry>,
    /// Ticket types that more entries wait for, or fewer.
    pub waiting_counts: Vec<WaitingCount>,
    /// What people are to be told; where there is any, there are messages too.
    pub notices: Vec<Notice>,
    /// Bookings that may lack an invoice or a credit note; where there are any, there are messages too.
    pub invoices_due: Vec<InvoiceDue>,
    /// Messages.
    pub outbox: Vec<OutboxRow>,
    /// Audit lines.
    pub audit: Vec<AuditRow>,
    /// Answers to keep; one whose key was kept and has lapsed at its `at` gives way.
    pub answers: Vec<KeptAnswer>,
}

/// A booking that may lack an invoice or a credit note from this commit on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvoiceDue {
    /// Which.
    pub booking: BookingId,
    /// Whose.
    pub organizer: OrganizerId,
    /// Whether this commit has confirmed it.
    pub was_confirmed: bool,
}

/// A message of a provider that was taken note of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProviderEventRow {
    /// Which.
    pub key: ProviderEventKey,
    /// When.
    pub at: Timestamp,
}

/// How many bookings more use a promo code, and how much more it takes off. Written as a difference, so that the constraints
/// on the row have the last word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PromoCount {
    /// Which.
    pub id: PromoCodeId,
    /// Change of its uses.
    pub used: i64,
    /// Change of what is spent of it.
    pub spent: i64,
}

/// How many entries more wait for a ticket type. Written as a difference, so that the constraint on the row has the last
/// word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WaitingCount {
    /// For which type.
    pub ticket_type: TicketTypeId,
    /// Change of how many wait.
    pub by: i64,
}

/// A booking whose status, hold, sequence and `updated_at` change; of all else, only who comes ever does
/// ([`AttendeeChange`]).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BookingChange {
    /// As it will be.
    pub booking: Booking,
    /// The `release_at` that it has until this commit, if it is pending until then: its place in the order in which
    /// holds lapse.
    pub release_before: Option<Timestamp>,
}

/// A booking whose money a bank asks back, or does not any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DisputedTickets {
    /// Which booking.
    pub booking: BookingId,
    /// Whether its valid tickets are blocked; otherwise those that a dispute has blocked are valid again.
    pub is_disputed: bool,
}

/// Somebody who comes with a booking in the place of somebody else, or of nobody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttendeeChange {
    /// Which booking.
    pub booking: BookingId,
    /// His place among its attendees.
    pub place: u16,
    /// Who.
    pub attendee: Attendee,
}

/// A lane that was decided on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LaneMark {
    /// Which.
    pub key: LaneKey,
    /// The `now` of the decision.
    pub decided_at: Timestamp,
}

/// What changes about a pool. Stock is written as a difference, so that the constraint on the row has the last word
/// even if the lane's lock failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolChange {
    /// Which.
    pub id: PoolId,
    /// Change of what is held.
    pub held: i64,
    /// Change of what is sold.
    pub sold: i64,
    /// The name and the capacity that it gets, where these change, in the same row update: `capacity ≥ held + sold`
    /// must hold after both and need not in between.
    pub settings: Option<(String, Option<u32>)>,
}

/// Which bookings a list shall have.
#[derive(Clone, Default, Debug)]
pub struct BookingFilter {
    /// In these states; an empty list means any.
    pub statuses: Vec<BookingStatus>,
    /// Of this reference.
    pub reference: Option<Reference>,
    /// Whose buyer, account or guest, has this address.
    pub email: Option<EmailAddress>,
}

/// Whom a booking concerns. None of it ever changes but for the address of a guest, which is erased once the event is
/// over; so it may be read outside of the lane.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BookingParties {
    /// Its event, and so its lane.
    pub event: EventId,
    /// Who sells.
    pub organizer: OrganizerId,
    /// Who buys.
    pub buyer: Buyer,
}

impl BookingParties {
    /// Those of this booking.
    #[must_use]
    pub fn of(booking: &Booking) -> Self {
        Self { event: booking.event, organizer: booking.organizer, buyer: booking.buyer.clone() }
    }
}

/// Bookings outside of transactions.
#[async_trait]
pub trait BookingReads: Send + Sync {
    /// One.
    async fn booking(&self, id: BookingId) -> Result<Option<Booking>, StoreError>;

    /// Whom it concerns: one look-up by key, for commands, which read the booking itself under the lock of its lane.
    async fn parties(&self, id: BookingId) -> Result<Option<BookingParties>, StoreError>;

    /// Those of these bookings that hold their units (not lapsed at `now`), each with the end of its hold, in no order.
    async fn still_held(&self, among: &[BookingId], now: Timestamp) -> Result<Vec<(BookingId, Timestamp)>, StoreError>;

    /// A page of an account's own, newest first, behind `before`.
    async fn bookings_of(
        &self,
        buyer: UserId,
        filter: &BookingFilter,
        before: Option<BookingId>,
        rows: u64,
    ) -> Result<Vec<Booking>, StoreError>;

    /// A page of an event's, newest first, behind `before`.
    async fn bookings_in(
        &self,
        event: EventId,
        filter: &BookingFilter,
        before: Option<BookingId>,
        rows: u64,
    ) -> Result<Vec<Booking>, StoreError>;

    /// A page of the promo codes of an event, oldest first, behind `after`.
    async fn promo_codes_of(
        &self,
        event: EventId,
        after: Option<PromoCodeId>,
        rows: u64,
    ) -> Result<Vec<PromoCode>, StoreError>;

    /// One promo code of the event.
    async fn promo_code(&self, event: EventId, id: PromoCodeId) -> Result<Option<PromoCode>, StoreError>;

    /// The promo code of this text in the event.
    async fn promo_code_named(&self, event: EventId, word: &PromoWord) -> Result<Option<PromoCode>, StoreError>;

    /// Lanes with pending bookings whose `release_at` is not after `now`, at most `limit`, those that wait longest first.
    async fn lanes_with_lapsed(&self, now: Timestamp, limit: u32) -> Result<Vec<LaneKey>, StoreError>;

    /// Lanes of cancelled events with stock that is still held or sold: their bookings are to be cancelled. Reads the
    /// counters of the pools and no bookings.
    async fn cancelled_lanes_with_stock(&self, limit: u32) -> Result<Vec<LaneKey>, StoreError>;

    /// Bookings of an event that are pending or confirmed, in the order of their ids, behind `after`.
    async fn open_bookings(
        &self,
        event: EventId,
        after: Option<BookingId>,
        rows: u64,
    ) -> Result<Vec<BookingId>, StoreError>;
}

/// An entry of a waiting list with what has become of its offer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeenEntry {
    /// The entry.
    pub entry: WaitingListEntry,
    /// Where it stands.
    pub status: EntryStatus,
    /// Until when its offer holds, or held; none where there is none.
    pub offer_expires_at: Option<Timestamp>,
}

impl SeenEntry {
    /// One without an offer.
    #[must_use]
    pub fn without_offer(entry: WaitingListEntry) -> Self {
        Self { status: entry.status(None), entry, offer_expires_at: None }
    }
}

/// Waiting lists outside of transactions.
#[async_trait]
pub trait WaitingListReads: Send + Sync {
    /// One entry.
    async fn waiting_list_entry(&self, id: WaitingListEntryId) -> Result<Option<SeenEntry>, StoreError>;

    /// A page of an account's own entries, newest first, behind `before`.
    async fn waiting_list_of(
        &self,
        buyer: UserId,
        before: Option<WaitingListEntryId>,
        rows: u64,
    ) -> Result<Vec<SeenEntry>, StoreError>;

    /// A page of an event's entries by their numbers, behind `after`.
    async fn waiting_list_in(
        &self,
        event: EventId,
        after: Option<u64>,
        rows: u64,
    ) -> Result<Vec<SeenEntry>, StoreError>;

    /// Lanes of events on sale with entries that wait for a type with room, and of events or types that are sold no more
    /// with entries that wait: at most `limit`, in the order of their ids, behind `after`.
    async fn lanes_to_serve(
        &self,
        now: Timestamp,
        after: Option<LaneKey>,
        limit: u32,
    ) -> Result<Vec<LaneKey>, StoreError>;
}
