//! Messages of payment providers as they came: a row for each commit, with all that it keeps, as a JSON array. Rows are found
//! by their ids, which follow the time.

use super::Step;

pub(super) const STEPS: &[Step] = &[Step::Both(&["CREATE TABLE provider_messages (
    id {uuid} PRIMARY KEY NOT NULL,
    received_at bigint NOT NULL,
    messages text NOT NULL
)"])];
