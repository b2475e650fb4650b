//! A booking: hold and order in one, and what may become of it.

use std::fmt;
use std::str::FromStr;

use crate::booking::{PromoUse, Reference, StockMove};
use crate::pricing::{Of, PricePart};
use crate::{
    BookingId, EmailAddress, EventId, Money, OrganizerId, PaymentId, PoolId, RefundId, Text, TicketId, TicketTypeId,
    Timestamp, UserId,
};

/// A booking as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Booking {
    /// Its id.
    pub id: BookingId,
    /// The name for people, unique within its organizer.
    pub reference: Reference,
    /// Its event.
    pub event: EventId,
    /// The tenant of the event.
    pub organizer: OrganizerId,
    /// Whose it is.
    pub buyer: Buyer,
    /// Where it was sold.
    pub channel: Channel,
    /// What is booked; at least one item, each type once.
    pub items: Vec<BookingItem>,
    /// Who will come, as far as the buyer said.
    pub attendees: Vec<Attendee>,
    /// What it costs: the price at the hold.
    pub total: Money,
    /// What the total is made of, where there are taxes, fees or discounts; otherwise its items are all of it.
    pub price_parts: Vec<PricePart>,
    /// The promo code that it was made with.
    pub promo: Option<PromoUse>,
    /// Where it stands.
    pub status: BookingStatus,
    /// Until when it holds; none where it was confirmed at once.
    pub hold: Option<HoldTerms>,
    /// How many facts were told of it; the outbox counts on.
    pub sequence: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its status or its hold changed last.
    pub updated_at: Timestamp,
}

/// Where a booking stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BookingStatus {
    /// Holds its units until its hold lapses.
    Pending,
    /// The contract: paid, free, or confirmed by the organizer.
    Confirmed,
    /// Given back.
    Cancelled,
    /// Lapsed before it was confirmed.
    Expired,
}

/// The three instants of a hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HoldTerms {
    /// What the buyer reads.
    pub expires_at: Timestamp,
    /// What decides: from here on its units count as free. Equal to `expires_at` until a payment starts.
    pub release_at: Timestamp,
    /// No renewal goes beyond; fixed when the booking was made.
    pub ends_at: Timestamp,
}

/// Whose a booking is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Buyer {
    /// An account.
    Account(UserId),
    /// A guest, known by his address alone.
    Guest(EmailAddress),
}

/// Where it was sold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Channel {
    /// The web pages.
    Web,
    /// The programming interfaces.
    Api,
    /// The organizer's own desk.
    BoxOffice,
    /// Offered to who waited for it.
    WaitingList,
}

/// Units of one ticket type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BookingItem {
    /// Which.
    pub ticket_type: TicketTypeId,
    /// Its name at the hold.
    pub name: Text,
    /// How many were booked, at least one.
    pub quantity: u32,
    /// How many of them were given back one by one while the booking stands: their tickets are revoked (ADR 0045).
    pub cancelled: u32,
    /// Price of one at the hold, in minor units of the booking's currency.
    pub unit_price: i64,
    /// The pools that they take room in, as they were at the hold.
    pub pools: Vec<PoolId>,
}

/// Who will come with one unit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attendee {
    /// A unit of which type.
    pub ticket_type: TicketTypeId,
    /// Name.
    pub name: Option<Text>,
    /// Address.
    pub email: Option<EmailAddress>,
}

/// Something that happened to a booking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BookingFact {
    /// Counts the facts of the booking from 1.
    pub sequence: u32,
    /// What.
    pub kind: FactKind,
    /// When.
    pub at: Timestamp,
}

