//! What a commit must write of a sale: the difference between the sale that was loaded and the sale that was decided.

use domain::TicketTypeId;
use domain::booking::{Pool, Sale};

use crate::booking::{LaneChanges, PoolChange, WaitingCount};

/// Adds the rows of the sale that changed.
pub(super) fn sale_rows(before: &Sale, after: &Sale, changes: &mut LaneChanges) {
    if before.event != after.event {
        changes.events.push(after.event.clone());
    }
    for ticket_type in &after.ticket_types {
        match before.ticket_type(ticket_type.id) {
            None => changes.new_ticket_types.push(ticket_type.clone()),
            Some(known) if known != ticket_type => changes.ticket_types.push(ticket_type.clone()),
            Some(_) => {}
        }
    }
    for pool in &after.pools {
        match before.pool(pool.id) {
            None => changes.new_pools.push(pool.clone()),
            Some(known) => changes.pools.extend(pool_change(known, pool)),
        }
    }
}

fn pool_change(before: &Pool, after: &Pool) -> Option<PoolChange> {
    if before == after {
        return None;
    }
    let resettled = before.name != after.name || before.capacity != after.capacity;
    Some(PoolChange {
        id: after.id,
        held: i64::from(after.held) - i64::from(before.held),
        sold: i64::from(after.sold) - i64::from(before.sold),
        settings: resettled.then(|| (after.name.as_str().to_owned(), after.capacity)),
    })
}

/// Adds how many more or fewer wait.
pub(super) fn waiting_counts(before: &Sale, after: &Sale, changes: &mut LaneChanges) {
    let waits = |sale: &Sale, id: &TicketTypeId| sale.waiting.get(id).copied().map_or(0, i64::from);
    let more = after.waiting.keys().chain(before.waiting.keys().filter(|id| !after.waiting.contains_key(id)));
    let count = |id: &TicketTypeId| WaitingCount { ticket_type: *id, by: waits(after, id) - waits(before, id) };
    changes.waiting_counts.extend(more.map(count).filter(|count| count.by != 0));
}

/// Whether units came back, or room was made: what was known to be sold out may not be so any more.
pub(super) fn gives_room(before: &Sale, after: &Sale) -> bool {
    before.event != after.event
        || before.ticket_types != after.ticket_types
        || after.pools.iter().any(|pool| before.pool(pool.id).is_none_or(|known| pool.room() > known.room()))
}
