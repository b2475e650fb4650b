//! Refunds that the organizer has made himself, beside the provider of the payment.

use super::Step::{self, Both};

pub(super) const STEPS: &[Step] = &[Both(&["ALTER TABLE refunds ADD COLUMN by_hand boolean NOT NULL DEFAULT false"])];
