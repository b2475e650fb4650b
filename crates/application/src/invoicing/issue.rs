//! Job `invoices.issue`: what waits becomes documents, in sets.
//!
//! A round is one transaction: it takes what waits away, locks the organizers, looks at their bookings as they are, takes as
//! many numbers as it needs, and writes the documents. A crash anywhere leaves all of it or nothing, so that no number is
//! missing and none is there twice. The lease of the job sees to it that one worker does so at a time; if two did, the second
//! would find that nothing waits any more, or wait for the lock and see what the first has written.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{Datelike, TimeDelta};
use domain::invoicing::{Draft, Invoice, InvoiceKind, InvoiceNumber, InvoicedBooking, Seller, Series, lacking};
use domain::{BookingId, InvoiceId, OrganizerId, Timestamp};

use super::ports::{BookingToInvoice, DueBatch, InvoiceReads};
use crate::clock::{Clock, Ids};
use crate::error::AppError;
use crate::jobs::{JobHandler, JobOutcome, LeasedJob};
use crate::journal::Scribe;
use crate::origin::Origin;
use crate::store::{Store, StoreError, UnitOfWork};

/// The pause when nothing waits: with what a round takes, a booking has its invoice within seconds.
const PAUSE: TimeDelta = TimeDelta::seconds(1);
/// The most commits whose notes one round reads.
const BATCHES_MAX: u64 = 500;
/// A round is full with so many bookings.
const ROUND_BOOKINGS: usize = 500;
/// Rounds of one run of the job, so that it ends well within its lease.
const ROUNDS_MAX: usize = 20;

/// Job `invoices.issue`.
pub struct IssueInvoices {
    /// Transactions.
    pub store: Arc<dyn Store>,
    /// What waits.
    pub invoices: Arc<dyn InvoiceReads>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
}

/// A document that has everything but its number.
struct Unnumbered<'a> {
    of: &'a BookingToInvoice,
    seller: &'a Seller,
    id: InvoiceId,
    draft: Draft,
}

/// By what numbers are counted.
type SeriesKey = (OrganizerId, Series, u16);

#[async_trait]
impl JobHandler for IssueInvoices {
    fn kind(&self) -> &'static str {
        "invoices.issue"
    }

    async fn run(&self, job: &LeasedJob) -> Result<JobOutcome, AppError> {
        let (mut is_done, mut failing) = (false, Vec::new());
        for _ in 0..ROUNDS_MAX {
            is_done = !self.round(&mut failing).await?;
            if is_done {
                break;
            }
        }
        let pause = if is_done { PAUSE } else { TimeDelta::zero() };
        Ok(JobOutcome::Again { run_at: self.clock.now() + pause, payload: job.payload.clone() })
    }
}

impl IssueInvoices {
    /// Settles what waits, up to some hundred bookings, of all organizers but those that fail; says whether there was any.
    async fn round(&self, failing: &mut Vec<OrganizerId>) -> Result<bool, AppError> {
        let batches = some_of(self.invoices.invoices_due(failing, BATCHES_MAX).await?);
        if batches.is_empty() {
            return Ok(false);
        }
        match self.settle(&batches).await {
            Ok(settled) => Ok(settled > 0),
            Err(error @ AppError::Unavailable { .. }) => Err(error),
            Err(_) => self.settle_apart(batches, failing).await.map(|()| true),
        }
    }

    /// What cannot be settled of one organizer, for a defect of ours, waits, and keeps no other waiting.
    async fn settle_apart(&self, batches: Vec<DueBatch>, failing: &mut Vec<OrganizerId>) -> Result<(), AppError> {
        let mut of: BTreeMap<OrganizerId, Vec<DueBatch>> = BTreeMap::new();
        for batch in batches {
            of.entry(batch.organizer).or_default().push(batch);
        }
        for (organizer, batches) in of {
            match self.settle(&batches).await {
                Ok(_) => {}
                Err(error @ AppError::Unavailable { .. }) => return Err(error),
                Err(error) => {
                    tracing::error!(%organizer, %error, "The invoices of an organizer cannot be written");
                    failing.push(organizer);
                }
            }
        }
        Ok(())
    }

