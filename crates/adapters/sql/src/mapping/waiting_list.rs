//! Waiting lists.

use application::store::StoreError;
use domain::booking::{CloseReason, EntryState, WaitingListEntry};
use domain::{BookingId, EventId, OrganizerId, TicketTypeId, UserId, WaitingListEntryId};

use super::{count, instant, integer, micros};
use crate::entity::waiting_list_entry::Model;
use crate::error::bad_row;

/// The number of «waits» in the table, in the words of its indexes too.
pub(crate) const WAITING: i16 = 0;
/// The number of «was made an offer» in the table.
pub(crate) const OFFERED: i16 = 1;
const WITHDRAWN: i16 = 2;
const CLOSED: i16 = 3;

/// An entry of its row.
pub(crate) fn waiting_list_entry(row: Model) -> Result<WaitingListEntry, StoreError> {
    let state = match (row.status, row.booking_id, row.reason) {
        (WAITING, None, None) => EntryState::Waiting,
        (OFFERED, Some(booking), None) => EntryState::Offered(BookingId::new(booking)),
        (WITHDRAWN, None, None) => EntryState::Withdrawn,
        (CLOSED, None, Some(code)) => EntryState::Closed(reason(code)?),
        _ => return Err(bad_row("status of a waiting-list entry", row.status)),
    };
    Ok(WaitingListEntry {
        id: WaitingListEntryId::new(row.id),
        event: EventId::new(row.event_id),
        organizer: OrganizerId::new(row.organizer_id),
        ticket_type: TicketTypeId::new(row.ticket_type_id),
        buyer: UserId::new(row.buyer_user_id),
        quantity: count(row.quantity)?,
        number: u64::try_from(row.number).map_err(|_| bad_row("number of a waiting-list entry", row.number))?,
        state,
        version: count(row.version)?,
        created_at: instant(row.created_at)?,
        updated_at: instant(row.updated_at)?,
    })
}

/// The row of an entry.
pub(crate) fn waiting_list_entry_row(entry: &WaitingListEntry) -> Model {
    let (status, reason) = match entry.state {
        EntryState::Waiting => (WAITING, None),
        EntryState::Offered(_) => (OFFERED, None),
        EntryState::Withdrawn => (WITHDRAWN, None),
        EntryState::Closed(reason) => (CLOSED, Some(reason_code(reason))),
    };
    Model {
        id: entry.id.uuid(),
        event_id: entry.event.uuid(),
        organizer_id: entry.organizer.uuid(),
        ticket_type_id: entry.ticket_type.uuid(),
        buyer_user_id: entry.buyer.uuid(),
        number: i64::try_from(entry.number).unwrap_or(i64::MAX),
        quantity: integer(entry.quantity),
        status,
        reason,
        booking_id: entry.booking().map(BookingId::uuid),
        version: integer(entry.version),
        created_at: micros(entry.created_at),
        updated_at: micros(entry.updated_at),
    }
}

const fn reason_code(reason: CloseReason) -> i16 {
    match reason {
        CloseReason::SalesClosed => 0,
        CloseReason::LimitExceeded => 1,
        CloseReason::AccountDeleted => 2,
    }
}

fn reason(code: i16) -> Result<CloseReason, StoreError> {
    match code {
        0 => Ok(CloseReason::SalesClosed),
        1 => Ok(CloseReason::LimitExceeded),
        2 => Ok(CloseReason::AccountDeleted),
        other => Err(bad_row("reason of a waiting-list entry", other)),
    }
}
