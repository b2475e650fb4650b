//! Holding: all the units of a request, or none.

use std::collections::HashMap;

use crate::booking::{
    Attendee, Booking, BookingFact, BookingItem, BookingStatus, Buyer, Channel, Decided, FactKind, HoldTerms,
    PromoCode, PromoFound, PromoUse, PromoWord, Reference, Refusal, Sale, StockMove, unknown_promo_code,
};
use crate::catalog::TicketType;
use crate::pricing::{Line, PricePart, Pricing, Rate, Sum, sum};
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
    /// What makes it cheaper.
    pub promo_code: Option<PromoWord>,
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
    /// What the buyer wants to pay for one, in minor units, where that is his to say.
    pub unit_price: Option<i64>,
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
    hold_with(sale, holdings, None, request, hold_end, now)
}

/// The same with the promo code that the request names, where there is one of that text.
///
/// # Errors
/// Those of [`hold`], and what keeps the code from being of use.
pub fn hold_with(
    sale: &Sale,
    holdings: &Holdings,
    promo: Option<PromoFound<'_>>,
    request: &HoldRequest,
    hold_end: TimeDelta,
    now: Timestamp,
) -> Result<Decided, Refusal> {
    let promo = Promo { asked: request.promo_code.is_some(), found: promo };
    let quote = priced(sale, holdings, promo, &request.units, request.expected_total, now)?;
    let attendees = attendees(&quote.items, &request.attendees)?;
    let hold = (!quote.total.is_zero()).then(|| terms(sale.event.terms.hold, hold_end, now));
    booked(sale, request, quote, attendees, hold, now)
}

/// Decides whether the units of an offer can be held until then, also where they cost nothing.
///
/// # Errors
/// Those of [`hold`].
pub(super) fn hold_until(
    sale: &Sale,
    holdings: &Holdings,
    request: &HoldRequest,
    until: Timestamp,
    now: Timestamp,
) -> Result<Decided, Refusal> {
    let quote = priced_plainly(sale, holdings, &request.units, now)?;
    let hold = HoldTerms { expires_at: until, release_at: until, ends_at: until };
    booked(sale, request, quote, Vec::new(), Some(hold), now)
}

/// What units cost somebody who names neither a code nor a price.
///
/// # Errors
/// Those of [`hold`] but for [`Refusal::SoldOut`].
pub(super) fn priced_plainly(
    sale: &Sale,
    holdings: &Holdings,
    units: &UnitsRequest,
    now: Timestamp,
) -> Result<Quote, Refusal> {
    priced(sale, holdings, Promo { asked: false, found: None }, units, None, now)
}

/// The booking, where there is room for it: pending with a hold, confirmed without.
fn booked(
    sale: &Sale,
    request: &HoldRequest,
    quote: Quote,
    attendees: Vec<Attendee>,
    hold: Option<HoldTerms>,
    now: Timestamp,
) -> Result<Decided, Refusal> {
    let Quote { items, total, price_parts, promo } = quote;
    let status = if hold.is_some() { BookingStatus::Pending } else { BookingStatus::Confirmed };
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
        promo,
        status,
        hold,
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
    /// What the total is made of, where there are taxes, fees or discounts; otherwise the items are all of it.
    pub price_parts: Vec<PricePart>,
    /// The promo code that makes it cheaper.
    pub promo: Option<PromoUse>,
}

/// What a request says of a promo code, and what there is of that text.
#[derive(Clone, Copy)]
struct Promo<'a> {
    asked: bool,
    found: Option<PromoFound<'a>>,
}

/// Says what these units would cost somebody who has none yet. Whether they are left is not asked. `promo` is none where
/// no code is named, and holds none where there is no code of that text.
///
/// # Errors
/// Those of [`hold`] but for [`Refusal::SoldOut`].
pub fn quote(
    sale: &Sale,
    units: &UnitsRequest,
    promo: Option<Option<PromoFound<'_>>>,
    expected_total: Option<i64>,
    now: Timestamp,
) -> Result<Quote, Refusal> {
    let promo = Promo { asked: promo.is_some(), found: promo.flatten() };
    priced(sale, &Holdings::new(), promo, units, expected_total, now)
}

