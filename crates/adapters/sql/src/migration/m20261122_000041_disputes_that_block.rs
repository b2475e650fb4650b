//! Whether disputes block tickets at an event (ADR 0046).

use super::Step::{self, Both};

pub(super) const STEPS: &[Step] =
    &[Both(&["ALTER TABLE events ADD COLUMN blocks_disputed boolean NOT NULL DEFAULT false"])];
