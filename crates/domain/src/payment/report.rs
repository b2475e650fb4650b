//! A provider's word becomes state, whether it came as an answer, as a message or because it was asked.

use crate::booking::{BookingStatus, FactKind, Refusal, Sale, StockMove};
use crate::catalog::EventStatus;
use crate::payment::ledger::{cash, transaction};
use crate::payment::{
    Account, Books, FreshIds, Payment, PaymentStatus, Refund, RefundReason, RefundStatus, Settlement,
};
use crate::{LedgerTransactionId, Money, PaymentId, Text, Timestamp};

/// What a provider says of a payment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChargeReport {
    /// The id that it has for it, if it knows it.
    pub reference: Option<Text>,
    /// Where it stands there.
    pub outcome: ChargeOutcome,
}

/// Where a payment stands at its provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChargeOutcome {
    /// Not decided.
    Processing,
    /// So much came in.
    Succeeded(Money),
    /// Nothing did; a word for why.
    Failed(Text),
    /// Nothing did, nor will it.
    Cancelled,
}

/// The stock that an expired booking would take again, were it paid now; `None` where it would not: it is not expired,
/// the money does not suffice, its promo code has been used up meanwhile, or its event is over.
#[must_use]
pub fn takes_again(books: &Books<'_>, payment: PaymentId, report: &ChargeReport) -> Option<Vec<StockMove>> {
    let ChargeOutcome::Succeeded(captured) = report.outcome else { return None };
    let Books { sale, booking, payments, promo_has_room, now } = *books;
    if captured.currency != booking.total.currency {
        return None;
    }
    let is_new = payments.iter().any(|known| known.id == payment && known.status != PaymentStatus::Succeeded);
    let there = books.free();
    let suffices = there.checked_add(captured.minor).is_some_and(|there| there >= booking.total.minor);
    let wanted =
        booking.status == BookingStatus::Expired && is_new && suffices && promo_has_room && is_to_come(sale, now);
    wanted.then(|| StockMove::between(&booking.items, Some(BookingStatus::Expired), BookingStatus::Confirmed))
}

/// Whether the event is still to come.
fn is_to_come(sale: &Sale, now: Timestamp) -> bool {
    !matches!(sale.event.status_at(now), EventStatus::Cancelled | EventStatus::Ended | EventStatus::Archived)
}

impl Payment {
    /// Whether the report tells something new. What is none now is none later, so that a copy that is not the newest may
    /// be asked: whoever learns twice what everybody knows keeps no lane waiting.
    #[must_use]
    pub const fn is_news(&self, outcome: &ChargeOutcome) -> bool {
        use PaymentStatus::{Cancelled, Created, Failed, Processing, Succeeded};
        match (self.status, outcome) {
            (Succeeded, _) | (Processing | Failed | Cancelled, ChargeOutcome::Processing) => false,
            (Failed | Cancelled, ChargeOutcome::Failed(_) | ChargeOutcome::Cancelled) => false,
            (Created | Processing, _) | (Failed | Cancelled, ChargeOutcome::Succeeded(_)) => true,
        }
    }
}

/// Takes note of what a provider says. `None`, where that is known or comes too late to matter: a second success is
/// silent, and so is a failure after a success. A late success is real money, whatever the payment was before; and so is
/// money of another currency than was asked for: it pays nothing, and is an open case, or goes back where all would.
///
/// # Errors
/// [`Refusal::NotFound`] where there is no such payment, [`Refusal::InvalidState`] for an amount that cannot be, as one that
/// is not above zero.
pub fn apply_report(
    books: &Books<'_>,
    payment: PaymentId,
    report: &ChargeReport,
    fresh: &mut dyn FreshIds,
) -> Result<Option<Settlement>, Refusal> {
    let found = books.payments.iter().find(|known| known.id == payment).ok_or(Refusal::NotFound("payment"))?;
    if !found.is_news(&report.outcome) {
        return Ok(None);
    }
    let now = books.now;
    let reference = report.reference.clone().or_else(|| found.reference.clone());
    let at = |status| Payment { reference: reference.clone(), ..found.at(status, now) };
    let (changed, fact) = match &report.outcome {
        ChargeOutcome::Succeeded(captured) => {
            return captured_now(books, at(PaymentStatus::Succeeded), *captured, fresh).map(Some);
        }
        ChargeOutcome::Processing => (at(PaymentStatus::Processing), FactKind::PaymentProcessing(payment)),
        ChargeOutcome::Failed(word) => {
            (Payment { failure: Some(word.clone()), ..at(PaymentStatus::Failed) }, FactKind::PaymentFailed(payment))
        }
        ChargeOutcome::Cancelled => (at(PaymentStatus::Cancelled), FactKind::PaymentCancelled(payment)),
    };
    let steps = vec![books.booking.told(fact, now)];
    Ok(Some(Settlement { payments: vec![changed], steps, ..Settlement::default() }))
}

/// More than anybody pays, in minor units; sums of as many payments as a booking can have fit an `i64`.
pub(super) const CAPTURED_MAX: i64 = 1_000_000_000_000_000;

