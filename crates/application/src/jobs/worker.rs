//! The worker: leases due jobs, runs their handlers, and writes down how they ended.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use domain::{JobId, Timestamp};
use futures::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, Ids};
use crate::error::AppError;
use crate::jobs::{JobOutcome, JobStore, LeasedJob, NewJob};

/// What is done for the jobs of one kind.
#[async_trait]
pub trait JobHandler: Send + Sync {
    /// Which kind.
    fn kind(&self) -> &'static str;

    /// Whether there is one such job always, which every worker puts in where it is missing, rather than one for each
    /// occasion.
    fn recurs(&self) -> bool {
        true
    }

    /// How often a job is tried before it is parked; none for jobs that are never given up.
    fn tries_max(&self) -> Option<u32> {
        None
    }

    /// How many such jobs a process does at a time. The kinds have their places apart, so that what is slow in one holds
    /// up no other.
    fn at_once(&self) -> usize {
        1
    }

    /// Whether such jobs are better left for now: none is taken then, and all keep their places.
    fn rests(&self) -> bool {
        false
    }

    /// Does the job. It may run twice, and it may be stopped at any `await`: it must leave things so that the next run
    /// goes on where this one stopped.
    ///
    /// # Errors
    /// Any: the job is tried again after a pause whose bound doubles, [`tries_max`](Self::tries_max) times; a handler
    /// that knows that it will never succeed answers [`JobOutcome::Parked`].
    async fn run(&self, job: &LeasedJob) -> Result<JobOutcome, AppError>;
}

/// For how long a job is leased. A worker that dies is followed by another after this time.
const LEASE: TimeDelta = TimeDelta::seconds(30);
/// How often a running job's lease is made longer.
const EXTEND_EVERY: Duration = Duration::from_secs(10);
/// How often an idle worker looks for work.
const IDLE: Duration = Duration::from_millis(200);
/// The longest pause between two tries.
const BACKOFF_MAX: TimeDelta = TimeDelta::minutes(5);

/// Runs jobs. One worker is enough for a process: it looks for work in one place, and does as much at once as the
/// handlers say. A cluster may have many.
pub struct Worker {
    store: Arc<dyn JobStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    places: Vec<WorkPlace>,
}

/// Where jobs of one kind are done.
struct WorkPlace {
    handler: Arc<dyn JobHandler>,
    free: Arc<Semaphore>,
}

/// A leased job, with who does it and the place that it takes.
struct Taken {
    job: LeasedJob,
    handler: Arc<dyn JobHandler>,
    _place: OwnedSemaphorePermit,
}

impl Worker {
    /// A worker for the kinds of these handlers.
    #[must_use]
    pub fn new(
        store: Arc<dyn JobStore>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        handlers: Vec<Arc<dyn JobHandler>>,
    ) -> Self {
        let places =
            |handler: Arc<dyn JobHandler>| WorkPlace { free: Arc::new(Semaphore::new(handler.at_once())), handler };
        Self { store, clock, ids, places: handlers.into_iter().map(places).collect() }
    }

    /// Works until it is cancelled; jobs that run then are left to their leases. It survives a database that goes away.
    pub async fn work(self: Arc<Self>, cancel: CancellationToken) {
        let mut enqueued = false;
        let mut running = JoinSet::new();
        while !cancel.is_cancelled() {
            if !enqueued {
                enqueued = self.enqueue_recurring().await;
            }
            let taken = tokio::select! {
                () = cancel.cancelled() => return,
                taken = self.take() => taken,
            };
            while running.try_join_next().is_some() {}
            if let Some(taken) = taken {
                let worker = Arc::clone(&self);
                running.spawn(async move { worker.run(taken).await });
                continue;
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                // Its place is free again, and the next may wait already.
                Some(_) = running.join_next() => {}
                () = tokio::time::sleep(IDLE) => {}
            }
        }
    }

    /// Runs the job that is due, if there is one; says whether there was.
    pub async fn work_once(&self) -> bool {
        let Some(taken) = self.take().await else { return false };
        self.run(taken).await;
        true
    }

