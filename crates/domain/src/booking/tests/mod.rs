//! What the decisions promise: example by example, and against a simple model.

mod decisions;
mod model;
mod promo;

use chrono::TimeDelta;
use uuid::Uuid;

use super::{AttendeeRequest, Booking, Buyer, Channel, Decided, HoldRequest, Holdings, Reference, Refusal, Sale};
use super::{Units, UnitsRequest, hold};
use crate::catalog::{Event, NewEvent, NewTicketType, StatusChange};
use crate::{BookingId, EventId, OrganizerId, PoolId, TicketTypeId, Timestamp, UserId};

/// The absolute end of a hold in these tests.
pub(super) const HOLD_END: TimeDelta = TimeDelta::hours(2);

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

pub(super) fn type_id(n: u128) -> TicketTypeId {
    TicketTypeId::new(Uuid::from_u128(n))
}

pub(super) fn pool_id(n: u128) -> PoolId {
    PoolId::new(Uuid::from_u128(n))
}

pub(super) fn ticket_type(price: i64, capacity: Option<i64>) -> NewTicketType {
    NewTicketType {
        name: "Standing".into(),
        price,
        capacity,
        pool_ids: vec![],
        min_per_booking: None,
        max_per_booking: None,
        max_per_buyer: None,
        sales_start_at: None,
        sales_end_at: None,
        hidden: false,
    }
}

/// A draft that begins in a day, with holds of 15 minutes.
pub(super) fn draft() -> Sale {
    let new = NewEvent {
        name: "Concert".into(),
        description: None,
        venue: None,
        timezone: "Europe/Warsaw".into(),
        currency: "PLN".into(),
        start_at: at(86_400),
        end_at: at(90_000),
        hold_seconds: 900,
        pricing: None,
    };
    let nil = Uuid::nil();
    let event = Event::try_new(EventId::new(nil), OrganizerId::new(nil), &new, 1, at(0)).unwrap();
    Sale { event, ticket_types: vec![], pools: vec![] }
}

/// On sale: the types get the ids 1, 2, …, and their own pools 101, 102, ….
pub(super) fn on_sale(types: &[NewTicketType]) -> Sale {
    on_sale_with(draft(), types)
}

pub(super) fn on_sale_with(mut sale: Sale, types: &[NewTicketType]) -> Sale {
    for (n, new) in (1_u128..).zip(types) {
        sale = sale.with_ticket_type(type_id(n), pool_id(100 + n), new, "").unwrap();
    }
    let event = sale.event.stepped(StatusChange::Publish, at(0)).unwrap().unwrap();
    Sale { event, ..sale }
}

pub(super) fn request(buyer: u128, units: &[(u128, u32)]) -> HoldRequest {
    let units = units.iter().map(|(n, quantity)| Units { ticket_type: type_id(*n), quantity: *quantity }).collect();
    HoldRequest {
        id: BookingId::new(Uuid::from_u128(buyer)),
        reference: Reference::of(7, 0),
        buyer: Buyer::Account(UserId::new(Uuid::from_u128(buyer))),
        channel: Channel::Api,
        units: UnitsRequest::Listed(units),
        attendees: Vec::<AttendeeRequest>::new(),
        expected_total: None,
        promo_code: None,
    }
}

/// Holds, and takes the stock.
pub(super) fn held(sale: &mut Sale, request: &HoldRequest, now: Timestamp) -> Result<Booking, Refusal> {
    let decided: Decided = hold(sale, &Holdings::new(), request, HOLD_END, now)?;
    sale.apply(&decided.stock).unwrap();
    Ok(decided.booking)
}
