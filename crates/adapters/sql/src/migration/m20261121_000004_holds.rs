//! Holds stand in a table of their own while they are pending, in the order in which they lapse (ADR 0014).
//!
//! An index over what is pending cannot stay on `bookings`: where a column of an index changes, PostgreSQL makes new
//! entries in all the others too. Without it, and with room on the page, the end of a hold touches no index at all.
//! No version was released before it, so that nothing has to serve beside it.

use super::Step::{self, Both, Postgres};

// Nearly every booking changes once, when its hold ends.
pub(super) const STEPS: &[Step] = &[Both(HOLDS), Postgres(&["ALTER TABLE bookings SET (fillfactor = 50)"])];

const HOLDS: &[&str] = &[
    "CREATE TABLE holds (
        event_id {uuid} NOT NULL,
        release_at bigint NOT NULL,
        booking_id {uuid} NOT NULL,
        PRIMARY KEY (event_id, release_at, booking_id)
    ){by_key}",
    "INSERT INTO holds (event_id, release_at, booking_id)
        SELECT event_id, release_at, id FROM bookings WHERE status = 0",
    "DROP INDEX bookings_release",
];
