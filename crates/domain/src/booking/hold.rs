//! Holding: all the units of a request, or none.

use std::collections::HashMap;

use crate::booking::{
    Attendee, Booking, BookingFact, BookingItem, BookingStatus, Buyer, Channel, Decided, FactKind, HoldTerms,
    Reference, Refusal, Sale, StockMove,
};
use crate::catalog::TicketType;
use crate::pricing::{Line, PricePart, Sum, sum};
use crate::{BookingId, EmailAddress, Money, Problems, Text, TicketTypeId, Timestamp};
use chrono::TimeDelta;

/// A buyer asks for units.
#[derive(Clone, Debug)]
pub struct HoldRequest {
    /// Id of the booking to be.
    pub id: BookingId,
    /// Its name for people.
    pub reference: Reference,
    /// Who buys.
    pub buyer: Buyer,
    /// Where.
    pub channel: Channel,
    /// What.
    pub units: UnitsRequest,
    /// Who will come, at most one a unit.
    pub attendees: Vec<AttendeeRequest>,
    /// The total in minor units that the buyer has seen.
    pub expected_total: Option<i64>,
}

/// The units that are asked for.
#[derive(Clone, Debug)]
pub enum UnitsRequest {
    /// So many of the event's only ticket type.
    Only(u32),
    /// So many of each of these.
    Listed(Vec<Units>),
}

/// So many of one type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Units {
    /// Which type.
    pub ticket_type: TicketTypeId,
    /// How many.
    pub quantity: u32,
}

/// Who will come with one unit, as the buyer typed it.
#[derive(Clone, Debug, Default)]
pub struct AttendeeRequest {
    /// A unit of which type; may be left out where only one is booked.
    pub ticket_type: Option<TicketTypeId>,
    /// Name.
    pub name: Option<String>,
    /// Address.
    pub email: Option<String>,
}

/// What this buyer holds and has already in this event, by ticket type.
pub type Holdings = HashMap<TicketTypeId, u32>;

/// The most items of one booking.
const ITEMS_MAX: usize = 50;

/// Decides whether the buyer may hold these units: on sale, within the limits per booking and per buyer, at the price
/// that he saw, and with room in every pool. A total of 0 is confirmed at once. `hold_end` is how long after its making
/// the absolute end of the hold lies.
///
/// # Errors
/// The first refusal, in that order; [`Refusal::SoldOut`] says what is left.
pub fn hold(
    sale: &Sale,
    holdings: &Holdings,
    request: &HoldRequest,
    hold_end: TimeDelta,
    now: Timestamp,
) -> Result<Decided, Refusal> {
    let Quote { items, total, price_parts } = priced(sale, holdings, &request.units, request.expected_total, now)?;
    let attendees = attendees(&items, &request.attendees)?;
    let status = if total.is_zero() { BookingStatus::Confirmed } else { BookingStatus::Pending };
    let stock = StockMove::between(&items, None, status);
    if !sale.has_room(&stock) {
        return Err(Refusal::SoldOut { left: sale.left(&items) });
    }
    let kind = if status == BookingStatus::Confirmed { FactKind::Confirmed } else { FactKind::Held };
    let booking = Booking {
        id: request.id,
        reference: request.reference.clone(),
        event: sale.event.id,
        organizer: sale.event.organizer,
        buyer: request.buyer.clone(),
        channel: request.channel,
        items,
        attendees,
        total,
        price_parts,
        status,
        hold: (status == BookingStatus::Pending).then(|| terms(sale.event.terms.hold, hold_end, now)),
        sequence: 1,
        created_at: now,
        updated_at: now,
    };
    Ok(Decided { booking, before: None, stock, fact: BookingFact { sequence: 1, kind, at: now } })
}

/// What units would cost at this moment, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quote {
    /// What is asked for; each type once.
    pub items: Vec<BookingItem>,
    /// All of it.
    pub total: Money,
    /// What the total is made of, where there are taxes or fees; otherwise the items are all of it.
    pub price_parts: Vec<PricePart>,
}

/// Says what these units would cost somebody who has none yet. Whether they are left is not asked.
///
/// # Errors
/// Those of [`hold`] but for [`Refusal::SoldOut`].
pub fn quote(sale: &Sale, units: &UnitsRequest, expected_total: Option<i64>, now: Timestamp) -> Result<Quote, Refusal> {
    priced(sale, &Holdings::new(), units, expected_total, now)
}

fn priced(
    sale: &Sale,
    holdings: &Holdings,
    units: &UnitsRequest,
    expected_total: Option<i64>,
    now: Timestamp,
) -> Result<Quote, Refusal> {
    let units = resolve(sale, units)?;
    let mut items = Vec::with_capacity(units.len());
    for Units { ticket_type, quantity } in units {
        let found = sale.on_sale(ticket_type, now)?;
        check_limits(found, quantity, holdings)?;
        items.push(price(found, quantity));
    }
    let too_large = || Problems::one("items", "out_of_range", "the total is too large");
    let zero = Money::zero(sale.event.currency);
    let (total, price_parts) = match sale.event.pricing() {
        None => {
            let add = |total: Money, item: &BookingItem| {
                Money { minor: item.unit_price, ..zero }
                    .checked_mul(item.quantity)
                    .and_then(|line| total.checked_add(line))
            };
            (items.iter().try_fold(zero, add).map_err(|_| too_large())?, Vec::new())
        }
        Some(pricing) => {
            let lines: Vec<Line> = items.iter().map(line).collect();
            let Sum { parts, total } = sum(pricing, &lines).map_err(|_| too_large())?;
            (Money { minor: total, ..zero }, parts)
        }
    };
    if expected_total.is_some_and(|expected| expected != total.minor) {
        return Err(Refusal::PriceChanged { total: total.minor });
    }
    Ok(Quote { items, total, price_parts })
}