fn priced(
    sale: &Sale,
    holdings: &Holdings,
    promo: Promo<'_>,
    units: &UnitsRequest,
    expected_total: Option<i64>,
    now: Timestamp,
) -> Result<Quote, Refusal> {
    let units = resolve(sale, units)?;
    let mut items = Vec::with_capacity(units.len());
    let mut needs_code = Vec::new();
    let mut tax_rates = Vec::with_capacity(units.len());
    for Units { ticket_type, quantity, unit_price } in units {
        if let Some(known) = sale.ticket_type(ticket_type).filter(|_| !promo.asked) {
            // Before anything is said of it: who has no code does not hear its name.
            PromoCode::check_access(None, known)?;
        }
        let found = sale.on_sale(ticket_type, now)?;
        check_limits(found, quantity, holdings)?;
        needs_code.extend(found.code_required.then_some(found));
        let unit_price = unit_price.unwrap_or_else(|| sale.unit_price(found, quantity, now));
        items.push(item(found, quantity, unit_price));
        tax_rates.push(found.prices.tax_rate);
    }
    let too_large = || Problems::one("items", "out_of_range", "the total is too large");
    let zero = Money::zero(sale.event.currency);
    let discounts = match promo {
        Promo { asked: false, .. } => None,
        Promo { found: None, .. } => return Err(unknown_promo_code().into()),
        Promo { found: Some(found), .. } => Some((found, found.code.discounts(&items, found.of_buyer, now)?)),
    };
    for ticket_type in needs_code {
        PromoCode::check_access(discounts.as_ref().map(|(found, _)| found.code), ticket_type)?;
    }
    let has_rates = tax_rates.iter().any(Option::is_some);
    let (total, price_parts) = match (sale.event.pricing(), &discounts) {
        (None, None) if !has_rates => {
            let add = |total: Money, item: &BookingItem| {
                Money { minor: item.unit_price, ..zero }
                    .checked_mul(item.quantity)
                    .and_then(|line| total.checked_add(line))
            };
            (items.iter().try_fold(zero, add).map_err(|_| too_large())?, Vec::new())
        }
        (pricing, discounts) => {
            // As unless an event says otherwise, prices contain the tax that a type has.
            let none = Pricing { tax_included: true, ..Pricing::default() };
            let off = discounts.as_ref().map_or(&[][..], |(_, discounts)| discounts);
            let off = off.iter().copied().chain(std::iter::repeat(0));
            let lines = items.iter().zip(tax_rates).zip(off);
            let lines: Vec<Line> = lines.map(|((item, rate), discount)| line(item, rate, discount)).collect();
            let Sum { parts, total } = sum(pricing.unwrap_or(&none), &lines).map_err(|_| too_large())?;
            (Money { minor: total, ..zero }, parts)
        }
    };
    if expected_total.is_some_and(|expected| expected != total.minor) {
        return Err(Refusal::PriceChanged { total: total.minor });
    }
    let promo = discounts.map(|(found, discounts)| PromoUse {
        id: found.code.id,
        code: found.code.code.clone(),
        discount: discounts.into_iter().sum(),
    });
    Ok(Quote { items, total, price_parts, promo })
}

fn line(item: &BookingItem, tax_rate: Option<Rate>, discount: i64) -> Line {
    Line {
        ticket_type: item.ticket_type,
        name: item.name.clone(),
        quantity: item.quantity,
        unit_price: item.unit_price,
        discount,
        tax_rate,
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
            let quantity = positive("quantity", *quantity)?;
            return Ok(vec![Units { ticket_type: only.id, quantity, unit_price: None }]);
        }
        UnitsRequest::Listed(listed) => listed,
    };
    if listed.is_empty() || listed.len() > ITEMS_MAX {
        return Err(Problems::one("items", "out_of_range", format!("must have 1 to {ITEMS_MAX} items")).into());
    }
    let mut units: Vec<Units> = Vec::with_capacity(listed.len());
    for (at, asked) in listed.iter().enumerate() {
        let quantity = positive(&format!("items[{at}].quantity"), asked.quantity)?;
        let Some(found) = sale.ticket_type(asked.ticket_type) else {
            let field = format!("items[{at}].ticketTypeId");
            return Err(Problems::one(field, "unknown", "the event has no such ticket type").into());
        };
        if let Some(named) = asked.unit_price {
            check_named(found, &format!("items[{at}].unitPrice"), named)?;
        }
        match units.iter_mut().find(|known| known.ticket_type == asked.ticket_type) {
            Some(known) if known.unit_price != asked.unit_price => {
                let field = format!("items[{at}].unitPrice");
                return Err(Problems::one(field, "ambiguous", "must be the same for all units of a ticket type").into());
            }
            Some(known) => known.quantity = known.quantity.saturating_add(quantity),
            None => units.push(Units { quantity, ..*asked }),
        }
    }
    Ok(units)
}

/// Whether the price of one unit is the buyer's to name, and this one will do.
fn check_named(ticket_type: &TicketType, field: &str, named: i64) -> Result<(), Problems> {
    match ticket_type.prices.open {
        Some(open) => open.check(field, named),
        None => Err(Problems::one(field, "not_applicable", format!("{} has a price of its own", ticket_type.name))),
    }
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

fn item(ticket_type: &TicketType, quantity: u32, unit_price: i64) -> BookingItem {
    BookingItem {
        ticket_type: ticket_type.id,
        name: ticket_type.name.clone(),
        quantity,
        cancelled: 0,
        unit_price,
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
