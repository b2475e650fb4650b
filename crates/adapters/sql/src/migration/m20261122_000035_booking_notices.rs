//! What people are to be told of their bookings (ADR 0040): a row for each commit, so that it costs the desk next to nothing.

use super::Step::{self, Both};

pub(super) const STEPS: &[Step] =
    &[Both(&["CREATE TABLE booking_notices (id {uuid} PRIMARY KEY NOT NULL, notices {bytes} NOT NULL)"])];
