//! The transaction of everything that moves no stock, with the journals and the kept answers in it.

use application::idempotency::{IdempotencyKey, KEPT_FOR, KeptAnswer};
use application::journal::{AuditRow, OutboxRow};
use application::store::{Journal, KeptAnswers, Store, StoreError, UnitOfWork};
use async_trait::async_trait;
use sea_orm::sea_query::{Expr, ExprTrait, LockType, OnConflict};
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel};

use crate::audit::unsealed;
use crate::connect::Database;
use crate::entity::{audit, audit_unsealed, idempotency_key, outbox};
use crate::error::{bad_row, orm};
use crate::lane::actor;
use crate::mapping::{instant, integer, micros};
use crate::transaction::SqlTransaction;

/// Within the limit of binds of a statement on either engine, for every table.
pub(crate) const CHUNK: usize = 1_000;

/// The lock on a row that will be changed or that stands for what hangs on it. It keeps out others who take it, and not
/// those who only refer to the row by a foreign key: with a stronger one, a new key or invitation, which refers to its
/// maker, and a deletion of his account would wait for each other.
pub(crate) const CHANGES_ROW: LockType = LockType::NoKeyUpdate;

/// A unit of work.
pub(crate) struct SqlUnit(pub(crate) SqlTransaction);

#[async_trait]
impl Store for Database {
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        Ok(Box::new(SqlUnit(self.begin_unit().await?)))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.reads()
            .query_one_raw(sea_orm::Statement::from_string(self.reads().get_database_backend(), "SELECT 1"))
            .await
            .map(drop)
            .map_err(orm)
    }
}

#[async_trait]
impl UnitOfWork for SqlUnit {
    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.0.commit().await
    }
}

#[async_trait]
impl Journal for SqlUnit {
    async fn append_outbox(&mut self, rows: &[OutboxRow]) -> Result<(), StoreError> {
        for chunk in rows.chunks(CHUNK) {
            let rows = chunk.iter().map(|row| outbox_row(row).into_active_model());
            outbox::Entity::insert_many(rows).exec_without_returning(&self.0).await.map_err(orm)?;
        }
        Ok(())
    }

    async fn append_audit(&mut self, rows: &[AuditRow]) -> Result<(), StoreError> {
        for chunk in rows.chunks(CHUNK) {
            let rows = chunk.iter().map(|row| audit_row(row).into_active_model());
            audit::Entity::insert_many(rows).exec_without_returning(&self.0).await.map_err(orm)?;
            let waiting = unsealed(chunk).into_iter().map(IntoActiveModel::into_active_model);
            audit_unsealed::Entity::insert_many(waiting).exec_without_returning(&self.0).await.map_err(orm)?;
        }
        Ok(())
    }
}

#[async_trait]
impl KeptAnswers for SqlUnit {
    async fn kept_answer(&mut self, key: &IdempotencyKey) -> Result<Option<KeptAnswer>, StoreError> {
        let of = (key.caller.uuid(), key.key.to_string());
        let row = idempotency_key::Entity::find_by_id(of).one(&self.0).await.map_err(orm)?;
        row.map(|row| {
            let fingerprint = row.fingerprint.as_slice().try_into();
            let fingerprint = fingerprint.map_err(|_| bad_row("fingerprint", row.fingerprint.len()))?;
            let key = IdempotencyKey { fingerprint, ..key.clone() };
            Ok(KeptAnswer { key, snapshot: row.snapshot, at: instant(row.kept_at)? })
        })
        .transpose()
    }

    async fn keep_answer(&mut self, answer: &KeptAnswer) -> Result<(), StoreError> {
        use idempotency_key::Column;
        let row = idempotency_key::Model {
            caller: answer.key.caller.uuid(),
            word: answer.key.key.to_string(),
            fingerprint: answer.key.fingerprint.to_vec(),
            kept_at: micros(answer.at),
            snapshot: answer.snapshot.clone(),
        };
        let lapsed = micros(answer.at - KEPT_FOR);
        let give_way = OnConflict::columns([Column::Caller, Column::Word])
            .update_columns([Column::KeptAt, Column::Fingerprint, Column::Snapshot])
            .action_and_where(Expr::col((idempotency_key::Entity, Column::KeptAt)).lte(lapsed))
            .to_owned();
        let insert = idempotency_key::Entity::insert(row.into_active_model()).on_conflict(give_way);
        match insert.exec_without_returning(&self.0).await.map_err(orm)? {
            0 => Err(StoreError::Conflict("idempotency_keys".to_owned())),
            _ => Ok(()),
        }
    }
}

fn outbox_row(row: &OutboxRow) -> outbox::Model {
    outbox::Model {
        id: row.id.uuid(),
        aggregate: row.aggregate,
        occurred_at: micros(row.at),
        sequence: integer(row.sequence),
        kind: row.kind.to_owned(),
        data: row.data.clone(),
        traceparent: row.traceparent.as_deref().map(str::to_owned),
    }
}

fn audit_row(row: &AuditRow) -> audit::Model {
    let (actor_kind, actor_user_id) = actor(row.actor);
    audit::Model {
        id: row.id,
        object: row.object,
        organizer_id: row.organizer.map(domain::OrganizerId::uuid),
        actor_user_id,
        occurred_at: micros(row.at),
        actor_kind,
        action: row.action.to_owned(),
        object_kind: row.object_kind.to_owned(),
        before_state: row.before.clone(),
        after_state: row.after.clone(),
        correlation_id: row.correlation_id.to_string(),
        personal: row.personal.as_ref().map(|personal| personal.fields.clone()),
    }
}
