//! What one may set about the database.

use std::time::Duration;

/// How to reach the database, and how long to wait for it.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// `sqlite://path/to/file.db`, or `postgres://user:password@host:port/name`.
    pub url: String,
    /// The most connections of readers and units of work.
    pub connections_max: u32,
    /// The most connections of the booking desk, beside those: its committers, and a few for those that wait in the
    /// database's queue for a lane. SQLite has one writer whatever is said here.
    pub lane_connections_max: u32,
    /// For how long a caller waits for a connection.
    pub connect_timeout: Duration,
    /// How long a statement may take.
    pub statement_timeout: Duration,
    /// How long a transaction of the desk may wait for a lock.
    pub lock_timeout: Duration,
    /// For how long a transaction of the desk may do nothing, before the database ends it: a paused replica must not
    /// freeze an event.
    pub idle_in_transaction_timeout: Duration,
    /// Whether this process serves. On SQLite it is then the only one that may: a second one is refused. Commands that
    /// look something up or add an account while a server runs leave it out.
    pub exclusive: bool,
    /// Protections to leave out, in tests.
    #[cfg(feature = "negative-control")]
    pub negative_control: NegativeControl,
}

/// Protections that a test leaves out, to prove that it would see their absence.
#[cfg(feature = "negative-control")]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NegativeControl {
    /// Lanes are read without a lock. On SQLite the lock of the only writer is taken behind all reading, just to write.
    pub skip_lane_lock: bool,
    /// After the migrations, the constraint `pools_stock` is dropped. SQLite, which cannot drop one, checks none at all.
    pub drop_pool_checks: bool,
}

/// What an answer may take beyond the timeout that the server keeps by itself: it may not answer at all.
const ANSWER_SPARE: Duration = Duration::from_secs(1);

impl DatabaseSettings {
    /// After this time without an answer a connection is taken to be lost.
    pub(crate) fn answer_within(&self) -> Duration {
        self.statement_timeout + ANSWER_SPARE
    }

    /// The defaults for this address.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connections_max: 16,
            lane_connections_max: 6,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(2),
            idle_in_transaction_timeout: Duration::from_secs(3),
            exclusive: false,
            #[cfg(feature = "negative-control")]
            negative_control: NegativeControl::default(),
        }
    }
}
