//! The booking desk: group commit (ADR 0003).
//!
//! A row that every buyer updates gives one lock, one round trip and one commit per buyer. The desk turns contention
//! into batches instead:
//!
//! - **A lane orders decisions** ([`queue`]): what concerns one event is decided in arrival order.
//! - **Committers make transactions** ([`batch`]): each takes what waits on any number of ready lanes and commits it at
//!   once. A lane is in one transaction at a time; what arrives meanwhile waits for the next. There is no timer: an idle
//!   desk answers at once, and batches grow by themselves under load.
//! - **Each command is decided for itself** ([`lane`]) by the pure functions of `domain::booking`.
//! - Lanes that another process holds are left out and waited for alone, so that a stuck one delays nobody else.
//! - What is known to be sold out is refused from memory ([`sold_out`]).

mod batch;
mod command;
mod diff;
mod lane;
mod metrics;
mod promo_codes;
mod queue;
mod rush;
mod sold_out;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio_util::task::TaskTracker;

use self::batch::{Answers, Leftover, Occasion};
use self::command::{LaneBatch, Submission};
use self::queue::Queue;
use self::sold_out::SoldOut;
use crate::booking::{LaneKey, LaneStore};
use crate::catalog::SeenSale;
use crate::clock::{Clock, Ids};
use crate::error::AppError;
use crate::idempotency::{Answer, IdempotencyKey};
use crate::origin::Origin;

pub use self::command::{Command, Outcome};
pub use self::metrics::DeskMetrics;

/// How the desk works.
#[derive(Clone)]
pub struct DeskSettings {
    /// How many transactions run at a time; one on SQLite, which has one writer.
    pub committers: usize,
    /// How many lanes that other processes hold are waited for at a time.
    pub patient: usize,
    /// The most commands of one transaction.
    pub batch_max: usize,
    /// The most commands that wait on one lane.
    pub lane_queue_max: usize,
    /// The most commands that wait on all lanes.
    pub queue_max: usize,
    /// The most lapsed holds that one commit takes back.
    pub reclaim_max: u32,
    /// After this long a command is not carried out any more.
    pub patience: Duration,
    /// How long after its making the absolute end of a hold lies.
    pub hold_end: TimeDelta,
    /// How many sales are remembered.
    pub sales_max: u64,
    /// Where it counts.
    pub metrics: DeskMetrics,
}

impl Default for DeskSettings {
    fn default() -> Self {
        Self {
            committers: 3,
            patient: 4,
            batch_max: 1_000,
            lane_queue_max: 2_000,
            queue_max: 8_000,
            reclaim_max: 1_000,
            patience: Duration::from_secs(8),
            hold_end: TimeDelta::hours(2),
            sales_max: 10_000,
            metrics: DeskMetrics::default(),
        }
    }
}

/// The desk of this process. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    inner: Arc<Inner>,
    tasks: TaskTracker,
}

struct Inner {
    store: Arc<dyn LaneStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    settings: DeskSettings,
    queue: Queue,
    sold_out: SoldOut,
    /// Sales by lane, each with the version of its lane at which it was right. The lock on the lane tells the present
    /// version; if it is the same, nothing needs to be loaded.
    sales: moka::sync::Cache<LaneKey, Arc<SeenSale>>,
    patient: Semaphore,
    /// Told whenever a batch is on its way to the database.
    writing: Notify,
}

/// For so long at most do answers wait for the next batch to be on its way.
const TELL_WITHIN: Duration = Duration::from_millis(3);

impl Desk {
    /// Opens the desk: starts its committers on the present runtime.
    #[must_use]
    pub fn open(store: Arc<dyn LaneStore>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>, settings: DeskSettings) -> Self {
        Self::open_on(&Handle::current(), store, clock, ids, settings)
    }

    /// Opens the desk on a runtime of its own. Where the committers share one with the requests, the answers of a batch
    /// wake so many of these that the next batch has to wait for them, and the database is idle meanwhile.
    #[must_use]
    pub fn open_on(
        runtime: &Handle,
        store: Arc<dyn LaneStore>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        settings: DeskSettings,
    ) -> Self {
        let inner = Arc::new(Inner {
            queue: Queue::new(settings.lane_queue_max, settings.queue_max),
            sold_out: SoldOut::default(),
            sales: moka::sync::Cache::new(settings.sales_max),
            patient: Semaphore::new(settings.patient),
            writing: Notify::new(),
            store,
            clock,
            ids,
            settings,
        });
        let tasks = TaskTracker::new();
        for _ in 0..inner.settings.committers {
            tasks.spawn_on(inner.clone().commit_batches(tasks.clone()), runtime);
        }
        Self { inner, tasks }
    }

