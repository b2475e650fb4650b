//! The waiting list: who wants what is sold out waits in the order of arrival, and is offered what comes back.
//!
//! An offer is a booking that is made for him: pending, with a hold of its own length. It is paid, expires and is given back
//! as every booking is, and what has become of an offer is what has become of its booking.

use crate::booking::hold::{hold_until, priced_plainly};
use crate::booking::{
    Booking, BookingStatus, Buyer, Channel, Decided, HoldRequest, Holdings, Reference, Refusal, Sale, StockMove, Units,
    UnitsRequest,
};
use crate::catalog::{EventStatus, TicketType, TicketTypeStatus};
use crate::{BookingId, EventId, OrganizerId, Problems, TicketTypeId, Timestamp, UserId, WaitingListEntryId};

/// Somebody who waits for units of a type, or has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WaitingListEntry {
    /// Its id.
    pub id: WaitingListEntryId,
    /// Its event.
    pub event: EventId,
    /// The tenant of the event.
    pub organizer: OrganizerId,
    /// For which type.
    pub ticket_type: TicketTypeId,
    /// Who.
    pub buyer: UserId,
    /// For how many units, at least one.
    pub quantity: u32,
    /// Its place in the order in which people came to the event, from 1.
    pub number: u64,
    /// Where it stands.
    pub state: EntryState,
    /// Counts its changes, from 1.
    pub version: u32,
    /// When he came.
    pub created_at: Timestamp,
    /// When its state changed last.
    pub updated_at: Timestamp,
}

/// Where an entry stands, as far as it is not told by its booking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntryState {
    /// He waits.
    Waiting,
    /// He was made an offer, which is this booking.
    Offered(BookingId),
    /// He waits no longer.
    Withdrawn,
    /// Nothing can be offered to him any more.
    Closed(CloseReason),
}

/// Why nothing can be offered to somebody any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CloseReason {
    /// The event or the type is not sold any more, or not to everybody.
    SalesClosed,
    /// He would have more than one buyer may, or fewer or more than can be booked together by now.
    LimitExceeded,
    /// His account is gone.
    AccountDeleted,
}

/// Where an entry stands, with what has become of its offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntryStatus {
    /// He waits.
    Waiting,
    /// An offer holds units for him.
    Offered,
    /// He has taken it.
    Purchased,
    /// He has let it lapse.
    Expired,
    /// He has given it back, or waits no longer.
    Withdrawn,
    /// Nothing can be offered to him any more.
    Closed,
}

/// Somebody wants to wait.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// Id of the entry to be.
    pub id: WaitingListEntryId,
    /// Who.
    pub buyer: UserId,
    /// For which type; the event's only one, where none is named.
    pub ticket_type: Option<TicketTypeId>,
    /// For how many units.
    pub quantity: u32,
}

/// An offer with the entry that it is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// As it is now.
    pub entry: WaitingListEntry,
    /// The booking.
    pub decided: Decided,
}

/// What those who wait for a type can expect at an instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prospect {
    /// It is on sale, with room for so many units.
    Room(u32),
    /// It is not on sale at the moment.
    Later,
    /// It is not sold any more.
    Over,
}

impl WaitingListEntry {
    /// The most entries of an event that wait at a time.
    pub const PER_EVENT_MAX: u32 = 10_000;

    /// The entry after a withdrawal; none where it was withdrawn before.
    ///
    /// # Errors
    /// [`Refusal::InvalidState`] for one that is closed. An offer is given back by its booking.
    pub fn withdrawn(&self, now: Timestamp) -> Result<Option<Self>, Refusal> {
        match self.state {
            EntryState::Waiting => Ok(Some(self.moved(EntryState::Withdrawn, now))),
            EntryState::Withdrawn => Ok(None),
            EntryState::Offered(_) => Err(Refusal::state("an offer was made: its booking is to be cancelled")),
            EntryState::Closed(_) => Err(Refusal::state("the entry is closed: nobody waits by it any more")),
        }
    }

    /// The entry once nothing can be offered any more.
    #[must_use]
    pub fn closed(&self, reason: CloseReason, now: Timestamp) -> Self {
        self.moved(EntryState::Closed(reason), now)
    }

