//! What sealing and verifying need of a store, and the port that signs.

use async_trait::async_trait;
use domain::{OrganizerId, Timestamp};
use secrecy::SecretSlice;
use uuid::Uuid;

use crate::audit::{Anchor, AuditLine, Block, ChainId, Checkpoint, Entry, Erased, Head, StoredAuditKey};
use crate::identity::{CryptoError, KeyPair};
use crate::store::StoreError;

/// Lines of one tenant that one commit has written, and that wait to be sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsealed {
    /// The first of the lines names it.
    pub id: Uuid,
    /// Whose lines.
    pub organizer: Option<OrganizerId>,
    /// What of them enters the chain, in the order of the commit.
    pub entries: Vec<Entry>,
}

/// What one round of sealing writes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sealed {
    /// The batches that are sealed by it.
    pub batches: Vec<Uuid>,
    /// The new blocks, of each chain in order.
    pub blocks: Vec<Block>,
}

/// A chain as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// Its end, as it was stored beside the blocks.
    pub head: Head,
    /// Where it begins, if its beginning was removed.
    pub anchor: Option<Anchor>,
}

/// Where lines wait and blocks lie.
#[async_trait]
pub trait AuditSeals: Send + Sync {
    /// Batches that wait, oldest first, at most so many.
    async fn unsealed(&self, batches: u32) -> Result<Vec<Unsealed>, StoreError>;

    /// These lines, in no order; those that are gone are left out.
    async fn audit_lines(&self, ids: &[Uuid]) -> Result<Vec<AuditLine>, StoreError>;

    /// The ends of these chains; one without blocks is left out.
    async fn heads(&self, chains: &[ChainId]) -> Result<Vec<Head>, StoreError>;

    /// Writes the blocks and takes the batches from those that wait, all or nothing; `false`, and nothing written, where
    /// another worker was faster with one of the chains or batches.
    async fn seal(&self, sealed: &Sealed) -> Result<bool, StoreError>;

    /// The newest checkpoint.
    async fn last_checkpoint(&self) -> Result<Option<Checkpoint>, StoreError>;

    /// Ends of chains that no checkpoint tells of yet, at most so many.
    async fn unchecked_heads(&self, limit: u32) -> Result<Vec<Head>, StoreError>;

    /// Writes a checkpoint; `false` where there is one of this number.
    async fn insert_checkpoint(&self, checkpoint: &Checkpoint) -> Result<bool, StoreError>;

    /// The keys that sign checkpoints, oldest first.
    async fn audit_keys(&self) -> Result<Vec<StoredAuditKey>, StoreError>;

    /// Keeps a key.
    async fn insert_audit_key(&self, key: &StoredAuditKey) -> Result<(), StoreError>;

    /// A chain that begins with a block that was sealed before, with its first blocks that were, at most so many.
    async fn oldest_blocks(&self, before: Timestamp, blocks: u32) -> Result<Vec<Block>, StoreError>;

    /// Erases the personal fields, with their salts, of somebody's lines in so many blocks behind a place; says where it
    /// has got to, and nothing at the end. Done twice, it is done once.
    async fn erase_personal(
        &self,
        of: &Erased,
        after: Option<(ChainId, u64)>,
        blocks: u32,
    ) -> Result<Option<(ChainId, u64)>, StoreError>;

    /// The time of the youngest of these lines.
    async fn youngest(&self, lines: &[Uuid]) -> Result<Option<Timestamp>, StoreError>;

    /// Deletes the chain's blocks up to that of the anchor, and the lines in them; says how many lines. The blocks are
    /// those that [`oldest_blocks`](Self::oldest_blocks) has given; where another worker was faster, nothing is done.
    async fn prune(&self, blocks: &[Block], anchor: &Anchor) -> Result<u64, StoreError>;
}

/// Where snapshots of the whole trail begin.
#[async_trait]
pub trait AuditTrails: Send + Sync {
    /// All that is committed now, and nothing that comes later.
    async fn trail(&self) -> Result<Box<dyn AuditTrail>, StoreError>;
}

/// One snapshot of lines, blocks and checkpoints. It keeps nobody from writing.
#[async_trait]
pub trait AuditTrail: Send {
    /// Chains behind this one, in the order of their ids; those of which there are blocks alone included.
    async fn chains(&mut self, after: Option<ChainId>, rows: u64) -> Result<Vec<Chain>, StoreError>;

    /// Blocks of a chain with a higher number, in their order.
    async fn blocks(&mut self, chain: ChainId, after: u64, rows: u64) -> Result<Vec<Block>, StoreError>;

    /// These lines, in no order.
    async fn lines(&mut self, ids: &[Uuid]) -> Result<Vec<AuditLine>, StoreError>;

    /// Batches that wait behind this one, in the order of their ids.
    async fn waiting(&mut self, after: Option<Uuid>, rows: u64) -> Result<Vec<Unsealed>, StoreError>;

    /// Checkpoints with a higher number, in their order.
    async fn checkpoints(&mut self, after: u64, rows: u64) -> Result<Vec<Checkpoint>, StoreError>;

    /// The keys that sign.
    async fn keys(&mut self) -> Result<Vec<StoredAuditKey>, StoreError>;

    /// How many lines there are.
    async fn count(&mut self) -> Result<u64, StoreError>;

    /// The ids of lines behind this one, in their order.
    async fn line_ids(&mut self, after: Option<Uuid>, rows: u64) -> Result<Vec<Uuid>, StoreError>;
}

/// Ed25519 signatures (RFC 8032) by keys that the database keeps.
pub trait Signer: Send + Sync {
    /// Makes a pair of keys.
    ///
    /// # Errors
    /// When the system has no randomness.
    fn make_keys(&self) -> Result<KeyPair, CryptoError>;

    /// Signs.
    ///
    /// # Errors
    /// When the key is none.
    fn sign(&self, private_key: &SecretSlice<u8>, message: &[u8]) -> Result<Vec<u8>, CryptoError>;

    /// The public key that belongs to a private one.
    ///
    /// # Errors
    /// When the key is none.
    fn public_key(&self, private_key: &SecretSlice<u8>) -> Result<[u8; 32], CryptoError>;

    /// Whether the signature is of this message and this key.
    fn verify(&self, public_key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool;
}
