//! Transactions of SQLite: on the one connection that writes, and on those that read.
//!
//! They are begun and ended here rather than by sqlx. A connection of SQLite lives on a thread of its own. Given back to a pool
//! of sqlx it is asked whether it still lives, then `BEGIN` waits for an answer and for the acknowledgement of that, and only
//! then can the lanes be asked for: each time there and back, past all who have work for the processors. That was half of
//! the time of a batch. Here it is one message.

use std::sync::Arc;
use std::time::Duration;

use application::booking::CommitError;
use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteQueryResult, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, FromRow, IntoArguments, Sqlite};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::error;

/// The one connection that writes, for whoever comes first.
pub(crate) struct SqliteWriter {
    options: Box<SqliteConnectOptions>,
    patience: Duration,
    seat: Arc<Mutex<Seat>>,
}

/// Where the connection that writes is.
enum Seat {
    Taken(SqliteConnection),
    /// It was thrown away; the next who comes makes a new one.
    Free,
    /// For ever.
    Closed,
}

impl SqliteWriter {
    /// Opens it. Whoever wants to write waits for `patience` for his turn.
    pub(crate) async fn open(options: SqliteConnectOptions, patience: Duration) -> Result<Self, sqlx::Error> {
        let seat = Arc::new(Mutex::new(Seat::Taken(options.connect().await?)));
        Ok(Self { options: Box::new(options), patience, seat })
    }

    /// How its connection is made.
    pub(crate) fn options(&self) -> &SqliteConnectOptions {
        &self.options
    }

    /// A turn, in which no transaction has begun yet.
    pub(crate) async fn turn(&self) -> Result<SqliteSlot, sqlx::Error> {
        let seat = tokio::time::timeout(self.patience, Arc::clone(&self.seat).lock_owned()).await;
        let mut seat = seat.map_err(|_| sqlx::Error::PoolTimedOut)?;
        match *seat {
            Seat::Taken(_) => {}
            Seat::Free => *seat = Seat::Taken(self.options.connect().await?),
            Seat::Closed => return Err(sqlx::Error::PoolClosed),
        }
        Ok(SqliteSlot { held: Some(Held::Writer(seat)), rolls_back: false })
    }

    /// Ends the connection once whoever has it is done, and makes no more.
    pub(crate) async fn close(&self) {
        let mut seat = self.seat.lock().await;
        if let Seat::Taken(connection) = std::mem::replace(&mut *seat, Seat::Closed)
            && let Err(error) = connection.close().await
        {
            tracing::debug!(cause = %error, "The connection to SQLite did not close in order");
        }
    }
}

/// A connection on which a transaction goes on. Dropped, it is rolled back in the background.
pub(crate) struct SqliteSlot {
    /// None, once the transaction has ended.
    held: Option<Held>,
    /// It is rolled back already: dropped once more, its connection is thrown away. A runtime that shuts down drops what is
    /// spawned on it at once, and each drop would spawn another one without an end.
    rolls_back: bool,
}

enum Held {
    Writer(OwnedMutexGuard<Seat>),
    Reader(PoolConnection<Sqlite>),
}

impl SqliteSlot {
    /// On a connection that reads.
    pub(crate) const fn reading(connection: PoolConnection<Sqlite>) -> Self {
        Self { held: Some(Held::Reader(connection)), rolls_back: false }
    }

