//! Disputes of payments (ADR 0032): columns of the payment, of which it has one dispute at a time.

use super::Step;

pub(super) const STEPS: &[Step] = &[Step::Both(&[
    "ALTER TABLE payments ADD COLUMN charged_back bigint NOT NULL DEFAULT 0",
    // Where the newest stands: 0 opened, 1 won, 2 lost; null where there was none.
    "ALTER TABLE payments ADD COLUMN dispute smallint",
    "ALTER TABLE payments ADD COLUMN dispute_reference text",
    "ALTER TABLE payments ADD COLUMN disputed bigint NOT NULL DEFAULT 0",
    // Few, whatever was sold.
    "CREATE INDEX payments_disputed ON payments (organizer_id, id) WHERE dispute IN (0, 2)",
])];
