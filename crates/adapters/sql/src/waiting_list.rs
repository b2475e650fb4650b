//! Waiting lists, outside of transactions.

use std::collections::{HashMap, HashSet};

use application::booking::{LaneKey, SeenEntry, WaitingListReads};
use application::store::StoreError;
use async_trait::async_trait;
use domain::{BookingId, EventId, Timestamp, UserId, WaitingListEntryId};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement};
use uuid::Uuid;

use crate::connect::Database;
use crate::entity::waiting_list_entry::{Column, Entity, Model};
use crate::entity::{booking, ticket};
use crate::error::orm;
use crate::lane::among;
use crate::mapping::{instant_if, micros, status, waiting_list_entry};

#[async_trait]
impl WaitingListReads for Database {
    async fn waiting_list_entry(&self, id: WaitingListEntryId) -> Result<Option<SeenEntry>, StoreError> {
        let row = Entity::find_by_id(id.uuid()).one(self.reads()).await.map_err(orm)?;
        Ok(self.seen_entries(row.into_iter().collect()).await?.pop())
    }

    async fn waiting_list_of(
        &self,
        buyer: UserId,
        before: Option<WaitingListEntryId>,
        rows: u64,
    ) -> Result<Vec<SeenEntry>, StoreError> {
        let behind = before.map(|before| Column::Id.lt(before.uuid()));
        let page = Entity::find()
            .filter(Column::BuyerUserId.eq(buyer.uuid()))
            .filter(Condition::all().add_option(behind))
            .order_by_desc(Column::Id)
            .limit(rows);
        self.seen_entries(page.all(self.reads()).await.map_err(orm)?).await
    }

    async fn waiting_list_in(
        &self,
        event: EventId,
        after: Option<u64>,
        rows: u64,
    ) -> Result<Vec<SeenEntry>, StoreError> {
        let behind = after.map(|after| Column::Number.gt(i64::try_from(after).unwrap_or(i64::MAX)));
        let page = Entity::find()
            .filter(Column::EventId.eq(event.uuid()))
            .filter(Condition::all().add_option(behind))
            .order_by_asc(Column::Number)
            .limit(rows);
        self.seen_entries(page.all(self.reads()).await.map_err(orm)?).await
    }

    async fn lanes_to_serve(
        &self,
        now: Timestamp,
        after: Option<LaneKey>,
        limit: u32,
    ) -> Result<Vec<LaneKey>, StoreError> {
        let after = after.map_or(Uuid::nil(), LaneKey::uuid);
        let values = [micros(now).into(), after.into(), i64::from(limit).into()];
        let statement = Statement::from_sql_and_values(self.reads().get_database_backend(), LANES_TO_SERVE, values);
        let rows = self.reads().query_all_raw(statement).await.map_err(orm)?;
        rows.iter().map(|row| row.try_get::<Uuid>("", "event_id").map(LaneKey::new).map_err(orm)).collect()
    }
}

/// Along the types that somebody waits for, of which an index has no others. What is to be had of one is told by its pools;
/// what needs a code, or was put away, is sold to nobody who waits.
const LANES_TO_SERVE: &str = "
SELECT DISTINCT t.event_id FROM ticket_types AS t JOIN events AS e ON e.id = t.event_id
WHERE t.waiting > 0 AND t.event_id > $2 AND (
    e.status IN ('cancelled', 'archived') OR e.end_at <= $1 OR t.sales_end_at <= $1
    OR t.status = 'archived' OR t.code_required
    OR (e.status = 'published' AND coalesce(t.sales_start_at, 0) <= $1
        AND NOT EXISTS (SELECT 1 FROM pools AS p WHERE p.capacity <= p.held + p.sold AND (p.id = t.own_pool_id
            OR p.id IN (SELECT s.pool_id FROM ticket_type_pools AS s WHERE s.ticket_type_id = t.id)))))
ORDER BY t.event_id LIMIT $3";

impl Database {
    /// The entries of these rows with what has become of their offers, in their order.
    async fn seen_entries(&self, rows: Vec<Model>) -> Result<Vec<SeenEntry>, StoreError> {
        let ids: Vec<Uuid> = rows.iter().filter_map(|row| row.booking_id).collect();
        let (mut bookings, mut confirmed) = (HashMap::new(), HashSet::new());
        if !ids.is_empty() {
            let found = booking::Entity::find().select_only();
            let found =
                found.columns([booking::Column::Id, booking::Column::ExpiresAt]).column(booking::Column::Status);
            let found = found.filter(among(self.reads(), booking::Column::Id, &ids));
            let found = found.into_tuple::<(Uuid, Option<i64>, i16)>().all(self.reads()).await.map_err(orm)?;
            bookings.extend(found.into_iter().map(|(id, expires_at, status)| (id, (expires_at, status))));
            // What was ever confirmed has tickets, if only revoked ones.
            let tickets = ticket::Entity::find().select_only().column(ticket::Column::BookingId).distinct();
            let tickets = tickets.filter(among(self.reads(), ticket::Column::BookingId, &ids)).into_tuple::<Uuid>();
            confirmed.extend(tickets.all(self.reads()).await.map_err(orm)?);
        }
        let seen = |row: Model| {
            let entry = waiting_list_entry(row)?;
            let offer = entry.booking().map(BookingId::uuid).and_then(|id| Some((id, *bookings.get(&id)?)));
            let Some((id, (expires_at, code))) = offer else { return Ok(SeenEntry::without_offer(entry)) };
            let status = entry.status(Some((status(code)?, confirmed.contains(&id))));
            Ok(SeenEntry { status, offer_expires_at: instant_if(expires_at)?, entry })
        };
        rows.into_iter().map(seen).collect()
    }
}
