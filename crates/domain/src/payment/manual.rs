//! The organizer has the money himself: cash, a transfer.

use crate::booking::{FactKind, Refusal, Verdict, confirm};
use crate::payment::ledger::transaction;
use crate::payment::report::{capture_moves, pay_from_cases};
use crate::payment::{Books, FreshIds, Payment, PaymentStatus, Settlement};
use crate::{LedgerTransactionId, PaymentId, Text};

/// The provider, and the method, of what the organizer takes himself.
pub const MANUAL: &str = "manual";

/// Confirms a booking. What is still owed has come in by hand: it is a payment that succeeded; where nothing is owed there
/// is none. `None`: it is confirmed already.
///
/// # Errors
/// Those of [`confirm`].
pub fn confirm_paid(
    books: &Books<'_>,
    payment: PaymentId,
    fresh: &mut dyn FreshIds,
) -> Result<Option<Settlement>, Refusal> {
    let Books { sale, booking, now, .. } = *books;
    if let Verdict::Already(_) = confirm(sale, booking, now)? {
        return Ok(None);
    }
    let mut settled = Settlement::default();
    let missing = pay_from_cases(&mut settled, books, booking.total.minor, fresh).unwrap_or(booking.total.minor);
    if missing > 0 {
        let paid = by_hand(books, payment, missing);
        settled.steps.push(booking.told(FactKind::PaymentSucceeded(payment, paid.amount), now));
        let capture = LedgerTransactionId::new(payment.uuid());
        settled.entries.extend(transaction(capture, &paid, &capture_moves(&paid), now));
        settled.payments.push(paid);
    }
    match confirm(sale, settled.booking(booking), now)? {
        Verdict::Done(confirmed) => settled.steps.push(*confirmed),
        Verdict::Already(_) => {}
    }
    Ok(Some(settled))
}

fn by_hand(books: &Books<'_>, id: PaymentId, minor: i64) -> Payment {
    let Books { booking, now, .. } = *books;
    let word = || Text::trusted(MANUAL.to_owned());
    Payment {
        id,
        booking: booking.id,
        event: booking.event,
        organizer: booking.organizer,
        provider: word(),
        method: word(),
        amount: crate::Money { minor, ..booking.total },
        captured: minor,
        booked: minor,
        refunded: 0,
        charged_back: 0,
        dispute: None,
        status: PaymentStatus::Succeeded,
        failure: None,
        reference: None,
        version: 1,
        created_at: now,
        updated_at: now,
    }
}
