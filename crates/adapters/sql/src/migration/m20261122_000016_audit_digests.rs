//! What of a line enters the chain of the audit log is made where the line is written, and waits beside its id (ADR 0020).
//!
//! Rows of before have none: their lines are hashed when they are sealed.

use super::Step;

pub(super) const STEPS: &[Step] = &[
    Step::Both(&[
        // As in `audit_blocks`: 32 bytes a line; 48 a line, or none where no line has a commitment.
        "ALTER TABLE audit_unsealed ADD COLUMN digests {bytes}",
        "ALTER TABLE audit_unsealed ADD COLUMN commitments {bytes}",
    ]),
    Step::Postgres(&[
        "ALTER TABLE audit_unsealed ALTER COLUMN digests SET STORAGE EXTERNAL",
        "ALTER TABLE audit_unsealed ALTER COLUMN commitments SET STORAGE EXTERNAL",
    ]),
];
