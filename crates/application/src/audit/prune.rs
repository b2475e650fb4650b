//! Job `audit.prune`: lines whose time is over go, block by block from the beginning of each chain, and a signed anchor
//! says so. What is left verifies as before.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use uuid::Uuid;

use crate::audit::{Anchor, AuditPorts};
use crate::error::AppError;
use crate::jobs::{JobHandler, JobOutcome, LeasedJob};

/// Blocks of one step.
const BLOCKS: u32 = 20;
/// Steps of one run of the job.
const STEPS_MAX: usize = 200;
/// The pause when nothing is old enough.
const PAUSE: TimeDelta = TimeDelta::hours(1);

/// Job `audit.prune`.
pub struct PruneAudit {
    /// What it needs.
    pub ports: AuditPorts,
    /// For how long lines are kept once they are sealed.
    pub kept_for: TimeDelta,
}

#[async_trait]
impl JobHandler for PruneAudit {
    fn kind(&self) -> &'static str {
        "audit.prune"
    }

    async fn run(&self, job: &LeasedJob) -> Result<JobOutcome, AppError> {
        let mut is_done = false;
        for _ in 0..STEPS_MAX {
            is_done = self.step().await?.is_none();
            if is_done {
                break;
            }
        }
        let pause = if is_done { PAUSE } else { TimeDelta::zero() };
        Ok(JobOutcome::Again { run_at: self.ports.clock.now() + pause, payload: job.payload.clone() })
    }
}

impl PruneAudit {
    /// Removes the first old blocks of a chain; none where there are none, else how many lines went.
    async fn step(&self) -> Result<Option<u64>, AppError> {
        let seals = Arc::clone(&self.ports.seals);
        let blocks = seals.oldest_blocks(self.ports.clock.now() - self.kept_for, BLOCKS).await?;
        let Some(last) = blocks.last() else { return Ok(None) };
        let lines: Vec<Uuid> = blocks.iter().flat_map(|block| block.entries.iter().map(|entry| entry.line)).collect();
        // Clocks differ: a line may bear a later time than the block that it is in.
        let youngest = seals.youngest(&lines).await?.map_or(last.sealed_at, |at| at.max(last.sealed_at));
        let (key, private_key) = self.ports.key().await?;
        let pruned_before = youngest + TimeDelta::microseconds(1);
        let mut anchor = Anchor { head: last.head(), pruned_before, key, signature: Vec::new() };
        anchor.signature = self.ports.signer.sign(&private_key, &anchor.digest())?;
        Ok(Some(seals.prune(&blocks, &anchor).await?))
    }
}
