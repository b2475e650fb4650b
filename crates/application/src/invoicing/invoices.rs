//! Use cases: who sells is said, and documents are read.

use std::sync::Arc;

use domain::invoicing::{Invoice, InvoiceKind, NewSeller, Seller, SellerTerms};
use domain::{BookingId, InvoiceId, Language, Limit, OrganizerId, SellerId};

use super::ports::{InvoiceFilter, InvoiceReads};
use super::printing::{InvoicePrinter, InvoiceSheet};
use crate::access::{Agent, Operation, Subject};
use crate::booking::Parties;
use crate::catalog::Catalog;
use crate::clock::{Clock, Ids};
use crate::error::AppError;
use crate::journal::Scribe;
use crate::origin::Origin;
use crate::page::{Page, probe};
use crate::store::Store;

/// What invoicing needs from outside.
#[derive(Clone)]
pub struct InvoicingPorts {
    /// Transactions.
    pub store: Arc<dyn Store>,
    /// Documents.
    pub reads: Arc<dyn InvoiceReads>,
    /// Bookings.
    pub parties: Parties,
    /// Who may do what.
    pub catalog: Arc<Catalog>,
    /// Prints.
    pub printer: Arc<dyn InvoicePrinter>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
}

/// A document with who has written it.
#[derive(Clone, Debug)]
pub struct WrittenInvoice {
    /// The document.
    pub invoice: Invoice,
    /// Who has written it, as he was then.
    pub seller: SellerTerms,
}

/// Invoices and credit notes.
pub struct Invoicing {
    ports: InvoicingPorts,
}

impl Invoicing {
    /// Over these ports.
    #[must_use]
    pub const fn new(ports: InvoicingPorts) -> Self {
        Self { ports }
    }

    /// The particulars by which an organizer writes invoices.
    ///
    /// # Errors
    /// [`AppError::NotFound`] where he writes none, and for strangers; [`AppError::Forbidden`] for members who may not see
    /// documents.
    pub async fn seller(&self, agent: &Agent, organizer: OrganizerId) -> Result<Seller, AppError> {
        self.require(agent, Operation::SeeInvoices, &Subject::organizer(organizer), "organizer").await?;
        self.ports.reads.seller_of(organizer).await?.ok_or(AppError::NotFound("invoicing"))
    }

    /// From now on bookings that are confirmed get invoices with these particulars. What was written before keeps its own.
    /// Those that hold already are no change.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for who does not own the organizer, and the fields that do not
    /// hold.
    pub async fn set_seller(
        &self,
        agent: &Agent,
        organizer: OrganizerId,
        new: &NewSeller,
        origin: &Origin,
    ) -> Result<Seller, AppError> {
        // Who may not know of the organizer does not hear what is wrong with his request.
        self.require(agent, Operation::ChangeInvoicing, &Subject::organizer(organizer), "organizer").await?;
        let terms = SellerTerms::parse(new)?;
        let mut uow = self.ports.store.begin().await?;
        let catalog = &self.ports.catalog;
        let mut team = catalog.team_in_op(uow.as_mut(), agent, Operation::ChangeInvoicing, organizer).await?;
        let before = uow.lock_sellers(&[organizer]).await?.pop();
        if let Some(same) = before.as_ref().filter(|before| before.terms == terms) {
            return Ok(same.clone());
        }
        let version = before.as_ref().map_or(1, |before| before.version + 1);
        let (id, created_at) = (SellerId::new(self.ports.ids.uuid()), self.ports.clock.now());
        let after = Seller { id, organizer, version, terms, created_at };
        uow.insert_seller(&after).await?;
        team.version += 1;
        uow.save_team(&team).await?;
        let scribe = Scribe { ids: self.ports.ids.as_ref(), origin, at: created_at };
        let (message, line) = scribe.seller(before.as_ref(), &after, team.version);
        uow.append_outbox(&[message]).await?;
        uow.append_audit(&[line]).await?;
        uow.commit().await?;
        Ok(after)
    }

    /// The documents of a booking, oldest first: its invoice, then its credit notes.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for others than its buyer and its organizer.
    pub async fn of_booking(&self, agent: &Agent, booking: BookingId) -> Result<Vec<Invoice>, AppError> {
        let parties = self.ports.parties.of(booking).await?.ok_or(AppError::NotFound("booking"))?;
        self.require(agent, Operation::SeeInvoices, &Subject::booking(&parties), "booking").await?;
        Ok(self.ports.reads.invoices_of(booking).await?)
    }

    /// A page of the documents of an organizer, newest first.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for who does not act for him.
    pub async fn list(
        &self,
        agent: &Agent,
        organizer: OrganizerId,
        filter: &InvoiceFilter,
        before: Option<InvoiceId>,
        limit: Limit,
    ) -> Result<Page<Invoice>, AppError> {
        self.require(agent, Operation::SeeInvoices, &Subject::organizer(organizer), "organizer").await?;
        Ok(Page::of(self.ports.reads.invoices_in(organizer, filter, before, probe(limit)).await?, limit))
    }

    /// One document.
    ///
    /// # Errors
    /// [`AppError::NotFound`] or [`AppError::Forbidden`] for others than its buyer and its organizer.
    pub async fn invoice(&self, agent: &Agent, id: InvoiceId) -> Result<WrittenInvoice, AppError> {
        let invoice = self.ports.reads.invoice(id).await?.ok_or(AppError::NotFound("invoice"))?;
        let parties = self.ports.parties.of(invoice.booking).await?.ok_or(AppError::NotFound("invoice"))?;
        self.require(agent, Operation::SeeInvoices, &Subject::booking(&parties), "invoice").await?;
        let seller = self.ports.reads.seller(invoice.seller).await?.ok_or(AppError::Internal)?.terms;
        Ok(WrittenInvoice { invoice, seller })
    }

    /// One document on paper, as a PDF, with the booking that it is about.
    ///
    /// # Errors
    /// As [`invoice`](Self::invoice); and [`AppError::busy`] where too many are printed at the same time.
    pub async fn printed(
        &self,
        agent: &Agent,
        id: InvoiceId,
        language: Language,
    ) -> Result<(BookingId, Vec<u8>), AppError> {
        let WrittenInvoice { invoice, seller } = self.invoice(agent, id).await?;
        let of = invoice.booking;
        let corrects = match invoice.kind {
            InvoiceKind::Invoice => None,
            InvoiceKind::CreditNote(of) => Some(self.ports.reads.invoice(of).await?.ok_or(AppError::Internal)?.number),
        };
        let sheet = InvoiceSheet { language, invoice, seller, corrects };
        Ok((of, self.ports.printer.print_invoice(sheet).await?))
    }

    async fn require(
        &self,
        agent: &Agent,
        operation: Operation,
        subject: &Subject<'_>,
        what: &'static str,
    ) -> Result<(), AppError> {
        self.ports.catalog.access().require(agent, operation, subject, what).await
    }
}
