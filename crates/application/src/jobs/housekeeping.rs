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
use crate::privacy::Retained;

/// Rows of one statement: few enough that nobody waits for it.
const CHUNK: u32 = 5_000;
/// Statements of one round.
const CHUNKS_MAX: usize = 50;

/// For how long what has ended is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeptFor {
    /// Mails, and wishes for another password, that were given up.
    pub undelivered: TimeDelta,
    /// API keys that were revoked or expired.
    pub api_keys: TimeDelta,
    /// Messages of the outbox.
    pub outbox: TimeDelta,
    /// Messages of payment providers as they came, and which of them had their effect.
    pub provider_events: TimeDelta,
}

impl Default for KeptFor {
    fn default() -> Self {
        let days = TimeDelta::days;
        Self { undelivered: days(30), api_keys: days(366), outbox: days(1_827), provider_events: days(90) }
    }
}

/// Deletes lapsed idempotency keys, dead sessions, mails that were given up long ago, ended API keys, messages of long ago,
/// and what payment providers told, every minute.
pub struct Housekeeping {
    /// Where the keys are.
    pub jobs: Arc<dyn JobStore>,
    /// Where the sessions are.
    pub identity: Arc<Identity>,
    /// Where the invitations are.
    pub catalog: Arc<Catalog>,
    /// Where API keys and messages are.
    pub retained: Arc<dyn Retained>,
    /// For how long.
    pub kept_for: KeptFor,
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
        for kind in crate::mail::KINDS.into_iter().chain([crate::identity::FORGOTTEN]) {
            self.jobs.purge_parked(kind, self.clock.now() - self.kept_for.undelivered, CHUNK).await?;
        }
        self.retained.purge_ended_keys(self.clock.now() - self.kept_for.api_keys, CHUNK).await?;
        for _ in 0..CHUNKS_MAX {
            let pruned = self.retained.prune_outbox(self.clock.now() - self.kept_for.outbox, CHUNK).await?;
            if pruned < u64::from(CHUNK) {
                break;
            }
        }
        let before = self.clock.now() - self.kept_for.provider_events;
        for _ in 0..CHUNKS_MAX {
            if self.retained.prune_provider_events(before, CHUNK).await? < u64::from(CHUNK) {
                break;
            }
        }
        for _ in 0..CHUNKS_MAX {
            if self.retained.prune_provider_messages(before, CHUNK).await? < u64::from(CHUNK) {
                break;
            }
        }
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
