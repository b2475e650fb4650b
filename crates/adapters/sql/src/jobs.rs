//! The job table.

use application::jobs::{JobCounts, JobOutcome, JobQueue, JobStore, LeasedJob, NewJob};
use application::store::StoreError;
use async_trait::async_trait;
use domain::{JobId, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType, OnConflict};
use sea_orm::{
    ActiveValue, ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Select, Statement,
};
use uuid::Uuid;

use crate::connect::Database;
use crate::entity::job;
use crate::error::{bad_row, orm};
use crate::lane::among;
use crate::mapping::{count, integer, micros};
use crate::unit_of_work::SqlUnit;

#[async_trait]
impl JobStore for Database {
    async fn enqueue(&self, job: &NewJob) -> Result<bool, StoreError> {
        let transaction = self.begin_unit().await?;
        let is_new = insert(&transaction, job).await?;
        transaction.commit().await?;
        Ok(is_new)
    }

    async fn lease(
        &self,
        kinds: &[&str],
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<LeasedJob>, StoreError> {
        // Idle workers ask often; most of the time a look is enough, and it keeps nobody from writing.
        if due(kinds, now).one(self.reads()).await.map_err(orm)?.is_none() {
            return Ok(None);
        }
        let transaction = self.begin_unit().await?;
        let found = due(kinds, now).lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        let Some(row) = found.one(&transaction).await.map_err(orm)? else { return Ok(None) };
        let fence = row.fence + 1;
        let leased = job::ActiveModel {
            lease_until: ActiveValue::Set(Some(micros(lease_until))),
            fence: ActiveValue::Set(fence),
            ..Default::default()
        };
        let update = job::Entity::update_many().set(leased).filter(job::Column::Id.eq(row.id));
        update.exec(&transaction).await.map_err(orm)?;
        transaction.commit().await?;
        Ok(Some(LeasedJob {
            id: JobId::new(row.id),
            kind: row.kind,
            subject: row.subject,
            payload: row.payload,
            attempts: count(row.attempts)?,
            fence: u64::try_from(fence).map_err(|_| bad_row("fence of a job", fence))?,
        }))
    }

    async fn extend(&self, job: JobId, fence: u64, lease_until: Timestamp) -> Result<bool, StoreError> {
        let until = ActiveValue::Set(Some(micros(lease_until)));
        self.change(job, fence, job::ActiveModel { lease_until: until, ..Default::default() }).await
    }

    async fn finish(&self, job: JobId, fence: u64, outcome: &JobOutcome) -> Result<bool, StoreError> {
        let free = job::ActiveModel { lease_until: ActiveValue::Set(None), ..Default::default() };
        match outcome {
            JobOutcome::Done => self.remove(job, fence).await,
            JobOutcome::Again { run_at, payload } => {
                let row = job::ActiveModel {
                    run_at: ActiveValue::Set(micros(*run_at)),
                    payload: ActiveValue::Set(payload.clone()),
                    attempts: ActiveValue::Set(0),
                    error: ActiveValue::Set(None),
                    ..free
                };
                self.change(job, fence, row).await
            }
            JobOutcome::Retry { run_at, error } => self.retry(job, fence, *run_at, error).await,
            JobOutcome::Parked { error } => {
                let row = job::ActiveModel {
                    parked: ActiveValue::Set(true),
                    error: ActiveValue::Set(Some(error.clone())),
                    ..free
                };
                self.change(job, fence, row).await
            }
        }
    }

    async fn counts(&self, now: Timestamp) -> Result<JobCounts, StoreError> {
        let rows = |condition: Condition| async move {
            job::Entity::find().filter(condition).count(self.reads()).await.map_err(orm)
        };
        let under_lease = job::Column::LeaseUntil.gt(micros(now));
        let all = rows(Condition::all().add(Expr::cust("NOT parked"))).await?;
        let running = rows(Condition::all().add(Expr::cust("NOT parked")).add(under_lease)).await?;
        let is_mail = job::Column::Kind.is_in(application::mail::KINDS);
        let parked = rows(Condition::all().add(Expr::cust("parked"))).await?;
        let undelivered = rows(Condition::all().add(Expr::cust("parked")).add(is_mail)).await?;
        Ok(JobCounts {
            waiting: all.saturating_sub(running),
            running,
            parked: parked.saturating_sub(undelivered),
            undelivered,
        })
    }

    async fn purge_parked(&self, kind: &str, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let old = job::Entity::find()
            .select_only()
            .column(job::Column::Id)
            .filter(Expr::cust("parked"))
            .filter(job::Column::Kind.eq(kind))
            .filter(job::Column::RunAt.lt(micros(before)))
            .limit(u64::from(limit));
        let ids = old.into_tuple::<Uuid>().all(self.reads()).await.map_err(orm)?;
        if ids.is_empty() {
            return Ok(0);
        }
        let transaction = self.begin_unit().await?;
        let delete = job::Entity::delete_many().filter(among(&transaction, job::Column::Id, &ids));
        let rows = delete.filter(Expr::cust("parked")).exec(&transaction).await.map_err(orm)?.rows_affected;
        transaction.commit().await?;
        Ok(rows)
    }

    async fn purge_answers(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let values = [micros(before).into(), i64::from(limit).into()];
        let transaction = self.begin_unit().await?;
        let purge = Statement::from_sql_and_values(transaction.get_database_backend(), PURGE, values);
        let done = transaction.execute_raw(purge).await.map_err(orm)?;
        transaction.commit().await?;
        Ok(done.rows_affected())
    }
}

#[async_trait]
impl JobQueue for SqlUnit {
    async fn enqueue_job(&mut self, job: &NewJob) -> Result<bool, StoreError> {
        insert(&self.0, job).await
    }

