//! The handle on the database, and how it is opened.

use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use application::store::StoreError;
use sea_orm::{
    SqliteTransactionMode, SqlxPostgresConnector, SqlxSqliteConnector, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::error::{orm, raw};
use crate::lane::PostgresLanes;
use crate::migration::Migrator;
use crate::postgres::PostgresPool;
use crate::settings::DatabaseSettings;
use crate::sqlite::{SqliteSlot, SqliteWriter};
use crate::sqlite_lock::SqliteLock;
use crate::transaction::{Reads, SqlTransaction};

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address names neither a SQLite file nor a PostgreSQL database.
    #[error("the database URL must begin with sqlite:// and name a file, or with postgres://")]
    Url(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    /// Another server has this file.
    #[error("another server uses the database {0}: stop it first, or give this one a database of its own")]
    InUse(String),
    /// The lock file, or the folder of the database, cannot be written.
    #[error("{path} cannot be used")]
    LockFile {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not answer, or says no.
    #[error("the database cannot be opened")]
    Unreachable(#[source] StoreError),
}

/// The database: all storage ports in one handle. Clones share its connections.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    /// Reads, and on PostgreSQL the units of work too.
    reads: Reads,
    engine: Engine,
    _lock: Option<SqliteLock>,
}

/// What differs between the engines.
pub(crate) enum Engine {
    /// The connections of units of work, the desk's own, and how to make one for the migrations.
    Postgres { units: PostgresPool, lanes: PostgresLanes, options: Box<PgConnectOptions> },
    /// The one writer, which units of work and the desk share.
    Sqlite {
        writer: SqliteWriter,
        #[cfg(feature = "negative-control")]
        control: crate::NegativeControl,
    },
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

impl Database {
    /// Opens it. The schema is the concern of [`Database::migrate`].
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(settings: &DatabaseSettings) -> Result<Self, ConnectError> {
        let inner = if settings.url.starts_with("sqlite:") {
            connect_sqlite(settings).await?
        } else if settings.url.starts_with("postgres:") || settings.url.starts_with("postgresql:") {
            connect_postgres(settings).await?
        } else {
            return Err(ConnectError::Url(None));
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Brings the schema to the newest version. Any number of processes may call it at once: one works, the others wait
    /// and find nothing left to do.
    ///
    /// # Errors
    /// [`StoreError`], with which the schema is as it was before the migration that failed.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match self.engine() {
            Engine::Sqlite { writer, .. } => migrate_sqlite(writer.options()).await,
            Engine::Postgres { options, .. } => migrate_postgres(options).await,
        }
    }

    /// A number that changes whenever the schema does: by it one recognises an empty database that was prepared for
    /// tests.
    #[must_use]
    pub fn schema_fingerprint() -> u64 {
        crate::migration::fingerprint()
    }

    /// Drops the last line of defence of the pools, where the settings say so. On SQLite each connection leaves it out by
    /// itself.
    ///
    /// # Errors
    /// [`StoreError`].
    #[cfg(feature = "negative-control")]
    pub async fn weaken(&self, control: crate::NegativeControl) -> Result<(), StoreError> {
        use sea_orm::ConnectionTrait;
        if control.drop_pool_checks && matches!(self.engine(), Engine::Postgres { .. }) {
            let drop = "ALTER TABLE pools DROP CONSTRAINT IF EXISTS pools_stock";
            self.reads().execute_unprepared(drop).await.map_err(orm)?;
        }
        Ok(())
    }

    /// Whether a lane of SQLite is locked only once it is written.
    #[cfg(feature = "negative-control")]
    pub(crate) fn locks_lanes_to_write(&self) -> bool {
        matches!(self.engine(), Engine::Sqlite { control, .. } if control.skip_lane_lock)
    }

    /// Ends all connections, once those that work are done.
    pub async fn close(&self) {
        match self.engine() {
            Engine::Sqlite { writer, .. } => writer.close().await,
            Engine::Postgres { lanes, .. } => lanes.close(),
        }
        match self.reads() {
            Reads::Sqlite(pool, _) => pool.close().await,
            Reads::Postgres(pool) => pool.close(),
        }
    }

    pub(crate) fn reads(&self) -> &Reads {
        &self.0.reads
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// A transaction that writes.
    pub(crate) async fn begin_unit(&self) -> Result<SqlTransaction, StoreError> {
        match self.engine() {
            Engine::Sqlite { writer, .. } => begin_sqlite(writer.turn().await, "BEGIN IMMEDIATE").await,
            Engine::Postgres { units, .. } => begin_postgres(units, "BEGIN").await,
        }
    }

    /// A transaction that reads everything as of one instant and writes nothing.
    pub(crate) async fn begin_snapshot(&self) -> Result<SqlTransaction, StoreError> {
        match self.reads() {
            Reads::Postgres(pool) => begin_postgres(pool, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await,
            Reads::Sqlite(pool, _) => begin_sqlite(pool.acquire().await.map(SqliteSlot::reading), "BEGIN").await,
        }
    }
}

fn unreachable(error: sqlx::Error) -> ConnectError {
    ConnectError::Unreachable(raw(error))
}

async fn begin_postgres(pool: &PostgresPool, begin: &str) -> Result<SqlTransaction, StoreError> {
    let (slot, _) = pool.begin(begin).await.map_err(raw)?;
    Ok(SqlTransaction::Postgres(slot.into()))
}

async fn begin_sqlite(slot: sqlx::Result<SqliteSlot>, begin: &'static str) -> Result<SqlTransaction, StoreError> {
    let mut slot = slot.map_err(raw)?;
    slot.execute(sqlx::query(begin)).await.map_err(raw)?;
    Ok(SqlTransaction::Sqlite(slot.into()))
}

/// For how long a unit of work may do nothing, before the database ends it: a replica that is paused or lost in the middle
/// of one must not keep its locks. No request takes longer.
const UNIT_IDLE_MAX_MS: u32 = 10_000;

async fn connect_postgres(settings: &DatabaseSettings) -> Result<Inner, ConnectError> {
    let options = PgConnectOptions::from_str(&settings.url)
        .map_err(|error| ConnectError::Url(Some(Box::new(error))))?
        .application_name("goticket")
        .disable_statement_logging();
    // Set by statements rather than as options of the start, which poolers between us and the server may refuse.
    let statement_ms = settings.statement_timeout.as_millis();
    let set =
        format!("SET statement_timeout = {statement_ms}; SET idle_in_transaction_session_timeout = {UNIT_IDLE_MAX_MS}");
    let pool = PostgresPool::new(options.clone(), set, settings.connections_max, settings);
    // A database that is not there is told of at the start.
    pool.acquire().await.map_err(unreachable)?.put_back();
    let lanes = PostgresLanes::new(options.clone(), settings);
    let engine = Engine::Postgres { units: pool.clone(), lanes, options: Box::new(options) };
    Ok(Inner { reads: Reads::Postgres(pool), engine, _lock: None })
}

async fn connect_sqlite(settings: &DatabaseSettings) -> Result<Inner, ConnectError> {
    let options = SqliteConnectOptions::from_str(&settings.url)
        .map_err(|error| ConnectError::Url(Some(Box::new(error))))?
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A commit is on the disk before it is answered: with NORMAL a power cut could take back what was sold.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(settings.connect_timeout)
        .pragma("temp_store", "memory")
        .pragma("mmap_size", "268435456");
    let file = options.get_filename().to_owned();
    if file.as_os_str().is_empty() || settings.url.contains(":memory:") || settings.url.contains("mode=memory") {
        return Err(ConnectError::Url(None));
    }
    make_for_owner(&file).map_err(|source| ConnectError::LockFile { path: file.display().to_string(), source })?;
    let lock = settings.exclusive.then(|| SqliteLock::acquire(&file)).transpose()?;
    // A larger log is carried over to the file less often, and a page that changed many times only once.
    let writer = options.clone().pragma("cache_size", "-32000").pragma("wal_autocheckpoint", "8000");
    // The desk's scripts come in many sizes and mixtures (`lane::sqlite`), and to plan one costs more than to run it.
    let writer = writer.statement_cache_capacity(300);
    #[cfg(feature = "negative-control")]
    let writer = match settings.negative_control.drop_pool_checks {
        true => writer.pragma("ignore_check_constraints", "on"),
        false => writer,
    };
    let writer = writer.disable_statement_logging();
    let writer = SqliteWriter::open(writer, settings.connect_timeout).await.map_err(unreachable)?;
    let readers = options.pragma("cache_size", "-4000").pragma("query_only", "on");
    let reads = SqlitePoolOptions::new()
        .max_connections(settings.connections_max)
        .acquire_timeout(settings.connect_timeout)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(readers.disable_statement_logging())
        .await
        .map_err(unreachable)?;
    let reads = Reads::Sqlite(reads.clone(), SqlxSqliteConnector::from_sqlx_sqlite_pool(reads));
    let engine = Engine::Sqlite {
        writer,
        #[cfg(feature = "negative-control")]
        control: settings.negative_control,
    };
    Ok(Inner { reads, engine, _lock: lock })
}

/// Makes the file and its folder where there is none, for their owner alone: it has everybody's address and what is left of
/// his password. SQLite gives its log the mode of the file. What is there already keeps the mode that somebody gave it.
fn make_for_owner(file: &Path) -> io::Result<()> {
    let (mut folders, mut files) = (DirBuilder::new(), OpenOptions::new());
    folders.recursive(true);
    // One that is there is not opened: to close it would drop what this process has locked in it (POSIX locks).
    files.write(true).create_new(true);
    #[cfg(unix)]
    {
        std::os::unix::fs::DirBuilderExt::mode(&mut folders, 0o700);
        std::os::unix::fs::OpenOptionsExt::mode(&mut files, 0o600);
    }
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        folders.create(folder)?;
    }
    match files.open(file) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// A number that other programs are unlikely to lock by.
const MIGRATION_LOCK: i64 = 0x0060_71C4_E700_0001;

/// The lock belongs to a session of its own rather than to one transaction, so that a migration may also make an index
/// `CONCURRENTLY`. Nothing here has a timeout: a large table takes as long as it takes.
async fn migrate_postgres(options: &PgConnectOptions) -> Result<(), StoreError> {
    let pool = PgPoolOptions::new().max_connections(2).connect_with(options.clone()).await.map_err(raw)?;
    let mut guard = pool.acquire().await.map_err(raw)?;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(MIGRATION_LOCK).execute(&mut *guard).await.map_err(raw)?;
    let outcome = Migrator::up(&SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone()), None).await.map_err(orm);
    // The end of the session frees the lock, whatever has happened.
    drop(guard.close().await);
    pool.close().await;
    outcome
}

/// In a transaction: whoever else starts meanwhile waits for its end.
async fn migrate_sqlite(options: &SqliteConnectOptions) -> Result<(), StoreError> {
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await.map_err(raw)?;
    let mode = Some(SqliteTransactionMode::Immediate);
    let options = TransactionOptions { sqlite_transaction_mode: mode, ..Default::default() };
    let orm_pool = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool.clone());
    let outcome = async {
        let transaction = orm_pool.begin_with_options(options).await?;
        Migrator::up(&transaction, None).await?;
        transaction.commit().await
    };
    let outcome = outcome.await.map_err(orm);
    pool.close().await;
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without the first, each statement with a `LIMIT` is planned anew each time it runs (ADR 0047). Cargo gives both to
    /// the compiler of SQLite by `.cargo/config.toml`, which it finds from the folder that it is started in.
    #[tokio::test]
    async fn sqlite_is_compiled_to_plan_once() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("a.db").display());
        let database = Database::connect(&DatabaseSettings::new(url)).await.unwrap();
        let Engine::Sqlite { writer, .. } = database.engine() else { panic!("this is about SQLite") };
        let mut slot = writer.turn().await.unwrap();
        let options: Vec<(String,)> = slot.fetch(sqlx::query("PRAGMA compile_options")).await.unwrap();
        for expected in ["ENABLE_QPSG", "DEFAULT_MEMSTATUS=0"] {
            assert!(options.iter().any(|(option,)| option == expected), "{expected} is missing from {options:?}");
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn what_sqlite_keeps_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("new/data");
        let url = format!("sqlite://{}", data.join("a.db").display());
        let database = Database::connect(&DatabaseSettings::new(url)).await.unwrap();
        database.migrate().await.unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&data), mode(data.parent().unwrap())), (0o700, 0o700));
        for file in ["a.db", "a.db-wal", "a.db-shm"] {
            assert_eq!(mode(&data.join(file)), 0o600, "{file}");
        }
    }

    /// SQLite ends a transaction by itself when the disk fails, here as after `SQLITE_IOERR`.
    #[tokio::test]
    async fn a_transaction_that_ended_by_itself_is_survived() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("a.db").display());
        let database = Database::connect(&DatabaseSettings::new(url)).await.unwrap();
        let Engine::Sqlite { writer, .. } = database.engine() else { panic!("this is about SQLite") };
        let mut lost = writer.turn().await.unwrap();
        for statement in ["BEGIN IMMEDIATE", "ROLLBACK"] {
            lost.execute(sqlx::query(statement)).await.unwrap();
        }
        assert!(lost.commit().await.is_err());
        let unit = database.begin_unit().await.expect("a new one begins");
        unit.commit().await.unwrap();
    }
}
