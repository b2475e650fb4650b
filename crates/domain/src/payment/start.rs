//! A buyer begins to pay.

use chrono::TimeDelta;

use crate::booking::{BookingStatus, FactKind, Refusal};
use crate::catalog::EventStatus;
use crate::payment::{Books, Payment, PaymentStatus, Settlement};
use crate::{PaymentId, Text};

/// By how much the first payment of a booking moves its release at most, so that who is at his bank does not lose the
/// tickets meanwhile.
pub const PAYING_GRACE: TimeDelta = TimeDelta::minutes(2);

/// The most payments of a booking: whoever fails so often does not pay by this way any more.
const PAYMENTS_MAX: usize = 20;

/// A buyer wants to pay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StartPayment {
    /// Id of the payment to be.
    pub id: PaymentId,
    /// Who moves the money.
    pub provider: Text,
    /// How.
    pub method: Text,
}

/// Writes down that the whole total is asked for, before anybody is: whatever becomes of the call to the provider, the
/// payment is known. What came in before and belongs nowhere yet counts towards the total.
///
/// # Errors
/// [`Refusal::BookingExpired`] from `release_at` on; [`Refusal::InvalidState`] where the booking is not pending, costs
/// nothing, its event is cancelled, another payment is under way, or 20 have failed.
pub fn start_payment(books: &Books<'_>, start: &StartPayment) -> Result<(Payment, Settlement), Refusal> {
    let Books { sale, booking, payments, now, .. } = *books;
    match booking.status {
        BookingStatus::Pending if booking.has_lapsed(now) && !payments.iter().any(Payment::is_open) => {
            return Err(Refusal::BookingExpired);
        }
        BookingStatus::Expired => return Err(Refusal::BookingExpired),
        BookingStatus::Pending => {}
        status => return Err(Refusal::state(format!("the booking is {status}: it is not to be paid"))),
    }
    if sale.event.status == EventStatus::Cancelled {
        return Err(Refusal::state("the event is cancelled: nothing is to be paid"));
    }
    if payments.iter().any(Payment::is_open) {
        return Err(Refusal::state("a payment of this booking is under way: wait for its outcome"));
    }
    if payments.len() >= PAYMENTS_MAX {
        return Err(Refusal::state("too many payments of this booking have failed"));
    }
    let amount = crate::Money { minor: booking.total.minor - books.free(), ..booking.total };
    if amount.minor <= 0 {
        return Err(Refusal::state("nothing is left to be paid"));
    }
    let payment = Payment {
        id: start.id,
        booking: booking.id,
        event: booking.event,
        organizer: booking.organizer,
        provider: start.provider.clone(),
        method: start.method.clone(),
        amount,
        captured: 0,
        booked: 0,
        refunded: 0,
        charged_back: 0,
        dispute: None,
        status: PaymentStatus::Created,
        failure: None,
        reference: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let mut step = booking.told(FactKind::PaymentStarted(start.id, amount), now);
    if let Some(hold) = &mut step.booking.hold
        && payments.is_empty()
    {
        hold.release_at += sale.event.terms.hold.min(PAYING_GRACE);
    }
    let settlement = Settlement { payments: vec![payment.clone()], steps: vec![step], ..Settlement::default() };
    Ok((payment, settlement))
}