    /// The booking of its offer.
    #[must_use]
    pub const fn booking(&self) -> Option<BookingId> {
        match self.state {
            EntryState::Offered(booking) => Some(booking),
            EntryState::Waiting | EntryState::Withdrawn | EntryState::Closed(_) => None,
        }
    }

    /// Where it stands, with the booking of its offer: its status, and whether it was ever confirmed.
    #[must_use]
    pub const fn status(&self, booking: Option<(BookingStatus, bool)>) -> EntryStatus {
        match (self.state, booking) {
            (EntryState::Waiting, _) => EntryStatus::Waiting,
            (EntryState::Withdrawn, _) => EntryStatus::Withdrawn,
            (EntryState::Closed(_), _) => EntryStatus::Closed,
            (EntryState::Offered(_), Some((BookingStatus::Confirmed, _) | (BookingStatus::Cancelled, true))) => {
                EntryStatus::Purchased
            }
            (EntryState::Offered(_), Some((BookingStatus::Cancelled, false))) => EntryStatus::Withdrawn,
            (EntryState::Offered(_), Some((BookingStatus::Expired, _))) => EntryStatus::Expired,
            (EntryState::Offered(_), Some((BookingStatus::Pending, _)) | None) => EntryStatus::Offered,
        }
    }

    fn moved(&self, state: EntryState, now: Timestamp) -> Self {
        Self { state, version: self.version + 1, updated_at: now, ..self.clone() }
    }

    fn units(&self) -> UnitsRequest {
        UnitsRequest::Listed(vec![Units { ticket_type: self.ticket_type, quantity: self.quantity, unit_price: None }])
    }
}

impl CloseReason {
    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SalesClosed => "sales_closed",
            Self::LimitExceeded => "limit_exceeded",
            Self::AccountDeleted => "account_deleted",
        }
    }
}

impl EntryStatus {
    /// The word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Offered => "offered",
            Self::Purchased => "purchased",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Closed => "closed",
        }
    }
}

impl Sale {
    /// Entries that wait, over all types.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.waiting.values().sum()
    }

    /// Counts one entry more that waits for the type.
    pub fn count_waiting(&mut self, ticket_type: TicketTypeId) {
        *self.waiting.entry(ticket_type).or_default() += 1;
    }

    /// Counts one entry fewer that waits for the type; `false`, and nothing is changed, where none was counted.
    #[must_use]
    pub fn uncount_waiting(&mut self, ticket_type: TicketTypeId) -> bool {
        let Some(count) = self.waiting.get_mut(&ticket_type).filter(|count| **count > 0) else { return false };
        *count -= 1;
        if *count == 0 {
            self.waiting.remove(&ticket_type);
        }
        true
    }

    /// What those who wait for the type can expect at this instant.
    #[must_use]
    pub fn prospect(&self, ticket_type: TicketTypeId, now: Timestamp) -> Prospect {
        let Some(found) = self.ticket_type(ticket_type) else { return Prospect::Over };
        let is_over = match self.event.status_at(now) {
            EventStatus::Cancelled | EventStatus::Ended | EventStatus::Archived => true,
            EventStatus::Draft | EventStatus::Published | EventStatus::Paused => false,
        };
        let is_put_away = found.status == TicketTypeStatus::Archived || found.code_required;
        if is_over || is_put_away || found.sales_end(&self.event) <= now {
            return Prospect::Over;
        }
        if !found.is_on_sale(&self.event, now) {
            return Prospect::Later;
        }
        Prospect::Room(self.available(found).unwrap_or(u32::MAX))
    }
}

