//! API keys.

use application::identity::{ApiKeyReads, ApiKeyRepository};
use application::store::StoreError;
use async_trait::async_trait;
use chrono::TimeDelta;
use domain::identity::{ApiKey, TokenHash};
use domain::{ApiKeyId, OrganizerId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use crate::connect::Database;
use crate::entity::api_key;
use crate::error::{orm, saved};
use crate::mapping::{self, api_key_row, micros};
use crate::unit_of_work::{CHANGES_ROW, SqlUnit};

/// How far behind the stored time of the last use is when it is written anew.
const USES_EVERY: TimeDelta = TimeDelta::seconds(60);

#[async_trait]
impl ApiKeyRepository for SqlUnit {
    async fn insert_api_key(&mut self, key: &ApiKey) -> Result<(), StoreError> {
        let insert = api_key::Entity::insert(api_key_row(key).into_active_model());
        insert.exec_without_returning(&self.0).await.map(drop).map_err(orm)
    }

    async fn lock_api_key(&mut self, organizer: OrganizerId, key: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let row = api_key::Entity::find().filter(this_key(organizer, key)).lock(CHANGES_ROW);
        row.one(&self.0).await.map_err(orm)?.map(mapping::api_key).transpose()
    }

    async fn save_api_key(&mut self, key: &ApiKey) -> Result<(), StoreError> {
        let row = api_key::ActiveModel { revoked_at: Set(key.revoked_at.map(micros)), ..Default::default() };
        let update = api_key::Entity::update_many().set(row).filter(this_key(key.organizer, key.id));
        saved("API key", key.id, update.exec(&self.0).await.map_err(orm)?.rows_affected)
    }

    async fn count_api_keys(&mut self, organizer: OrganizerId, now: Timestamp) -> Result<u64, StoreError> {
        let lives =
            Condition::any().add(api_key::Column::ExpiresAt.is_null()).add(api_key::Column::ExpiresAt.gt(micros(now)));
        let keys = api_key::Entity::find()
            .filter(api_key::Column::OrganizerId.eq(organizer.uuid()))
            .filter(api_key::Column::RevokedAt.is_null())
            .filter(lives);
        keys.count(&self.0).await.map_err(orm)
    }

    async fn save_api_key_uses(&mut self, uses: &[(ApiKeyId, Timestamp)]) -> Result<(), StoreError> {
        for (key, at) in uses {
            let behind = Condition::any()
                .add(api_key::Column::LastUsedAt.is_null())
                .add(api_key::Column::LastUsedAt.lte(micros(*at - USES_EVERY)));
            let row = api_key::ActiveModel { last_used_at: Set(Some(micros(*at))), ..Default::default() };
            let update = api_key::Entity::update_many().set(row).filter(api_key::Column::Id.eq(key.uuid()));
            update.filter(behind).exec(&self.0).await.map_err(orm)?;
        }
        Ok(())
    }
}

#[async_trait]
impl ApiKeyReads for Database {
    async fn api_key_by_hash(&self, hash: &TokenHash) -> Result<Option<ApiKey>, StoreError> {
        let row = api_key::Entity::find().filter(api_key::Column::Hash.eq(hash.as_bytes().to_vec()));
        row.one(self.reads()).await.map_err(orm)?.map(mapping::api_key).transpose()
    }

    async fn api_key(&self, organizer: OrganizerId, key: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let row = api_key::Entity::find().filter(this_key(organizer, key));
        row.one(self.reads()).await.map_err(orm)?.map(mapping::api_key).transpose()
    }

    async fn api_keys(
        &self,
        organizer: OrganizerId,
        after: Option<ApiKeyId>,
        rows: u64,
    ) -> Result<Vec<ApiKey>, StoreError> {
        let behind = after.map(|after| api_key::Column::Id.gt(after.uuid()));
        let page = api_key::Entity::find()
            .filter(api_key::Column::OrganizerId.eq(organizer.uuid()))
            .filter(Condition::all().add_option(behind))
            .order_by_asc(api_key::Column::Id)
            .limit(rows);
        page.all(self.reads()).await.map_err(orm)?.into_iter().map(mapping::api_key).collect()
    }
}

fn this_key(organizer: OrganizerId, key: ApiKeyId) -> Condition {
    Condition::all().add(api_key::Column::Id.eq(key.uuid())).add(api_key::Column::OrganizerId.eq(organizer.uuid()))
}
