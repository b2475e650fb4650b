//! What is kept of people has an end: attendees are forgotten some time after the event, and the outbox has a beginning.

use super::Step::{self, Both};

pub(super) const STEPS: &[Step] = &[Both(&[
    // Set once nobody knows any more who came. An event that ends later than that is looked at again.
    "ALTER TABLE events ADD COLUMN attendees_forgotten_at bigint",
    "CREATE INDEX events_to_forget ON events (end_at)
        WHERE attendees_forgotten_at IS NULL OR attendees_forgotten_at < end_at",
    // By it an attendee is found who wants to be erased. Attendees without an address cost nothing.
    "CREATE INDEX booking_attendees_email ON booking_attendees (email) WHERE email IS NOT NULL",
    // Messages from before may be missing. One row at most.
    "CREATE TABLE outbox_prunings (
        id integer PRIMARY KEY NOT NULL CONSTRAINT outbox_prunings_one CHECK (id = 1),
        before_at bigint NOT NULL
    )",
])];
