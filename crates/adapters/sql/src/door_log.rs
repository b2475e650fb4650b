//! What became of the tickets and entries of an event, by `changed_at`: the time of the lane at the commit that changed a
//! row last. Commits of a lane come one after the other and its time never runs backwards, so that whoever has seen a row
//! has seen all that changed before it, and what changes later has no earlier time.

use std::collections::{BTreeMap, BTreeSet};

use application::admission::{DoorCursor, DoorNews, EntryNews, LastEntry, LetsIn, TicketNews};
use application::store::StoreError;
use domain::admission::TicketStatus;
use domain::{CheckInListId, EventId, Text, TicketId, Timestamp};
use sea_orm::{ColumnTrait, Condition, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;

use crate::connect::Database;
use crate::entity::{check_in, ticket};
use crate::error::orm;
use crate::lane::among;
use crate::mapping::{count, instant, instant_if, micros, ticket_status};
use crate::unit_of_work::CHUNK;

#[derive(FromQueryResult)]
struct TicketRow {
    id: Uuid,
    issue: i32,
    status: i16,
    blocked: i16,
    changed_at: Option<i64>,
}

#[derive(Clone, FromQueryResult)]
struct EntryRow {
    list_id: Uuid,
    ticket_id: Uuid,
    turn: Option<i32>,
    checked_in_at: i64,
    exited_at: Option<i64>,
    undone_at: Option<i64>,
    changed_at: Option<i64>,
    gate: Option<String>,
}

impl EntryRow {
    const fn counts(&self) -> bool {
        self.undone_at.is_none() && self.turn.is_some()
    }
}

/// What the news of one sort came to.
struct Found<T> {
    rows: Vec<T>,
    cursor: Option<i64>,
    more: bool,
}

pub(crate) async fn news(
    database: &Database,
    event: EventId,
    since: DoorCursor,
    rows: u64,
) -> Result<DoorNews, StoreError> {
    let tickets = ticket_rows(database, event, since.tickets.map(micros), rows).await?;
    let entries = entry_rows(database, event, since.entries.map(micros), rows).await?;
    let cursor = |found: Option<i64>, before: Option<Timestamp>| Ok::<_, StoreError>(instant_if(found)?.or(before));
    let of_ticket = |row: TicketRow| {
        let lets_in = match ticket_status(row.status, row.blocked)? {
            TicketStatus::Valid => LetsIn::Issue(count(row.issue)?),
            TicketStatus::Blocked(_) => LetsIn::Blocked,
            TicketStatus::Revoked => LetsIn::Never,
        };
        Ok(TicketNews { id: TicketId::new(row.id), lets_in })
    };
    Ok(DoorNews {
        tickets: tickets.rows.into_iter().map(of_ticket).collect::<Result<_, StoreError>>()?,
        entries: standing(database, &entries.rows).await?,
        cursor: DoorCursor {
            tickets: cursor(tickets.cursor, since.tickets)?,
            entries: cursor(entries.cursor, since.entries)?,
        },
        more: tickets.more || entries.more,
    })
}

async fn ticket_rows(
    database: &Database,
    event: EventId,
    since: Option<i64>,
    rows: u64,
) -> Result<Found<TicketRow>, StoreError> {
    use ticket::Column;
    let base = || {
        let select = ticket::Entity::find().select_only();
        let select = select.columns([Column::Id, Column::Issue, Column::Status, Column::Blocked, Column::ChangedAt]);
        select.filter(Column::EventId.eq(event.uuid())).filter(Column::ChangedAt.is_not_null())
    };
    let behind = |at: i64| Column::ChangedAt.gte(at);
    let select = base().filter(Condition::all().add_option(since.map(behind)));
    let select = select.order_by_asc(Column::ChangedAt).limit(rows + 1);
    let found: Vec<TicketRow> = all(database, select).await?;
    let of_instant = |at: i64| base().filter(Column::ChangedAt.eq(at));
    whole_instants(database, found, rows, |row: &TicketRow| row.changed_at.unwrap_or_default(), of_instant).await
}

async fn entry_rows(
    database: &Database,
    event: EventId,
    since: Option<i64>,
    rows: u64,
) -> Result<Found<EntryRow>, StoreError> {
    use check_in::Column;
    let base = || entries().filter(Column::EventId.eq(event.uuid()));
    let behind = |at: i64| Column::ChangedAt.gte(at);
    let select = base().filter(Condition::all().add_option(since.map(behind)));
    let select = select.order_by_asc(Column::ChangedAt).limit(rows + 1);
    let found: Vec<EntryRow> = all(database, select).await?;
    let of_instant = |at: i64| base().filter(Column::ChangedAt.eq(at));
    whole_instants(database, found, rows, |row: &EntryRow| row.changed_at.unwrap_or_default(), of_instant).await
}

fn entries() -> Select<check_in::Entity> {
    use check_in::Column;
    check_in::Entity::find().select_only().columns([
        Column::ListId,
        Column::TicketId,
        Column::Turn,
        Column::CheckedInAt,
        Column::ExitedAt,
        Column::UndoneAt,
        Column::ChangedAt,
        Column::Gate,
    ])
}

async fn all<E: EntityTrait, T: FromQueryResult + Send + Sync>(
    database: &Database,
    select: Select<E>,
) -> Result<Vec<T>, StoreError> {
    select.into_model::<T>().all(database.reads()).await.map_err(orm)
}

/// Leaves out the rows of an instant that not all have come of; where that is the only one, it is asked for as a whole. A
/// commit decides some thousand rows at the most.
async fn whole_instants<E: EntityTrait, T: FromQueryResult + Send + Sync>(
    database: &Database,
    mut rows: Vec<T>,
    most: u64,
    at: impl Fn(&T) -> i64,
    of_instant: impl FnOnce(i64) -> Select<E>,
) -> Result<Found<T>, StoreError> {
    let last = rows.last().map(&at);
    let (Some(last), true) = (last, rows.len() as u64 > most) else {
        return Ok(Found { rows, cursor: last, more: false });
    };
    rows.retain(|row| at(row) < last);
    if rows.is_empty() {
        rows = all(database, of_instant(last)).await?;
        return Ok(Found { rows, cursor: Some(last + 1), more: true });
    }
    Ok(Found { rows, cursor: Some(last), more: true })
}

/// How the tickets of these entries stand on their lists.
async fn standing(database: &Database, changed: &[EntryRow]) -> Result<Vec<EntryNews>, StoreError> {
    let mut last: BTreeMap<(Uuid, Uuid), Option<EntryRow>> = BTreeMap::new();
    let mut unsure = BTreeSet::new();
    for row in changed {
        let slot = last.entry((row.list_id, row.ticket_id)).or_default();
        if !row.counts() {
            // Perhaps another entry counts that did not change: it is asked for.
            unsure.insert(row.ticket_id);
        } else if slot.as_ref().is_none_or(|known| known.turn < row.turn) {
            *slot = Some(row.clone());
        }
    }
    let unsure: Vec<Uuid> = unsure.into_iter().collect();
    for chunk in unsure.chunks(CHUNK) {
        let select = entries().filter(among(database.reads(), check_in::Column::TicketId, chunk));
        let found: Vec<EntryRow> = all(database, select.filter(check_in::Column::UndoneAt.is_null())).await?;
        for row in found.into_iter().filter(EntryRow::counts) {
            if let Some(slot) = last.get_mut(&(row.list_id, row.ticket_id))
                && slot.as_ref().is_none_or(|known| known.turn <= row.turn)
            {
                *slot = Some(row);
            }
        }
    }
    let news = |((list, ticket), last): ((Uuid, Uuid), Option<EntryRow>)| {
        let last = last.map(|row| {
            let is_out = row.exited_at.is_some();
            Ok::<_, StoreError>(LastEntry {
                at: instant(row.checked_in_at)?,
                gate: row.gate.map(Text::trusted),
                is_out,
            })
        });
        Ok(EntryNews { list: CheckInListId::new(list), ticket: TicketId::new(ticket), last: last.transpose()? })
    };
    last.into_iter().map(news).collect()
}
