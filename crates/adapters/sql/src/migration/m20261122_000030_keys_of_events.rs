//! API keys that open one event and nothing else (ADR 0033): they go with it.

use super::Step;

pub(super) const STEPS: &[Step] =
    &[Step::Both(&["ALTER TABLE api_keys ADD COLUMN event_id {uuid} REFERENCES events (id) ON DELETE CASCADE"])];
