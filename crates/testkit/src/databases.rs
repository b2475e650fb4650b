//! A database for each test, on either engine: no order among tests, and no shared rows.
//!
//! SQLite gets a file in a folder of its own. PostgreSQL gets a database copied from a template, which the first test
//! that comes by prepares; both are dropped with the value.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use adapter_sql::{Database, DatabaseSettings};
use application::store::StoreError;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tempfile::TempDir;
use uuid::Uuid;

use crate::proxy::Proxy;

/// Which engine a test runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    /// SQLite, the embedded default.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// Makes of scenarios, functions of an [`Engine`] beside it, one test on each engine.
#[macro_export]
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::databases::Engine::Sqlite).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::databases::Engine::Postgres).await;
            })+
        }
    };
}

/// The environment variable with the URL of a PostgreSQL in which tests may make and drop databases.
pub const POSTGRES_URL: &str = "GOTICKET_TEST_POSTGRES_URL";

/// An empty database with the newest schema.
pub struct TestDatabase {
    /// On which engine.
    pub engine: Engine,
    /// The handle. To play a second process, [`TestDatabase::open`] another.
    pub database: Database,
    settings: DatabaseSettings,
    place: Place,
}

/// What is to be thrown away.
enum Place {
    File(#[expect(dead_code, reason = "held, not read: it deletes the folder when it is dropped")] TempDir),
    Database { name: String },
}

impl TestDatabase {
    /// Makes one.
    ///
    /// # Panics
    /// When it cannot: for PostgreSQL without [`POSTGRES_URL`] with a word on how to get it. Tests that need a database
    /// fail without one, or nobody would notice that they no longer run.
    pub async fn create(engine: Engine) -> Self {
        if engine == Engine::Postgres {
            let name = copy_template().await;
            return Self::open_first(engine, address(&name), Place::Database { name }).await;
        }
        let test = Self::create_empty(engine).await;
        test.database.migrate().await.expect("a new database can be migrated");
        test
    }

    async fn open_first(engine: Engine, url: String, place: Place) -> Self {
        let settings = DatabaseSettings { connections_max: 8, ..DatabaseSettings::new(url) };
        let database = Database::connect(&settings).await.expect("a new database can be opened");
        Self { engine, database, settings, place }
    }

    /// Makes one that is opened with other settings.
    ///
    /// # Panics
    /// Like [`TestDatabase::create`].
    pub async fn create_with(engine: Engine, change: impl FnOnce(&mut DatabaseSettings)) -> Self {
        let mut test = Self::create(engine).await;
        change(&mut test.settings);
        test.database = test.open().await;
        test
    }

    /// Makes one without a schema.
    ///
    /// # Panics
    /// Like [`TestDatabase::create`].
    pub async fn create_empty(engine: Engine) -> Self {
        let (url, place) = match engine {
            Engine::Sqlite => {
                let folder = tempfile::tempdir().expect("a folder for the test");
                (format!("sqlite://{}", folder.path().join("test.db").display()), Place::File(folder))
            }
            Engine::Postgres => {
                let name = new_name();
                make_anew(&mut admin().await, &name, "").await;
                (address(&name), Place::Database { name })
            }
        };
        Self::open_first(engine, url, place).await
    }

    /// The same database, with its handle behind a proxy and these settings but for the address. All that looks from
    /// beside ([`TestDatabase::open`], [`TestDatabase::tamper`]) still goes straight to it.
    ///
    /// # Panics
    /// When it cannot be opened, or is a file.
    pub async fn behind(mut self, proxy: &Proxy, settings: &DatabaseSettings) -> Self {
        let direct: PgConnectOptions = self.settings.url.parse().expect("a database of PostgreSQL");
        let server = format!("{}:{}", direct.get_host(), direct.get_port());
        let url = self.settings.url.replacen(&server, &proxy.address().to_string(), 1);
        assert_ne!(url, self.settings.url, "the address of the server stands in the URL");
        let through = Database::connect(&DatabaseSettings { url, ..settings.clone() }).await;
        self.database = through.expect("the database can be opened through the proxy");
        self
    }

    /// The settings that lead to it.
    #[must_use]
    pub fn settings(&self) -> DatabaseSettings {
        self.settings.clone()
    }

    /// Another handle with its own connections, as another process would have.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn open(&self) -> Database {
        Database::connect(&self.settings).await.expect("the database can be opened once more")
    }

    /// Runs a statement behind the back of the program: what only a defect, or a person, could do.
    ///
    /// # Panics
    /// When the statement fails.
    pub async fn tamper(&self, sql: &str) {
        self.try_tamper(sql).await.expect("the statement runs");
    }

    /// As [`tamper`](Self::tamper), where the database may refuse it.
    ///
    /// # Errors
    /// What it says then.
    ///
    /// # Panics
    /// When there is no connection.
    pub async fn try_tamper(&self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self.engine {
            Engine::Sqlite => {
                let mut connection = SqliteConnection::connect(&self.settings.url).await.expect("a connection");
                connection.execute(sqlx::raw_sql(sql)).await.map(drop)
            }
            Engine::Postgres => {
                let mut connection = PgConnection::connect(&self.settings.url).await.expect("a connection");
                connection.execute(sqlx::raw_sql(sql)).await.map(drop)
            }
        }
    }

