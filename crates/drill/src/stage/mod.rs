//! What a scenario stands on: servers, databases, buyers, events.
//!
//! Everything that was started here is stopped here, whatever happens: the
//! handles stop their process when they are dropped.

mod bench;
pub(crate) mod event;
pub(crate) mod facts;
mod limits;
pub(crate) mod memory;
pub(crate) mod metrics;
pub(crate) mod people;
pub(crate) mod postgres;
pub(crate) mod program;
mod sandbox;
mod scene;
pub(crate) mod server;

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;

use clap::ValueEnum;

use crate::wire::Target;

pub(crate) use bench::Bench;
pub(crate) use limits::Limits;
pub(crate) use scene::Stage;

/// The database of a server that the drill starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Where the servers come from.
#[derive(Clone, Debug)]
pub(crate) enum Ground {
    /// They run already.
    Running { urls: Vec<Target>, tokens: PathBuf },
    /// The drill starts them.
    Start(Engine),
}

impl Ground {
    /// What the report calls it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Running { .. } => "running instance",
            Self::Start(Engine::Sqlite) => "SQLite",
            Self::Start(Engine::Postgres) => "PostgreSQL",
        }
    }
}

/// What a scenario wants to be started.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) replicas: usize,
    /// Whether the database server itself will be killed.
    pub(crate) own_cluster: bool,
    /// The limits of its servers.
    pub(crate) limits: Limits,
    /// A sandbox of payments apart from the server, which behaves like this (the JSON of its `/v1/behaviour`).
    pub(crate) sandbox: Option<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { replicas: 1, own_cluster: false, limits: Limits::Counting, sandbox: None }
    }
}

/// Counts up; shared by all connections of a load.
pub(crate) type Counter = Rc<Cell<usize>>;

/// Takes the next number.
pub(crate) fn take(counter: &Counter) -> usize {
    let number = counter.get();
    counter.set(number + 1);
    number
}
