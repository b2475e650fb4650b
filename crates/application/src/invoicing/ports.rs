//! What invoicing needs of a store.

use async_trait::async_trait;
use domain::booking::Booking;
use domain::invoicing::{BilledEvent, Invoice, InvoiceNumber, Recipient, Seller, Series};
use domain::{BookingId, InvoiceId, OrganizerId, SellerId, Timestamp};
use uuid::Uuid;

use crate::store::StoreError;

/// The bookings of an organizer that one commit has noted. They are put there by `LaneTransaction::write`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DueBatch {
    /// Its id: that of a message of the commit.
    pub id: Uuid,
    /// Whose they are.
    pub organizer: OrganizerId,
    /// Which, in the order in which they were decided, each with whether it was confirmed by that commit; at least one.
    pub bookings: Vec<(BookingId, bool)>,
}

/// A booking with all that its documents are made of.
#[derive(Clone, Debug)]
pub struct BookingToInvoice {
    /// The booking, whole.
    pub booking: Booking,
    /// Its event as it is now.
    pub event: BilledEvent,
    /// Its buyer as he is known now.
    pub recipient: Recipient,
    /// What of all that came in pays it, in minor units.
    pub paid: i64,
    /// Whether a bank has taken back some of what came in.
    pub is_charged_back: bool,
    /// Its documents, oldest first.
    pub documents: Vec<Invoice>,
}

/// Which documents a list shall have.
#[derive(Clone, Default, Debug)]
pub struct InvoiceFilter {
    /// The one that is called so.
    pub number: Option<InvoiceNumber>,
    /// Written at this instant or later.
    pub from: Option<Timestamp>,
    /// Written before this instant.
    pub until: Option<Timestamp>,
}

/// Documents, and what waits to become some, outside of transactions.
#[async_trait]
pub trait InvoiceReads: Send + Sync {
    /// What waits of all organizers but these, oldest first.
    async fn invoices_due(&self, except: &[OrganizerId], batches: u64) -> Result<Vec<DueBatch>, StoreError>;

    /// The particulars of an organizer that hold.
    async fn seller_of(&self, organizer: OrganizerId) -> Result<Option<Seller>, StoreError>;

    /// These particulars, whether they hold or not.
    async fn seller(&self, id: SellerId) -> Result<Option<Seller>, StoreError>;

    /// One document.
    async fn invoice(&self, id: InvoiceId) -> Result<Option<Invoice>, StoreError>;

    /// The documents of a booking, oldest first.
    async fn invoices_of(&self, booking: BookingId) -> Result<Vec<Invoice>, StoreError>;

    /// A page of those of an organizer, newest first, behind `before`.
    async fn invoices_in(
        &self,
        organizer: OrganizerId,
        filter: &InvoiceFilter,
        before: Option<InvoiceId>,
        rows: u64,
    ) -> Result<Vec<Invoice>, StoreError>;
}

/// Documents within a transaction.
#[async_trait]
pub trait InvoiceRepository {
    /// Locks these organizers, in one order, and gives the particulars that hold, of those that have any. What another
    /// transaction that had the lock has written is seen by all that follows.
    async fn lock_sellers(&mut self, organizers: &[OrganizerId]) -> Result<Vec<Seller>, StoreError>;

    /// Inserts particulars, a version higher than those that hold, of an organizer that this transaction has locked.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where that version is there.
    async fn insert_seller(&mut self, seller: &Seller) -> Result<(), StoreError>;

    /// Takes batches away; `false` if not all of them were there, and then the transaction is to be dropped: somebody else
    /// has them.
    async fn settle_invoices_due(&mut self, batches: &[Uuid]) -> Result<bool, StoreError>;

    /// These bookings as they are now, in no order; those that are not there are left out.
    async fn bookings_to_invoice(&mut self, ids: &[BookingId]) -> Result<Vec<BookingToInvoice>, StoreError>;

    /// Takes the next `count` numbers of a series and year of an organizer that this transaction has locked; says the first.
    /// They are taken when it commits, and never by two.
    async fn take_numbers(
        &mut self,
        organizer: OrganizerId,
        series: &Series,
        year: u16,
        count: u64,
    ) -> Result<u64, StoreError>;

    /// Inserts documents with their lines.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for a number that is taken, and for a second invoice of a booking.
    async fn insert_invoices(&mut self, invoices: &[Invoice]) -> Result<(), StoreError>;
}