/// What can happen to a booking.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FactKind {
    /// It was made and holds its units.
    Held,
    /// It became the contract.
    Confirmed,
    /// Its hold was made longer.
    Renewed,
    /// It was given back.
    Cancelled,
    /// Its hold lapsed.
    Expired,
    /// One of its tickets has another code.
    TicketReissued(TicketId),
    /// One of its tickets has another code, and is somebody else's.
    TicketTransferred(TicketId),
    /// One of its tickets was given back, and the others stand.
    TicketCancelled(TicketId),
    /// One of its tickets lets in nobody for the time being.
    TicketBlocked(TicketId),
    /// One of its tickets lets in again.
    TicketUnblocked(TicketId),
    /// So much was asked of the buyer.
    PaymentStarted(PaymentId, Money),
    /// Its provider works on it.
    PaymentProcessing(PaymentId),
    /// So much came in.
    PaymentSucceeded(PaymentId, Money),
    /// Nothing came in.
    PaymentFailed(PaymentId),
    /// Nothing came in, nor will it.
    PaymentCancelled(PaymentId),
    /// A bank asks so much of it back.
    PaymentDisputed(PaymentId, Money),
    /// It has not got it.
    PaymentDisputeWon(PaymentId, Money),
    /// It has taken it.
    PaymentChargedBack(PaymentId, Money),
    /// So much is to go back.
    RefundRequested(RefundId, Money),
    /// It is on its way.
    RefundInTransit(RefundId),
    /// The buyer has it.
    RefundDone(RefundId, Money),
    /// It stayed where it was.
    RefundFailed(RefundId, Money),
}

impl FactKind {
    /// The ticket that it is about, where it is about one.
    #[must_use]
    pub const fn ticket(self) -> Option<TicketId> {
        match self {
            Self::TicketReissued(ticket)
            | Self::TicketTransferred(ticket)
            | Self::TicketCancelled(ticket)
            | Self::TicketBlocked(ticket)
            | Self::TicketUnblocked(ticket) => Some(ticket),
            _ => None,
        }
    }

    /// The payment that it is about, where it is about one.
    #[must_use]
    pub const fn payment(self) -> Option<PaymentId> {
        match self {
            Self::PaymentStarted(payment, _)
            | Self::PaymentProcessing(payment)
            | Self::PaymentSucceeded(payment, _)
            | Self::PaymentFailed(payment)
            | Self::PaymentCancelled(payment)
            | Self::PaymentDisputed(payment, _)
            | Self::PaymentDisputeWon(payment, _)
            | Self::PaymentChargedBack(payment, _) => Some(payment),
            _ => None,
        }
    }

    /// The refund that it is about, where it is about one.
    #[must_use]
    pub const fn refund(self) -> Option<RefundId> {
        match self {
            Self::RefundRequested(refund, _)
            | Self::RefundInTransit(refund)
            | Self::RefundDone(refund, _)
            | Self::RefundFailed(refund, _) => Some(refund),
            _ => None,
        }
    }

    /// The money that it is about, where it is about any.
    #[must_use]
    pub const fn amount(self) -> Option<Money> {
        match self {
            Self::PaymentStarted(_, amount)
            | Self::PaymentSucceeded(_, amount)
            | Self::PaymentDisputed(_, amount)
            | Self::PaymentDisputeWon(_, amount)
            | Self::PaymentChargedBack(_, amount)
            | Self::RefundRequested(_, amount)
            | Self::RefundDone(_, amount)
            | Self::RefundFailed(_, amount) => Some(amount),
            _ => None,
        }
    }
}

/// What a decision changes: the booking as it is now, the stock that moves, and the fact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decided {
    /// After.
    pub booking: Booking,
    /// Status before; none where it is new.
    pub before: Option<BookingStatus>,
    /// The stock that moves, one entry a pool.
    pub stock: Vec<StockMove>,
    /// What happened.
    pub fact: BookingFact,
}

/// A command is done now, or was done before and changes nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Done now.
    Done(Box<Decided>),
    /// The booking stands already where the command would bring it.
    Already(Box<Booking>),
}

impl BookingItem {
    /// How many of its units stand, as long as the booking does.
    #[must_use]
    pub const fn kept(&self) -> u32 {
        self.quantity.saturating_sub(self.cancelled)
    }
}

impl Booking {
    /// Units of all items, as they were booked.
    #[must_use]
    pub fn units(&self) -> u32 {
        self.items.iter().map(|item| item.quantity).sum()
    }

