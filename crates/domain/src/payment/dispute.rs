//! The buyer's bank asks money back. What came in is at the bank until it is decided; the tickets stay.
//!
//! While a dispute is open, its amount is missing from the provider's cash and stands among the open cases. Won, it is
//! back, and goes back to the buyer where his booking was cancelled meanwhile. Lost, it is gone: what belonged nowhere goes first, then what paid the booking; what had been refunded before is a
//! loss.

use crate::booking::{BookingStatus, FactKind, Refusal};
use crate::payment::ledger::{cash, transaction};
use crate::payment::report::{CAPTURED_MAX, requested};
use crate::payment::{Account, Books, FreshIds, Payment, PaymentStatus, RefundReason, Settlement};
use crate::{Money, PaymentId, Text};

/// A dispute of a payment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dispute {
    /// The id that the provider has for it.
    pub reference: Text,
    /// Where it stands.
    pub status: DisputeStatus,
    /// How much the bank asks, in minor units of the payment's currency.
    pub amount: i64,
}

/// Where a dispute stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DisputeStatus {
    /// The money is gone until it is decided.
    Opened,
    /// The money is back.
    Won,
    /// The money is gone.
    Lost,
}

/// What a provider says of a dispute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DisputeReport {
    /// The id that it has for it.
    pub reference: Text,
    /// Where it stands there.
    pub status: DisputeStatus,
    /// How much the bank asks.
    pub amount: Money,
}

/// Takes note of a dispute. `None`, where that is known, or was decided before. It may be told of in any order: one that is
/// decided before it was heard of is opened and decided at once, and what opens it later says nothing.
///
/// # Errors
/// [`Refusal::NotFound`] where there is no such payment. [`Refusal::InvalidState`] where nothing is known to have come in by
/// it, where the amount cannot be, where another dispute of it is open or lost, or where one that was decided is decided
/// otherwise: these wait, or are for people.
pub fn apply_dispute(
    books: &Books<'_>,
    payment: PaymentId,
    report: &DisputeReport,
    fresh: &mut dyn FreshIds,
) -> Result<Option<Settlement>, Refusal> {
    use DisputeStatus::{Lost, Opened, Won};
    let found = books.payments.iter().find(|known| known.id == payment).ok_or(Refusal::NotFound("payment"))?;
    if found.status != PaymentStatus::Succeeded {
        return Err(Refusal::state("nothing is known to have come in by the payment that is disputed"));
    }
    let known = found.dispute.as_ref();
    let is_same = known.is_some_and(|known| known.reference == report.reference);
    match (known.map(|known| known.status), report.status) {
        (Some(Opened), Opened) | (Some(Won), Opened | Won) | (Some(Lost), Opened | Lost) if is_same => {
            return Ok(None);
        }
        (Some(Won), Lost) | (Some(Lost), Won) if is_same => {
            return Err(Refusal::state("the dispute was decided otherwise before"));
        }
        (Some(Opened | Lost), _) if !is_same => return Err(Refusal::state("another dispute of the payment stands")),
        _ => {}
    }
    let is_open = is_same && found.is_disputed();
    // What is asked when it is opened is what is at the bank.
    let minor = known.filter(|_| is_open).map_or(report.amount.minor, |known| known.amount);
    if report.amount.currency != found.amount.currency || !(1..=CAPTURED_MAX).contains(&minor) {
        return Err(Refusal::state("the provider tells of an amount that cannot be"));
    }
    let (now, mut settled) = (books.now, Settlement::default());
    let amount = found.money(minor);
    let dispute = Some(Dispute { reference: report.reference.clone(), status: report.status, amount: minor });
    let mut changed = Payment { dispute, ..found.at(found.status, now) };
    if !is_open && report.status != Won {
        let moves = [(cash(found), -minor), (Account::OpenCases, minor)];
        settled.entries.extend(transaction(fresh.transaction(), found, &moves, now));
        settled.steps.push(books.booking.told(FactKind::PaymentDisputed(payment, amount), now));
    }
    match report.status {
        Opened => {}
        Won => {
            if is_open {
                let moves = [(Account::OpenCases, -minor), (cash(found), minor)];
                settled.entries.extend(transaction(fresh.transaction(), found, &moves, now));
            }
            settled.steps.push(settled.booking(books.booking).told(FactKind::PaymentDisputeWon(payment, amount), now));
            let back = minor.min(changed.unsettled());
            if is_open && books.booking.status == BookingStatus::Cancelled && back > 0 {
                // The booking went while the money was at the bank.
                let moves = [(Account::OpenCases, back), (Account::RefundsPayable, -back)];
                settled.entries.extend(transaction(fresh.transaction(), found, &moves, now));
                let refund = requested(found, back, RefundReason::Cancelled, fresh, now);
                let fact = FactKind::RefundRequested(refund.id, refund.amount);
                settled.steps.push(settled.booking(books.booking).told(fact, now));
                changed.refunded += back;
                settled.refunds.push(refund);
            }
        }
        Lost => {
            let of_case = minor.min(found.unsettled());
            let of_booking = (minor - of_case).min(found.booked);
            let moves = [(Account::OpenCases, of_case - minor), (Account::Sales, minor - of_case)];
            settled.entries.extend(transaction(fresh.transaction(), found, &moves, now));
            changed.booked -= of_booking;
            changed.charged_back += of_case + of_booking;
            settled.steps.push(settled.booking(books.booking).told(FactKind::PaymentChargedBack(payment, amount), now));
        }
    }
    settled.payments.push(changed);
    Ok(Some(settled))
}
