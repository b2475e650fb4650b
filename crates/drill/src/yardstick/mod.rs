//! What the database alone can do, on the same machine in the same run: only
//! against that does a figure of the server say something.

mod inserts;
mod naive;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use rand::RngExt;
use rand::rngs::SmallRng;
use sqlx::{Connection, PgConnection};
use tokio::task::spawn_local;
use uuid::Uuid;

use crate::load::{Latency, Timing};
use crate::report::Section;
use crate::stage::{Bench, Counter, take};

pub(crate) use inserts::BATCH;

/// The database alone
#[derive(Clone, Debug, Args)]
pub(crate) struct Yardstick {
    /// How many clients; default 64 for the naive transaction, 4 for inserts
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=150))]
    pub(crate) clients: Option<u32>,
    /// How many seconds are measured
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) seconds: u32,
}

const NAIVE_CLIENTS: u32 = 64;
const INSERT_CLIENTS: u32 = 4;
const SECONDS: u32 = 6;

/// What a client of the database does, again and again.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Everybody updates the one row of the stock, and inserts.
    Naive,
    /// Nothing but inserts, many rows a statement.
    Inserts,
}

/// The naive transaction on its own.
///
/// # Errors
/// If PostgreSQL cannot be reached.
pub(crate) async fn naive(bench: &Bench, options: &Yardstick) -> Result<Section> {
    alone(bench, Kind::Naive, options.clients.unwrap_or(NAIVE_CLIENTS), options.seconds).await
}

/// The plain inserts on their own.
///
/// # Errors
/// If PostgreSQL cannot be reached.
pub(crate) async fn inserts(bench: &Bench, options: &Yardstick) -> Result<Section> {
    alone(bench, Kind::Inserts, options.clients.unwrap_or(INSERT_CLIENTS), options.seconds).await
}

/// Both after a scenario, with the ratios to the rate it reached.
///
/// # Errors
/// If PostgreSQL cannot be reached.
pub(crate) async fn compare(bench: &Bench, connections: u32, section: &mut Section) -> Result<()> {
    let rate = section.value("rate").unwrap_or(0.0);
    let clients = connections.min(NAIVE_CLIENTS);
    let naive = measure(bench, Kind::Naive, clients, SECONDS).await?;
    section.figure("naive", &format!("naive transaction, {clients} clients"), naive.rate, "/s");
    section.figure("times_naive", "bookings against the naive transaction", rate / naive.rate.max(1.0), "×");
    let inserts = measure(bench, Kind::Inserts, INSERT_CLIENTS, SECONDS).await?;
    section.figure(
        "inserts",
        &format!("plain inserts in batches of {BATCH}, {INSERT_CLIENTS} clients"),
        inserts.rate,
        "/s",
    );
    section.figure("times_inserts", "bookings against plain inserts", rate / inserts.rate.max(1.0), "×");
    Ok(())
}

async fn alone(bench: &Bench, kind: Kind, clients: u32, seconds: u32) -> Result<Section> {
    let (name, title) = match kind {
        Kind::Naive => ("naive", "PostgreSQL alone: the naive transaction"),
        Kind::Inserts => ("inserts", "PostgreSQL alone: plain inserts in sets"),
    };
    let mut section = Section::new(name, title);
    section.setting("clients", clients);
    let latency = measure(bench, kind, clients, seconds).await?;
    section.figure("rate", "bookings", latency.rate, "/s");
    section.figure("p99", "99 of 100 transactions within", latency.p99_ms, "ms");
    Ok(section)
}

/// Runs the clients on a fresh database.
async fn measure(bench: &Bench, kind: Kind, clients: u32, seconds: u32) -> Result<Latency> {
    bench.progress.step(&format!("  yardstick: {kind:?}, {clients} clients, {seconds} s"));
    let database = bench.database().await?;
    let mut connection = PgConnection::connect(database.url()).await?;
    sqlx::raw_sql(SCHEMA).execute(&mut connection).await.context("making the tables of the yardstick")?;
    connection.close().await?;
    let mut open = Vec::new();
    for _ in 0..clients {
        open.push(PgConnection::connect(database.url()).await?);
    }
    let ids = Ids::new(bench.random());
    let end = Instant::now() + Duration::from_secs(seconds.into());
    let tasks: Vec<_> =
        open.into_iter().map(|connection| spawn_local(client(kind, connection, ids.clone(), end))).collect();
    let (mut timing, mut bookings) = (Timing::new(3), 0_u64);
    for task in tasks {
        let (own, made) = task.await.context("a client of the yardstick")??;
        timing.merge(&own);
        bookings += made;
    }
    database.remove().await;
    let mut latency = Latency::of(&timing, seconds.into());
    latency.rate = bookings as f64 / f64::from(seconds);
    Ok(latency)
}

/// One client until the end; its latencies and how many bookings it made.
async fn client(kind: Kind, mut connection: PgConnection, ids: Ids, end: Instant) -> Result<(Timing, u64)> {
    let (mut timing, mut bookings) = (Timing::new(3), 0);
    while Instant::now() < end {
        let started = Instant::now();
        let made = match kind {
            Kind::Naive => naive::book(&mut connection, &ids).await?,
            Kind::Inserts => inserts::book(&mut connection, &ids).await?,
        };
        timing.record(started.elapsed());
        bookings += made;
    }
    connection.close().await?;
    Ok((timing, bookings))
}

/// Ids that grow, as UUIDv7 do, so that indexes are filled as in the real thing.
#[derive(Clone, Debug)]
struct Ids {
    low: u64,
    next: Counter,
}

impl Ids {
    fn new(mut random: SmallRng) -> Self {
        Self { low: random.random(), next: Counter::default() }
    }

    fn next(&self) -> Uuid {
        Uuid::from_u64_pair(take(&self.next) as u64, self.low)
    }
}

/// The rows of a booking, in the fewest tables that still are one.
const SCHEMA: &str = "
    CREATE TABLE pool (id int PRIMARY KEY, available bigint NOT NULL CHECK (available >= 0));
    INSERT INTO pool VALUES (1, 1000000000);
    CREATE TABLE booking (id uuid PRIMARY KEY, event_id uuid NOT NULL, buyer_id uuid NOT NULL, reference text NOT NULL UNIQUE,
        status text NOT NULL, total bigint NOT NULL, expires_at timestamptz NOT NULL, created_at timestamptz NOT NULL);
    CREATE INDEX ON booking (buyer_id, id);
    CREATE TABLE line (booking_id uuid NOT NULL, position int NOT NULL, ticket_type_id uuid NOT NULL, quantity int NOT NULL, unit_price bigint NOT NULL,
        PRIMARY KEY (booking_id, position));
    CREATE TABLE outbox (id uuid PRIMARY KEY, aggregate_id uuid NOT NULL, sequence int NOT NULL, kind text NOT NULL, payload text NOT NULL, created_at timestamptz NOT NULL);
    CREATE TABLE audit (id uuid PRIMARY KEY, actor_id uuid NOT NULL, action text NOT NULL, subject_id uuid NOT NULL, detail text NOT NULL, created_at timestamptz NOT NULL);
";
