//! The ledger: double entry, appended to and never changed. Debits are positive; a transaction adds up to zero.

use crate::payment::{MANUAL, Payment};
use crate::{BookingId, LedgerTransactionId, Money, OrganizerId, PaymentId, Timestamp};

/// Where money is, or whose it is. Each organizer has each account once for each currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Account {
    /// What providers have taken for the organizer.
    ProviderCash,
    /// What the organizer has taken himself.
    ManualCash,
    /// What bookings are paid with, and what is kept of cancelled ones.
    Sales,
    /// What is owed to buyers: refunds that are not done.
    RefundsPayable,
    /// What came in and belongs nowhere yet.
    OpenCases,
}

/// One row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LedgerEntry {
    /// What it belongs to.
    pub transaction: LedgerTransactionId,
    /// Its place there, from 0.
    pub position: u16,
    /// Whose books.
    pub organizer: OrganizerId,
    /// By which booking.
    pub booking: BookingId,
    /// The payment that brought the money.
    pub payment: PaymentId,
    /// Which account.
    pub account: Account,
    /// How much, never nothing.
    pub amount: Money,
    /// When.
    pub at: Timestamp,
}

/// The account that this payment has come into.
pub(super) fn cash(payment: &Payment) -> Account {
    if payment.provider.as_str() == MANUAL { Account::ManualCash } else { Account::ProviderCash }
}

/// A transaction of these moves of a payment's money; what is nothing is left out.
pub(super) fn transaction(
    id: LedgerTransactionId,
    payment: &Payment,
    moves: &[(Account, i64)],
    at: Timestamp,
) -> Vec<LedgerEntry> {
    let real = moves.iter().filter(|(_, minor)| *minor != 0).zip(0_u16..);
    let entry = |((account, minor), position): (&(Account, i64), u16)| LedgerEntry {
        transaction: id,
        position,
        organizer: payment.organizer,
        booking: payment.booking,
        payment: payment.id,
        account: *account,
        amount: payment.money(*minor),
        at,
    };
    real.map(entry).collect()
}
