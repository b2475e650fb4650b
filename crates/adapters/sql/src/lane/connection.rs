//! The connection of a transaction of the desk, as SeaORM wants to see one.
//!
//! SeaORM's own transaction yields no connection of sqlx, and the batch needs one; so the transaction is sqlx's, and this
//! lets SeaORM's queries run on it as well.

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values};
use sea_query_sqlx::SqlxValues;
use sqlx::{AssertSqlSafe, Sqlite, Transaction};
use tokio::sync::Mutex;

use super::postgres::Slot;

/// One of the two engines.
pub(super) enum LaneConnection {
    /// PostgreSQL.
    Postgres(Mutex<Slot>),
    /// SQLite.
    Sqlite(Mutex<Transaction<'static, Sqlite>>),
}

fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

fn arguments(values: Option<Values>) -> SqlxValues {
    SqlxValues(values.unwrap_or(Values(Vec::new())))
}

// The text of a statement is SeaORM's, whose values are bound and never part of it.
#[async_trait]
impl ConnectionTrait for LaneConnection {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Self::Postgres(_) => DbBackend::Postgres,
            Self::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let sql = AssertSqlSafe(statement.sql);
        let arguments = arguments(statement.values);
        match self {
            Self::Postgres(slot) => {
                slot.lock().await.execute(sqlx::query_with(sql, arguments)).await.map(Into::into).map_err(failed)
            }
            Self::Sqlite(transaction) => {
                let mut transaction = transaction.lock().await;
                sqlx::query_with(sql, arguments).execute(&mut **transaction).await.map(Into::into).map_err(failed)
            }
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.execute_raw(Statement::from_string(self.get_database_backend(), sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let sql = AssertSqlSafe(statement.sql);
        let arguments = arguments(statement.values);
        match self {
            Self::Postgres(slot) => {
                let rows = slot.lock().await.fetch_all(sqlx::query_with(sql, arguments)).await.map_err(failed)?;
                Ok(rows.into_iter().map(Into::into).collect())
            }
            Self::Sqlite(transaction) => {
                let mut transaction = transaction.lock().await;
                let rows = sqlx::query_with(sql, arguments).fetch_all(&mut **transaction).await.map_err(failed)?;
                Ok(rows.into_iter().map(Into::into).collect())
            }
        }
    }
}
