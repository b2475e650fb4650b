//! `goticket audit verify`: the chain is recomputed from the rows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use domain::OrganizerId;
use secrecy::SecretSlice;
use uuid::Uuid;

use crate::audit::keys::PURPOSE;
use crate::audit::{AuditLine, AuditTrail, AuditTrails, Block, Chain, ChainId, Checkpoint, Entry, Head, Signer};
use crate::error::AppError;
use crate::identity::Sealer;

/// The most findings that are told.
const FINDINGS_MAX: usize = 1_000;
/// Rows of one read.
const ROWS: u64 = 1_000;
/// Blocks of one read: with their lines they are some thousand rows.
const BLOCKS: u64 = 4;

/// Something that is not as it was sealed: an incident.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditFinding {
    /// What is wrong, as a stable word: `changed`, `removed`, `inserted`, `block`, `gap`, `truncated`, `checkpoint`,
    /// `anchor`, `key`.
    pub what: &'static str,
    /// Whose chain; none for the platform's, and for what is of no chain.
    pub organizer: Option<OrganizerId>,
    /// About what, for a person.
    pub detail: String,
}

/// What was looked at, and what was found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditReport {
    /// Lines that are there.
    pub lines: u64,
    /// Those of them that wait to be sealed.
    pub unsealed: u64,
    /// Blocks.
    pub blocks: u64,
    /// Chains.
    pub chains: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Lines whose personal fields were erased.
    pub erased: u64,
    /// The number and digest of the newest checkpoint, to be kept elsewhere.
    pub newest: Option<(u64, [u8; 32])>,
    /// At most the first thousand.
    pub findings: Vec<AuditFinding>,
}

/// Verifies the trail.
pub struct VerifyAudit {
    /// Where it is read.
    pub trails: Arc<dyn AuditTrails>,
    /// Whose signatures.
    pub signer: Arc<dyn Signer>,
    /// The master key, which tells our signing keys from others.
    pub sealer: Arc<dyn Sealer>,
}

