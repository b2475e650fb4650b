//! Connections to PostgreSQL, and how they are kept.
//!
//! They are kept here rather than in a pool of sqlx, which asks each connection whether it lives when it comes back, and
//! waits for the answer without a bound: one whose other side is gone without a word would keep its place for ever. Here
//! every statement has an end. The database ends those that take too long by itself, but it cannot do so from a machine
//! that has lost its power or its network. Requests have a time limit; what runs by itself (the followers, the jobs) has
//! only this one. Nor is there a question before or after each use, a round trip that every read would feel.
//!
//! A connection that fails is thrown away, and those that idled beside it too.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use application::booking::CommitError;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgQueryResult, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, FromRow, IntoArguments, Postgres};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{self, NoAnswer};
use crate::settings::DatabaseSettings;

/// For so long after its last use a connection is taken to live. One that was cut meanwhile fails the one request that
/// meets it.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// After so long a connection is made anew: what is found behind an address may change, as after a failover.
const LIVES_FOR: Duration = Duration::from_secs(1_800);

/// Connections of one purpose; clones share them.
#[derive(Clone)]
pub(crate) struct PostgresPool(Arc<Shared>);

struct Shared {
    options: PgConnectOptions,
    /// What every new connection is told.
    set_up: String,
    /// The last one that was used comes first.
    idle: Mutex<Vec<Idle>>,
    places: Arc<Semaphore>,
    patience: Duration,
    answer_within: Duration,
}

struct Idle {
    connection: PgConnection,
    made: Instant,
    since: Instant,
}

impl PostgresPool {
    /// At most `most` connections, which are made when they are needed and told `set_up`.
    pub(crate) fn new(options: PgConnectOptions, set_up: String, most: u32, settings: &DatabaseSettings) -> Self {
        Self(Arc::new(Shared {
            options,
            set_up,
            idle: Mutex::default(),
            places: Arc::new(Semaphore::new(most as usize)),
            patience: settings.connect_timeout,
            answer_within: settings.answer_within(),
        }))
    }

    /// A connection for one statement, which lives as far as one can know.
    pub(crate) async fn acquire(&self) -> Result<Slot, sqlx::Error> {
        let (mut slot, since) = self.slot().await?;
        if let Some(since) = since {
            if since.elapsed() <= TRUSTED_FOR || slot.ping().await.is_ok() {
                return Ok(slot);
            }
            self.forget_idle();
        }
        slot.connect().await?;
        Ok(slot)
    }

    /// A connection on which these statements have begun a transaction, and what the last of them answers. One that had
    /// been idle may be dead: they begin again on a new one then.
    pub(crate) async fn begin(&self, statements: &str) -> Result<(Slot, Vec<PgRow>), sqlx::Error> {
        let (mut slot, since) = self.slot().await?;
        if since.is_some() {
            match slot.fetch_raw(statements).await {
                Ok(rows) => return Ok((slot, rows)),
                Err(error) if slot.connection.is_some() => return Err(error),
                Err(_) => self.forget_idle(),
            }
        }
        slot.connect().await?;
        let rows = slot.fetch_raw(statements).await?;
        Ok((slot, rows))
    }

    /// Ends those that idle, and gives no more away.
    pub(crate) fn close(&self) {
        self.0.places.close();
        self.forget_idle();
    }

    /// A place, with the connection that was used last, and since when that idled.
    async fn slot(&self) -> Result<(Slot, Option<Instant>), sqlx::Error> {
        let pool = &self.0;
        let place = tokio::time::timeout(pool.patience, Arc::clone(&pool.places).acquire_owned()).await;
        let place = place.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?;
        let idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let idle = idle.filter(|idle| idle.made.elapsed() < LIVES_FOR);
        let made = idle.as_ref().map_or_else(Instant::now, |idle| idle.made);
        let (connection, since) = idle.map(|idle| (idle.connection, idle.since)).unzip();
        let within = Some(pool.answer_within);
        let slot = Slot { pool: Arc::clone(pool), connection, made, place: Some(place), within, rolls_back: false };
        Ok((slot, since))
    }

