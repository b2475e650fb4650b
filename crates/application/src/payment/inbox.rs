//! What providers tell, kept as it came before anything is done with it (ADR 0049).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use domain::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::clock::Ids;
use crate::error::{AppError, chain};
use crate::store::StoreError;

/// How much is written together, in messages and in bytes. One message may be larger.
const TOGETHER_MAX: usize = 200;
const BYTES_MAX: usize = 1_000_000;

/// A message of a provider as it came, once for each time that it came.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct ProviderMessage {
    /// Whose.
    pub provider: String,
    /// Its id there.
    pub event: String,
    /// When it came.
    pub received_at: Timestamp,
    /// The body, byte for byte.
    pub body: String,
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

/// Keeps messages, those together that come together: as many as wait while a commit is under way are the next one.
pub(super) struct Inbox(Arc<Shared>);

struct Shared {
    log: Arc<dyn MessageLog>,
    ids: Arc<dyn Ids>,
    waiting: Mutex<Vec<Waiting>>,
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
        Self(Arc::new(Shared { log, ids, waiting: Mutex::default(), turn: Arc::default() }))
    }

    /// Keeps a message; it is durable when this answers. Whoever comes waits until his is written, or it is his turn to write
    /// for all who wait.
    ///
    /// # Errors
    /// [`AppError::Unavailable`] where that is not known: the message comes again, and may then be kept twice.
    pub(super) async fn keep(&self, message: ProviderMessage) -> Result<(), AppError> {
        let (told, mut kept) = oneshot::channel();
        self.0.waiting().push(Waiting { message, kept: told });
        loop {
            let turn = Arc::clone(&self.0.turn).lock_owned();
            tokio::select! {
                biased;
                kept = &mut kept => return kept.map_err(|_| AppError::busy()),
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