    async fn rouse_job(&mut self, job: &NewJob) -> Result<(), StoreError> {
        use job::Column;
        let later = "CASE WHEN jobs.run_at > excluded.run_at THEN jobs.run_at ELSE excluded.run_at END";
        let rouse = OnConflict::columns([Column::Kind, Column::Subject])
            .target_and_where(Expr::cust("NOT parked"))
            .value(Column::RunAt, Expr::cust(later))
            .value(Column::Fence, Expr::cust("jobs.fence + 1"))
            .value(Column::LeaseUntil, Expr::value(None::<i64>))
            .to_owned();
        let insert = job::Entity::insert(row(job).into_active_model()).on_conflict(rouse);
        insert.exec_without_returning(&self.0).await.map_err(orm)?;
        Ok(())
    }

    async fn advance_job(&mut self, job: &LeasedJob, payload: &str) -> Result<bool, StoreError> {
        let row = job::ActiveModel { payload: ActiveValue::Set(payload.to_owned()), ..Default::default() };
        change(&self.0, job.id, job.fence, row).await
    }
}

fn row(job: &NewJob) -> job::Model {
    job::Model {
        id: job.id.uuid(),
        kind: job.kind.to_owned(),
        subject: job.subject.clone(),
        payload: job.payload.clone(),
        run_at: micros(job.run_at),
        lease_until: None,
        fence: 0,
        attempts: 0,
        parked: false,
        error: None,
    }
}

async fn insert(connection: &impl ConnectionTrait, job: &NewJob) -> Result<bool, StoreError> {
    let there = OnConflict::new().do_nothing().to_owned();
    let insert = job::Entity::insert(row(job).into_active_model()).on_conflict(there);
    Ok(insert.exec_without_returning(connection).await.map_err(orm)? > 0)
}

/// SeaORM has no `DELETE` with a limit, which only one of the engines would know.
const PURGE: &str = "DELETE FROM idempotency_keys WHERE (caller, word) IN
    (SELECT caller, word FROM idempotency_keys WHERE kept_at < $1 ORDER BY kept_at LIMIT $2)";

/// The job that has been due for the longest time and is under nobody's lease.
fn due(kinds: &[&str], now: Timestamp) -> Select<job::Entity> {
    let free = job::Column::LeaseUntil.is_null().or(job::Column::LeaseUntil.lte(micros(now)));
    job::Entity::find()
        .filter(Expr::cust("NOT parked"))
        .filter(job::Column::RunAt.lte(micros(now)))
        .filter(free)
        .filter(job::Column::Kind.is_in(kinds.iter().copied()))
        .order_by_asc(job::Column::RunAt)
        .limit(1)
}

/// The job while this lease of it is the newest one.
fn held(job: JobId, fence: u64) -> Condition {
    let fence = i64::try_from(fence).unwrap_or(i64::MAX);
    let unfinished = Condition::all().add(Expr::cust("NOT parked")).add(job::Column::LeaseUntil.is_not_null());
    unfinished.add(job::Column::Id.eq(job.uuid())).add(job::Column::Fence.eq(fence))
}

/// Changes a job while this lease of it is the newest one; says whether it is.
async fn change(
    connection: &impl ConnectionTrait,
    job: JobId,
    fence: u64,
    row: job::ActiveModel,
) -> Result<bool, StoreError> {
    let update = job::Entity::update_many().set(row).filter(held(job, fence));
    Ok(update.exec(connection).await.map_err(orm)?.rows_affected > 0)
}

impl Database {
    async fn change(&self, job: JobId, fence: u64, row: job::ActiveModel) -> Result<bool, StoreError> {
        let transaction = self.begin_unit().await?;
        let is_held = change(&transaction, job, fence, row).await?;
        transaction.commit().await?;
        Ok(is_held)
    }

    async fn remove(&self, job: JobId, fence: u64) -> Result<bool, StoreError> {
        let transaction = self.begin_unit().await?;
        let rows = job::Entity::delete_many().filter(held(job, fence)).exec(&transaction).await.map_err(orm)?;
        transaction.commit().await?;
        Ok(rows.rows_affected > 0)
    }

    async fn retry(&self, job: JobId, fence: u64, run_at: Timestamp, error: &str) -> Result<bool, StoreError> {
        let row = job::ActiveModel {
            run_at: ActiveValue::Set(micros(run_at)),
            lease_until: ActiveValue::Set(None),
            error: ActiveValue::Set(Some(error.to_owned())),
            ..Default::default()
        };
        let transaction = self.begin_unit().await?;
        let one_more = Expr::col(job::Column::Attempts).add(integer(1));
        let update = job::Entity::update_many().set(row).col_expr(job::Column::Attempts, one_more);
        let rows = update.filter(held(job, fence)).exec(&transaction).await.map_err(orm)?.rows_affected;
        transaction.commit().await?;
        Ok(rows > 0)
    }
}
