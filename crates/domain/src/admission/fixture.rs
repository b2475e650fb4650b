//! What the tests of this context stand on.

use uuid::Uuid;

use crate::booking::Sale;
use crate::catalog::{Event, NewEvent};
use crate::{EventId, OrganizerId, Timestamp};

pub(super) fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

/// A draft without anything to sell, made at 0, that begins and ends then.
pub(super) fn draft(start: i64, end: i64) -> Sale {
    let new = NewEvent {
        name: "Concert".into(),
        description: None,
        venue: None,
        timezone: "UTC".into(),
        currency: "EUR".into(),
        start_at: at(start),
        end_at: at(end),
        hold_seconds: 60,
        pricing: None,
    };
    let event = Event::try_new(EventId::new(id(1)), OrganizerId::new(id(2)), &new, 3, at(0)).unwrap();
    Sale { event, ticket_types: vec![], pools: vec![] }
}
