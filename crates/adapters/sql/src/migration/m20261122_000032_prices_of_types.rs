//! Prices of a ticket type besides its regular one (ADR 0037), as one text; null where there are none.

use super::Step;

pub(super) const STEPS: &[Step] = &[Step::Both(&["ALTER TABLE ticket_types ADD COLUMN prices text"])];
