//! Money: what is asked of buyers, what comes in, and where each amount of it ends.
//!
//! **Every captured amount ends in exactly one of three: a paid booking, a refund, an open case.** A payment keeps the
//! three sums beside each other, the decisions here move money between them and nowhere else, and each move writes rows
//! of a ledger that add up to zero. Whatever comes in late, twice, in the wrong amount or in any order: it is booked as it
//! was received, since money is a fact.
//!
//! | question | file |
//! |---|---|
//! | what is a payment, what is a refund, which states have they? | `aggregate` |
//! | may the buyer pay now? | `start` |
//! | the provider says that it has the money, or not: what now? | `report` |
//! | the organizer has the money | `manual` |
//! | money goes back | `refund` |
//! | a bank asks it back | `dispute` |
//! | which accounts are there, and what is written to them? | `ledger` |

mod aggregate;
mod dispute;
mod ledger;
mod manual;
mod refund;
mod report;
mod start;

#[cfg(test)]
mod tests;

pub use aggregate::{
    Payment, PaymentStatus, Refund, RefundReason, RefundStatus, UnknownPaymentStatus, UnknownRefundStatus,
};
pub use dispute::{Dispute, DisputeReport, DisputeStatus, apply_dispute};
pub use ledger::{Account, LedgerEntry};
pub use manual::{MANUAL, confirm_paid};
pub use refund::{RefundOutcome, RefundRequest, apply_refund_report, cancel_with_event, request_refund};
pub use report::{ChargeOutcome, ChargeReport, apply_report, takes_again};
pub use start::{PAYING_GRACE, StartPayment, start_payment};

use crate::Timestamp;
use crate::booking::{Booking, Decided, Sale};
use crate::{LedgerTransactionId, Money, RefundId};

/// What a decision about money reads.
#[derive(Clone, Copy, Debug)]
pub struct Books<'a> {
    /// The sale of the event.
    pub sale: &'a Sale,
    /// The booking.
    pub booking: &'a Booking,
    /// All payments of the booking, oldest first.
    pub payments: &'a [Payment],
    /// Whether the promo code of the booking, if it has one, may be used once more.
    pub promo_has_room: bool,
    /// Now.
    pub now: Timestamp,
}

impl Books<'_> {
    /// Whether the money of a payment is of the booking's currency. What came in of another pays nothing, and is never
    /// added to the rest.
    fn is_of_booking(&self, payment: &Payment) -> bool {
        payment.amount.currency == self.booking.total.currency
    }

    /// What is still to be paid for the booking, where nothing pays it yet.
    #[must_use]
    pub fn due(&self) -> Money {
        Money { minor: (self.booking.total.minor - self.free()).max(0), ..self.booking.total }
    }

    /// What came in for the booking, belongs nowhere yet, and is there.
    fn free(&self) -> i64 {
        self.payments.iter().filter(|payment| self.is_of_booking(payment)).map(Payment::free).sum()
    }

    /// What of that which pays the booking can go back.
    fn paying(&self) -> i64 {
        let of = |payment: &Payment| payment.booked.min(payment.refundable());
        self.payments.iter().filter(|payment| self.is_of_booking(payment)).map(of).sum()
    }

    /// What can go back in the currency of the booking.
    fn refundable(&self) -> i64 {
        self.payments.iter().filter(|payment| self.is_of_booking(payment)).map(Payment::refundable).sum()
    }
}

/// Where a decision takes new ids from.
pub trait FreshIds {
    /// For a refund.
    fn refund(&mut self) -> RefundId;
    /// For rows of the ledger that belong together.
    fn transaction(&mut self) -> LedgerTransactionId;
}

/// What a decision about money changes. All of it is one commit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settlement {
    /// New payments, and others as they are now.
    pub payments: Vec<Payment>,
    /// New refunds, and others as they are now.
    pub refunds: Vec<Refund>,
    /// Rows of the ledger; those of a transaction add up to zero.
    pub entries: Vec<LedgerEntry>,
    /// The booking, step by step: stock that moves, and what is told of it. The last has its present state.
    pub steps: Vec<Decided>,
}

impl Settlement {
    /// The booking as it is after the steps so far.
    fn booking<'a>(&'a self, before: &'a Booking) -> &'a Booking {
        self.steps.last().map_or(before, |step| &step.booking)
    }
}