    pub(crate) async fn execute<'q, A>(&mut self, query: Query<'q, Sqlite, A>) -> Result<SqliteQueryResult, sqlx::Error>
    where
        A: IntoArguments<Sqlite> + Send + 'q,
    {
        query.execute(self.connection()?).await
    }

    pub(crate) async fn fetch_all<'q, A>(&mut self, query: Query<'q, Sqlite, A>) -> Result<Vec<SqliteRow>, sqlx::Error>
    where
        A: IntoArguments<Sqlite> + Send + 'q,
    {
        query.fetch_all(self.connection()?).await
    }

    /// The same, each row as a `T`.
    pub(crate) async fn fetch<T>(&mut self, query: Query<'_, Sqlite, SqliteArguments>) -> Result<Vec<T>, sqlx::Error>
    where
        T: for<'r> FromRow<'r, SqliteRow>,
    {
        self.fetch_all(query).await?.iter().map(T::from_row).collect()
    }

    /// Runs a statement that is not worth keeping.
    pub(crate) async fn execute_raw(&mut self, sql: &str) -> Result<SqliteQueryResult, sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(self.connection()?).await
    }

    /// After an error the transaction is rolled back.
    pub(crate) async fn commit(mut self) -> Result<(), CommitError> {
        self.execute(sqlx::query("COMMIT")).await.map_err(error::commit)?;
        self.held = None;
        Ok(())
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        match &mut self.held {
            Some(Held::Reader(connection)) => Ok(connection),
            Some(Held::Writer(seat)) => match &mut **seat {
                Seat::Taken(connection) => Ok(connection),
                Seat::Free | Seat::Closed => Err(sqlx::Error::WorkerCrashed),
            },
            None => Err(sqlx::Error::WorkerCrashed),
        }
    }

    /// Rolls back, or throws the connection away: after an error of the disk SQLite ends the transaction by itself, and what
    /// else may have happened to the connection nobody knows.
    async fn roll_back(mut self) {
        if self.execute(sqlx::query("ROLLBACK")).await.is_ok() {
            self.held = None;
        }
    }
}

impl Drop for SqliteSlot {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else { return };
        if !self.rolls_back
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(Self { held: Some(held), rolls_back: true }.roll_back());
            return;
        }
        match held {
            Held::Writer(mut seat) => *seat = Seat::Free,
            Held::Reader(mut connection) => connection.close_on_drop(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    async fn writer(folder: &tempfile::TempDir) -> SqliteWriter {
        let options = SqliteConnectOptions::new().filename(folder.path().join("a.db")).create_if_missing(true);
        let writer = SqliteWriter::open(options, Duration::from_secs(2)).await.unwrap();
        let mut slot = writer.turn().await.unwrap();
        slot.execute_raw("CREATE TABLE t (n integer NOT NULL); BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
        slot.commit().await.unwrap();
        writer
    }

    async fn numbers(writer: &SqliteWriter) -> Vec<i64> {
        let mut slot = writer.turn().await.unwrap();
        let rows: Vec<(i64,)> = slot.fetch(sqlx::query("BEGIN; SELECT n FROM t ORDER BY n")).await.unwrap();
        slot.commit().await.unwrap();
        rows.into_iter().map(|(n,)| n).collect()
    }

    #[tokio::test]
    async fn what_is_dropped_is_rolled_back_before_the_next_begins() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder).await;
        for statements in
            ["BEGIN IMMEDIATE; INSERT INTO t VALUES (2)", "BEGIN; INSERT INTO t VALUES (NULL)", "nonsense"]
        {
            let mut slot = writer.turn().await.unwrap();
            let _ = slot.execute_raw(statements).await;
            drop(slot);
            assert_eq!(numbers(&writer).await, [1], "{statements}");
        }
    }

    #[tokio::test]
    async fn whoever_gives_up_while_it_begins_keeps_nobody_out() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder).await;
        let mut slot = writer.turn().await.unwrap();
        let begin = slot.execute_raw("BEGIN IMMEDIATE; INSERT INTO t VALUES (2)");
        // Once polled, it is on its way to the thread of the connection, which may even be done with it.
        let _ = begin.now_or_never();
        drop(slot);
        assert_eq!(numbers(&writer).await, [1]);
    }

    #[tokio::test]
    async fn a_turn_is_waited_for_with_patience_and_after_the_end_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder).await;
        let taken = writer.turn().await.unwrap();
        assert!(matches!(writer.turn().await, Err(sqlx::Error::PoolTimedOut)));
        drop(taken);
        writer.close().await;
        assert!(matches!(writer.turn().await, Err(sqlx::Error::PoolClosed)));
    }
}
