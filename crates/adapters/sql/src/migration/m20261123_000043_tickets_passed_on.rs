//! Tickets that were sent to an address of their own. Of those that were passed on before nobody knows it: they are told by
//! their buyer.

use super::Step::{self, Both};

pub(super) const STEPS: &[Step] = &[Both(&["ALTER TABLE tickets ADD COLUMN passed_on boolean NOT NULL DEFAULT false"])];
