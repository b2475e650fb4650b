//! Messages of payment providers as they came.

use application::payment::{MessageBatch, MessageLog};
use application::store::StoreError;
use async_trait::async_trait;
use sea_orm::{ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::connect::Database;
use crate::entity::provider_message;
use crate::error::{bad_row, orm};
use crate::mapping::micros;

#[async_trait]
impl MessageLog for Database {
    async fn keep(&self, batch: &MessageBatch) -> Result<(), StoreError> {
        let Some(last) = batch.messages.iter().map(|message| message.received_at).max() else { return Ok(()) };
        let messages = serde_json::to_string(&batch.messages).map_err(|error| StoreError::Defect(error.into()))?;
        let row = provider_message::Model { id: batch.id, received_at: micros(last), messages };
        let transaction = self.begin_unit().await?;
        let insert = provider_message::Entity::insert(row.into_active_model());
        insert.exec_without_returning(&transaction).await.map_err(orm)?;
        transaction.commit().await
    }

    async fn batches_behind(&self, after: Option<Uuid>, rows: u64) -> Result<Vec<MessageBatch>, StoreError> {
        let behind = after.map(|after| provider_message::Column::Id.gt(after));
        let found = provider_message::Entity::find()
            .filter(Condition::all().add_option(behind))
            .order_by_asc(provider_message::Column::Id)
            .limit(rows)
            .all(self.reads())
            .await
            .map_err(orm)?;
        found.into_iter().map(batch).collect()
    }
}

fn batch(row: provider_message::Model) -> Result<MessageBatch, StoreError> {
    let messages = serde_json::from_str(&row.messages).map_err(|_| bad_row("provider_messages.messages", row.id))?;
    Ok(MessageBatch { id: row.id, messages })
}