/// Where the money of a payment goes.
enum Destination {
    /// It pays the booking, which is confirmed if it suffices; what is too much goes back.
    Booking,
    /// It goes back, all of it.
    Back(RefundReason),
}

fn destination(books: &Books<'_>, payment: &Payment, captured: Money) -> Destination {
    let Books { sale, booking, now, .. } = *books;
    match booking.status {
        BookingStatus::Confirmed => Destination::Back(RefundReason::Surplus),
        BookingStatus::Cancelled => Destination::Back(RefundReason::Cancelled),
        BookingStatus::Pending if sale.event.status == EventStatus::Cancelled => {
            Destination::Back(RefundReason::Cancelled)
        }
        BookingStatus::Pending => Destination::Booking,
        BookingStatus::Expired => {
            let report = ChargeReport { reference: None, outcome: ChargeOutcome::Succeeded(captured) };
            match takes_again(books, payment.id, &report) {
                Some(stock) if sale.has_room(&stock) => Destination::Booking,
                _ if is_to_come(sale, now) => Destination::Back(RefundReason::Late),
                _ => Destination::Back(RefundReason::Cancelled),
            }
        }
    }
}

fn captured_now(
    books: &Books<'_>,
    payment: Payment,
    captured: Money,
    fresh: &mut dyn FreshIds,
) -> Result<Settlement, Refusal> {
    let Books { booking, now, .. } = *books;
    if !(1..=CAPTURED_MAX).contains(&captured.minor) {
        return Err(Refusal::state("the provider tells of an amount that cannot be"));
    }
    let told = booking.told(FactKind::PaymentSucceeded(payment.id, captured), now);
    let mut settled = Settlement { steps: vec![told], ..Settlement::default() };
    let to = destination(books, &payment, captured);
    let is_other = captured.currency != payment.amount.currency;
    let amount = if is_other { captured } else { payment.amount };
    let mut payment = Payment { amount, captured: captured.minor, failure: None, ..payment };
    let surplus = match to {
        Destination::Back(reason) => Some((captured.minor, reason)),
        Destination::Booking if is_other => None,
        Destination::Booking => {
            let missing = pay_from_cases(&mut settled, books, captured.minor, fresh);
            missing.and_then(|missing| {
                payment.booked = missing.min(captured.minor);
                let booking = settled.booking(booking);
                settled.steps.push(booking.moved(BookingStatus::Confirmed, FactKind::Confirmed, now));
                let surplus = captured.minor - payment.booked;
                (surplus > 0).then_some((surplus, RefundReason::Surplus))
            })
        }
    };
    if let Some((minor, reason)) = surplus {
        payment.refunded = minor;
        let refund = requested(&payment, minor, reason, fresh, now);
        let fact = FactKind::RefundRequested(refund.id, refund.amount);
        let step = settled.booking(booking).told(fact, now);
        settled.steps.push(step);
        settled.refunds.push(refund);
    }
    let capture = LedgerTransactionId::new(payment.id.uuid());
    settled.entries.extend(transaction(capture, &payment, &capture_moves(&payment), now));
    settled.payments.push(payment);
    Ok(settled)
}

/// Where the money of a payment is when it has just come in.
pub(super) fn capture_moves(payment: &Payment) -> [(Account, i64); 4] {
    [
        (cash(payment), payment.captured),
        (Account::Sales, -payment.booked),
        (Account::RefundsPayable, -payment.refunded),
        (Account::OpenCases, -payment.unsettled()),
    ]
}

/// Pays the booking with what came in before and belongs nowhere yet, as far as that and `more` suffice for it all.
/// Answers what is still missing then, and `None` where they do not suffice.
pub(super) fn pay_from_cases(
    settled: &mut Settlement,
    books: &Books<'_>,
    more: i64,
    fresh: &mut dyn FreshIds,
) -> Option<i64> {
    let Books { booking, payments, now, .. } = *books;
    let there = books.free();
    let mut missing = booking.total.minor;
    if there.saturating_add(more) < missing {
        return None;
    }
    for payment in payments.iter().filter(|known| books.is_of_booking(known) && known.free() > 0) {
        let part = payment.free().min(missing);
        if part > 0 {
            missing -= part;
            let moves = [(Account::OpenCases, part), (Account::Sales, -part)];
            settled.entries.extend(transaction(fresh.transaction(), payment, &moves, now));
            settled.payments.push(Payment { booked: payment.booked + part, ..payment.at(payment.status, now) });
        }
    }
    Some(missing)
}

/// A refund that is to be sent.
pub(super) fn requested(
    payment: &Payment,
    minor: i64,
    reason: RefundReason,
    fresh: &mut dyn FreshIds,
    now: Timestamp,
) -> Refund {
    let Payment { booking, event, organizer, .. } = *payment;
    Refund {
        id: fresh.refund(),
        payment: payment.id,
        booking,
        event,
        organizer,
        amount: payment.money(minor),
        reason,
        by_hand: false,
        status: RefundStatus::Requested,
        failure: None,
        version: 1,
        created_at: now,
        updated_at: now,
    }
}
