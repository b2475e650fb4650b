//! What goes when its time is over: attendees, messages, ended API keys, what is known of messages of providers.

use application::privacy::{PastEvent, Retained};
use application::store::StoreError;
use async_trait::async_trait;
use domain::{BookingId, EventId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Statement};
use uuid::Uuid;

use crate::connect::Database;
use crate::entity::{
    api_key, booking, booking_attendee, event, outbox, outbox_pruning, provider_event, provider_message,
};
use crate::error::orm;
use crate::lane::among;
use crate::mapping::{instant, micros};

/// Stands in the place of the address of every guest of an event of long ago; nobody has it (RFC 2606, 2).
const SOMEBODY: &str = "somebody@erased.invalid";

/// In the words of the index over it.
const TO_FORGET: &str = "attendees_forgotten_at IS NULL OR attendees_forgotten_at < end_at";

#[async_trait]
impl Retained for Database {
    async fn event_to_forget(&self, before: Timestamp) -> Result<Option<PastEvent>, StoreError> {
        let events = event::Entity::find()
            .select_only()
            .columns([event::Column::Id, event::Column::EndAt])
            .filter(Expr::cust(format!("({TO_FORGET})")))
            .filter(event::Column::EndAt.lt(micros(before)))
            .order_by_asc(event::Column::EndAt)
            .into_tuple::<(Uuid, i64)>();
        let found = events.one(self.reads()).await.map_err(orm)?;
        found.map(|(id, end)| Ok(PastEvent { event: EventId::new(id), ended_at: instant(end)? })).transpose()
    }

    async fn forget_attendees(
        &self,
        event: EventId,
        after: Option<BookingId>,
        bookings: u32,
    ) -> Result<Option<BookingId>, StoreError> {
        let behind = after.map(|after| booking::Column::Id.gt(after.uuid()));
        let ids = booking::Entity::find()
            .select_only()
            .column(booking::Column::Id)
            .filter(booking::Column::EventId.eq(event.uuid()))
            .filter(Condition::all().add_option(behind))
            .order_by_asc(booking::Column::Id)
            .limit(u64::from(bookings))
            .into_tuple::<Uuid>();
        let ids = ids.all(self.reads()).await.map_err(orm)?;
        let Some(last) = ids.last().copied() else { return Ok(None) };
        let transaction = self.begin_unit().await?;
        let known = Condition::any()
            .add(booking_attendee::Column::Name.is_not_null())
            .add(booking_attendee::Column::Email.is_not_null());
        let nobody = booking_attendee::ActiveModel { name: Set(None), email: Set(None), ..Default::default() };
        let update = booking_attendee::Entity::update_many().set(nobody).filter(known);
        let theirs = among(&transaction, booking_attendee::Column::BookingId, &ids);
        update.filter(theirs).exec(&transaction).await.map_err(orm)?;
        let somebody = booking::ActiveModel { buyer_email: Set(Some(SOMEBODY.to_owned())), ..Default::default() };
        let update = booking::Entity::update_many().set(somebody).filter(booking::Column::BuyerEmail.is_not_null());
        let update = update.filter(among(&transaction, booking::Column::Id, &ids));
        update.exec(&transaction).await.map_err(orm)?;
        transaction.commit().await?;
        Ok(Some(BookingId::new(last)))
    }

    async fn attendees_forgotten(&self, event: EventId, at: Timestamp) -> Result<(), StoreError> {
        let transaction = self.begin_unit().await?;
        let mark = Statement::from_sql_and_values(
            sea_orm::ConnectionTrait::get_database_backend(&transaction),
            "UPDATE events SET attendees_forgotten_at = $1 WHERE id = $2",
            [micros(at).into(), event.uuid().into()],
        );
        sea_orm::ConnectionTrait::execute_raw(&transaction, mark).await.map_err(orm)?;
        transaction.commit().await
    }

