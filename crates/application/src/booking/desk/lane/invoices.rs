//! Which bookings of a batch may lack an invoice or a credit note now.

use domain::booking::{BookingStatus, Decided, FactKind};

use crate::booking::{InvoiceDue, LaneChanges};

/// What was noted, in the order of the decisions.
#[derive(Default)]
pub(super) struct InvoicesDue(Vec<InvoiceDue>);

impl InvoicesDue {
    /// Notes a fact: that a booking that costs something is confirmed, or that what pays it may be less. Who writes the
    /// documents looks at the booking itself, so that what is noted in vain does no harm.
    pub(super) fn note(&mut self, decided: &Decided) {
        let Decided { booking, before, fact, .. } = decided;
        if booking.total.is_zero() {
            return;
        }
        let was = |status| *before == Some(status);
        let was_confirmed = booking.status == BookingStatus::Confirmed && !was(BookingStatus::Confirmed);
        let is_less = match booking.status {
            BookingStatus::Confirmed => matches!(fact.kind, FactKind::RefundRequested(..)),
            BookingStatus::Cancelled => {
                was(BookingStatus::Confirmed)
                    || matches!(fact.kind, FactKind::RefundRequested(..) | FactKind::PaymentChargedBack(..))
            }
            BookingStatus::Pending | BookingStatus::Expired => false,
        };
        if !was_confirmed && !is_less {
            return;
        }
        match self.0.last_mut() {
            Some(last) if last.booking == booking.id => last.was_confirmed |= was_confirmed,
            _ => self.0.push(InvoiceDue { booking: booking.id, organizer: booking.organizer, was_confirmed }),
        }
    }

    /// Adds them to the commit.
    pub(super) fn collect(&mut self, changes: &mut LaneChanges) {
        changes.invoices_due.append(&mut self.0);
    }
}