    /// Whether a command on this lane would be let in; asked before any costly work.
    ///
    /// # Errors
    /// [`AppError::Unavailable`] while its queue is full.
    pub fn admit(&self, lane: LaneKey) -> Result<(), AppError> {
        self.inner.queue.admit(lane)
    }

    /// How many commands wait, over all lanes.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.inner.queue.waiting()
    }

    /// Tells the metrics how many commands wait at this moment: right after a batch was taken it would be what that has left.
    pub fn measure(&self) {
        self.inner.settings.metrics.waiting(self.waiting());
    }

    /// For how long people have been buying (or entering) in a rush, if they are: what can wait for them waits.
    #[must_use]
    pub fn rush(&self) -> Option<Duration> {
        self.inner.queue.rush()
    }

    /// Puts a command on its lane and waits for its answer, which comes after the commit that it was part of. With a
    /// key, the first success is answered again.
    ///
    /// Dropping the future does not take the command back.
    ///
    /// # Errors
    /// The refusal of the command; [`AppError::NotFound`] where there is no such lane; [`AppError::Unavailable`] when the
    /// queue is full, the desk closes, or it is not known whether the commit happened.
    pub async fn submit(
        &self,
        lane: LaneKey,
        command: Command,
        origin: Origin,
        key: Option<IdempotencyKey>,
    ) -> Result<Answer<Outcome>, AppError> {
        if let (Command::Hold(request), None) = (&command, &key)
            && let Some(refusal) = self.inner.sold_out.refusal(lane, &request.units, self.inner.clock.now())
        {
            let reply = Err(refusal.into());
            self.inner.settings.metrics.decided(&command, &reply);
            return reply;
        }
        let (reply, answer) = oneshot::channel();
        let deadline = Instant::now() + self.inner.settings.patience;
        self.inner.queue.push(lane, Submission { command, origin, key, deadline, collisions: 0, reply })?;
        answer.await.unwrap_or_else(|_| {
            tracing::error!(event.id = %lane, "A transaction of the desk broke off without an answer");
            Err(AppError::Internal)
        })
    }

    /// Takes no more commands, carries out those that wait, and returns when all is done.
    pub async fn close(&self) {
        self.inner.queue.close();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Inner {
    async fn commit_batches(self: Arc<Self>, tasks: TaskTracker) {
        while let Some(batches) = self.queue.take(self.settings.batch_max).await {
            self.clone().run(batches, Occasion::Arrival, &tasks).await;
        }
    }

    /// Runs one transaction and gives its lanes back, whatever happens inside: a defect must not keep a lane for ever.
    async fn run(self: Arc<Self>, batches: Vec<LaneBatch>, occasion: Occasion, tasks: &TaskTracker) {
        let keys: Vec<LaneKey> = batches.iter().map(|batch| batch.key).collect();
        let carried_out = std::panic::AssertUnwindSafe(self.clone().carry_out(batches, occasion)).catch_unwind().await;
        let Leftover { deferred, busy, answers } = carried_out.unwrap_or_else(|_| {
            tracing::error!("A transaction of the desk panicked");
            Leftover::default()
        });
        let mut back: Vec<LaneBatch> = keys.into_iter().map(|key| LaneBatch { key, submissions: Vec::new() }).collect();
        for batch in deferred {
            if let Some(lane) = back.iter_mut().find(|lane| lane.key == batch.key) {
                lane.submissions.extend(batch.submissions);
            }
        }
        for batch in busy {
            back.retain(|lane| lane.key != batch.key);
            tasks.spawn(self.clone().wait_for(batch, tasks.clone()));
        }
        let more_waits = self.queue.give_back(back);
        tasks.spawn(self.tell_in_turn(answers, more_waits));
    }

    /// Tells everybody who waits; if more wait for a transaction, once these are on their way to the database. Whom it wakes
    /// would take the processors from the next batch, and those who are in it would find the database idle.
    async fn tell_in_turn(self: Arc<Self>, answers: Answers, more_waits: bool) {
        if more_waits {
            // It may be that the next batch writes nothing, or waits for another process.
            let _ = tokio::time::timeout(TELL_WITHIN, self.writing.notified()).await;
        }
        self.tell(answers);
    }

    /// Waits in the database's queue for a lane that another process holds, alone, beside the committers.
    fn wait_for(self: Arc<Self>, batch: LaneBatch, tasks: TaskTracker) -> BoxFuture<'static, ()> {
        async move {
            let _permit = self.patient.acquire().await;
            self.clone().run(vec![batch], Occasion::Patience, &tasks).await;
        }
        .boxed()
    }
}
