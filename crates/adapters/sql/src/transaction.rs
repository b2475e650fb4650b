//! A transaction, and reads without one, as SeaORM wants to see a connection.
//!
//! SeaORM's own transaction yields no connection of sqlx, and a batch of the desk needs one; so transactions are sqlx's,
//! and SeaORM's queries run on them by this.

use application::booking::CommitError;
use application::store::StoreError;
use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values,
};
use sea_query_sqlx::SqlxValues;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgQueryResult;
use sqlx::sqlite::SqlitePool;
use tokio::sync::Mutex;

use crate::error;
use crate::postgres::{PostgresPool, Slot};
use crate::sqlite::SqliteSlot;

/// An open transaction on one of the two engines. Dropped, it is rolled back in the background.
pub(crate) enum SqlTransaction {
    /// PostgreSQL.
    Postgres(Mutex<Slot>),
    /// SQLite.
    Sqlite(Mutex<SqliteSlot>),
}

impl SqlTransaction {
    /// Commits, for who must know whether that may have happened in spite of an error.
    pub(crate) async fn commit_or_tell(self) -> Result<(), CommitError> {
        match self {
            Self::Postgres(slot) => slot.into_inner().commit().await,
            // SQLite answers for itself: it is durable, or it was not done.
            Self::Sqlite(slot) => slot.into_inner().commit().await,
        }
    }

    /// Commits.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        self.commit_or_tell().await.map_err(|error| match error {
            CommitError::RolledBack(error) | CommitError::Unknown(error) => error,
        })
    }

    /// For what takes as long as it takes, on this side and on that of the database.
    pub(crate) async fn unbounded(mut self) -> Result<Self, StoreError> {
        if let Self::Postgres(slot) = &mut self {
            let slot = slot.get_mut();
            slot.unbounded();
            slot.fetch_raw("SET LOCAL statement_timeout = 0").await.map_err(error::raw)?;
        }
        Ok(self)
    }
}

/// Where what needs no transaction is asked, each statement on any connection.
pub(crate) enum Reads {
    /// PostgreSQL.
    Postgres(PostgresPool),
    /// SQLite: the pool, and the same as SeaORM has it.
    Sqlite(SqlitePool, DatabaseConnection),
}

fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

/// The text of a statement is SeaORM's, whose values are bound and never part of it.
fn query<DB>(statement: Statement) -> sqlx::query::Query<'static, DB, SqlxValues>
where
    DB: sqlx::Database,
    SqlxValues: sqlx::IntoArguments<DB>,
{
    let values = SqlxValues(statement.values.unwrap_or(Values(Vec::new())));
    sqlx::query_with(AssertSqlSafe(statement.sql), values)
}

async fn executed(slot: &mut Slot, statement: Statement) -> Result<ExecResult, DbErr> {
    slot.execute(query(statement)).await.map(Into::into).map_err(failed)
}

async fn executed_raw(slot: &mut Slot, sql: &str) -> Result<ExecResult, DbErr> {
    slot.fetch_raw(sql).await.map(|_| PgQueryResult::default().into()).map_err(failed)
}

async fn fetched(slot: &mut Slot, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
    let rows = slot.fetch_all(query(statement)).await.map_err(failed)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

#[async_trait]
impl ConnectionTrait for SqlTransaction {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Self::Postgres(_) => DbBackend::Postgres,
            Self::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match self {
            Self::Postgres(slot) => executed(&mut *slot.lock().await, statement).await,
            Self::Sqlite(slot) => slot.lock().await.execute(query(statement)).await.map(Into::into).map_err(failed),
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match self {
            Self::Postgres(slot) => executed_raw(&mut *slot.lock().await, sql).await,
            Self::Sqlite(slot) => slot.lock().await.execute_raw(sql).await.map(Into::into).map_err(failed),
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::Postgres(slot) => fetched(&mut *slot.lock().await, statement).await,
            Self::Sqlite(slot) => {
                let rows = slot.lock().await.fetch_all(query(statement)).await.map_err(failed)?;
                Ok(rows.into_iter().map(Into::into).collect())
            }
        }
    }
}

#[async_trait]
impl ConnectionTrait for Reads {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Self::Postgres(_) => DbBackend::Postgres,
            Self::Sqlite(..) => DbBackend::Sqlite,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match self {
            Self::Postgres(pool) => {
                let mut slot = pool.acquire().await.map_err(failed)?;
                let done = executed(&mut slot, statement).await;
                slot.put_back();
                done
            }
            Self::Sqlite(_, orm) => orm.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match self {
            Self::Postgres(pool) => {
                let mut slot = pool.acquire().await.map_err(failed)?;
                let done = executed_raw(&mut slot, sql).await;
                slot.put_back();
                done
            }
            Self::Sqlite(_, orm) => orm.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match self {
            Self::Postgres(_) => Ok(self.query_all_raw(statement).await?.into_iter().next()),
            Self::Sqlite(_, orm) => orm.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::Postgres(pool) => {
                let mut slot = pool.acquire().await.map_err(failed)?;
                let rows = fetched(&mut slot, statement).await;
                slot.put_back();
                rows
            }
            Self::Sqlite(_, orm) => orm.query_all_raw(statement).await,
        }
    }
}
