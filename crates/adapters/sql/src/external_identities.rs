//! External identities, and the one-time codes at the end of a sign-in by a provider.

use application::identity::{ExternalIdentityReads, ExternalIdentityRepository};
use application::store::StoreError;
use async_trait::async_trait;
use domain::identity::{ExternalIdentity, ExternalSubject, SignInCode, TokenHash};
use domain::{ExternalIdentityId, Timestamp, UserId};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use crate::connect::Database;
use crate::entity::{external_identity, sign_in_code};
use crate::error::orm;
use crate::mapping::{self, external_identity_row, micros, sign_in_code_row};
use crate::unit_of_work::{CHUNK, SqlUnit};

#[async_trait]
impl ExternalIdentityRepository for SqlUnit {
    async fn external_identity(&mut self, who: &ExternalSubject) -> Result<Option<ExternalIdentity>, StoreError> {
        let row = external_identity::Entity::find()
            .filter(external_identity::Column::Issuer.eq(who.issuer.as_str()))
            .filter(external_identity::Column::Subject.eq(who.subject.as_str()));
        row.one(&self.0).await.map_err(orm)?.map(mapping::external_identity).transpose()
    }

    async fn external_identities(&mut self, user: UserId) -> Result<Vec<ExternalIdentity>, StoreError> {
        identities(&self.0, user).await
    }

    async fn insert_external_identity(&mut self, identity: &ExternalIdentity) -> Result<(), StoreError> {
        let insert = external_identity::Entity::insert(external_identity_row(identity).into_active_model());
        insert.exec_without_returning(&self.0).await.map(drop).map_err(orm)
    }

    async fn delete_external_identity(&mut self, id: ExternalIdentityId) -> Result<(), StoreError> {
        let delete = external_identity::Entity::delete_by_id(id.uuid());
        delete.exec(&self.0).await.map(drop).map_err(orm)
    }

    async fn insert_sign_in_code(&mut self, code: &SignInCode) -> Result<(), StoreError> {
        let insert = sign_in_code::Entity::insert(sign_in_code_row(code).into_active_model());
        insert.exec_without_returning(&self.0).await.map(drop).map_err(orm)
    }

    async fn sign_in_code(&mut self, hash: &TokenHash) -> Result<Option<SignInCode>, StoreError> {
        let row = sign_in_code::Entity::find_by_id(hash.as_bytes().to_vec()).one(&self.0).await.map_err(orm)?;
        row.as_ref().map(mapping::sign_in_code).transpose()
    }

    async fn take_sign_in_code(&mut self, hash: &TokenHash) -> Result<Option<SignInCode>, StoreError> {
        let Some(code) = self.sign_in_code(hash).await? else { return Ok(None) };
        let delete = sign_in_code::Entity::delete_by_id(hash.as_bytes().to_vec());
        let rows = delete.exec(&self.0).await.map_err(orm)?.rows_affected;
        Ok((rows == 1).then_some(code))
    }

    async fn delete_lapsed_sign_in_codes(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let lapsed = sign_in_code::Entity::find()
            .select_only()
            .column(sign_in_code::Column::Hash)
            .filter(sign_in_code::Column::ExpiresAt.lt(micros(now)))
            .limit(CHUNK as u64);
        let hashes = lapsed.into_tuple::<Vec<u8>>().all(&self.0).await.map_err(orm)?;
        let delete = sign_in_code::Entity::delete_many().filter(sign_in_code::Column::Hash.is_in(hashes));
        delete.exec(&self.0).await.map(drop).map_err(orm)
    }
}

#[async_trait]
impl ExternalIdentityReads for Database {
    async fn external_identities(&self, user: UserId) -> Result<Vec<ExternalIdentity>, StoreError> {
        identities(self.reads(), user).await
    }
}

async fn identities(connection: &impl ConnectionTrait, user: UserId) -> Result<Vec<ExternalIdentity>, StoreError> {
    let rows = external_identity::Entity::find()
        .filter(external_identity::Column::UserId.eq(user.uuid()))
        .order_by_asc(external_identity::Column::Id);
    rows.all(connection).await.map_err(orm)?.into_iter().map(mapping::external_identity).collect()
}
