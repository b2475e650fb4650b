//! Payments, refunds, and the accounts of the ledger.

use application::store::StoreError;
use domain::payment::{Account, Dispute, DisputeStatus, Payment, PaymentStatus, Refund, RefundReason, RefundStatus};
use domain::{BookingId, Currency, EventId, Money, OrganizerId, PaymentId, RefundId, Text};

use super::{count, instant};
use crate::entity::{payment as payments, refund as refunds};
use crate::error::bad_row;

/// The number of a status of a payment in the table.
pub(crate) const fn payment_status_code(status: PaymentStatus) -> i16 {
    match status {
        PaymentStatus::Created => 0,
        PaymentStatus::Processing => 1,
        PaymentStatus::Succeeded => 2,
        PaymentStatus::Failed => 3,
        PaymentStatus::Cancelled => 4,
    }
}

/// The number of a status of a dispute in the table.
pub(crate) const fn dispute_status_code(status: DisputeStatus) -> i16 {
    match status {
        DisputeStatus::Opened => 0,
        DisputeStatus::Won => 1,
        DisputeStatus::Lost => 2,
    }
}

fn dispute_status(stored: i16) -> Result<DisputeStatus, StoreError> {
    match stored {
        0 => Ok(DisputeStatus::Opened),
        1 => Ok(DisputeStatus::Won),
        2 => Ok(DisputeStatus::Lost),
        other => Err(bad_row("status of a dispute", other)),
    }
}

/// The number of a status of a refund in the table.
pub(crate) const fn refund_status_code(status: RefundStatus) -> i16 {
    match status {
        RefundStatus::Requested => 0,
        RefundStatus::InTransit => 1,
        RefundStatus::Done => 2,
        RefundStatus::Failed => 3,
    }
}

/// The number of a reason in the table.
pub(crate) const fn refund_reason_code(reason: RefundReason) -> i16 {
    match reason {
        RefundReason::Requested => 0,
        RefundReason::Late => 1,
        RefundReason::Cancelled => 2,
        RefundReason::Surplus => 3,
    }
}

/// The number of an account in the table.
pub(crate) const fn account_code(account: Account) -> i16 {
    match account {
        Account::ProviderCash => 0,
        Account::ManualCash => 1,
        Account::Sales => 2,
        Account::RefundsPayable => 3,
        Account::OpenCases => 4,
    }
}

fn currency(code: &str) -> Result<Currency, StoreError> {
    code.parse().map_err(|_| bad_row("currency", code))
}

/// One payment.
pub(crate) fn payment(row: payments::Model) -> Result<Payment, StoreError> {
    let amount = Money { minor: row.amount, currency: currency(&row.currency)? };
    let status = row.dispute.map(dispute_status).transpose()?;
    let dispute = status.zip(row.dispute_reference).map(|(status, reference)| Dispute {
        reference: Text::trusted(reference),
        status,
        amount: row.disputed,
    });
    Ok(Payment {
        id: PaymentId::new(row.id),
        booking: BookingId::new(row.booking_id),
        event: EventId::new(row.event_id),
        organizer: OrganizerId::new(row.organizer_id),
        provider: Text::trusted(row.provider),
        method: Text::trusted(row.method),
        amount,
        captured: row.captured,
        booked: row.booked,
        refunded: row.refunded,
        charged_back: row.charged_back,
        dispute,
        status: match row.status {
            0 => PaymentStatus::Created,
            1 => PaymentStatus::Processing,
            2 => PaymentStatus::Succeeded,
            3 => PaymentStatus::Failed,
            4 => PaymentStatus::Cancelled,
            other => return Err(bad_row("status of a payment", other)),
        },
        failure: row.failure.map(Text::trusted),
        reference: row.reference.map(Text::trusted),
        version: count(row.version)?,
        created_at: instant(row.created_at)?,
        updated_at: instant(row.updated_at)?,
    })
}

/// One refund.
pub(crate) fn refund(row: refunds::Model) -> Result<Refund, StoreError> {
    let amount = Money { minor: row.amount, currency: currency(&row.currency)? };
    Ok(Refund {
        id: RefundId::new(row.id),
        payment: PaymentId::new(row.payment_id),
        booking: BookingId::new(row.booking_id),
        event: EventId::new(row.event_id),
        organizer: OrganizerId::new(row.organizer_id),
        amount,
        reason: match row.reason {
            0 => RefundReason::Requested,
            1 => RefundReason::Late,
            2 => RefundReason::Cancelled,
            3 => RefundReason::Surplus,
            other => return Err(bad_row("reason of a refund", other)),
        },
        by_hand: row.by_hand,
        status: refund_status(row.status)?,
        failure: row.failure.map(Text::trusted),
        version: count(row.version)?,
        created_at: instant(row.created_at)?,
        updated_at: instant(row.updated_at)?,
    })
}

/// Where a refund stands, by its number.
pub(crate) fn refund_status(stored: i16) -> Result<RefundStatus, StoreError> {
    match stored {
        0 => Ok(RefundStatus::Requested),
        1 => Ok(RefundStatus::InTransit),
        2 => Ok(RefundStatus::Done),
        3 => Ok(RefundStatus::Failed),
        other => Err(bad_row("status of a refund", other)),
    }
}
