//! Tickets that let in nobody for the time being (ADR 0046).

use super::Step::{self, Both};

pub(super) const STEPS: &[Step] = &[Both(&[
    // By nobody, by staff, or by a dispute.
    "ALTER TABLE tickets ADD COLUMN blocked smallint NOT NULL DEFAULT 0
        CONSTRAINT tickets_blocked CHECK (blocked BETWEEN 0 AND 2)",
])];
