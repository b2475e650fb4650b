//! Entries at the door (ADR 0026).
//!
//! The partial index is the rule «once»: of one ticket and list, one entry counts. The list that every event has from the
//! start bears the id of the event.

use super::Step;

pub(super) const STEPS: &[Step] = &[Step::Both(&[
    "CREATE TABLE check_ins (
        id {uuid} PRIMARY KEY NOT NULL,
        list_id {uuid} NOT NULL,
        ticket_id {uuid} NOT NULL,
        checked_in_at bigint NOT NULL,
        device_at bigint,
        undone_at bigint,
        gate text
    )",
    "CREATE UNIQUE INDEX check_ins_counted_key ON check_ins (ticket_id, list_id) WHERE undone_at IS NULL",
])];
