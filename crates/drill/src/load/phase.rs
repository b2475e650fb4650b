//! What a load came to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::recorder::{Recorder, SLOT, Slot};
use super::timing::Timing;
use super::{Class, Load, Pace};

/// The result of one load.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Phase {
    /// What it is called.
    pub(crate) label: String,
    /// How many connections it had.
    pub(crate) connections: usize,
    /// The measured time.
    pub(crate) seconds: f64,
    /// What an open loop was asked to send, a second.
    pub(crate) intended: Option<f64>,
    /// Requests an open loop could not send when they were due.
    pub(crate) missed: u64,
    /// Count, rate and latencies by class; classes without answers are left out.
    pub(crate) classes: BTreeMap<Class, Latency>,
    /// Every answer, warm-up and stragglers included.
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Requests without an answer, by reason.
    pub(crate) lost: BTreeMap<String, u64>,
    /// Texts of unexpected answers.
    pub(crate) samples: Vec<String>,
    /// 503 without `Retry-After`.
    pub(crate) shed_without_hint: u64,
    /// Processor time of the load generator itself, a request.
    pub(crate) generator_us: f64,
    /// Length of a slot of the plot over time, in seconds.
    pub(crate) slot_seconds: f64,
    /// The plot over time.
    pub(crate) slots: Vec<Slot>,
    /// The plot of latencies of the biggest class: upper bound in ms, count.
    pub(crate) buckets: Vec<(f64, u64)>,
    /// When the measured time was over.
    #[serde(skip)]
    pub(crate) ended_at: Instant,
    /// Latencies by group.
    #[serde(skip)]
    pub(crate) groups: Vec<Timing>,
}

/// Count, rate and latencies of a class.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Latency {
    pub(crate) count: u64,
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
}

impl Latency {
    /// The figures of a histogram that was filled in that many seconds.
    pub(crate) fn of(timing: &Timing, seconds: f64) -> Self {
        Self {
            count: timing.count(),
            rate: if seconds > 0.0 { timing.count() as f64 / seconds } else { 0.0 },
            p50_ms: timing.quantile_ms(0.5),
            p90_ms: timing.quantile_ms(0.9),
            p99_ms: timing.quantile_ms(0.99),
            p999_ms: timing.quantile_ms(0.999),
            max_ms: timing.max_ms(),
        }
    }
}

impl Phase {
    /// Sums a recorder up.
    pub(crate) fn new(
        load: &Load,
        connections: usize,
        measured: Duration,
        recorder: &Recorder,
        missed: u64,
        cpu: Duration,
    ) -> Self {
        let seconds = measured.as_secs_f64();
        let classes = Class::ALL
            .into_iter()
            .filter(|class| recorder.by_class[*class as usize].count() > 0)
            .map(|class| (class, Latency::of(&recorder.by_class[class as usize], seconds)))
            .collect();
        let biggest = recorder.by_class.iter().max_by_key(|timing| timing.count());
        Self {
            label: load.label.clone(),
            connections,
            seconds,
            intended: match load.pace {
                Pace::Closed => None,
                Pace::Open { rate, .. } => Some(rate),
            },
            missed,
            classes,
            statuses: recorder.statuses.clone(),
            lost: recorder.lost.clone(),
            samples: recorder.samples.clone(),
            shed_without_hint: recorder.shed_without_hint,
            generator_us: cpu.as_secs_f64() * 1e6 / recorder.answers.max(1) as f64,
            slot_seconds: SLOT.as_secs_f64(),
            slots: recorder.slots.clone(),
            buckets: biggest.map(Timing::buckets).unwrap_or_default(),
            ended_at: recorder.window.1,
            groups: recorder.groups.clone(),
        }
    }

    /// The figures of a class, zero if it had no answers.
    pub(crate) fn of(&self, class: Class) -> Latency {
        self.classes.get(&class).copied().unwrap_or_default()
    }

    /// Answers a second of the accepted.
    pub(crate) fn rate(&self) -> f64 {
        self.of(Class::Accepted).rate
    }

    /// Answers a second of all classes: in an open loop, what was really offered.
    pub(crate) fn offered(&self) -> f64 {
        self.classes.values().map(|latency| latency.rate).sum()
    }

    /// The longest run of slots without an accepted answer, in seconds.
    pub(crate) fn longest_gap(&self) -> f64 {
        let (mut longest, mut current) = (0_u32, 0_u32);
        for slot in &self.slots {
            current = if slot.counts[Class::Accepted as usize] == 0 { current + 1 } else { 0 };
            longest = longest.max(current);
        }
        f64::from(longest) * self.slot_seconds
    }

    /// What must not have happened; `lost_is_fine` where the server was killed.
    pub(crate) fn failures(&self, lost_is_fine: bool) -> Vec<String> {
        let mut failures: Vec<String> =
            self.samples.iter().map(|sample| format!("{}: unexpected answer {sample}", self.label)).collect();
        if !lost_is_fine {
            failures.extend(
                self.lost
                    .iter()
                    .map(|(reason, count)| format!("{}: {count} requests without an answer ({reason})", self.label)),
            );
        }
        if self.shed_without_hint > 0 {
            failures.push(format!("{}: {} answers 503 without Retry-After", self.label, self.shed_without_hint));
        }
        failures
    }
}
