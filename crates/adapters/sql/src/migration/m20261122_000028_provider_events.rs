//! Messages of payment providers are forgotten when their time is over: found by when they were taken.

use super::Step;

pub(super) const STEPS: &[Step] = &[Step::Both(&["CREATE INDEX provider_events_seen ON provider_events (seen_at)"])];