    /// An id as a statement of [`tamper`](Self::tamper) names it.
    #[must_use]
    pub fn literal(&self, id: Uuid) -> String {
        match self.engine {
            Engine::Sqlite => format!("x'{}'", id.simple()),
            Engine::Postgres => format!("'{id}'"),
        }
    }

    /// The number that a statement answers with, like `SELECT COUNT(*) …`, read behind the back of the program.
    ///
    /// # Panics
    /// When the statement fails, or answers with something else.
    pub async fn count(&self, sql: &str) -> i64 {
        match self.engine {
            Engine::Sqlite => {
                let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
                let mut connection = SqliteConnection::connect(&self.settings.url).await.expect("a connection");
                query.fetch_one(&mut connection).await.expect("a number")
            }
            Engine::Postgres => {
                let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
                let mut connection = PgConnection::connect(&self.settings.url).await.expect("a connection");
                query.fetch_one(&mut connection).await.expect("a number")
            }
        }
    }

    /// Ends every connection to it, as a restart of the server would, and says how many there were. Does nothing on SQLite,
    /// which has no server.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn cut_connections(&self) -> u64 {
        let Place::Database { name } = &self.place else { return 0 };
        let mut admin = admin().await;
        sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1")
            .bind(name)
            .execute(&mut admin)
            .await
            .expect("connections can be ended")
            .rows_affected()
    }
}

/// Reads, and reads again while connections that were cut a moment ago are met: each of them fails once.
///
/// # Errors
/// What the store answers in the end, after ten seconds.
pub async fn still<T>(read: impl AsyncFn() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match read().await {
            Err(StoreError::Unavailable(_)) if Instant::now() < deadline => {}
            answer => return answer,
        }
    }
}

impl Drop for TestDatabase {
    /// On a thread of its own, since a test may end (or panic) inside any runtime.
    #[expect(clippy::print_stderr, reason = "a test has no other way to tell, and must not fail for it")]
    fn drop(&mut self) {
        let Place::Database { name } = &self.place else { return };
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async { admin().await.execute(AssertSqlSafe(drop)).await.map(|_| ()) })?;
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        };
        if !matches!(std::thread::spawn(work).join(), Ok(Ok(()))) {
            eprintln!("The test database {name} could not be dropped.");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests have no configuration but their environment")]
fn base_url() -> String {
    std::env::var(POSTGRES_URL).unwrap_or_else(|_| {
        panic!("{POSTGRES_URL} is not set: run `make test`, or `eval \"$(scripts/services.sh env)\"` before")
    })
}

/// Where the server listens that tests use.
///
/// # Panics
/// Where none is set.
#[must_use]
pub fn postgres_address() -> SocketAddr {
    let options: PgConnectOptions = base_url().parse().expect("the URL of the tests' PostgreSQL");
    let host = options.get_host().parse().expect("the tests' PostgreSQL is named by its IP address");
    SocketAddr::new(host, options.get_port())
}

/// The URL of that database on the same server.
fn address(name: &str) -> String {
    let base = base_url();
    let (address, query) = base.split_once('?').map_or((base.as_str(), None), |(left, right)| (left, Some(right)));
    let scheme = address.find("://").map_or(0, |at| at + 3);
    let server = address[scheme..].find('/').map_or(address, |at| &address[..scheme + at]);
    query.map_or_else(|| format!("{server}/{name}"), |query| format!("{server}/{name}?{query}"))
}

async fn admin() -> PgConnection {
    let options: PgConnectOptions = base_url().parse().expect("the URL of the tests' PostgreSQL");
    let connect = tokio::time::timeout(Duration::from_secs(10), PgConnection::connect_with(&options));
    connect.await.expect("the tests' PostgreSQL answers in time").expect("the tests' PostgreSQL answers")
}

fn new_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("goticket_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A number that other programs are unlikely to lock by.
const TEMPLATE_LOCK: i64 = 0x0060_71C4_E77E_0001;

/// Copies the template into a new database, making the template first if the schema has no copy yet.
async fn copy_template() -> String {
    let name = new_name();
    let template = format!("goticket_template_{:016x}", Database::schema_fingerprint());
    let mut admin = admin().await;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut admin).await.expect("the lock");
    let there = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1").bind(&template);
    if there.fetch_optional(&mut admin).await.expect("a list of databases").is_none() {
        make_template(&mut admin, &template).await;
    }
    make_anew(&mut admin, &name, &format!("TEMPLATE {template} STRATEGY file_copy")).await;
    name
}

/// Makes a database of this name. A former run that was killed may have left one.
async fn make_anew(admin: &mut PgConnection, name: &str, like: &str) {
    for sql in [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), format!("CREATE DATABASE {name} {like}")] {
        admin.execute(AssertSqlSafe(sql)).await.expect("a database for the test");
    }
}

/// Prepared under another name first: a template that exists is a finished one.
async fn make_template(admin: &mut PgConnection, template: &str) {
    let raw = format!("{template}_raw");
    make_anew(admin, &raw, "").await;
    let database = Database::connect(&DatabaseSettings::new(address(&raw))).await.expect("the template can be opened");
    database.migrate().await.expect("the template can be migrated");
    database.close().await;
    // The server may still see the last of the connections.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
    sqlx::query(end).bind(&raw).execute(&mut *admin).await.expect("connections can be ended");
    let rename = format!("ALTER DATABASE {raw} RENAME TO {template}");
    admin.execute(AssertSqlSafe(rename)).await.expect("the template gets its name");
}
