//! Waiting lists on the lane: asked only while somebody waits, or is about to.

use std::collections::HashSet;

use application::booking::{LaneChanges, LaneKey, WaitingCount, WhoWaits, WhoWaitsFor};
use application::store::StoreError;
use domain::booking::{BookingStatus, WaitingListEntry};
use domain::{TicketTypeId, UserId, WaitingListEntryId};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::{among, check_changed};
use crate::entity::waiting_list_entry::{Column, Entity, Model};
use crate::entity::{booking, ticket_type, user};
use crate::error::{bad_row, orm};
use crate::mapping::{OFFERED, WAITING, integer, status_code, waiting_list_entry, waiting_list_entry_row};
use crate::unit_of_work::CHUNK;

/// These entries, in no order.
pub(super) async fn entries(
    connection: &impl ConnectionTrait,
    ids: &[WaitingListEntryId],
) -> Result<Vec<WaitingListEntry>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows = Entity::find().filter(among(connection, Column::Id, &ids));
    rows.all(connection).await.map_err(orm)?.into_iter().map(waiting_list_entry).collect()
}

/// The highest number of the event.
pub(super) async fn last_number(connection: &impl ConnectionTrait, lane: LaneKey) -> Result<u64, StoreError> {
    let last = Entity::find().select_only().column(Column::Number).filter(Column::EventId.eq(lane.uuid()));
    let last = last.order_by_desc(Column::Number).limit(1).into_tuple::<i64>();
    let number = last.one(connection).await.map_err(orm)?.unwrap_or_default();
    u64::try_from(number).map_err(|_| bad_row("number of a waiting-list entry", number))
}

/// Who of these buyers waits for which type of the event, or has a pending offer of it.
pub(super) async fn open_entries(
    connection: &impl ConnectionTrait,
    lane: LaneKey,
    buyers: &[UserId],
) -> Result<Vec<(UserId, TicketTypeId)>, StoreError> {
    let buyers: Vec<Uuid> = buyers.iter().map(|buyer| buyer.uuid()).collect();
    let pending = Query::select()
        .expr(Expr::cust("1"))
        .from(booking::Entity)
        .and_where(Expr::col((booking::Entity, booking::Column::Id)).equals((Entity, Column::BookingId)))
        .and_where(booking::Column::Status.eq(status_code(BookingStatus::Pending)))
        .to_owned();
    let offered = Column::Status.eq(OFFERED).and(Expr::exists(pending));
    let rows = Entity::find()
        .select_only()
        .columns([Column::BuyerUserId, Column::TicketTypeId, Column::EventId])
        .filter(among(connection, Column::BuyerUserId, &buyers))
        .filter(Condition::any().add(Column::Status.eq(WAITING)).add(offered))
        .into_tuple::<(Uuid, Uuid, Uuid)>();
    let rows = rows.all(connection).await.map_err(orm)?.into_iter();
    // What they wait for elsewhere is read too, so that the index over buyers leads there on either engine.
    let here = rows.filter(|(_, _, event)| *event == lane.uuid());
    Ok(here.map(|(buyer, of, _)| (UserId::new(buyer), TicketTypeId::new(of))).collect())
}

/// The first who wait for each of these types, by their numbers.
pub(super) async fn who_waits(
    connection: &impl ConnectionTrait,
    asked: &[WhoWaitsFor],
    limit: u32,
) -> Result<Vec<WhoWaits>, StoreError> {
    let mut rows: Vec<Model> = Vec::new();
    for WhoWaitsFor { ticket_type, quantity } in asked {
        let waiting = Entity::find()
            .filter(Column::TicketTypeId.eq(ticket_type.uuid()))
            // In the words of the index.
            .filter(Expr::cust("status = 0"))
            .filter(Column::Quantity.lte(integer(*quantity)))
            .order_by_asc(Column::Number)
            .limit(u64::from(limit));
        rows.append(&mut waiting.all(connection).await.map_err(orm)?);
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let buyers: Vec<Uuid> = rows.iter().map(|row| row.buyer_user_id).collect();
    let gone = user::Entity::find().select_only().column(user::Column::Id);
    let gone = gone.filter(among(connection, user::Column::Id, &buyers)).filter(user::Column::DeletedAt.is_not_null());
    let gone: HashSet<Uuid> = gone.into_tuple::<Uuid>().all(connection).await.map_err(orm)?.into_iter().collect();
    let who = |row: Model| {
        let is_gone = gone.contains(&row.buyer_user_id);
        Ok(WhoWaits { entry: waiting_list_entry(row)?, is_gone })
    };
    rows.into_iter().map(who).collect()
}

/// Writes new entries and changed ones, and how many wait.
pub(super) async fn write(connection: &impl ConnectionTrait, changes: &LaneChanges) -> Result<(), StoreError> {
    for chunk in changes.waiting_list.chunks(CHUNK) {
        let moved = [Column::Status, Column::Reason, Column::BookingId, Column::Version, Column::UpdatedAt];
        let instead = OnConflict::column(Column::Id)
            .update_columns(moved)
            .action_and_where(Expr::cust("waiting_list_entries.version < excluded.version"))
            .to_owned();
        let rows = chunk.iter().map(|entry| waiting_list_entry_row(entry).into_active_model());
        let put = Entity::insert_many(rows).on_conflict(instead).exec_without_returning(connection);
        check_changed("waiting-list entries", chunk.len(), put.await.map_err(orm)?)?;
    }
    for WaitingCount { ticket_type, by } in &changes.waiting_counts {
        let waiting = Expr::col(ticket_type::Column::Waiting).add(*by);
        let update = ticket_type::Entity::update_many().col_expr(ticket_type::Column::Waiting, waiting);
        let update = update.filter(ticket_type::Column::Id.eq(ticket_type.uuid()));
        let done = update.exec(connection).await.map_err(orm)?;
        check_changed("ticket types that are waited for", 1, done.rows_affected)?;
    }
    Ok(())
}