    /// Settles these batches in one transaction; says how many.
    async fn settle(&self, batches: &[DueBatch]) -> Result<usize, AppError> {
        let mut uow = self.store.begin().await?;
        let organizers: HashSet<OrganizerId> = batches.iter().map(|batch| batch.organizer).collect();
        let organizers: Vec<OrganizerId> = organizers.into_iter().collect();
        let sellers = uow.lock_sellers(&organizers).await?;
        let sellers = sellers.into_iter().map(|seller| (seller.organizer, seller)).collect();
        let ids: Vec<_> = batches.iter().map(|batch| batch.id).collect();
        if !uow.settle_invoices_due(&ids).await? {
            return Ok(0); // somebody else has them
        }
        let written = self.write_in_op(uow.as_mut(), batches, &sellers).await?;
        uow.commit().await?;
        metrics::counter!("goticket_invoices_issued_total").increment(written);
        Ok(batches.len())
    }

    /// Writes the documents that these bookings lack; says how many.
    async fn write_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        batches: &[DueBatch],
        sellers: &HashMap<OrganizerId, Seller>,
    ) -> Result<u64, AppError> {
        let due = due(batches, sellers);
        if due.is_empty() {
            return Ok(0);
        }
        let ids: Vec<BookingId> = due.iter().map(|(booking, ..)| *booking).collect();
        let found = uow.bookings_to_invoice(&ids).await?;
        let found: HashMap<BookingId, BookingToInvoice> = found.into_iter().map(|of| (of.booking.id, of)).collect();
        let mut unnumbered = Vec::new();
        for (booking, was_confirmed, seller) in due {
            if let Some(of) = found.get(&booking) {
                unnumbered.extend(self.lacking(of, was_confirmed, seller));
            }
        }
        let now = self.clock.now();
        let invoices = numbered_in_op(uow, unnumbered, now).await?;
        uow.insert_invoices(&invoices).await.map_err(|error| match error {
            // Behind the lock nobody else writes such a document: to try again is of no use.
            StoreError::Conflict(constraint) => {
                tracing::error!(constraint, "A document is there already");
                AppError::Internal
            }
            other => other.into(),
        })?;
        let origin = Origin::system("invoices.issue");
        let scribe = Scribe { ids: self.ids.as_ref(), origin: &origin, at: now };
        let (messages, lines): (Vec<_>, Vec<_>) = invoices.iter().map(|invoice| scribe.invoice(invoice)).unzip();
        uow.append_outbox(&messages).await?;
        uow.append_audit(&lines).await?;
        Ok(invoices.len() as u64)
    }

    /// What cannot be written for a defect of ours keeps nobody else waiting; `goticket verify` tells of it.
    fn lacking<'a>(&self, of: &'a BookingToInvoice, was_confirmed: bool, seller: &'a Seller) -> Vec<Unnumbered<'a>> {
        let BookingToInvoice { booking, event, paid, is_charged_back, documents, .. } = of;
        let (paid, is_charged_back) = (*paid, *is_charged_back);
        let fresh = InvoiceId::new(self.ids.uuid());
        let drafts =
            lacking(&InvoicedBooking { booking, was_confirmed, paid, is_charged_back, documents }, fresh, &event.name);
        let drafts = drafts.unwrap_or_else(|error| {
            tracing::error!(booking.id = %booking.id, %error, "The documents of a booking cannot be written");
            Vec::new()
        });
        let with_id = |draft: Draft| {
            let id = if draft.kind == InvoiceKind::Invoice { fresh } else { InvoiceId::new(self.ids.uuid()) };
            Unnumbered { of, seller, id, draft }
        };
        drafts.into_iter().map(with_id).collect()
    }
}