    /// What idled beside a connection that is dead is most likely dead too.
    fn forget_idle(&self) {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A place in the pool with its connection; without one, once that has failed.
pub(crate) struct Slot {
    pool: Arc<Shared>,
    connection: Option<PgConnection>,
    made: Instant,
    place: Option<OwnedSemaphorePermit>,
    /// How long one statement may take.
    within: Option<Duration>,
    /// It is rolled back already: dropped once more, it is thrown away. A runtime that shuts down drops what is spawned on
    /// it at once, and each drop would spawn another one without an end.
    rolls_back: bool,
}

impl Slot {
    /// For what takes as long as it takes.
    pub(crate) fn unbounded(&mut self) {
        self.within = None;
    }

    pub(crate) async fn execute<'q, A>(&mut self, query: Query<'q, Postgres, A>) -> Result<PgQueryResult, sqlx::Error>
    where
        A: IntoArguments<Postgres> + Send + 'q,
    {
        let time = self.within;
        let answer = within(time, query.execute(self.connection()?)).await;
        self.keep_if_alive(answer)
    }

    pub(crate) async fn fetch_all<'q, A>(&mut self, query: Query<'q, Postgres, A>) -> Result<Vec<PgRow>, sqlx::Error>
    where
        A: IntoArguments<Postgres> + Send + 'q,
    {
        let time = self.within;
        let answer = within(time, query.fetch_all(self.connection()?)).await;
        self.keep_if_alive(answer)
    }

    /// The same, each row as a `T`.
    pub(crate) async fn fetch<T>(&mut self, query: Query<'_, Postgres, PgArguments>) -> Result<Vec<T>, sqlx::Error>
    where
        T: for<'r> FromRow<'r, PgRow>,
    {
        self.fetch_all(query).await?.iter().map(T::from_row).collect()
    }

    /// Runs any number of statements in one round trip.
    pub(crate) async fn fetch_raw(&mut self, statements: &str) -> Result<Vec<PgRow>, sqlx::Error> {
        let time = self.within;
        let statements = sqlx::raw_sql(AssertSqlSafe(statements.to_owned()));
        let answer = within(time, statements.fetch_all(self.connection()?)).await;
        self.keep_if_alive(answer)
    }

    pub(crate) async fn commit(mut self) -> Result<(), CommitError> {
        self.execute(sqlx::query("COMMIT")).await.map_err(error::commit)?;
        self.put_back();
        Ok(())
    }

    /// Gives the connection back, on which there is no transaction.
    pub(crate) fn put_back(mut self) {
        match self.connection.take() {
            Some(connection) => self.pool.keep(connection, self.made),
            None => PostgresPool(Arc::clone(&self.pool)).forget_idle(),
        }
    }

    fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.connection.as_mut().ok_or(sqlx::Error::WorkerCrashed)
    }

    async fn connect(&mut self) -> Result<(), sqlx::Error> {
        let pool = &self.pool;
        let connect = async {
            let mut connection = pool.options.connect().await?;
            sqlx::raw_sql(AssertSqlSafe(pool.set_up.clone())).execute(&mut connection).await?;
            Ok(connection)
        };
        self.connection = Some(within(Some(pool.patience), connect).await?);
        self.made = Instant::now();
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), sqlx::Error> {
        let time = self.within;
        let answer = within(time, self.connection()?.ping()).await;
        self.keep_if_alive(answer)
    }

    /// Throws the connection away after an error that leaves nothing to use: it was ended, is in no transaction that goes
    /// on (25P), or leads to a server that only reads (25006).
    fn keep_if_alive<T>(&mut self, answer: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        let dead = match &answer {
            Ok(_) => false,
            Err(sqlx::Error::Database(error)) => {
                error.code().is_some_and(|code| ["57P", "08", "25P", "25006"].iter().any(|dead| code.starts_with(dead)))
            }
            Err(_) => true,
        };
        if dead {
            self.connection = None;
        }
        answer
    }
}

impl Shared {
    fn keep(&self, connection: PgConnection, made: Instant) {
        let idle = Idle { connection, made, since: Instant::now() };
        // Who returns after the end ends too.
        if !self.places.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
        }
    }
}

impl Drop for Slot {
    /// Rolls back in the background, and keeps the connection if that works. Its place is given back only then.
    fn drop(&mut self) {
        let Some(connection) = self.connection.take().filter(|_| !self.rolls_back) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut slot = Self {
            pool: Arc::clone(&self.pool),
            connection: Some(connection),
            made: self.made,
            place: self.place.take(),
            within: Some(self.pool.answer_within),
            rolls_back: true,
        };
        runtime.spawn(async move {
            if slot.execute(sqlx::query("ROLLBACK")).await.is_ok() {
                slot.put_back();
            }
        });
    }
}

/// An answer in time, or an error as of a connection that was lost.
async fn within<T>(
    time: Option<Duration>,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let Some(time) = time else { return answer.await };
    let late = |_| Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, NoAnswer)));
    tokio::time::timeout(time, answer).await.unwrap_or_else(late)
}
