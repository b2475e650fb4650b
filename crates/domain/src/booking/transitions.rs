//! What becomes of a booking after its hold: confirmed, renewed, cancelled. Each command sent twice is done once.

use crate::Timestamp;
use crate::booking::{Booking, BookingStatus, FactKind, Refusal, Sale, Verdict};

/// Who gives a booking back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Canceller {
    /// The buyer himself.
    Buyer,
    /// A member of the organizer, or an admin.
    Organizer,
}

/// The organizer has the money: the hold becomes the contract. Its units stay taken; none is free in between.
///
/// # Errors
/// [`Refusal::BookingExpired`] from `release_at` on, [`Refusal::InvalidState`] where it was cancelled.
pub fn confirm(sale: &Sale, booking: &Booking, now: Timestamp) -> Result<Verdict, Refusal> {
    use crate::catalog::EventStatus;
    match booking.status {
        BookingStatus::Confirmed => Ok(Verdict::Already(Box::new(booking.clone()))),
        BookingStatus::Cancelled => Err(Refusal::state("the booking is cancelled: it cannot be confirmed")),
        BookingStatus::Expired => Err(Refusal::BookingExpired),
        BookingStatus::Pending if booking.has_lapsed(now) => Err(Refusal::BookingExpired),
        BookingStatus::Pending if sale.event.status == EventStatus::Cancelled => {
            Err(Refusal::state("the event is cancelled: its bookings cannot be confirmed"))
        }
        BookingStatus::Pending => Ok(booking.moved(BookingStatus::Confirmed, FactKind::Confirmed, now).done()),
    }
}

/// A longer hold: as long as a new one from now, within its absolute end. Where that gains nothing, nothing changes.
///
/// # Errors
/// [`Refusal::BookingExpired`] from `release_at` on, [`Refusal::InvalidState`] where it holds no longer.
pub fn renew(sale: &Sale, booking: &Booking, now: Timestamp) -> Result<Verdict, Refusal> {
    let hold = match (booking.status, booking.hold) {
        (BookingStatus::Pending, Some(hold)) => hold,
        (BookingStatus::Expired, _) => return Err(Refusal::BookingExpired),
        (status, _) => return Err(Refusal::state(format!("the booking is {status}: there is no hold to renew"))),
    };
    if booking.has_lapsed(now) {
        return Err(Refusal::BookingExpired);
    }
    let expires_at = (now + sale.event.terms.hold).min(hold.ends_at);
    if expires_at <= hold.expires_at {
        return Ok(Verdict::Already(Box::new(booking.clone())));
    }
    let mut decided = booking.moved(BookingStatus::Pending, FactKind::Renewed, now);
    let gained = expires_at - hold.expires_at;
    let renewed = crate::booking::HoldTerms { expires_at, release_at: hold.release_at + gained, ..hold };
    decided.booking.hold = Some(renewed);
    Ok(decided.done())
}

/// Gives the units back.
///
/// A confirmed booking that cost something goes with its money alone, by [`request_refund`](crate::payment::request_refund):
/// cancelling it would keep money without a ticket.
///
/// # Errors
/// [`Refusal::BookingExpired`] for what has expired, [`Refusal::InvalidState`] for what cost something, and for a buyer
/// who comes after the event has begun.
pub fn cancel(sale: &Sale, booking: &Booking, by: Canceller, now: Timestamp) -> Result<Verdict, Refusal> {
    match booking.status {
        BookingStatus::Cancelled => Ok(Verdict::Already(Box::new(booking.clone()))),
        BookingStatus::Expired => Err(Refusal::BookingExpired),
        BookingStatus::Confirmed if !booking.total.is_zero() => Err(Refusal::state(
            "the booking is paid: its organizer cancels it by a refund (POST /api/v1/bookings/{id}/refund)",
        )),
        BookingStatus::Confirmed if by == Canceller::Buyer && sale.event.terms.start_at <= now => {
            Err(Refusal::state("the event has begun: only its organizer can cancel now"))
        }
        BookingStatus::Pending | BookingStatus::Confirmed => {
            Ok(booking.moved(BookingStatus::Cancelled, FactKind::Cancelled, now).done())
        }
    }
}
