//! Driving many connections at once and counting what comes back.
//!
//! One thread does it all: it is enough for far more requests a second than the
//! server on the other core can answer, and it lets every connection write into
//! one recorder without locks.

mod driver;
mod pace;
mod phase;
mod recorder;
mod timing;

pub(crate) use driver::{Load, drive};
pub(crate) use pace::{Pace, Stop};
pub(crate) use phase::{Latency, Phase};
#[cfg(test)]
pub(crate) use recorder::Slot;
pub(crate) use timing::{Timing, ms};

use std::time::Duration;

use crate::wire::Reply;

/// What one connection says and hears.
pub(crate) trait Script {
    /// Writes the next request; `false` ends this connection's work.
    fn next(&mut self, request: &mut Vec<u8>) -> bool;
    /// Judges the answer.
    fn answered(&mut self, reply: &Reply<'_>) -> Verdict;
    /// No answer came; the request may have been done or not.
    fn lost(&mut self) {}
    /// How long it does nothing before its next request.
    fn rest(&self) -> Duration {
        Duration::ZERO
    }
}

/// The kinds of answer that are counted and timed apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Class {
    /// What was asked for was done.
    Accepted,
    /// A refusal that the script reckons with.
    Refused,
    /// 503: the server sheds load.
    Shed,
    /// What must not happen here.
    Unexpected,
}

impl Class {
    /// All of them, in the order of their discriminants.
    pub(crate) const ALL: [Self; 4] = [Self::Accepted, Self::Refused, Self::Shed, Self::Unexpected];
}

/// A script's judgement of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    /// Its kind.
    pub(crate) class: Class,
    /// The group it is also timed in, where a load has groups.
    pub(crate) group: Option<usize>,
}

impl From<Class> for Verdict {
    fn from(class: Class) -> Self {
        Self { class, group: None }
    }
}