impl VerifyAudit {
    /// Recomputes everything in one snapshot, which takes as long as it takes. `known` is a checkpoint that was kept
    /// elsewhere: the trail must have it.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn verify(&self, known: Option<(u64, [u8; 32])>) -> Result<AuditReport, AppError> {
        let mut trail = self.trails.trail().await?;
        let mut found = Found::default();
        let keys = self.keys(trail.as_mut(), &mut found).await?;
        let ends = self.checkpoints(trail.as_mut(), &keys, known, &mut found).await?;
        let mut sealed: Vec<Uuid> = Vec::new();
        let mut seen: Vec<ChainId> = Vec::new();
        let mut after = None;
        loop {
            let chains = trail.chains(after, ROWS).await?;
            let Some(last) = chains.last() else { break };
            after = Some(last.head.chain);
            for chain in &chains {
                let ends = ends.get(&chain.head.chain).map_or(&[][..], Vec::as_slice);
                self.chain(trail.as_mut(), chain, ends, &keys, (&mut sealed, &mut found)).await?;
                seen.push(chain.head.chain);
            }
        }
        for chain in ends.keys().filter(|chain| seen.binary_search(chain).is_err()) {
            found.add("truncated", *chain, "checkpoints tell of the chain, and it is gone".to_owned());
        }
        self.lines(trail.as_mut(), sealed, &mut found).await?;
        found.report.chains = seen.len() as u64;
        Ok(found.report)
    }

    /// The public keys that are ours: what the master key opens, and nothing that somebody has put beside it.
    async fn keys(&self, trail: &mut dyn AuditTrail, found: &mut Found) -> Result<Keys, AppError> {
        let mut keys = HashMap::new();
        for key in trail.keys().await? {
            let opened = self.sealer.open(PURPOSE, &key.sealed_private_key);
            let public = opened.ok().and_then(|private: SecretSlice<u8>| self.signer.public_key(&private).ok());
            if public == Some(key.public_key) {
                keys.insert(key.id.uuid(), key.public_key);
            } else {
                let detail = format!("the signing key {} is none that the master key opens", key.id);
                found.add("key", ChainId::of(None), detail);
            }
        }
        Ok(keys)
    }

    /// Checks the checkpoints, and gives what they tell of each chain.
    async fn checkpoints(
        &self,
        trail: &mut dyn AuditTrail,
        keys: &Keys,
        known: Option<(u64, [u8; 32])>,
        found: &mut Found,
    ) -> Result<BTreeMap<ChainId, Vec<Head>>, AppError> {
        let platform = ChainId::of(None);
        let mut ends: BTreeMap<ChainId, Vec<Head>> = BTreeMap::new();
        let (mut number, mut previous) = (0, [0; 32]);
        loop {
            let some = trail.checkpoints(number, ROWS).await?;
            if some.is_empty() {
                break;
            }
            for checkpoint in &some {
                let digest = checkpoint.digest();
                if checkpoint.number != number + 1 || checkpoint.previous != previous {
                    found.add(
                        "checkpoint",
                        platform,
                        format!("checkpoint {} does not follow {number}", checkpoint.number),
                    );
                }
                if !self.is_signed(keys, checkpoint, &digest) {
                    found.add(
                        "checkpoint",
                        platform,
                        format!("checkpoint {} has no signature of ours", checkpoint.number),
                    );
                }
                if known.is_some_and(|(number, kept)| number == checkpoint.number && kept != digest) {
                    let detail = format!("checkpoint {} is another one than was kept", checkpoint.number);
                    found.add("checkpoint", platform, detail);
                }
                for head in &checkpoint.heads {
                    ends.entry(head.chain).or_default().push(*head);
                }
                (number, previous) = (checkpoint.number, digest);
                found.report.checkpoints += 1;
                found.report.newest = Some((number, digest));
            }
        }
        if let Some((kept, _)) = known.filter(|(kept, _)| *kept > number) {
            let detail = format!("checkpoint {kept} was kept, and the last one here is {number}");
            found.add("truncated", platform, detail);
        }
        Ok(ends)
    }

    fn is_signed(&self, keys: &Keys, checkpoint: &Checkpoint, digest: &[u8; 32]) -> bool {
        let key = keys.get(&checkpoint.key.uuid());
        key.is_some_and(|key| self.signer.verify(key, digest, &checkpoint.signature))
    }

    /// Walks along a chain; `ends` are the heads that checkpoints tell of.
    async fn chain(
        &self,
        trail: &mut dyn AuditTrail,
        chain: &Chain,
        ends: &[Head],
        keys: &Keys,
        (sealed, found): (&mut Vec<Uuid>, &mut Found),
    ) -> Result<(), AppError> {
        let id = chain.head.chain;
        let mut head = self.beginning(chain, keys, found);
        let began_behind = head.number;
        let mut told: HashMap<u64, [u8; 32]> = HashMap::new();
        for end in ends.iter().filter(|end| end.number >= began_behind) {
            told.insert(end.number, end.digest);
        }
        let mut differs = |head: &Head, found: &mut Found| {
            if told.remove(&head.number).is_some_and(|digest| digest != head.digest) {
                found.add("checkpoint", id, format!("block {} is another one than was signed", head.number));
            }
        };
        differs(&head, found);
        loop {
            let blocks = trail.blocks(id, head.number, BLOCKS).await?;
            if blocks.is_empty() {
                break;
            }
            let ids: Vec<Uuid> = blocks.iter().flat_map(|block| block.entries.iter().map(|entry| entry.line)).collect();
            let lines = by_id(trail.lines(&ids).await?);
            for block in &blocks {
                link(&head, block, found);
                compare(id, &block.entries, &format!("of block {}", block.number), &lines, found);
                head = block.head();
                differs(&head, found);
            }
            found.report.blocks += blocks.len() as u64;
            sealed.extend(ids);
        }
        if head.number != chain.head.number || head.digest != chain.head.digest {
            let detail = format!("the last block is {}, and {} was written down", head.number, chain.head.number);
            found.add("truncated", id, detail);
        }
        if let Some(last) = told.keys().max() {
            let detail = format!("the last block is {}, and {last} was signed", head.number);
            found.add("truncated", id, detail);
        }
        Ok(())
    }

    /// Where the chain begins: at its anchor, if that is ours, else at nothing.
    fn beginning(&self, chain: &Chain, keys: &Keys, found: &mut Found) -> Head {
        let Some(anchor) = &chain.anchor else { return Head::empty(chain.head.chain) };
        let key = keys.get(&anchor.key.uuid());
        if !key.is_some_and(|key| self.signer.verify(key, &anchor.digest(), &anchor.signature)) {
            found.add(
                "anchor",
                chain.head.chain,
                "what says that the beginning was removed is not signed by us".to_owned(),
            );
        }
        anchor.head
    }

    /// Every line that is there must be in a block or wait for one, once.
    async fn lines(&self, trail: &mut dyn AuditTrail, mut known: Vec<Uuid>, found: &mut Found) -> Result<(), AppError> {
        let mut after = None;
        loop {
            let batches = trail.waiting(after, ROWS).await?;
            let Some(last) = batches.last() else { break };
            after = Some(last.id);
            for batch in &batches {
                let ids: Vec<Uuid> = batch.entries.iter().map(|entry| entry.line).collect();
                let hashed: Vec<Entry> = batch.entries.iter().filter(|entry| !entry.is_unhashed()).copied().collect();
                let lines = if hashed.is_empty() { HashMap::new() } else { by_id(trail.lines(&ids).await?) };
                compare(ChainId::of(batch.organizer), &hashed, "that waits to be sealed", &lines, found);
                found.report.unsealed += ids.len() as u64;
                known.extend(ids);
            }
        }
        known.sort_unstable();
        for twice in known.windows(2).filter(|two| two[0] == two[1]) {
            found.add("inserted", ChainId::of(None), format!("the line {} is sealed twice", twice[0]));
        }
        found.report.lines = trail.count().await?;
        let mut after = None;
        loop {
            let ids = trail.line_ids(after, ROWS).await?;
            let Some(last) = ids.last() else { break };
            after = Some(*last);
            for id in ids.iter().filter(|id| known.binary_search(id).is_err()) {
                found.add(
                    "inserted",
                    ChainId::of(None),
                    format!("the line {id} is in no block and does not wait for one"),
                );
            }
        }
        Ok(())
    }
}

