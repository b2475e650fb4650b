//! What providers tell, kept as it came before anything is done with it (ADR 0049).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::clock::Ids;
use crate::error::{AppError, chain};
use crate::recent::Recent;
use crate::store::StoreError;

/// How much is written together, in messages and in bytes. One message may be larger.
const TOGETHER_MAX: usize = 200;
const BYTES_MAX: usize = 1_000_000;

/// A message of a provider as it came.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderMessage {
    /// Whose.
    pub provider: String,
    /// When it came.
    pub received_at: Timestamp,
    /// The body, byte for byte; with names and addresses of people.
    pub body: String,
}

impl ProviderMessage {
    fn digest(&self) -> [u8; 32] {
        let text = Sha256::new().chain_update(&self.provider).chain_update([0]).chain_update(&self.body);
        text.finalize().into()
    }
}

/// Without the body: that goes into no log.
impl fmt::Debug for ProviderMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { provider, received_at, body } = self;
        let mut message = f.debug_struct("ProviderMessage");
        message.field("provider", provider).field("received_at", received_at).field("bytes", &body.len());
        message.finish_non_exhaustive()
    }
}

/// What was written in one commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageBatch {
    /// Ids follow the time, as far as clocks agree.
    pub id: Uuid,
    /// In the order in which they came.
    pub messages: Vec<ProviderMessage>,
}

/// Where messages are kept.
#[async_trait]
pub trait MessageLog: Send + Sync {
    /// Keeps a batch, in one commit.
    async fn keep(&self, batch: &MessageBatch) -> Result<(), StoreError>;

    /// Batches in the order of their ids, behind `after`.
    async fn batches_behind(&self, after: Option<Uuid>, rows: u64) -> Result<Vec<MessageBatch>, StoreError>;
}

/// How many messages are remembered as kept, at some 40 bytes each.
const KNOWN_MAX: usize = 20_000;

/// Keeps messages, those together that come together: as many as wait while a commit is under way are the next one. One that
/// was kept lately is not kept again: whoever has got hold of a signed message cannot fill the table with it.
pub(super) struct Inbox(Arc<Shared>);

struct Shared {
    log: Arc<dyn MessageLog>,
    ids: Arc<dyn Ids>,
    waiting: Mutex<Vec<Waiting>>,
    known: Recent<[u8; 32], ()>,
    /// Whose turn it is to write.
    turn: Arc<tokio::sync::Mutex<()>>,
}

struct Waiting {
    message: ProviderMessage,
    /// Told when it is; gone where that is not known.
    kept: oneshot::Sender<()>,
}

impl Inbox {
    pub(super) fn new(log: Arc<dyn MessageLog>, ids: Arc<dyn Ids>) -> Self {
        let known = Recent::new(KNOWN_MAX);
        Self(Arc::new(Shared { log, ids, waiting: Mutex::default(), known, turn: Arc::default() }))
    }

    /// Keeps a message; it is durable when this answers. Whoever comes waits until his is written, or it is his turn to write
    /// for all who wait.
    ///
    /// # Errors
    /// [`AppError::Unavailable`] where that is not known: the message comes again, and may then be kept twice.
    pub(super) async fn keep(&self, message: ProviderMessage) -> Result<(), AppError> {
        let digest = message.digest();
        if self.0.known.get(digest).is_some() {
            return Ok(());
        }
        let (told, mut kept) = oneshot::channel();
        self.0.waiting().push(Waiting { message, kept: told });
        loop {
            let turn = Arc::clone(&self.0.turn).lock_owned();
            tokio::select! {
                biased;
                kept = &mut kept => {
                    kept.map_err(|_| AppError::busy())?;
                    self.0.known.insert(digest, ());
                    return Ok(());
                }
                turn = turn => {
                    let shared = Arc::clone(&self.0);
                    let write = async move {
                        shared.write().await;
                        drop(turn);
                    };
                    // By itself: who gives up as he writes must not break off what others wait for.
                    let _ = tokio::spawn(write.in_current_span()).await;
                }
            }
        }
    }
}

impl Shared {
    /// Writes those who have waited the longest.
    async fn write(&self) {
        let (messages, told): (Vec<_>, Vec<_>) = self.next().into_iter().map(|it| (it.message, it.kept)).unzip();
        if messages.is_empty() {
            return;
        }
        let batch = MessageBatch { id: self.ids.uuid(), messages };
        if let Err(error) = self.log.keep(&batch).await {
            tracing::warn!(cause = %chain(&error), "Messages of payment providers cannot be kept; they come again");
            return;
        }
        for told in told {
            // Who has gone hears nothing.
            let _ = told.send(());
        }
    }

    fn next(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting();
        let mut bytes = 0;
        let mut fits = |one: &Waiting| {
            bytes += one.message.body.len();
            bytes <= BYTES_MAX
        };
        let together = waiting.iter().take(TOGETHER_MAX).take_while(|one| fits(one)).count().max(1);
        let together = together.min(waiting.len());
        waiting.drain(..together).filter(|one| !one.kept.is_closed()).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
