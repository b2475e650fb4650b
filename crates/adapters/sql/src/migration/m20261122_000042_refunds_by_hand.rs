//! Refunds that the organizer has made himself, beside the provider of the payment.

use super::Step::{self, Both};

pub(super) const STEPS: &[Step] = &[Both(&[
    "ALTER TABLE refunds ADD COLUMN by_hand boolean NOT NULL DEFAULT false",
    "UPDATE refunds SET by_hand = true WHERE payment_id IN (SELECT id FROM payments WHERE provider = 'manual')",
])];
