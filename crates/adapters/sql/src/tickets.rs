//! Tickets outside of the desk, and the keys of their codes.

use application::admission::{AdmissionStore, DoorCursor, DoorNews, GateCount, StoredTicketKey, TicketKeyRepository};
use application::store::StoreError;
use async_trait::async_trait;
use domain::admission::{CheckIn, CheckInList, Ticket};
use domain::{BookingId, CheckInId, EventId, TicketId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use crate::connect::Database;
use crate::entity::{ticket, ticket_key};
use crate::error::orm;
use crate::lane::{check_in_lists, check_ins};
use crate::mapping;
use crate::unit_of_work::SqlUnit;

#[async_trait]
impl AdmissionStore for Database {
    async fn tickets_of(&self, booking: BookingId) -> Result<Vec<Ticket>, StoreError> {
        let rows = ticket::Entity::find().filter(ticket::Column::BookingId.eq(booking.uuid()));
        let rows = rows.order_by_asc(ticket::Column::Unit).all(self.reads()).await.map_err(orm)?;
        rows.into_iter().map(mapping::ticket).collect()
    }

    async fn ticket(&self, id: TicketId) -> Result<Option<Ticket>, StoreError> {
        let row = ticket::Entity::find_by_id(id.uuid()).one(self.reads()).await.map_err(orm)?;
        row.map(mapping::ticket).transpose()
    }

    async fn counted_check_ins(&self, of: &[TicketId]) -> Result<Vec<CheckIn>, StoreError> {
        check_ins(self.reads(), &[], of).await
    }

    async fn check_in(&self, id: CheckInId) -> Result<Option<CheckIn>, StoreError> {
        Ok(check_ins(self.reads(), &[id], &[]).await?.pop())
    }

    async fn door_news(&self, event: EventId, since: DoorCursor, rows: u64) -> Result<DoorNews, StoreError> {
        crate::door_log::news(self, event, since, rows).await
    }

    async fn count_entries(&self, event: EventId) -> Result<Vec<GateCount>, StoreError> {
        crate::door_counts::counts(self, event).await
    }

    async fn check_in_lists(&self, event: EventId) -> Result<Vec<CheckInList>, StoreError> {
        check_in_lists(self.reads(), event).await
    }

    async fn ticket_keys(&self, event: EventId) -> Result<Vec<StoredTicketKey>, StoreError> {
        let rows = ticket_key::Entity::find().filter(ticket_key::Column::EventId.eq(event.uuid()));
        let rows = rows.order_by_asc(ticket_key::Column::Number).all(self.reads()).await.map_err(orm)?;
        rows.into_iter().map(mapping::ticket_key).collect()
    }

    async fn insert_ticket_key(&self, key: &StoredTicketKey) -> Result<bool, StoreError> {
        let transaction = self.begin_unit().await?;
        let inserted = insert_key(&transaction, key).await?;
        transaction.commit().await?;
        Ok(inserted)
    }
}

#[async_trait]
impl TicketKeyRepository for SqlUnit {
    async fn add_ticket_key(&mut self, key: &StoredTicketKey) -> Result<bool, StoreError> {
        insert_key(&self.0, key).await
    }
}

async fn insert_key(connection: &impl ConnectionTrait, key: &StoredTicketKey) -> Result<bool, StoreError> {
    let number = [ticket_key::Column::EventId, ticket_key::Column::Number];
    let taken = OnConflict::columns(number).do_nothing().to_owned();
    let row = mapping::ticket_key_row(key).into_active_model();
    let insert = ticket_key::Entity::insert(row).on_conflict(taken);
    Ok(insert.exec_without_returning(connection).await.map_err(orm)? == 1)
}