/// Decides whether somebody may wait: the event has a waiting list, he could book these units if they were left, and they
/// are not. `sale` counts every lapsed hold as free. `number` is his place.
///
/// # Errors
/// Those of [`hold`](crate::booking::hold) but for sold out; [`Refusal::InvalidState`] where there is no waiting list, where
/// the tickets are to be had, and where too many wait; [`Refusal::Invalid`] for more units than there are in all.
pub fn join_waiting_list(
    sale: &Sale,
    holdings: &Holdings,
    request: &JoinRequest,
    number: u64,
    now: Timestamp,
) -> Result<WaitingListEntry, Refusal> {
    let units = match request.ticket_type {
        None => UnitsRequest::Only(request.quantity),
        Some(ticket_type) => {
            UnitsRequest::Listed(vec![Units { ticket_type, quantity: request.quantity, unit_price: None }])
        }
    };
    // As the request for the waiting list names its fields.
    let quote = priced_plainly(sale, holdings, &units, now).map_err(renamed)?;
    let found = quote.items.first().and_then(|item| sale.ticket_type(item.ticket_type));
    let ticket_type = found.ok_or(Refusal::NotFound("ticket type"))?;
    if !sale.event.terms.waiting_list {
        return Err(Refusal::state("the event has no waiting list"));
    }
    check_size(sale, ticket_type, request.quantity)?;
    if sale.has_room(&StockMove::between(&quote.items, None, BookingStatus::Pending)) {
        return Err(Refusal::state("there are tickets: book them instead of waiting for them"));
    }
    let most = WaitingListEntry::PER_EVENT_MAX;
    if sale.waiting() >= most {
        return Err(Refusal::state(format!("{most} wait already: the waiting list is full")));
    }
    Ok(WaitingListEntry {
        id: request.id,
        event: sale.event.id,
        organizer: sale.event.organizer,
        ticket_type: ticket_type.id,
        buyer: request.buyer,
        quantity: request.quantity,
        number,
        state: EntryState::Waiting,
        version: 1,
        created_at: now,
        updated_at: now,
    })
}

/// Whoever wants more than there are in all would wait for nothing.
fn check_size(sale: &Sale, ticket_type: &TicketType, quantity: u32) -> Result<(), Refusal> {
    let most = ticket_type.pools().filter_map(|id| sale.pool(id)?.capacity).min();
    match most {
        Some(most) if quantity > most => {
            let message = format!("there are {most} of {} in all", ticket_type.name);
            Err(Problems::one("quantity", "out_of_range", message).into())
        }
        _ => Ok(()),
    }
}

fn renamed(refusal: Refusal) -> Refusal {
    let Refusal::Invalid(problems) = refusal else { return refusal };
    let mut named = Problems::default();
    for problem in problems.as_slice() {
        let field = match problem.field.as_str() {
            "items[0].quantity" => "quantity",
            "items[0].ticketTypeId" | "items" => "ticketTypeId",
            other => other,
        };
        named.add(field, problem.code, problem.message.clone());
    }
    Refusal::Invalid(named)
}

/// Makes the offer of these units to who waits for them, at the prices of this moment; none where they do not fit now. It
/// holds as long as the event says, and never beyond the end of sales.
///
/// # Errors
/// Why nothing can be offered to him any more.
pub fn offer(
    sale: &Sale,
    holdings: &Holdings,
    entry: &WaitingListEntry,
    (id, reference): (BookingId, Reference),
    now: Timestamp,
) -> Result<Option<Offer>, CloseReason> {
    let ticket_type = match sale.prospect(entry.ticket_type, now) {
        Prospect::Over => return Err(CloseReason::SalesClosed),
        Prospect::Room(units) if units >= entry.quantity => sale.ticket_type(entry.ticket_type),
        Prospect::Room(_) | Prospect::Later => return Ok(None),
    };
    let end = ticket_type.ok_or(CloseReason::SalesClosed)?.sales_end(&sale.event);
    let request = HoldRequest {
        id,
        reference,
        buyer: Buyer::Account(entry.buyer),
        channel: Channel::WaitingList,
        units: entry.units(),
        attendees: Vec::new(),
        expected_total: None,
        promo_code: None,
    };
    match hold_until(sale, holdings, &request, end.min(now + sale.event.terms.offer), now) {
        Ok(decided) => Ok(Some(Offer { entry: entry.moved(EntryState::Offered(id), now), decided })),
        Err(Refusal::SoldOut { .. }) => Ok(None),
        Err(Refusal::LimitExceeded { .. }) => Err(CloseReason::LimitExceeded),
        Err(_) => Err(CloseReason::SalesClosed),
    }
}

impl Booking {
    /// Whether its buyer takes it by saying so: an offer of what costs nothing.
    #[must_use]
    pub fn is_free_offer(&self) -> bool {
        self.channel == Channel::WaitingList && self.total.is_zero()
    }
}