fn line(item: &BookingItem) -> Line {
    Line {
        ticket_type: item.ticket_type,
        name: item.name.clone(),
        quantity: item.quantity,
        unit_price: item.unit_price,
        discount: 0,
    }
}

fn terms(hold: TimeDelta, hold_end: TimeDelta, now: Timestamp) -> HoldTerms {
    let expires_at = now + hold;
    HoldTerms { expires_at, release_at: expires_at, ends_at: now + hold_end.max(hold) }
}

fn resolve(sale: &Sale, request: &UnitsRequest) -> Result<Vec<Units>, Refusal> {
    let listed = match request {
        UnitsRequest::Only(quantity) => {
            let only = sale.only_type().ok_or_else(|| {
                Problems::one("items", "required", "the event has several ticket types: name what to book")
            })?;
            return Ok(vec![Units { ticket_type: only.id, quantity: positive("quantity", *quantity)? }]);
        }
        UnitsRequest::Listed(listed) => listed,
    };
    if listed.is_empty() || listed.len() > ITEMS_MAX {
        return Err(Problems::one("items", "out_of_range", format!("must have 1 to {ITEMS_MAX} items")).into());
    }
    let mut units: Vec<Units> = Vec::with_capacity(listed.len());
    for (at, asked) in listed.iter().enumerate() {
        let quantity = positive(&format!("items[{at}].quantity"), asked.quantity)?;
        if sale.ticket_type(asked.ticket_type).is_none() {
            let field = format!("items[{at}].ticketTypeId");
            return Err(Problems::one(field, "unknown", "the event has no such ticket type").into());
        }
        match units.iter_mut().find(|known| known.ticket_type == asked.ticket_type) {
            Some(known) => known.quantity = known.quantity.saturating_add(quantity),
            None => units.push(Units { quantity, ..*asked }),
        }
    }
    Ok(units)
}

fn positive(field: &str, quantity: u32) -> Result<u32, Refusal> {
    if quantity > 0 { Ok(quantity) } else { Err(Problems::one(field, "out_of_range", "must be at least 1").into()) }
}

fn check_limits(ticket_type: &TicketType, quantity: u32, holdings: &Holdings) -> Result<(), Refusal> {
    let refuse = |limit, message| Err(Refusal::LimitExceeded { ticket_type: ticket_type.id, limit, message });
    let name = &ticket_type.name;
    if quantity < ticket_type.min_per_booking {
        let limit = ticket_type.min_per_booking;
        return refuse(limit, format!("at least {limit} of {name} must be booked together"));
    }
    if quantity > ticket_type.max_per_booking {
        let limit = ticket_type.max_per_booking;
        return refuse(limit, format!("at most {limit} of {name} can be booked together"));
    }
    let Some(limit) = ticket_type.max_per_buyer else { return Ok(()) };
    let has = holdings.get(&ticket_type.id).copied().unwrap_or_default();
    if has.saturating_add(quantity) > limit {
        return refuse(limit, format!("one buyer can have at most {limit} of {name}, and you have {has}"));
    }
    Ok(())
}

fn price(ticket_type: &TicketType, quantity: u32) -> BookingItem {
    BookingItem {
        ticket_type: ticket_type.id,
        name: ticket_type.name.clone(),
        quantity,
        unit_price: ticket_type.price,
        pools: ticket_type.pools().collect(),
    }
}

fn attendees(items: &[BookingItem], asked: &[AttendeeRequest]) -> Result<Vec<Attendee>, Refusal> {
    let mut problems = Problems::default();
    let mut room: HashMap<TicketTypeId, u32> = items.iter().map(|item| (item.ticket_type, item.quantity)).collect();
    let only = (items.len() == 1).then(|| items[0].ticket_type);
    let mut attendees = Vec::with_capacity(asked.len());
    for (at, one) in asked.iter().enumerate() {
        let field = |name: &str| format!("attendees[{at}].{name}");
        let Some(ticket_type) = one.ticket_type.or(only) else {
            problems.add(field("ticketTypeId"), "required", "must be given where several ticket types are booked");
            continue;
        };
        match room.get_mut(&ticket_type) {
            Some(left) if *left > 0 => *left -= 1,
            Some(_) => problems.add(field("ticketTypeId"), "too_many", "has more attendees than units"),
            None => problems.add(field("ticketTypeId"), "unknown", "is not among the items"),
        }
        let name = one.name.as_deref().map(|name| Text::parse(&field("name"), name, 200)).transpose();
        let email = one.email.as_deref().map(|email| EmailAddress::parse(&field("email"), email)).transpose();
        if let (Some(name), Some(email)) = (problems.take(name), problems.take(email)) {
            attendees.push(Attendee { ticket_type, name, email });
        }
        if problems.as_slice().len() > ITEMS_MAX {
            break;
        }
    }
    problems.into_result()?;
    Ok(attendees)
}