/// The first batches, until a round is full; at least one.
fn some_of(batches: Vec<DueBatch>) -> Vec<DueBatch> {
    let mut bookings = 0;
    let fits = |batch: &DueBatch| {
        let has_room = bookings < ROUND_BOOKINGS;
        bookings += batch.bookings.len();
        has_room
    };
    batches.into_iter().take_while(fits).collect()
}

/// The bookings of organizers that write invoices, each once, where it comes first.
fn due<'a>(batches: &[DueBatch], sellers: &'a HashMap<OrganizerId, Seller>) -> Vec<(BookingId, bool, &'a Seller)> {
    let mut due: Vec<(BookingId, bool, &Seller)> = Vec::new();
    let mut places: HashMap<BookingId, usize> = HashMap::new();
    for batch in batches {
        let Some(seller) = sellers.get(&batch.organizer) else { continue };
        for (booking, was_confirmed) in &batch.bookings {
            match places.get(booking) {
                Some(place) => due[*place].1 |= was_confirmed,
                None => {
                    places.insert(*booking, due.len());
                    due.push((*booking, *was_confirmed, seller));
                }
            }
        }
    }
    due
}

/// Gives each its number, in their order.
async fn numbered_in_op(
    uow: &mut dyn UnitOfWork,
    unnumbered: Vec<Unnumbered<'_>>,
    now: Timestamp,
) -> Result<Vec<Invoice>, AppError> {
    let mut next: BTreeMap<SeriesKey, u64> = BTreeMap::new();
    for document in &unnumbered {
        *next.entry(document.counted_by(now)).or_default() += 1;
    }
    for ((organizer, series, year), count) in &mut next {
        *count = uow.take_numbers(*organizer, series, *year, *count).await?;
    }
    let mut invoices = Vec::with_capacity(unnumbered.len());
    for document in unnumbered {
        let key = document.counted_by(now);
        let number = next.get_mut(&key).ok_or(AppError::Internal)?;
        let (_, series, year) = key;
        invoices.push(document.called(InvoiceNumber { series, year, number: *number }, now));
        *number += 1;
    }
    Ok(invoices)
}

impl Unnumbered<'_> {
    fn counted_by(&self, now: Timestamp) -> SeriesKey {
        let terms = &self.seller.terms;
        // No clock of ours shows a year before Christ, or one that has five digits.
        let year = u16::try_from(now.with_timezone(&terms.timezone).year()).unwrap_or_default();
        (self.seller.organizer, terms.series_of(self.draft.kind).clone(), year)
    }

    fn called(self, number: InvoiceNumber, now: Timestamp) -> Invoice {
        let booking = &self.of.booking;
        Invoice {
            id: self.id,
            kind: self.draft.kind,
            number,
            organizer: booking.organizer,
            seller: self.seller.id,
            booking: booking.id,
            event: booking.event,
            reference: booking.reference.clone(),
            billed: self.of.event.clone(),
            recipient: self.of.recipient.clone(),
            currency: booking.total.currency,
            lines: self.draft.lines,
            sums: self.draft.sums,
            issued_at: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn batch(id: u128, bookings: usize) -> DueBatch {
        let booking = |number: usize| (BookingId::new(Uuid::from_u128(number as u128)), false);
        let organizer = OrganizerId::new(Uuid::from_u128(1));
        DueBatch { id: Uuid::from_u128(id), organizer, bookings: (0..bookings).map(booking).collect() }
    }

    #[test]
    fn a_round_has_an_end_and_takes_one_batch_whatever_is_in_it() {
        let taken = |sizes: &[usize]| {
            let batches = sizes.iter().zip(0_u128..).map(|(size, id)| batch(id, *size)).collect();
            some_of(batches).len()
        };
        assert_eq!(taken(&[]), 0);
        assert_eq!(taken(&[ROUND_BOOKINGS * 3, 1]), 1);
        assert_eq!(taken(&[1, ROUND_BOOKINGS, 1]), 2);
        assert_eq!(taken(&[1; 10]), 10);
    }
}
