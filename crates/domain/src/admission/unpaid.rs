//! Who has not paid yet: at the door he is told apart from who has no ticket, and may pay there and enter at once.

use std::sync::Arc;

use super::door::is_open;
use crate::admission::{CheckInList, ScanResult};
use crate::booking::{Booking, BookingStatus, Reference, Refusal, Sale};
use crate::{BookingId, Money, Text, Timestamp};

/// What the door may know of a booking that is not paid: nobody's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnpaidBooking {
    /// Which.
    pub id: BookingId,
    /// What people call it.
    pub reference: Reference,
    /// How many people it lets in, once it is paid.
    pub units: u32,
    /// What it costs.
    pub due: Money,
    /// From then on its units are anybody's.
    pub held_until: Timestamp,
}

impl UnpaidBooking {
    /// What the door may know of this one; none where there is nothing to pay, or nothing to be had for it any more.
    #[must_use]
    pub fn of(booking: &Booking, now: Timestamp) -> Option<Self> {
        let is_held = booking.status == BookingStatus::Pending && !booking.has_lapsed(now) && !booking.total.is_zero();
        let hold = booking.hold.filter(|_| is_held)?;
        Some(Self {
            id: booking.id,
            reference: booking.reference.clone(),
            units: booking.units(),
            due: booking.total,
            held_until: hold.release_at,
        })
    }
}

/// The door has taken money.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DoorPayment {
    /// For which booking.
    pub booking: BookingId,
    /// How much, in minor units of the event's currency.
    pub amount: i64,
    /// By which list those who come with it enter.
    pub list: Arc<CheckInList>,
    /// Where.
    pub gate: Option<Text>,
    /// When, as the scanner claims.
    pub device_at: Option<Timestamp>,
}

/// Whether a booking may be paid at the door: only where all of its tickets let in there and then, so that nobody pays and
/// stays outside. The word that says why they do not, or nothing; whether the hold still stands is decided with the payment.
///
/// # Errors
/// [`Refusal::PriceChanged`] where another amount is due; [`Refusal::InvalidState`] where it is paid already: its tickets are
/// shown then.
pub fn pay_at_door(
    sale: &Sale,
    booking: &Booking,
    payment: &DoorPayment,
    now: Timestamp,
) -> Result<Option<ScanResult>, Refusal> {
    if booking.status == BookingStatus::Confirmed {
        return Err(Refusal::state("the booking is paid: its tickets let in"));
    }
    if booking.total.minor != payment.amount {
        return Err(Refusal::PriceChanged { total: booking.total.minor });
    }
    if !booking.items.iter().all(|item| payment.list.terms.has(item.ticket_type)) {
        return Ok(Some(ScanResult::NotOnList));
    }
    Ok((!is_open(sale, &payment.list, now)).then_some(ScanResult::NotValidNow))
}