/// Ours, by their ids.
type Keys = HashMap<Uuid, [u8; 32]>;

#[derive(Default)]
struct Found {
    report: AuditReport,
}

impl Found {
    fn add(&mut self, what: &'static str, chain: ChainId, detail: String) {
        if self.report.findings.len() < FINDINGS_MAX {
            let organizer = Some(chain.uuid()).filter(|id| !id.is_nil()).map(OrganizerId::new);
            self.report.findings.push(AuditFinding { what, organizer, detail });
        }
    }
}

/// Whether the block follows what was before it, and says what its digest says.
fn link(head: &Head, block: &Block, found: &mut Found) {
    if block.number != head.number + 1 {
        found.add("gap", block.chain, format!("block {} follows block {}", block.number, head.number));
    } else if block.previous != head.digest {
        found.add("block", block.chain, format!("block {} does not follow from block {}", block.number, head.number));
    }
    if block.recompute() != block.digest {
        found.add("block", block.chain, format!("block {} is not what was sealed", block.number));
    }
}

fn by_id(lines: Vec<AuditLine>) -> HashMap<Uuid, AuditLine> {
    lines.into_iter().map(|line| (line.id, line)).collect()
}

/// Whether the lines are those that were written; `place` says which lines these are.
fn compare(chain: ChainId, entries: &[Entry], place: &str, lines: &HashMap<Uuid, AuditLine>, found: &mut Found) {
    for entry in entries {
        let Some(line) = lines.get(&entry.line) else {
            found.add("removed", chain, format!("the line {} {place} is gone", entry.line));
            continue;
        };
        let digest = line.digest(entry.commitment.as_ref().map(|commitment| &commitment.digest));
        let is_in_place = ChainId::of(line.organizer) == chain;
        if digest != entry.digest || !is_in_place || !line.agrees(entry.commitment.as_ref()) {
            found.add("changed", chain, format!("the line {} {place} is not what was written", entry.line));
        } else if entry.commitment.is_some_and(|commitment| commitment.salt.is_none()) {
            found.report.erased += 1;
        }
    }
}