    /// Units of all items that were not given back one by one.
    #[must_use]
    pub fn kept_units(&self) -> u32 {
        self.items.iter().map(BookingItem::kept).sum()
    }

    /// The part of the price that an item is; none where its units are all that it costs.
    pub(crate) fn part_of(&self, item: &BookingItem) -> Option<&PricePart> {
        self.price_parts.iter().find(|part| part.of == Of::Tickets(item.ticket_type))
    }

    /// What so many units of an item cost, with tax and less what was taken off. All of them cost what the item does, to the
    /// minor unit, whatever the steps in which one gets there.
    pub(crate) fn price_of(&self, item: &BookingItem, units: u32) -> i64 {
        let whole = match self.part_of(item) {
            Some(part) => i128::from(part.gross),
            None => i128::from(item.unit_price) * i128::from(item.quantity),
        };
        i64::try_from(whole * i128::from(units) / i128::from(item.quantity.max(1))).unwrap_or(i64::MAX)
    }

    /// Whether it is pending and its units count as free all the same.
    #[must_use]
    pub fn has_lapsed(&self, now: Timestamp) -> bool {
        self.status == BookingStatus::Pending && self.hold.is_some_and(|hold| hold.release_at <= now)
    }

    /// Whether its units count against a buyer's limit.
    #[must_use]
    pub fn occupies(&self, now: Timestamp) -> bool {
        match self.status {
            BookingStatus::Confirmed => true,
            BookingStatus::Pending => !self.has_lapsed(now),
            BookingStatus::Cancelled | BookingStatus::Expired => false,
        }
    }

    /// The same state with a fact of something that hangs on the booking.
    pub(crate) fn told(&self, kind: FactKind, now: Timestamp) -> Decided {
        self.moved(self.status, kind, now)
    }

    /// The same with one unit less, whose ticket this is; none where it has none of this type any more.
    pub(crate) fn without(&self, ticket: TicketId, ticket_type: TicketTypeId, now: Timestamp) -> Option<Decided> {
        let mut decided = self.told(FactKind::TicketCancelled(ticket), now);
        let mut items = decided.booking.items.iter_mut();
        let item = items.find(|item| item.ticket_type == ticket_type && item.kept() > 0)?;
        item.cancelled += 1;
        decided.stock = item.pools.iter().map(|pool| StockMove { pool: *pool, held: 0, sold: -1 }).collect();
        Some(decided)
    }

    /// The next state with its fact; the stock moves by what a unit of `before` and one of `after` occupy.
    pub(crate) fn moved(&self, status: BookingStatus, kind: FactKind, now: Timestamp) -> Decided {
        let mut booking = self.clone();
        booking.status = status;
        booking.sequence += 1;
        booking.updated_at = now;
        let fact = BookingFact { sequence: booking.sequence, kind, at: now };
        let stock = StockMove::between(&self.items, Some(self.status), status);
        Decided { booking, before: Some(self.status), stock, fact }
    }
}

impl Decided {
    /// As a verdict.
    pub(super) fn done(self) -> Verdict {
        Verdict::Done(Box::new(self))
    }
}

impl BookingStatus {
    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for BookingStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is no status of a booking.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be pending, confirmed, cancelled or expired")]
pub struct UnknownBookingStatus;

impl FromStr for BookingStatus {
    type Err = UnknownBookingStatus;

    fn from_str(word: &str) -> Result<Self, UnknownBookingStatus> {
        [Self::Pending, Self::Confirmed, Self::Cancelled, Self::Expired]
            .into_iter()
            .find(|status| status.as_str() == word)
            .ok_or(UnknownBookingStatus)
    }
}

impl Channel {
    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Api => "api",
            Self::BoxOffice => "box_office",
            Self::WaitingList => "waiting_list",
        }
    }

    /// The channel of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Web, Self::Api, Self::BoxOffice, Self::WaitingList].into_iter().find(|channel| channel.as_str() == word)
    }
}
