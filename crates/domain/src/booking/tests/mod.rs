//! What the decisions promise: example by example, and against a simple model.

mod decisions;
mod model;
mod prices;
mod promo;
mod waiting_list;

use chrono::TimeDelta;
use uuid::Uuid;

use super::{AttendeeRequest, Booking, Buyer, Channel, Decided, HoldRequest, Holdings, Reference, Refusal, Sale};
use super::{Units, UnitsRequest, hold};
use crate::catalog::{NewTicketType, StatusChange};
use crate::fixture::{at, draft, on_sale, on_sale_with, pool_id, ticket_type, type_id};
use crate::{BookingId, PoolId, TicketTypeId, Timestamp, UserId};

/// The absolute end of a hold in these tests.
pub(super) const HOLD_END: TimeDelta = TimeDelta::hours(2);

pub(super) fn unit(n: u128, quantity: u32) -> Units {
    Units { ticket_type: type_id(n), quantity, unit_price: None }
}

pub(super) fn request(buyer: u128, units: &[(u128, u32)]) -> HoldRequest {
    let units = units.iter().map(|(n, quantity)| unit(*n, *quantity)).collect();
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
