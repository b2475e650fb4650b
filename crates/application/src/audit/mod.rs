//! The audit log as evidence: its lines are sealed into one hash chain per tenant, and what is sealed is verified.
//!
//! A line is written in the transaction of the change that it tells of ([`crate::journal`]), together with a note that
//! it waits to be sealed. A job ([`SealAudit`]) takes what waits and puts it, tenant by tenant, into blocks, each of which
//! bears the digest of the one before it. So no booking waits for a lock of its tenant. Why it is built so: ADR 0020.

mod block;
mod erase;
mod keys;
mod line;
mod ports;
mod prune;
mod read;
mod seal;
mod verify;
mod witness;

pub use block::{Anchor, Block, ChainId, Checkpoint, Commitment, Entry, Head};
pub use erase::{EraseAudit, Erased};
pub(crate) use erase::{erasure, guest_erasure};
pub use keys::StoredAuditKey;
pub use line::{AuditLine, SALT_BYTES};
pub use ports::{AuditSeals, AuditTrail, AuditTrails, Chain, Sealed, Signer, Unsealed};
pub use prune::PruneAudit;
pub use read::{AuditFilter, AuditLog, AuditPage, AuditPlace, AuditReads, OwnLine, OwnLines, SeenLine};
pub use seal::{AuditPorts, SealAudit};
pub use verify::{AuditFinding, AuditReport, VerifyAudit};
pub use witness::{Note, Witness};
