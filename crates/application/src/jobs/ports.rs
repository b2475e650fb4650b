//! The job table: background work that survives crashes and is done by one worker at a time.

use async_trait::async_trait;
use domain::{JobId, Timestamp};

use crate::store::StoreError;

/// A job to be.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// What is to be done: `booking.sweep`.
    pub kind: &'static str,
    /// What it is about; there is at most one unfinished job of a kind and subject.
    pub subject: String,
    /// Its arguments as JSON.
    pub payload: String,
    /// Not before.
    pub run_at: Timestamp,
}

/// A job that this worker has leased.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeasedJob {
    /// Its id.
    pub id: JobId,
    /// What is to be done.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// Its arguments as JSON.
    pub payload: String,
    /// How often it was tried before without success, in a row.
    pub attempts: u32,
    /// The fencing token: it goes up with each lease, and only the newest may finish the job.
    pub fence: u64,
}

/// How a lease ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JobOutcome {
    /// Done; the row goes.
    Done,
    /// Done for now; the same job again, with its attempts set to none.
    Again {
        /// When.
        run_at: Timestamp,
        /// With these arguments.
        payload: String,
    },
    /// Failed; tried again.
    Retry {
        /// When.
        run_at: Timestamp,
        /// Why it failed, without personal data.
        error: String,
    },
    /// Failed for good: it stays to be seen and replayed by people.
    Parked {
        /// Why it failed, without personal data.
        error: String,
    },
}

/// How many jobs are in which state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct JobCounts {
    /// Due or to come.
    pub waiting: u64,
    /// Under a lease that runs.
    pub running: u64,
    /// Failed for good, mails left out.
    pub parked: u64,
    /// Mails that could not be delivered: that a stranger has named an address that does not exist is no fault here.
    pub undelivered: u64,
}

/// The job table within a transaction: a change and the jobs that it causes are written together or not at all.
#[async_trait]
pub trait JobQueue {
    /// Puts a job in, unless an unfinished one of its kind and subject is there; says whether it did. Nobody sees it
    /// before the transaction is committed.
    async fn enqueue_job(&mut self, job: &NewJob) -> Result<bool, StoreError>;

    /// Puts a job in. An unfinished one of its kind and subject runs again instead, with the arguments that it has and not
    /// before either of them: whoever runs it at this moment loses it, so that nothing that happened by now is missed.
    async fn rouse_job(&mut self, job: &NewJob) -> Result<(), StoreError>;

    /// Gives a leased job other arguments, so that what a part of it has done and where it goes on are written together;
    /// `false`, and nothing is changed, where another worker has it now.
    async fn advance_job(&mut self, job: &LeasedJob, payload: &str) -> Result<bool, StoreError>;
}

/// Where jobs are kept.
#[async_trait]
pub trait JobStore: Send + Sync {
    /// Puts a job in, unless an unfinished one of its kind and subject is there; says whether it did.
    async fn enqueue(&self, job: &NewJob) -> Result<bool, StoreError>;

    /// Leases the due job that has waited longest, until `lease_until`. A lease that has run out counts as none. Two
    /// workers never get the same job at once.
    async fn lease(
        &self,
        kinds: &[&str],
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<LeasedJob>, StoreError>;

    /// A longer lease; `false` if another worker has it now, and this one must stop.
    async fn extend(&self, job: JobId, fence: u64, lease_until: Timestamp) -> Result<bool, StoreError>;

    /// Ends the lease; `false` if another worker has the job now, and nothing was changed.
    async fn finish(&self, job: JobId, fence: u64, outcome: &JobOutcome) -> Result<bool, StoreError>;

    /// How many there are.
    async fn counts(&self, now: Timestamp) -> Result<JobCounts, StoreError>;

    /// Deletes parked jobs of a kind that were due before `before`, at most `limit`; says how many.
    async fn purge_parked(&self, kind: &str, before: Timestamp, limit: u32) -> Result<u64, StoreError>;

    /// Deletes idempotency keys that were kept before `before`, at most `limit`; says how many.
    async fn purge_answers(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
}
