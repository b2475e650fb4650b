//! What few batches write: settings of events, ticket types and pools, attendees. Ordinary statements, sent only where
//! there is something to write.

use application::booking::{AttendeeChange, DisputedTickets, LaneChanges};
use application::store::StoreError;
use domain::BookingId;
use domain::admission::{Blocker, CheckInList, Ticket, TicketStatus};
use domain::booking::Attendee;
use domain::catalog::TicketType;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveModelTrait, ActiveValue::NotSet, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
};
use uuid::Uuid;

use super::{among, check_changed, decided_at, promo, waiting_list};
use crate::entity::{
    booking_attendee, booking_item, check_in_list, event, pool, ticket, ticket_type, ticket_type_pool,
};
use crate::error::{bad_row, orm};
use crate::mapping::{blocked_code, check_in_list_row, event_row, pool_row, ticket_status_code, ticket_type_row};

/// Within the limit of binds of a statement on either engine, for every table here.
const CHUNK: usize = 1_000;

/// What the stock of the same batch may refer to.
pub(super) async fn before(connection: &impl ConnectionTrait, changes: &LaneChanges) -> Result<(), StoreError> {
    if !changes.new_pools.is_empty() {
        let rows = changes.new_pools.iter().map(|pool| pool_row(pool).into_active_model());
        pool::Entity::insert_many(rows).exec_without_returning(connection).await.map_err(orm)?;
    }
    promo::write(connection, changes).await?;
    for list in &changes.check_in_lists {
        put_list(connection, list).await?;
    }
    insert_types(connection, &changes.new_ticket_types).await?;
    for ticket_type in &changes.ticket_types {
        update_type(connection, ticket_type).await?;
    }
    for event in &changes.events {
        let row = event_row(event).into_active_model().reset_all();
        let update = event::Entity::update_many().set(row).filter(event::Column::Id.eq(event.id.uuid()));
        let done = update.exec(connection).await.map_err(orm)?;
        check_changed("events", 1, done.rows_affected)?;
    }
    Ok(())
}

/// What refers to the rest of the batch, or ends it.
pub(super) async fn after(connection: &impl ConnectionTrait, changes: &LaneChanges) -> Result<(), StoreError> {
    let attendees: Vec<_> = attendee_rows(changes).collect();
    for chunk in attendees.chunks(CHUNK) {
        let rows = chunk.iter().cloned().map(IntoActiveModel::into_active_model);
        booking_attendee::Entity::insert_many(rows).exec_without_returning(connection).await.map_err(orm)?;
    }
    for change in &changes.attendees {
        put_attendee(connection, change).await?;
    }
    for change in &changes.disputed {
        block_disputed(connection, change, decided_at(changes, change.booking)).await?;
    }
    for ticket in &changes.blocked_tickets {
        let blocked = (ticket::Column::Blocked, blocked_code(ticket.status));
        set_of_ticket(connection, ticket, blocked, decided_at(changes, ticket.booking)).await?;
    }
    for ticket in &changes.cancelled_tickets {
        cancel_ticket(connection, ticket, decided_at(changes, ticket.booking)).await?;
    }
    waiting_list::write(connection, changes).await?;
    if changes.deleted_events.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = changes.deleted_events.iter().map(|event| event.uuid()).collect();
    let delete = event::Entity::delete_many().filter(among(connection, event::Column::Id, &ids));
    let done = delete.exec(connection).await.map_err(orm)?;
    check_changed("deleted events", ids.len(), done.rows_affected)
}

/// The tickets of a booking are blocked for a dispute, or not any more. How many that are depends on what staff has done.
async fn block_disputed(
    connection: &impl ConnectionTrait,
    change: &DisputedTickets,
    at: i64,
) -> Result<(), StoreError> {
    use ticket::Column;
    let [valid, blocked] = [TicketStatus::Valid, TicketStatus::Blocked(Blocker::Dispute)].map(blocked_code);
    let (from, to) = if change.is_disputed { (valid, blocked) } else { (blocked, valid) };
    let changed = ticket::Entity::update_many()
        .col_expr(Column::Blocked, Expr::value(to))
        .col_expr(Column::ChangedAt, Expr::value(at))
        .filter(Column::BookingId.eq(change.booking.uuid()))
        .filter(Column::Status.eq(ticket_status_code(TicketStatus::Valid)))
        .filter(Column::Blocked.eq(from));
    changed.exec(connection).await.map(drop).map_err(orm)
}

/// A ticket is cancelled: revoked, and with it a unit of its item. That an item has no more of them than units is a constraint.
async fn cancel_ticket(connection: &impl ConnectionTrait, cancelled: &Ticket, at: i64) -> Result<(), StoreError> {
    let one_more = Expr::col(booking_item::Column::Cancelled).add(1);
    let item = booking_item::Entity::update_many()
        .col_expr(booking_item::Column::Cancelled, one_more)
        .filter(booking_item::Column::BookingId.eq(cancelled.booking.uuid()))
        .filter(booking_item::Column::TicketTypeId.eq(cancelled.ticket_type.uuid()));
    let done = item.exec(connection).await.map_err(orm)?;
    check_changed("items of bookings", 1, done.rows_affected)?;
    // It may be revoked already, with its booking: in this very commit.
    let revoked = ticket_status_code(TicketStatus::Revoked);
    set_of_ticket(connection, cancelled, (ticket::Column::Status, revoked), at).await
}

