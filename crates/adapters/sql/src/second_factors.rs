//! Second factors, recovery codes, and sign-ins that wait for a code.

use application::identity::{SecondFactorReads, SecondFactorRepository};
use application::store::StoreError;
use async_trait::async_trait;
use domain::identity::{SecondFactor, SignInChallenge, TokenHash};
use domain::{Timestamp, UserId};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use crate::connect::Database;
use crate::entity::{recovery_code, second_factor, sign_in_challenge};
use crate::error::orm;
use crate::mapping::{self, integer, micros, second_factor_row, sign_in_challenge_row};
use crate::unit_of_work::{CHUNK, SqlUnit};

#[async_trait]
impl SecondFactorRepository for SqlUnit {
    async fn second_factor(&mut self, user: UserId) -> Result<Option<SecondFactor>, StoreError> {
        factor(&self.0, user).await
    }

    async fn save_second_factor(&mut self, factor: &SecondFactor) -> Result<(), StoreError> {
        use second_factor::Column;
        let replaced = [
            Column::SealedSeed,
            Column::MadeAt,
            Column::ConfirmedAt,
            Column::LastStep,
            Column::Failures,
            Column::BlockedUntil,
        ];
        let older = OnConflict::column(Column::UserId).update_columns(replaced).to_owned();
        let insert = second_factor::Entity::insert(second_factor_row(factor).into_active_model()).on_conflict(older);
        insert.exec_without_returning(&self.0).await.map(drop).map_err(orm)
    }

    async fn delete_second_factor(&mut self, user: UserId) -> Result<(), StoreError> {
        self.replace_recovery_codes(user, &[]).await?;
        let challenges = sign_in_challenge::Entity::delete_many();
        let challenges = challenges.filter(sign_in_challenge::Column::UserId.eq(user.uuid()));
        challenges.exec(&self.0).await.map_err(orm)?;
        let delete = second_factor::Entity::delete_by_id(user.uuid());
        delete.exec(&self.0).await.map(drop).map_err(orm)
    }

    async fn replace_recovery_codes(&mut self, user: UserId, codes: &[TokenHash]) -> Result<(), StoreError> {
        let old = recovery_code::Entity::delete_many().filter(recovery_code::Column::UserId.eq(user.uuid()));
        old.exec(&self.0).await.map_err(orm)?;
        if codes.is_empty() {
            return Ok(());
        }
        let row = |code: &TokenHash| recovery_code::Model { hash: code.as_bytes().to_vec(), user_id: user.uuid() };
        let rows = codes.iter().map(|code| row(code).into_active_model());
        recovery_code::Entity::insert_many(rows).exec_without_returning(&self.0).await.map(drop).map_err(orm)
    }

    async fn count_recovery_codes(&mut self, user: UserId) -> Result<u64, StoreError> {
        recovery_codes(&self.0, user).await
    }

    async fn take_recovery_code(&mut self, user: UserId, code: &TokenHash) -> Result<bool, StoreError> {
        let delete = recovery_code::Entity::delete_many()
            .filter(recovery_code::Column::UserId.eq(user.uuid()))
            .filter(recovery_code::Column::Hash.eq(code.as_bytes().to_vec()));
        Ok(delete.exec(&self.0).await.map_err(orm)?.rows_affected == 1)
    }

    async fn insert_sign_in_challenge(&mut self, challenge: &SignInChallenge, kept: u64) -> Result<(), StoreError> {
        use sign_in_challenge::Column;
        let stale = sign_in_challenge::Entity::find()
            .select_only()
            .column(Column::Hash)
            .filter(Column::UserId.eq(challenge.user.uuid()))
            .order_by_desc(Column::ExpiresAt)
            .offset(kept.saturating_sub(1))
            .limit(CHUNK as u64);
        let stale = stale.into_tuple::<Vec<u8>>().all(&self.0).await.map_err(orm)?;
        let delete = sign_in_challenge::Entity::delete_many().filter(Column::Hash.is_in(stale));
        delete.exec(&self.0).await.map_err(orm)?;
        let insert = sign_in_challenge::Entity::insert(sign_in_challenge_row(challenge).into_active_model());
        insert.exec_without_returning(&self.0).await.map(drop).map_err(orm)
    }

    async fn sign_in_challenge(&mut self, hash: &TokenHash) -> Result<Option<SignInChallenge>, StoreError> {
        challenge(&self.0, hash).await
    }

    async fn save_sign_in_challenge(&mut self, challenge: &SignInChallenge) -> Result<(), StoreError> {
        let update = sign_in_challenge::Entity::update_many()
            .col_expr(sign_in_challenge::Column::TriesLeft, Expr::value(integer(challenge.tries_left)))
            .filter(sign_in_challenge::Column::Hash.eq(challenge.hash.as_bytes().to_vec()));
        update.exec(&self.0).await.map(drop).map_err(orm)
    }

    async fn delete_sign_in_challenge(&mut self, hash: &TokenHash) -> Result<(), StoreError> {
        let delete = sign_in_challenge::Entity::delete_by_id(hash.as_bytes().to_vec());
        delete.exec(&self.0).await.map(drop).map_err(orm)
    }

    async fn delete_lapsed_sign_in_challenges(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let lapsed = sign_in_challenge::Entity::find()
            .select_only()
            .column(sign_in_challenge::Column::Hash)
            .filter(sign_in_challenge::Column::ExpiresAt.lt(micros(now)))
            .limit(CHUNK as u64);
        let hashes = lapsed.into_tuple::<Vec<u8>>().all(&self.0).await.map_err(orm)?;
        let delete = sign_in_challenge::Entity::delete_many().filter(sign_in_challenge::Column::Hash.is_in(hashes));
        delete.exec(&self.0).await.map(drop).map_err(orm)
    }
}

#[async_trait]
impl SecondFactorReads for Database {
    async fn second_factor_of(&self, user: UserId) -> Result<Option<(SecondFactor, u64)>, StoreError> {
        let Some(factor) = factor(self.reads(), user).await? else { return Ok(None) };
        Ok(Some((factor, recovery_codes(self.reads(), user).await?)))
    }

    async fn sign_in_challenge(&self, hash: &TokenHash) -> Result<Option<SignInChallenge>, StoreError> {
        challenge(self.reads(), hash).await
    }
}

async fn factor(connection: &impl ConnectionTrait, user: UserId) -> Result<Option<SecondFactor>, StoreError> {
    let row = second_factor::Entity::find_by_id(user.uuid()).one(connection).await.map_err(orm)?;
    row.map(mapping::second_factor).transpose()
}

async fn recovery_codes(connection: &impl ConnectionTrait, user: UserId) -> Result<u64, StoreError> {
    let left = recovery_code::Entity::find().filter(recovery_code::Column::UserId.eq(user.uuid()));
    left.count(connection).await.map_err(orm)
}

async fn challenge(connection: &impl ConnectionTrait, hash: &TokenHash) -> Result<Option<SignInChallenge>, StoreError> {
    let row = sign_in_challenge::Entity::find_by_id(hash.as_bytes().to_vec()).one(connection).await.map_err(orm)?;
    row.as_ref().map(mapping::sign_in_challenge).transpose()
}
