//! Units of a booking that were given back one by one while the booking stands (ADR 0045).

use super::Step::{self, Both};

pub(super) const STEPS: &[Step] =
    &[Both(&["ALTER TABLE booking_items ADD COLUMN cancelled integer NOT NULL DEFAULT 0
        CONSTRAINT booking_items_cancelled CHECK (cancelled BETWEEN 0 AND quantity)"])];
