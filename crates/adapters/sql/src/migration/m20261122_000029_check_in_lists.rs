//! Check-in lists, exits, and what devices without a network need (ADR 0033).
//!
//! «Once» was a partial index; it is one of turns now: the first entry of a ticket on a list has turn 1, and a list that
//! lets in again goes on counting. An entry without a turn is kept and does not count.
//!
//! `changed_at` is the time of the lane at the commit that changed a row last, by which a device asks for what is new: that
//! time never runs backwards. Tickets have none until they are issued anew or revoked, so that a sale writes no index
//! for it. Columns that the version before does not know have a default or are null there.

use super::Step;

pub(super) const STEPS: &[Step] = &[Step::Both(&[
    "CREATE TABLE check_in_lists (
        id {uuid} PRIMARY KEY NOT NULL,
        event_id {uuid} NOT NULL REFERENCES events (id) ON DELETE CASCADE,
        name text NOT NULL,
        entry smallint NOT NULL,
        starts_at bigint,
        ends_at bigint,
        ticket_types text NOT NULL,
        archived boolean NOT NULL,
        version integer NOT NULL,
        created_at bigint NOT NULL,
        updated_at bigint NOT NULL
    )",
    "CREATE INDEX check_in_lists_event ON check_in_lists (event_id, id)",
    "ALTER TABLE check_ins ADD COLUMN event_id {uuid}",
    "ALTER TABLE check_ins ADD COLUMN turn integer DEFAULT 1",
    "ALTER TABLE check_ins ADD COLUMN exited_at bigint",
    "ALTER TABLE check_ins ADD COLUMN flag smallint",
    "ALTER TABLE check_ins ADD COLUMN received_at bigint",
    "ALTER TABLE check_ins ADD COLUMN skew bigint",
    "ALTER TABLE check_ins ADD COLUMN sequence integer NOT NULL DEFAULT 1",
    "ALTER TABLE check_ins ADD COLUMN changed_at bigint",
    "UPDATE check_ins SET event_id = list_id, changed_at = coalesce(undone_at, checked_in_at),
        sequence = CASE WHEN undone_at IS NULL THEN 1 ELSE 2 END",
    "DROP INDEX check_ins_counted_key",
    "CREATE UNIQUE INDEX check_ins_turn_key ON check_ins (ticket_id, list_id, turn) WHERE undone_at IS NULL",
    "CREATE INDEX check_ins_changed ON check_ins (event_id, changed_at)",
    "ALTER TABLE tickets ADD COLUMN changed_at bigint",
    "UPDATE tickets SET changed_at = 0 WHERE status <> 0 OR issue > 1",
    "CREATE INDEX tickets_changed ON tickets (event_id, changed_at) WHERE changed_at IS NOT NULL",
])];
