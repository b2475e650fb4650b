//! Counting while the load runs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::timing::Timing;
use super::{Class, Verdict};
use crate::wire::{Reply, WireError};

/// How long one point of the plot over time lasts.
pub(crate) const SLOT: Duration = Duration::from_millis(500);
const SAMPLES_MAX: usize = 5;

/// One point of the plot over time.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Slot {
    /// Answers by class.
    pub(crate) counts: [u32; 4],
    /// The longest latency among them.
    pub(crate) slowest_us: u32,
}

/// Everything counted; those in the measured window also timed.
#[derive(Debug)]
pub(crate) struct Recorder {
    start: Instant,
    /// From here to `end` it counts: warm-up and stragglers lie outside.
    pub(crate) window: (Instant, Instant),
    pub(crate) by_class: [Timing; 4],
    pub(crate) groups: Vec<Timing>,
    pub(crate) statuses: BTreeMap<u16, u64>,
    pub(crate) lost: BTreeMap<String, u64>,
    /// Texts of answers that must not happen.
    pub(crate) samples: Vec<String>,
    pub(crate) slots: Vec<Slot>,
    /// Answers without the `Retry-After` that a 503 has to carry.
    pub(crate) shed_without_hint: u64,
    /// All answers since the start, for the progress line.
    pub(crate) answers: u64,
}

impl Recorder {
    /// Counts from `start`, times from the end of the warm-up.
    pub(crate) fn new(start: Instant, window: (Instant, Instant), groups: usize) -> Self {
        Self {
            start,
            window,
            by_class: std::array::from_fn(|_| Timing::new(3)),
            groups: vec![Timing::new(2); groups],
            statuses: BTreeMap::new(),
            lost: BTreeMap::new(),
            samples: Vec::new(),
            slots: Vec::new(),
            shed_without_hint: 0,
            answers: 0,
        }
    }

    /// Counts an answer to the request that was due then.
    pub(crate) fn answer(&mut self, due: Instant, now: Instant, reply: &Reply<'_>, verdict: Verdict) {
        self.answers += 1;
        *self.statuses.entry(reply.status).or_default() += 1;
        if reply.status == 503 && !reply.retry_after {
            self.shed_without_hint += 1;
        }
        if verdict.class == Class::Unexpected && self.samples.len() < SAMPLES_MAX {
            self.samples.push(format!("{} {}", reply.status, reply.excerpt()));
        }
        let latency = now.saturating_duration_since(due);
        self.plot(now, verdict.class, latency);
        if now < self.window.0 || now > self.window.1 {
            return;
        }
        self.by_class[verdict.class as usize].record(latency);
        if let Some(group) = verdict.group.and_then(|group| self.groups.get_mut(group)) {
            group.record(latency);
        }
    }

    /// Counts a request without an answer.
    pub(crate) fn lose(&mut self, error: &WireError) {
        *self.lost.entry(error.to_string()).or_default() += 1;
    }

    fn plot(&mut self, now: Instant, class: Class, latency: Duration) {
        let index = (now.saturating_duration_since(self.start).as_millis() / SLOT.as_millis()) as usize;
        if index >= self.slots.len() {
            self.slots.resize(index + 1, Slot::default());
        }
        let slot = &mut self.slots[index];
        slot.counts[class as usize] += 1;
        slot.slowest_us = slot.slowest_us.max(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16) -> Reply<'static> {
        Reply { status, body: b"why", retry_after: false, replayed: false }
    }

    #[test]
    fn only_the_window_is_timed_but_everything_is_counted() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut recorder = Recorder::new(start, (at(100), at(200)), 0);
        for moment in [50, 150, 160, 250] {
            recorder.answer(at(moment - 10), at(moment), &reply(201), Class::Accepted.into());
        }
        assert_eq!(recorder.by_class[0].count(), 2);
        assert_eq!(recorder.statuses[&201], 4);
        assert_eq!(recorder.slots[0].counts[0], 4);
        assert_eq!(recorder.slots[0].slowest_us, 10_000);
    }

    #[test]
    fn the_unexpected_is_kept_to_be_shown() {
        let start = Instant::now();
        let mut recorder = Recorder::new(start, (start, start + SLOT), 1);
        recorder.answer(start, start, &reply(500), Class::Unexpected.into());
        recorder.answer(start, start, &reply(503), Verdict { class: Class::Shed, group: Some(0) });
        recorder.lose(&WireError::Closed);
        assert_eq!(recorder.samples, ["500 why"]);
        assert_eq!(recorder.shed_without_hint, 1);
        assert_eq!(recorder.groups[0].count(), 1);
        assert_eq!(recorder.lost["closed before the answer"], 1);
    }
}
