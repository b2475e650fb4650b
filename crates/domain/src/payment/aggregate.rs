//! Payments and refunds as they are kept.

use std::fmt;
use std::str::FromStr;

use crate::payment::{Dispute, DisputeStatus};
use crate::{BookingId, EventId, Money, OrganizerId, PaymentId, RefundId, Text, Timestamp};

/// One attempt to have a booking paid.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payment {
    /// Its id, and the idempotency key at its provider.
    pub id: PaymentId,
    /// For what.
    pub booking: BookingId,
    /// The event of the booking.
    pub event: EventId,
    /// Who gets the money.
    pub organizer: OrganizerId,
    /// Who moves it: `sandbox`, or `manual` for the organizer himself.
    pub provider: Text,
    /// How: `card_ok`, `manual`.
    pub method: Text,
    /// How much was asked; where money of another currency came in, what came in.
    pub amount: Money,
    /// How much came in, in minor units of the same currency; nothing, unless it succeeded.
    pub captured: i64,
    /// How much of it pays the booking, or was kept of a cancelled one.
    pub booked: i64,
    /// How much of it has gone back or is to: the sum of its refunds but those that failed.
    pub refunded: i64,
    /// How much of it banks have taken back for good.
    pub charged_back: i64,
    /// What a bank asks back, or has asked last.
    pub dispute: Option<Dispute>,
    /// Where it stands.
    pub status: PaymentStatus,
    /// Why it failed, in a word of its provider.
    pub failure: Option<Text>,
    /// The id that its provider has for it.
    pub reference: Option<Text>,
    /// Counts its changes from 1.
    pub version: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// Where a payment stands. «Refunded» is derived from its refunds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PaymentStatus {
    /// Written down; perhaps its provider knows of it.
    Created,
    /// Its provider works on it.
    Processing,
    /// Money came in.
    Succeeded,
    /// None did.
    Failed,
    /// None did, nor will it.
    Cancelled,
}

/// Money that goes back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refund {
    /// Its id, and the idempotency key at the provider.
    pub id: RefundId,
    /// Of which payment.
    pub payment: PaymentId,
    /// Of which booking.
    pub booking: BookingId,
    /// The event of the booking.
    pub event: EventId,
    /// Whose money it was.
    pub organizer: OrganizerId,
    /// How much.
    pub amount: Money,
    /// Why.
    pub reason: RefundReason,
    /// Whether the organizer has given it back himself, so that no provider knows of it.
    pub by_hand: bool,
    /// Where it stands.
    pub status: RefundStatus,
    /// Why it failed, in a word of the provider.
    pub failure: Option<Text>,
    /// Counts its changes from 1.
    pub version: u32,
    /// When it was requested.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// Where a refund stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RefundStatus {
    /// To be sent.
    Requested,
    /// Sent.
    InTransit,
    /// The buyer has it.
    Done,
    /// The money stayed: it is an open case, and may be refunded anew.
    Failed,
}

/// Why money goes back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RefundReason {
    /// The organizer wants it.
    Requested,
    /// It came when the hold had run out, and the tickets were gone.
    Late,
    /// The event was cancelled, or the money came after the booking was.
    Cancelled,
    /// It was more than was owed.
    Surplus,
}

impl Payment {
    /// Whether it is not decided: money may still come in, or not.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.status, PaymentStatus::Created | PaymentStatus::Processing)
    }

    /// What of it neither pays a booking nor goes back, nor went: an open case.
    #[must_use]
    pub const fn unsettled(&self) -> i64 {
        self.captured - self.booked - self.refunded - self.charged_back
    }

    /// What of that is there, and not at a bank.
    #[must_use]
    pub fn free(&self) -> i64 {
        (self.unsettled() - self.at_bank()).max(0)
    }

    /// What of it can go back.
    #[must_use]
    pub fn refundable(&self) -> i64 {
        (self.captured - self.refunded - self.charged_back - self.at_bank()).max(0)
    }

    /// Whether a bank has asked it back, and nothing is decided.
    #[must_use]
    pub fn is_disputed(&self) -> bool {
        self.dispute.as_ref().is_some_and(|dispute| dispute.status == DisputeStatus::Opened)
    }

    /// Whether a bank has taken it back for good.
    #[must_use]
    pub fn is_charged_back(&self) -> bool {
        self.dispute.as_ref().is_some_and(|dispute| dispute.status == DisputeStatus::Lost)
    }

    /// What a bank has taken back beyond what was there: it had been refunded before.
    pub(super) fn lost_beyond(&self) -> i64 {
        self.dispute.as_ref().filter(|_| self.is_charged_back()).map_or(0, |lost| lost.amount - self.charged_back)
    }

    fn at_bank(&self) -> i64 {
        self.dispute.as_ref().filter(|_| self.is_disputed()).map_or(0, |dispute| dispute.amount)
    }

    /// So many minor units in its currency.
    #[must_use]
    pub const fn money(&self, minor: i64) -> Money {
        Money { minor, currency: self.amount.currency }
    }

    /// The same at another status, a change later.
    pub(super) fn at(&self, status: PaymentStatus, now: Timestamp) -> Self {
        Self { status, version: self.version + 1, updated_at: now, ..self.clone() }
    }
}

impl Refund {
    /// The same at another status, a change later.
    pub(super) fn at(&self, status: RefundStatus, now: Timestamp) -> Self {
        Self { status, version: self.version + 1, updated_at: now, ..self.clone() }
    }
}

impl PaymentStatus {
    const ALL: [Self; 5] = [Self::Created, Self::Processing, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl RefundStatus {
    const ALL: [Self; 4] = [Self::Requested, Self::InTransit, Self::Done, Self::Failed];

    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::InTransit => "in_transit",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for PaymentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for RefundStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is no status of a payment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be created, processing, succeeded, failed or cancelled")]
pub struct UnknownPaymentStatus;

impl FromStr for PaymentStatus {
    type Err = UnknownPaymentStatus;

    fn from_str(word: &str) -> Result<Self, UnknownPaymentStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == word).ok_or(UnknownPaymentStatus)
    }
}

/// The word is no status of a refund.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be requested, in_transit, done or failed")]
pub struct UnknownRefundStatus;

impl FromStr for RefundStatus {
    type Err = UnknownRefundStatus;

    fn from_str(word: &str) -> Result<Self, UnknownRefundStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == word).ok_or(UnknownRefundStatus)
    }
}

impl RefundReason {
    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Late => "late",
            Self::Cancelled => "cancelled",
            Self::Surplus => "surplus",
        }
    }
}