/// One thing of a ticket is another, and devices at the door hear of it.
async fn set_of_ticket(
    connection: &impl ConnectionTrait,
    changed: &Ticket,
    (column, value): (ticket::Column, i16),
    at: i64,
) -> Result<(), StoreError> {
    let update = ticket::Entity::update_many()
        .col_expr(column, Expr::value(value))
        .col_expr(ticket::Column::ChangedAt, Expr::value(at))
        .filter(ticket::Column::Id.eq(changed.id.uuid()));
    let done = update.exec(connection).await.map_err(orm)?;
    check_changed("tickets", 1, done.rows_affected)
}

/// A check-in list is new, or has other terms.
async fn put_list(connection: &impl ConnectionTrait, list: &CheckInList) -> Result<(), StoreError> {
    use check_in_list::Column;
    let columns = [
        Column::Name,
        Column::Entry,
        Column::StartsAt,
        Column::EndsAt,
        Column::TicketTypes,
        Column::Archived,
        Column::Version,
        Column::UpdatedAt,
    ];
    let instead = OnConflict::column(Column::Id).update_columns(columns).to_owned();
    let insert = check_in_list::Entity::insert(check_in_list_row(list).into_active_model()).on_conflict(instead);
    insert.exec_without_returning(connection).await.map(drop).map_err(orm)
}

/// Inserts ticket types with their places in shared pools.
pub(crate) async fn insert_types(connection: &impl ConnectionTrait, types: &[TicketType]) -> Result<(), StoreError> {
    if types.is_empty() {
        return Ok(());
    }
    let rows = types.iter().map(|known| ticket_type_row(known).into_active_model());
    ticket_type::Entity::insert_many(rows).exec_without_returning(connection).await.map_err(orm)?;
    insert_shared(connection, types).await
}

async fn insert_shared(connection: &impl ConnectionTrait, types: &[TicketType]) -> Result<(), StoreError> {
    let of = |known: &TicketType| {
        let ticket_type_id = known.id.uuid();
        let row = move |pool_id: Uuid| ticket_type_pool::Model { ticket_type_id, pool_id }.into_active_model();
        known.shared_pools.iter().map(|pool| row(pool.uuid())).collect::<Vec<_>>()
    };
    let rows: Vec<_> = types.iter().flat_map(of).collect();
    if rows.is_empty() {
        return Ok(());
    }
    ticket_type_pool::Entity::insert_many(rows).exec_without_returning(connection).await.map_err(orm)?;
    Ok(())
}

async fn update_type(connection: &impl ConnectionTrait, known: &TicketType) -> Result<(), StoreError> {
    let mut row = ticket_type_row(known).into_active_model().reset_all();
    row.waiting = NotSet;
    let update = ticket_type::Entity::update_many().set(row).filter(ticket_type::Column::Id.eq(known.id.uuid()));
    let done = update.exec(connection).await.map_err(orm)?;
    check_changed("ticket types", 1, done.rows_affected)?;
    let stale = ticket_type_pool::Column::TicketTypeId.eq(known.id.uuid());
    ticket_type_pool::Entity::delete_many().filter(stale).exec(connection).await.map_err(orm)?;
    insert_shared(connection, std::slice::from_ref(known)).await
}

fn attendee_rows(changes: &LaneChanges) -> impl Iterator<Item = booking_attendee::Model> + '_ {
    changes.new_bookings.iter().flat_map(|booking| {
        booking.attendees.iter().zip(0_i16..).map(|(attendee, position)| attendee_row(booking.id, position, attendee))
    })
}

fn attendee_row(booking: BookingId, position: i16, attendee: &Attendee) -> booking_attendee::Model {
    booking_attendee::Model {
        booking_id: booking.uuid(),
        ticket_type_id: attendee.ticket_type.uuid(),
        position,
        name: attendee.name.as_ref().map(|name| name.as_str().to_owned()),
        email: attendee.email.as_ref().map(|email| email.as_str().to_owned()),
    }
}

/// Somebody comes in the place of somebody else, or of nobody.
async fn put_attendee(connection: &impl ConnectionTrait, change: &AttendeeChange) -> Result<(), StoreError> {
    use booking_attendee::Column;
    let position = i16::try_from(change.place).map_err(|_| bad_row("place of an attendee", change.place))?;
    let row = attendee_row(change.booking, position, &change.attendee);
    let instead = OnConflict::columns([Column::BookingId, Column::Position])
        .update_columns([Column::Name, Column::Email])
        .to_owned();
    let insert = booking_attendee::Entity::insert(row.into_active_model()).on_conflict(instead);
    insert.exec_without_returning(connection).await.map(drop).map_err(orm)
}
