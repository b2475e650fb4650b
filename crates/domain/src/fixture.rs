//! What the tests of several contexts stand on: an event and its ticket types, at fixed times and with ids that count.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::booking::Sale;
use crate::catalog::{Event, NewEvent, NewTicketType, StatusChange};
use crate::{EventId, OrganizerId, PoolId, TicketTypeId, Timestamp};

pub(crate) fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

pub(crate) fn type_id(number: u128) -> TicketTypeId {
    TicketTypeId::new(id(number))
}

pub(crate) fn pool_id(number: u128) -> PoolId {
    PoolId::new(id(number))
}

pub(crate) fn ticket_type(price: i64, capacity: Option<i64>) -> NewTicketType {
    NewTicketType { name: "Standing".into(), price, capacity, ..NewTicketType::default() }
}

/// A draft without anything to sell, made at 0, that begins and ends then; with holds of 15 minutes.
pub(crate) fn draft_of(start: i64, end: i64) -> Sale {
    let new = NewEvent {
        name: "Concert".into(),
        description: None,
        venue: None,
        timezone: "Europe/Warsaw".into(),
        currency: "PLN".into(),
        start_at: at(start),
        end_at: at(end),
        hold_seconds: 900,
        pricing: None,
        blocks_disputed: None,
        waiting_list: None,
        offer_seconds: None,
    };
    let event = Event::try_new(EventId::new(id(1)), OrganizerId::new(id(2)), &new, 3, at(0)).unwrap();
    Sale { event, ticket_types: vec![], pools: vec![], waiting: BTreeMap::new() }
}

/// A draft that begins in a day.
pub(crate) fn draft() -> Sale {
    draft_of(86_400, 90_000)
}

/// On sale: the types get the ids 1, 2, …, and their own pools 101, 102, ….
pub(crate) fn on_sale(types: &[NewTicketType]) -> Sale {
    on_sale_with(draft(), types)
}

pub(crate) fn on_sale_with(mut sale: Sale, types: &[NewTicketType]) -> Sale {
    for (n, new) in (1_u128..).zip(types) {
        sale = sale.with_ticket_type(type_id(n), pool_id(100 + n), new, "").unwrap();
    }
    let event = sale.event.stepped(StatusChange::Publish, at(0)).unwrap().unwrap();
    Sale { event, ..sale }
}