    /// Leases the job that has been due for the longest time, of the kinds that have a place free.
    async fn take(&self) -> Option<Taken> {
        let free: Vec<_> = self
            .places
            .iter()
            .filter(|place| !place.handler.rests())
            .filter_map(|place| Some((&place.handler, Arc::clone(&place.free).try_acquire_owned().ok()?)))
            .collect();
        if free.is_empty() {
            return None;
        }
        let kinds: Vec<&str> = free.iter().map(|(handler, _)| handler.kind()).collect();
        let now = self.clock.now();
        let job = match self.store.lease(&kinds, now, now + LEASE).await {
            Ok(job) => job?,
            Err(error) => {
                tracing::warn!(cause = %crate::error::chain(&error), "The job table cannot be read");
                return None;
            }
        };
        let (handler, place) = free.into_iter().find(|(handler, _)| handler.kind() == job.kind)?;
        Some(Taken { job, handler: Arc::clone(handler), _place: place })
    }

    async fn run(&self, Taken { job, handler, _place }: Taken) {
        let Some(outcome) = self.run_leased(&*handler, &job).await else { return };
        let outcome = bounded(outcome, &job, handler.tries_max());
        match self.store.finish(job.id, job.fence, &outcome).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(job.kind, job.fence, "Another worker has taken the job over"),
            Err(error) => tracing::warn!(cause = %crate::error::chain(&error), "A job's end could not be written"),
        }
    }

    /// Runs a handler while its lease is kept; `None` when the lease was lost.
    async fn run_leased(&self, handler: &dyn JobHandler, job: &LeasedJob) -> Option<JobOutcome> {
        let mut running = std::pin::pin!(std::panic::AssertUnwindSafe(handler.run(job)).catch_unwind());
        loop {
            tokio::select! {
                done = &mut running => {
                    return Some(match done {
                        Ok(Ok(outcome)) => outcome,
                        Ok(Err(error)) => self.failed(job, &error.to_string()),
                        Err(_) => self.failed(job, "the handler panicked"),
                    });
                }
                () = tokio::time::sleep(EXTEND_EVERY) => {
                    let until = self.clock.now() + LEASE;
                    if let Ok(false) = self.store.extend(job.id, job.fence, until).await {
                        tracing::warn!(job.kind, job.fence, "The lease of a job was lost");
                        return None;
                    }
                }
            }
        }
    }

    fn failed(&self, job: &LeasedJob, error: &str) -> JobOutcome {
        tracing::warn!(job.kind, job.attempts, error, "A job failed");
        JobOutcome::Retry { run_at: self.retry_at(job.attempts), error: error.to_owned() }
    }

    /// Full jitter: anything between now and the bound, so that those that failed together do not come back together.
    fn retry_at(&self, attempts: u32) -> Timestamp {
        let bound = TimeDelta::milliseconds(500_i64 << attempts.min(10)).min(BACKOFF_MAX);
        let millis = u64::try_from(bound.num_milliseconds()).unwrap_or(1).max(1);
        let pause = i64::try_from(self.ids.random() % millis).unwrap_or(0);
        self.clock.now() + TimeDelta::milliseconds(pause)
    }

    async fn enqueue_recurring(&self) -> bool {
        for handler in self.places.iter().map(|place| &place.handler).filter(|handler| handler.recurs()) {
            let job = NewJob {
                id: JobId::new(self.ids.uuid()),
                kind: handler.kind(),
                subject: String::new(),
                payload: "{}".into(),
                run_at: self.clock.now(),
            };
            if let Err(error) = self.store.enqueue(&job).await {
                tracing::warn!(cause = %crate::error::chain(&error), "Recurring jobs could not be put in; trying again");
                return false;
            }
        }
        true
    }
}

/// A failure that was the last one allowed parks the job.
fn bounded(outcome: JobOutcome, job: &LeasedJob, tries_max: Option<u32>) -> JobOutcome {
    match outcome {
        JobOutcome::Retry { error, .. } if tries_max.is_some_and(|most| job.attempts.saturating_add(1) >= most) => {
            tracing::error!(job.id = %job.id, job.kind, error, "A job is given up after {} tries", job.attempts + 1);
            JobOutcome::Parked { error }
        }
        other => other,
    }
}
