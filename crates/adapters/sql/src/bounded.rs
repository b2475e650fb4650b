//! Connections on which every statement has an end.
//!
//! The database ends statements that take too long by itself, but it cannot do so from a machine that has lost its power
//! or its network: nothing comes back then, not even an error, and who waits without a bound waits for ever. Requests
//! have a time limit; what runs by itself (the followers, the jobs) has only this one.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};

use crate::error::NoAnswer;

/// An answer in time, or an error as of a connection that was lost.
pub(crate) async fn within<T>(
    time: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let late = |_| Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, NoAnswer)));
    tokio::time::timeout(time, answer).await.unwrap_or_else(late)
}

/// A connection, or a transaction, whose statements are given up after a time. What was given up ends its connection
/// when that is released (see `connect`).
pub(crate) struct Bounded<C> {
    inner: C,
    /// None on SQLite, which is in this very process.
    within: Option<Duration>,
}

impl<C> Bounded<C> {
    pub(crate) const fn new(inner: C, within: Option<Duration>) -> Self {
        Self { inner, within }
    }

    /// For what takes as long as it takes.
    pub(crate) fn unbounded(self) -> C {
        self.inner
    }

    pub(crate) const fn inner(&self) -> &C {
        &self.inner
    }

    /// Another transaction or connection with the same bound.
    pub(crate) async fn derive<D>(&self, begin: impl Future<Output = Result<D, DbErr>>) -> Result<Bounded<D>, DbErr> {
        Ok(Bounded::new(self.wait(begin).await?, self.within))
    }

    async fn wait<T>(&self, answer: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        match self.within {
            None => answer.await,
            Some(within) => tokio::time::timeout(within, answer)
                .await
                .unwrap_or_else(|_| Err(DbErr::Conn(RuntimeErr::Internal("no answer in time".to_owned())))),
        }
    }
}

impl Bounded<DatabaseTransaction> {
    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        let Self { inner, within } = self;
        Bounded::new((), within).wait(inner.commit()).await
    }
}

#[async_trait]
impl<C: ConnectionTrait> ConnectionTrait for Bounded<C> {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.wait(self.inner.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.wait(self.inner.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.wait(self.inner.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.wait(self.inner.query_all_raw(statement)).await
    }

    fn support_returning(&self) -> bool {
        self.inner.support_returning()
    }
}
