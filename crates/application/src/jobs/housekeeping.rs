//! Job `housekeeping`: what is kept for a time only goes when that time is over.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::error::AppError;
use crate::idempotency::KEPT_FOR;
use crate::identity::Identity;
use crate::jobs::{JobHandler, JobOutcome, JobStore, LeasedJob};

/// Rows of one statement: few enough that nobody waits for it.
const CHUNK: u32 = 5_000;
/// Statements of one round.
const CHUNKS_MAX: usize = 50;

/// For how long a mail that could not be delivered stays to be seen.
const UNDELIVERED_FOR: TimeDelta = TimeDelta::days(30);

/// Deletes lapsed idempotency keys, dead sessions and mails that were given up long ago, every minute.
pub struct Housekeeping {
    /// Where the keys are.
    pub jobs: Arc<dyn JobStore>,
    /// Where the sessions are.
    pub identity: Arc<Identity>,
    /// Where the invitations are.
    pub catalog: Arc<Catalog>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl JobHandler for Housekeeping {
    fn kind(&self) -> &'static str {
        "housekeeping"
    }

    async fn run(&self, job: &LeasedJob) -> Result<JobOutcome, AppError> {
        let before = self.clock.now() - KEPT_FOR;
        for _ in 0..CHUNKS_MAX {
            if self.jobs.purge_answers(before, CHUNK).await? < u64::from(CHUNK) {
                break;
            }
        }
        self.jobs.purge_parked(crate::mail::KIND, self.clock.now() - UNDELIVERED_FOR, CHUNK).await?;
        self.identity.delete_lapsed_tokens().await?;
        let limit = domain::Limit::default();
        for _ in 0..CHUNKS_MAX {
            if self.identity.delete_dead_sessions(limit).await? < limit.rows() {
                break;
            }
        }
        for _ in 0..CHUNKS_MAX {
            if self.catalog.delete_old_invitations(limit).await? < limit.rows() {
                break;
            }
        }
        Ok(JobOutcome::Again { run_at: self.clock.now() + TimeDelta::minutes(1), payload: job.payload.clone() })
    }
}
