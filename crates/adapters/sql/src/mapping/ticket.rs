//! Tickets, the keys that sign their codes, check-in lists, and entries at the door.

use application::admission::StoredTicketKey;
use application::store::StoreError;
use chrono::TimeDelta;
use domain::admission::{Blocker, CheckIn, CheckInList, EntryRule, Flag, ListTerms, Synced, Ticket, TicketStatus};
use domain::{BookingId, CheckInId, CheckInListId, EventId, SigningKeyId, Text, TicketId, TicketTypeId};
use uuid::Uuid;

use super::{count, instant, instant_if, integer, micros};
use crate::entity::{check_in as entry, check_in_list, ticket as table, ticket_key};
use crate::error::bad_row;

/// The number of a status in the table. Who is blocked is not revoked, and has a column of its own.
pub(crate) const fn ticket_status_code(status: TicketStatus) -> i16 {
    match status {
        TicketStatus::Valid | TicketStatus::Blocked(_) => 0,
        TicketStatus::Revoked => 1,
    }
}

/// The number of what blocks a ticket, in the table.
pub(crate) const fn blocked_code(status: TicketStatus) -> i16 {
    match status {
        TicketStatus::Valid | TicketStatus::Revoked => 0,
        TicketStatus::Blocked(Blocker::Staff) => 1,
        TicketStatus::Blocked(Blocker::Dispute) => 2,
    }
}

/// The status of these two numbers.
pub(crate) fn ticket_status(status: i16, blocked: i16) -> Result<TicketStatus, StoreError> {
    match (status, blocked) {
        (0, 0) => Ok(TicketStatus::Valid),
        (0, 1) => Ok(TicketStatus::Blocked(Blocker::Staff)),
        (0, 2) => Ok(TicketStatus::Blocked(Blocker::Dispute)),
        (1, _) => Ok(TicketStatus::Revoked),
        (status, blocked) => Err(bad_row("status of a ticket", format!("{status} and {blocked}"))),
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
        status: ticket_status(row.status, row.blocked)?,
        issue: count(row.issue)?,
        attendee: row.attendee.map(place).transpose()?,
        passed_on: row.passed_on,
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
    let synced = row.received_at.zip(row.skew).map(|(received_at, skew)| {
        Ok::<_, StoreError>(Synced { received_at: instant(received_at)?, skew: TimeDelta::microseconds(skew) })
    });
    Ok(CheckIn {
        id: CheckInId::new(row.id),
        // Written by the version before: the list of an event had the id of the event.
        event: EventId::new(row.event_id.unwrap_or(row.list_id)),
        list: CheckInListId::new(row.list_id),
        ticket: TicketId::new(row.ticket_id),
        turn: row.turn.map(count).transpose()?,
        gate: row.gate.map(Text::trusted),
        at: instant(row.checked_in_at)?,
        device_at: instant_if(row.device_at)?,
        synced: synced.transpose()?,
        flag: row.flag.map(flag).transpose()?,
        exited_at: instant_if(row.exited_at)?,
        undone_at: instant_if(row.undone_at)?,
        sequence: count(row.sequence)?,
        changed_at: instant(row.changed_at.or(row.undone_at).unwrap_or(row.checked_in_at))?,
    })
}

/// The number of a flag in the table.
pub(crate) const fn flag_code(flag: Flag) -> i16 {
    match flag {
        Flag::Conflict => 1,
        Flag::Revoked => 2,
        Flag::NotAllowed => 3,
        Flag::Blocked => 4,
    }
}

fn flag(code: i16) -> Result<Flag, StoreError> {
    [Flag::Conflict, Flag::Revoked, Flag::NotAllowed, Flag::Blocked]
        .into_iter()
        .find(|flag| flag_code(*flag) == code)
        .ok_or_else(|| bad_row("flag of an entry", code))
}

/// A check-in list.
pub(crate) fn check_in_list(row: check_in_list::Model) -> Result<CheckInList, StoreError> {
    let ticket_type = |text: &str| Uuid::parse_str(text).map(TicketTypeId::new);
    let ticket_types = row.ticket_types.split_whitespace().map(ticket_type).collect::<Result<_, _>>();
    let terms = ListTerms {
        entry: match row.entry {
            0 => EntryRule::Once,
            1 => EntryRule::ReEntry,
            other => return Err(bad_row("rule of a check-in list", other)),
        },
        from: instant_if(row.starts_at)?,
        until: instant_if(row.ends_at)?,
        ticket_types: ticket_types.map_err(|_| bad_row("ticket types of a check-in list", row.id))?,
    };
    Ok(CheckInList {
        id: CheckInListId::new(row.id),
        event: EventId::new(row.event_id),
        name: Text::trusted(row.name),
        terms,
        archived: row.archived,
        version: count(row.version)?,
        created_at: instant(row.created_at)?,
        updated_at: instant(row.updated_at)?,
    })
}

/// A check-in list as a row.
pub(crate) fn check_in_list_row(list: &CheckInList) -> check_in_list::Model {
    let terms = &list.terms;
    let ticket_types: Vec<String> = terms.ticket_types.iter().map(|id| id.uuid().simple().to_string()).collect();
    check_in_list::Model {
        id: list.id.uuid(),
        event_id: list.event.uuid(),
        name: list.name.as_str().to_owned(),
        entry: match terms.entry {
            EntryRule::Once => 0,
            EntryRule::ReEntry => 1,
        },
        starts_at: terms.from.map(micros),
        ends_at: terms.until.map(micros),
        ticket_types: ticket_types.join(" "),
        archived: list.archived,
        version: integer(list.version),
        created_at: micros(list.created_at),
        updated_at: micros(list.updated_at),
    }
}
