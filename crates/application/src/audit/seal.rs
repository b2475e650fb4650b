//! Job `audit.seal`: what waits is sealed, several times a second, and now and then the ends of the chains are signed.
//!
//! A round reads the digests that wait without holding anything, and writes its blocks in one transaction, which fails
//! where another worker was faster. So it does no harm if two run at once by mistake.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use domain::Timestamp;
use uuid::Uuid;

use crate::audit::{
    AuditLine, AuditSeals, Block, ChainId, Checkpoint, Entry, Head, SALT_BYTES, Sealed, Signer, Unsealed,
};
use crate::clock::{Clock, Ids};
use crate::error::AppError;
use crate::identity::{Sealer, SecretRandom};
use crate::jobs::{JobHandler, JobOutcome, LeasedJob};

/// The pause when nothing waits: with what a round takes, a line is sealed within a second.
const PAUSE: TimeDelta = TimeDelta::milliseconds(500);
/// The most batches that one round reads.
const BATCHES_MAX: u32 = 500;
/// A round is full with so many lines.
const ROUND_LINES: usize = 4_000;
/// The most lines of a block.
const BLOCK_LINES_MAX: usize = 1_000;
/// Rounds of one run of the job, so that it ends well within its lease.
const ROUNDS_MAX: usize = 50;
/// How often the ends of the chains are signed.
const CHECKPOINT_EVERY: TimeDelta = TimeDelta::minutes(1);
/// The most ends in one checkpoint; the others are in the next.
const CHECKPOINT_HEADS_MAX: u32 = 1_000;

/// What the audit log needs from outside.
#[derive(Clone)]
pub struct AuditPorts {
    /// Lines and blocks.
    pub seals: Arc<dyn AuditSeals>,
    /// Signatures.
    pub signer: Arc<dyn Signer>,
    /// The master key.
    pub sealer: Arc<dyn Sealer>,
    /// Salts.
    pub random: Arc<dyn SecretRandom>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn Ids>,
}

/// Job `audit.seal`.
pub struct SealAudit {
    /// What it needs.
    pub ports: AuditPorts,
}

#[async_trait]
impl JobHandler for SealAudit {
    fn kind(&self) -> &'static str {
        "audit.seal"
    }

    async fn run(&self, job: &LeasedJob) -> Result<JobOutcome, AppError> {
        let mut is_done = false;
        for _ in 0..ROUNDS_MAX {
            is_done = self.round().await? == 0;
            if is_done {
                break;
            }
        }
        self.checkpoint().await?;
        let pause = if is_done { PAUSE } else { TimeDelta::zero() };
        Ok(JobOutcome::Again { run_at: self.ports.clock.now() + pause, payload: job.payload.clone() })
    }
}

impl SealAudit {
    /// Seals what waits, up to some thousand lines; says how many batches it took.
    async fn round(&self) -> Result<usize, AppError> {
        let seals = self.ports.seals.as_ref();
        let batches = some_of(seals.unsealed(BATCHES_MAX).await?);
        if batches.is_empty() {
            return Ok(0);
        }
        let mut sealed = Sealed { batches: batches.iter().map(|batch| batch.id).collect(), blocks: Vec::new() };
        let mut chains: BTreeMap<ChainId, Vec<Entry>> = BTreeMap::new();
        for batch in batches {
            chains.entry(ChainId::of(batch.organizer)).or_default().extend(batch.entries);
        }
        self.hash_the_unhashed(&mut chains).await?;
        let lines: usize = chains.values().map(Vec::len).sum();
        let of: Vec<ChainId> = chains.keys().copied().collect();
        let heads = seals.heads(&of).await?;
        let heads: HashMap<ChainId, Head> = heads.into_iter().map(|head| (head.chain, head)).collect();
        let now = self.ports.clock.now();
        for (chain, entries) in chains {
            let mut head = heads.get(&chain).copied().unwrap_or(Head::empty(chain));
            for some in entries.chunks(BLOCK_LINES_MAX) {
                let block = Block::seal(&head, now, some.to_vec());
                head = block.head();
                sealed.blocks.push(block);
            }
        }
        if seals.seal(&sealed).await? {
            metrics::counter!("goticket_audit_lines_sealed_total").increment(lines as u64);
        }
        Ok(sealed.batches.len())
    }

    /// Lines of a release that left it to the sealing are read and hashed now.
    async fn hash_the_unhashed(&self, chains: &mut BTreeMap<ChainId, Vec<Entry>>) -> Result<(), AppError> {
        let unhashed: Vec<&mut Entry> = chains.values_mut().flatten().filter(|entry| entry.is_unhashed()).collect();
        if unhashed.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = unhashed.iter().map(|entry| entry.line).collect();
        let lines = self.ports.seals.audit_lines(&ids).await?;
        let lines: HashMap<Uuid, AuditLine> = lines.into_iter().map(|line| (line.id, line)).collect();
        for entry in unhashed {
            *entry = self.entry(entry.line, lines.get(&entry.line))?;
        }
        Ok(())
    }

    fn entry(&self, id: Uuid, line: Option<&AuditLine>) -> Result<Entry, AppError> {
        let Some(line) = line else {
            tracing::error!(line = %id, "A line of the audit log was gone before it was sealed");
            return Ok(Entry::unhashed(id));
        };
        let commitment = match line.personal {
            None => None,
            Some(_) => {
                let mut salt = [0; SALT_BYTES];
                salt.copy_from_slice(&self.ports.random.secret()?[..SALT_BYTES]);
                line.commit(salt)
            }
        };
        let digest = line.digest(commitment.as_ref().map(|commitment| &commitment.digest));
        Ok(Entry { line: id, digest, commitment })
    }

    /// Signs the ends of the chains that have grown, where the last checkpoint is old enough.
    async fn checkpoint(&self) -> Result<(), AppError> {
        let (seals, now) = (self.ports.seals.as_ref(), self.ports.clock.now());
        let last = seals.last_checkpoint().await?;
        if last.as_ref().is_some_and(|last| is_young(last.at, now)) {
            return Ok(());
        }
        let heads = seals.unchecked_heads(CHECKPOINT_HEADS_MAX).await?;
        if heads.is_empty() {
            return Ok(());
        }
        let (key, private_key) = self.ports.key().await?;
        let (number, previous) = last.map_or((1, [0; 32]), |last| (last.number + 1, last.digest()));
        let mut checkpoint = Checkpoint { number, previous, at: now, heads, key, signature: Vec::new() };
        let digest = checkpoint.digest();
        checkpoint.signature = self.ports.signer.sign(&private_key, &digest)?;
        if seals.insert_checkpoint(&checkpoint).await? {
            // Kept outside of the database, this line shows if checkpoints were cut off at their end.
            tracing::info!(
                checkpoint = number,
                digest = hex(&digest),
                "Signed the ends of {} audit chains",
                checkpoint.heads.len()
            );
        }
        Ok(())
    }
}

/// A clock that was set back must not keep checkpoints away for long.
fn is_young(last: Timestamp, now: Timestamp) -> bool {
    (TimeDelta::zero()..CHECKPOINT_EVERY).contains(&(now - last))
}

/// The first batches, until a round is full.
fn some_of(batches: Vec<Unsealed>) -> Vec<Unsealed> {
    let mut lines = 0;
    let fits = |batch: &Unsealed| {
        let has_room = lines < ROUND_LINES;
        lines += batch.entries.len();
        has_room
    };
    batches.into_iter().take_while(fits).collect()
}

fn hex(digest: &[u8]) -> String {
    use std::fmt::Write;
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
