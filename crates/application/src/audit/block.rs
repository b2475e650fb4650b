//! Blocks, checkpoints and anchors: what the chain is made of.

use domain::{OrganizerId, SigningKeyId, Timestamp};
use uuid::Uuid;

use crate::audit::SALT_BYTES;
use crate::audit::line::Fields;

const BLOCK: &[u8] = b"goticket audit block v1";
const CHECKPOINT: &[u8] = b"goticket audit checkpoint v1";
const ANCHOR: &[u8] = b"goticket audit anchor v1";

/// Whose chain: a tenant's, or that of the platform, for lines of no tenant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ChainId(Uuid);

impl ChainId {
    /// The chain that the lines of this tenant are in; that of the platform without one.
    #[must_use]
    pub fn of(organizer: Option<OrganizerId>) -> Self {
        Self(organizer.map_or(Uuid::nil(), OrganizerId::uuid))
    }

    /// As it was stored.
    #[must_use]
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// As it is stored: the tenant, or all zeros.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

/// What binds a line to its personal fields without telling them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Commitment {
    /// The digest of salt and fields, which stays.
    pub digest: [u8; 32],
    /// None once the fields are erased.
    pub salt: Option<[u8; SALT_BYTES]>,
}

/// A line in a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Which line.
    pub line: Uuid,
    /// [`AuditLine::digest`](crate::audit::AuditLine::digest); all zeros while the line, of a release that hashed lines
    /// when it sealed them, waits, and for good if it was gone before it was sealed.
    pub digest: [u8; 32],
    /// None where the line had no personal fields.
    pub commitment: Option<Commitment>,
}

impl Entry {
    /// A line of which nothing but its id is known.
    #[must_use]
    pub const fn unhashed(line: Uuid) -> Self {
        Self { line, digest: [0; 32], commitment: None }
    }

    /// Whether the line is yet to be hashed.
    #[must_use]
    pub fn is_unhashed(&self) -> bool {
        self.digest == [0; 32]
    }
}

/// Lines that were sealed together, in their order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    /// Whose.
    pub chain: ChainId,
    /// Counts the blocks of the chain from 1, without gaps.
    pub number: u64,
    /// The digest of the block before; all zeros for the first.
    pub previous: [u8; 32],
    /// When.
    pub sealed_at: Timestamp,
    /// Its lines.
    pub entries: Vec<Entry>,
    /// The digest that was stored: [`recompute`](Self::recompute) tells whether it is right.
    pub digest: [u8; 32],
}

impl Block {
    /// Seals lines behind a head.
    #[must_use]
    pub fn seal(head: &Head, sealed_at: Timestamp, entries: Vec<Entry>) -> Self {
        let (number, previous) = (head.number + 1, head.digest);
        let mut block = Self { chain: head.chain, number, previous, sealed_at, entries, digest: [0; 32] };
        block.digest = block.recompute();
        block
    }

    /// The digest of all that it says.
    #[must_use]
    pub fn recompute(&self) -> [u8; 32] {
        let mut hash = Fields::begin(BLOCK);
        hash.bytes(self.chain.uuid().as_bytes());
        hash.bytes(&self.number.to_be_bytes());
        hash.bytes(&self.previous);
        hash.bytes(&self.sealed_at.timestamp_micros().to_be_bytes());
        for entry in &self.entries {
            hash.bytes(entry.line.as_bytes());
            hash.bytes(&entry.digest);
        }
        hash.end()
    }

    /// The end of the chain with this block.
    #[must_use]
    pub const fn head(&self) -> Head {
        Head { chain: self.chain, number: self.number, digest: self.digest }
    }
}

/// The end of a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Whose.
    pub chain: ChainId,
    /// The number of its last block; 0 before the first.
    pub number: u64,
    /// The digest of its last block.
    pub digest: [u8; 32],
}

impl Head {
    /// A chain without blocks.
    #[must_use]
    pub const fn empty(chain: ChainId) -> Self {
        Self { chain, number: 0, digest: [0; 32] }
    }

    fn enter(&self, hash: &mut Fields) {
        hash.bytes(self.chain.uuid().as_bytes());
        hash.bytes(&self.number.to_be_bytes());
        hash.bytes(&self.digest);
    }
}

/// A signed statement about the ends of those chains that have grown since the last one. Whoever cuts off the end of a
/// chain would have to forge it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// Counts checkpoints from 1, without gaps.
    pub number: u64,
    /// The digest of the checkpoint before; all zeros for the first.
    pub previous: [u8; 32],
    /// When.
    pub at: Timestamp,
    /// The ends of the chains.
    pub heads: Vec<Head>,
    /// Who has signed.
    pub key: SigningKeyId,
    /// The Ed25519 signature of [`digest`](Self::digest).
    pub signature: Vec<u8>,
}

impl Checkpoint {
    /// What is signed.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Fields::begin(CHECKPOINT);
        hash.bytes(&self.number.to_be_bytes());
        hash.bytes(&self.previous);
        hash.bytes(&self.at.timestamp_micros().to_be_bytes());
        self.heads.iter().for_each(|head| head.enter(&mut hash));
        hash.end()
    }
}

/// A signed statement that the beginning of a chain was removed because its time was over: what is left begins behind
/// this head.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Anchor {
    /// The last block that was removed.
    pub head: Head,
    /// No line of the chain from then on was removed.
    pub pruned_before: Timestamp,
    /// Who has signed.
    pub key: SigningKeyId,
    /// The Ed25519 signature of [`digest`](Self::digest).
    pub signature: Vec<u8>,
}

impl Anchor {
    /// What is signed.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Fields::begin(ANCHOR);
        self.head.enter(&mut hash);
        hash.bytes(&self.pruned_before.timestamp_micros().to_be_bytes());
        hash.end()
    }
}
