//! Tickets, the keys that sign their codes, and entries at the door.

use application::admission::StoredTicketKey;
use application::store::StoreError;
use domain::admission::{CheckIn, Ticket, TicketStatus};
use domain::{BookingId, CheckInId, CheckInListId, EventId, SigningKeyId, Text, TicketId, TicketTypeId};

use super::{count, instant, instant_if, micros};
use crate::entity::{check_in as entry, ticket as table, ticket_key};
use crate::error::bad_row;

/// The number of a status in the table.
pub(crate) const fn ticket_status_code(status: TicketStatus) -> i16 {
    match status {
        TicketStatus::Valid => 0,
        TicketStatus::Revoked => 1,
    }
}

/// One ticket.
pub(crate) fn ticket(row: table::Model) -> Result<Ticket, StoreError> {
    let place = |place: i32| u16::try_from(place).map_err(|_| bad_row("attendee of a ticket", place));
    Ok(Ticket {
        id: TicketId::new(row.id),
        booking: BookingId::new(row.booking_id),
        event: EventId::new(row.event_id),
        ticket_type: TicketTypeId::new(row.ticket_type_id),
        unit: count(row.unit)?,
        status: match row.status {
            0 => TicketStatus::Valid,
            1 => TicketStatus::Revoked,
            other => return Err(bad_row("status of a ticket", other)),
        },
        issue: count(row.issue)?,
        attendee: row.attendee.map(place).transpose()?,
    })
}

/// A key as a row.
pub(crate) fn ticket_key_row(key: &StoredTicketKey) -> ticket_key::Model {
    ticket_key::Model {
        id: key.id.uuid(),
        event_id: key.event.uuid(),
        number: i32::from(key.number),
        public_key: key.public_key.to_vec(),
        sealed_private_key: key.sealed_private_key.clone(),
        created_at: micros(key.created_at),
    }
}

/// A key.
pub(crate) fn ticket_key(row: ticket_key::Model) -> Result<StoredTicketKey, StoreError> {
    let public_key = row.public_key.as_slice().try_into();
    Ok(StoredTicketKey {
        id: SigningKeyId::new(row.id),
        event: EventId::new(row.event_id),
        number: u16::try_from(row.number).map_err(|_| bad_row("number of a ticket key", row.number))?,
        public_key: public_key.map_err(|_| bad_row("public key of tickets", row.public_key.len()))?,
        sealed_private_key: row.sealed_private_key,
        created_at: instant(row.created_at)?,
    })
}

/// An entry.
pub(crate) fn check_in(row: entry::Model) -> Result<CheckIn, StoreError> {
    Ok(CheckIn {
        id: CheckInId::new(row.id),
        list: CheckInListId::new(row.list_id),
        ticket: TicketId::new(row.ticket_id),
        gate: row.gate.map(Text::trusted),
        at: instant(row.checked_in_at)?,
        device_at: instant_if(row.device_at)?,
        undone_at: instant_if(row.undone_at)?,
    })
}