    /// Along the ids, which begin with the time, so that it needs no index over the time, which every booking would pay
    /// for. Messages of two processes may lie out of order by what their clocks differ: then one waits for the other.
    async fn prune_outbox(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let first = |rows: u64| {
            outbox::Entity::find()
                .select_only()
                .columns([outbox::Column::Id, outbox::Column::OccurredAt])
                .order_by_asc(outbox::Column::Id)
                .limit(rows)
                .into_tuple::<(Uuid, i64)>()
        };
        let before = micros(before);
        // Nearly always the oldest is young enough.
        if first(1).one(self.reads()).await.map_err(orm)?.is_none_or(|(_, at)| at >= before) {
            return Ok(0);
        }
        let oldest = first(u64::from(limit)).all(self.reads()).await.map_err(orm)?;
        let ids: Vec<Uuid> = oldest.into_iter().take_while(|(_, at)| *at < before).map(|(id, _)| id).collect();
        let transaction = self.begin_unit().await?;
        let mark = outbox_pruning::Model { id: 1, before_at: before };
        // The mark only ever moves on.
        let later = OnConflict::column(outbox_pruning::Column::Id)
            .update_column(outbox_pruning::Column::BeforeAt)
            .action_and_where(Expr::cust("excluded.before_at > outbox_prunings.before_at"))
            .to_owned();
        let mark = outbox_pruning::Entity::insert(mark.into_active_model()).on_conflict(later);
        mark.exec_without_returning(&transaction).await.map_err(orm)?;
        let delete = outbox::Entity::delete_many().filter(among(&transaction, outbox::Column::Id, &ids));
        let rows = delete.exec(&transaction).await.map_err(orm)?.rows_affected;
        transaction.commit().await?;
        Ok(rows)
    }

    async fn prune_provider_events(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        // By an index on the time: most rows are young.
        let old = provider_event::Entity::find()
            .filter(provider_event::Column::SeenAt.lt(micros(before)))
            .order_by_asc(provider_event::Column::SeenAt)
            .limit(u64::from(limit))
            .all(self.reads())
            .await
            .map_err(orm)?;
        let Some(first) = old.first() else { return Ok(0) };
        // A statement for each provider: there is one, or two.
        let transaction = self.begin_unit().await?;
        let mut rows = 0;
        let providers: std::collections::BTreeSet<&str> = old.iter().map(|row| row.provider.as_str()).collect();
        for provider in providers {
            let events = old.iter().filter(|row| row.provider == provider).map(|row| row.event.as_str());
            let delete = provider_event::Entity::delete_many()
                .filter(provider_event::Column::Provider.eq(provider))
                .filter(provider_event::Column::Event.is_in(events));
            rows += delete.exec(&transaction).await.map_err(orm)?.rows_affected;
        }
        transaction.commit().await?;
        tracing::debug!(oldest = first.seen_at, "Forgot {rows} messages of payment providers that were taken long ago");
        Ok(rows)
    }

    /// Along the ids, as with the outbox.
    async fn prune_provider_messages(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let oldest = provider_message::Entity::find()
            .select_only()
            .columns([provider_message::Column::Id, provider_message::Column::ReceivedAt])
            .order_by_asc(provider_message::Column::Id)
            .limit(u64::from(limit))
            .into_tuple::<(Uuid, i64)>();
        let oldest = oldest.all(self.reads()).await.map_err(orm)?;
        let old = oldest.into_iter().take_while(|(_, at)| *at < micros(before));
        let ids: Vec<Uuid> = old.map(|(id, _)| id).collect();
        if ids.is_empty() {
            return Ok(0);
        }
        let transaction = self.begin_unit().await?;
        let delete =
            provider_message::Entity::delete_many().filter(among(&transaction, provider_message::Column::Id, &ids));
        let rows = delete.exec(&transaction).await.map_err(orm)?.rows_affected;
        transaction.commit().await?;
        Ok(rows)
    }

    async fn purge_ended_keys(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let before = micros(before);
        let ended =
            Condition::any().add(api_key::Column::RevokedAt.lt(before)).add(api_key::Column::ExpiresAt.lt(before));
        let ids = api_key::Entity::find().select_only().column(api_key::Column::Id).filter(ended);
        let ids = ids.limit(u64::from(limit)).into_tuple::<Uuid>().all(self.reads()).await.map_err(orm)?;
        if ids.is_empty() {
            return Ok(0);
        }
        let transaction = self.begin_unit().await?;
        let delete = api_key::Entity::delete_many().filter(among(&transaction, api_key::Column::Id, &ids));
        let rows = delete.exec(&transaction).await.map_err(orm)?.rows_affected;
        transaction.commit().await?;
        Ok(rows)
    }
}
