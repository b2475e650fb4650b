//! Who has not paid yet: at the door he is told apart from who has no ticket, and may pay there and enter at once.

use std::sync::Arc;

use super::door::is_open;
use crate::admission::{CheckInList, ScanResult};
use crate::booking::{Booking, BookingStatus, Reference, Refusal, Sale, confirm};
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
    /// What is to be paid yet.
    pub due: Money,
    /// From then on its units are anybody's.
    pub held_until: Timestamp,
}

/// The reference of a booking is shown at the door.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DoorPayment {
    /// Of which booking.
    pub booking: BookingId,
    /// What the door has taken for it, in minor units of the event's currency; none where it asks what is due.
    pub paid: Option<i64>,
    /// By which list those who come with it enter.
    pub list: Arc<CheckInList>,
    /// Where.
    pub gate: Option<Text>,
    /// When, as the scanner claims.
    pub device_at: Option<Timestamp>,
}

/// What becomes of a booking whose reference is shown at the door.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DoorVerdict {
    /// It is to be paid, and the door asks what is due.
    Unpaid(UnpaidBooking),
    /// It is paid: it is to be confirmed, and lets in.
    Paid,
    /// It lets nobody in, whatever is paid.
    Refused(ScanResult),
}

/// Decides what becomes of a booking whose reference is shown, of which so much is still due. Money is asked for, and taken,
/// only where all of its tickets let in there and then: nobody pays and stays outside.
///
/// # Errors
/// Where money was taken, why it must go back: [`Refusal::BookingExpired`] and [`Refusal::InvalidState`] where the booking does
/// not hold any more, is paid already or costs nothing; [`Refusal::PriceChanged`] where another amount is due.
pub fn pay_at_door(
    sale: &Sale,
    booking: &Booking,
    due: Money,
    payment: &DoorPayment,
    now: Timestamp,
) -> Result<DoorVerdict, Refusal> {
    if let Err(refusal) = payable(sale, booking, now) {
        return payment.paid.map_or(Ok(DoorVerdict::Refused(ScanResult::Invalid)), |_| Err(refusal));
    }
    if !booking.items.iter().all(|item| payment.list.terms.has(item.ticket_type)) {
        return Ok(DoorVerdict::Refused(ScanResult::NotOnList));
    }
    if !is_open(sale, &payment.list, now) {
        return Ok(DoorVerdict::Refused(ScanResult::NotValidNow));
    }
    match (payment.paid, booking.hold) {
        (Some(paid), _) if paid == due.minor => Ok(DoorVerdict::Paid),
        (Some(_), _) => Err(Refusal::PriceChanged { total: due.minor }),
        (None, Some(hold)) => Ok(DoorVerdict::Unpaid(UnpaidBooking {
            id: booking.id,
            reference: booking.reference.clone(),
            units: booking.units(),
            due,
            held_until: hold.release_at,
        })),
        (None, None) => Ok(DoorVerdict::Refused(ScanResult::Invalid)),
    }
}

/// Whether there is anything to be had for money.
fn payable(sale: &Sale, booking: &Booking, now: Timestamp) -> Result<(), Refusal> {
    if booking.status == BookingStatus::Confirmed {
        return Err(Refusal::state("the booking is paid: its tickets let in"));
    }
    confirm(sale, booking, now)?;
    if booking.total.is_zero() { Err(Refusal::state("the booking costs nothing")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::door::tests::{on, sale};
    use crate::admission::ticket;
    use crate::booking::HoldTerms;
    use crate::fixture::{at, id};
    use crate::{Currency, EventId, TicketTypeId};

    /// Two for 50.00, held for a day and two hours: the event begins in a day and an hour, and its doors open a day before.
    fn booking() -> Booking {
        let end = at(93_600);
        Booking {
            total: euros(5_000),
            status: BookingStatus::Pending,
            hold: Some(HoldTerms { expires_at: end, release_at: end, ends_at: end }),
            ..ticket::tests::booking(&[(4, 2)], vec![])
        }
    }

    fn euros(minor: i64) -> Money {
        Money { minor, currency: Currency::EUR }
    }

    fn shown(paid: Option<i64>) -> DoorPayment {
        let list = Arc::new(CheckInList::default_of(EventId::new(id(1))));
        DoorPayment { booking: booking().id, paid, list, gate: None, device_at: None }
    }

    #[test]
    fn what_came_otherwise_is_not_asked_for_again() {
        let (sale, booking) = (sale(), booking());
        let decide = |paid| pay_at_door(&sale, &booking, euros(1_500), &shown(paid), at(4_000));
        let Ok(DoorVerdict::Unpaid(unpaid)) = decide(None) else { panic!("{:?}", decide(None)) };
        assert_eq!((unpaid.due, unpaid.units, unpaid.held_until), (euros(1_500), 2, at(93_600)));
        assert_eq!(decide(Some(1_500)), Ok(DoorVerdict::Paid));
        for wrong in [5_000, 1_499, 0, -1_500] {
            assert_eq!(decide(Some(wrong)), Err(Refusal::PriceChanged { total: 1_500 }), "{wrong}");
        }
    }

    #[test]
    fn nobody_is_asked_to_pay_who_stays_outside() {
        let (sale, held) = (sale(), booking());
        let decide =
            |booking: &Booking, shown: &DoorPayment, now| pay_at_door(&sale, booking, euros(5_000), shown, at(now));
        let elsewhere = on(crate::admission::ListTerms {
            ticket_types: vec![TicketTypeId::new(id(99))],
            ..CheckInList::default_of(EventId::new(id(1))).terms
        });
        for paid in [None, Some(5_000)] {
            let refused = |result| Ok(DoorVerdict::Refused(result));
            assert_eq!(decide(&held, &shown(paid), 3_599), refused(ScanResult::NotValidNow), "before the doors open");
            let by = DoorPayment { list: Arc::clone(&elsewhere.list), ..shown(paid) };
            assert_eq!(decide(&held, &by, 4_000), refused(ScanResult::NotOnList));
        }
        // What holds no more, is paid or costs nothing: the door that asks hears of nothing, who took money why it goes back.
        let over = Booking { status: BookingStatus::Expired, ..held.clone() };
        let paid = Booking { status: BookingStatus::Confirmed, hold: None, ..held.clone() };
        let free = Booking { total: euros(0), ..held.clone() };
        for booking in [&over, &paid, &free] {
            assert_eq!(decide(booking, &shown(None), 4_000), Ok(DoorVerdict::Refused(ScanResult::Invalid)));
            assert!(decide(booking, &shown(Some(0)), 4_000).is_err(), "{booking:?}");
        }
        assert_eq!(decide(&over, &shown(Some(1)), 4_000), Err(Refusal::BookingExpired), "whatever was taken");
    }
}
