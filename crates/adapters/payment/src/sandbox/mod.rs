//! A payment provider for trying things out: it takes money by methods whose fate is known, and tells of it by signed
//! messages over HTTP, at least once and, if asked to, late, twice, in disorder or never.

mod bank;
mod courier;
mod http;
mod journal;
mod page;
pub(crate) mod wire;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use application::clock::{Clock, Ids};
use chrono::TimeDelta;
use domain::PaymentId;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::bank::{Bank, Refused, Turn};
use self::journal::Journal;
use crate::calls::{self, SetupError};
use crate::signature::Signing;

pub use self::bank::METHODS;
pub use self::wire::Settlement;

/// How the sandbox runs.
#[derive(Clone, Debug)]
pub struct SandboxSettings {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where browsers find its pages; the address by default.
    pub public_url: Option<String>,
    /// Where its messages go.
    pub webhook_url: String,
    /// What callers show, and what signs its messages.
    pub secret: SecretString,
    /// Where its books are kept; none to forget them with the process.
    pub journal: Option<PathBuf>,
    /// How it behaves at first.
    pub behaviour: Behaviour,
}

/// How it behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Behaviour {
    /// For how many milliseconds a slow method takes.
    pub slow_millis: u32,
    /// How many milliseconds late a message is sent.
    pub delay_millis: u32,
    /// By up to how many milliseconds more, at random: messages pass each other.
    pub disorder_millis: u32,
    /// How many of 100 messages are sent twice.
    pub duplicate_percent: u8,
    /// How many of 100 messages are never sent.
    pub lose_percent: u8,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { slow_millis: 3_000, delay_millis: 0, disorder_millis: 0, duplicate_percent: 0, lose_percent: 0 }
    }
}

/// Why it does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or is none of this machine.
    #[error("the sandbox cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The journal cannot be read or written.
    #[error("the journal of the sandbox ({0})")]
    Journal(PathBuf, #[source] io::Error),
    /// There is no client for its messages.
    #[error(transparent)]
    Client(#[from] SetupError),
}

/// A sandbox that runs.
pub struct Sandbox {
    shared: Arc<Shared>,
    address: SocketAddr,
    tasks: TaskTracker,
    end: CancellationToken,
}

/// What its tasks share.
struct Shared {
    bank: Mutex<Bank>,
    behaviour: Mutex<Behaviour>,
    /// There is something to send, or to wait for.
    changed: Notify,
    /// Where browsers find its pages.
    pages: String,
    secret: SecretString,
    signing: Signing,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    end: CancellationToken,
}

impl Sandbox {
    /// Starts it: it answers from now on, and sends what a journal says is not sent.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        settings: SandboxSettings,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, StartError> {
        let (journal, lines) = match settings.journal {
            None => (Journal::none(), Vec::new()),
            Some(path) => Journal::open(&path).map_err(|error| StartError::Journal(path, error))?,
        };
        let listen = |error| StartError::Listen(settings.address, error);
        let listener = TcpListener::bind(settings.address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let pages = settings.public_url.unwrap_or_else(|| format!("http://{address}"));
        let end = CancellationToken::new();
        let shared = Arc::new(Shared {
            bank: Mutex::new(Bank::open(journal, lines, &pages)),
            behaviour: Mutex::new(settings.behaviour),
            changed: Notify::new(),
            pages,
            signing: Signing::new(&settings.secret),
            secret: settings.secret,
            clock,
            ids,
            end: end.clone(),
        });
        let courier =
            courier::Courier::new(Arc::clone(&shared), calls::client(courier::TIMEOUT)?, settings.webhook_url);
        let tasks = TaskTracker::new();
        tasks.spawn(courier.run(tasks.clone()));
        tasks.spawn(http::serve(listener, Arc::clone(&shared)));
        Ok(Self { shared, address, tasks, end })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How it is called.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets it behave otherwise from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        self.shared.behave(behaviour);
    }

    /// Decides a charge that is processing, as its buyer or his bank would. Whether it could: it is known, and was not
    /// decided otherwise before.
    pub fn settle(&self, payment: PaymentId, how: &Settlement) -> bool {
        self.shared.change(|bank, turn| bank.settle(payment.uuid(), how, turn)).is_ok()
    }

    /// Whether no message is on its way or to be sent: each has arrived, was lost or was given up.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.shared.read(|bank| bank.undelivered_from(0).next().is_none())
    }

    /// Ends it. What it has not sent a journal keeps, which another sandbox can open from now on.
    pub async fn stop(self) {
        self.end.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        // A connection that still answers has the books for a moment longer.
        self.shared.bank.lock().unwrap_or_else(PoisonError::into_inner).close();
    }
}

impl Shared {
    fn behaviour(&self) -> Behaviour {
        *self.behaviour.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    fn read<T>(&self, read: impl FnOnce(&Bank) -> T) -> T {
        read(&self.bank.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Bank, &Turn<'_>) -> Result<T, Refused>) -> Result<T, Refused> {
        let name = || {
            let bytes = self.ids.salt();
            bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let slow = TimeDelta::milliseconds(self.behaviour().slow_millis.into());
        let turn = Turn { now: self.clock.now(), slow, name: &name, pages: &self.pages };
        let changed = change(&mut self.bank.lock().unwrap_or_else(PoisonError::into_inner), &turn);
        self.changed.notify_one();
        changed
    }

    /// A number below `below`, by chance.
    fn chance(&self, below: u64) -> u64 {
        self.ids.random() % below.max(1)
    }

    /// Waits, unless it ends meanwhile; whether it has waited.
    async fn pause(&self, pause: Duration) -> bool {
        tokio::select! {
            () = self.end.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }
}
