//! An entry of a waiting list as JSON: what was answered to who joined, for when he asks again.
//!
//! A field that is added gets a default, as everywhere in snapshots.

use domain::booking::{EntryState, WaitingListEntry};
use domain::{EventId, OrganizerId, TicketTypeId, Timestamp, UserId, WaitingListEntryId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::AppError;

/// As it was made: what becomes of an entry is in no answer that is kept.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WaitingListEntryV1 {
    v: u32,
    id: Uuid,
    event_id: Uuid,
    organizer_id: Uuid,
    ticket_type_id: Uuid,
    buyer_id: Uuid,
    quantity: u32,
    number: u64,
    created_at: Timestamp,
}

/// The snapshot of a new entry.
pub(super) fn waiting_list_entry(entry: &WaitingListEntry) -> String {
    let kept = WaitingListEntryV1 {
        v: 1,
        id: entry.id.uuid(),
        event_id: entry.event.uuid(),
        organizer_id: entry.organizer.uuid(),
        ticket_type_id: entry.ticket_type.uuid(),
        buyer_id: entry.buyer.uuid(),
        quantity: entry.quantity,
        number: entry.number,
        created_at: entry.created_at,
    };
    // A struct of strings and numbers, whose serialisation cannot fail.
    serde_json::to_string(&kept).unwrap_or_default()
}

/// The entry of a snapshot.
///
/// # Errors
/// [`AppError::Internal`] for a text that no version of ours has written.
pub(super) fn read_waiting_list_entry(snapshot: &str) -> Result<WaitingListEntry, AppError> {
    let kept: WaitingListEntryV1 = serde_json::from_str(snapshot).map_err(|_| {
        tracing::error!("A kept answer is no entry of a waiting list");
        AppError::Internal
    })?;
    Ok(WaitingListEntry {
        id: WaitingListEntryId::new(kept.id),
        event: EventId::new(kept.event_id),
        organizer: OrganizerId::new(kept.organizer_id),
        ticket_type: TicketTypeId::new(kept.ticket_type_id),
        buyer: UserId::new(kept.buyer_id),
        quantity: kept.quantity,
        number: kept.number,
        state: EntryState::Waiting,
        version: 1,
        created_at: kept.created_at,
        updated_at: kept.created_at,
    })
}
