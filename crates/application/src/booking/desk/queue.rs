//! The lanes in memory: who waits on which, and which are ready for a committer.
//!
//! A lane exists here only while somebody waits on it or a transaction holds it; a lane that nobody uses costs nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::command::{LaneBatch, Submission};
use crate::booking::LaneKey;
use crate::error::AppError;

pub(super) struct Queue {
    state: Mutex<State>,
    ready: Notify,
    /// Commands that wait, over all lanes; read without the lock to shed load early.
    waiting: AtomicUsize,
    lane_max: usize,
    total_max: usize,
}

#[derive(Default)]
struct State {
    lanes: HashMap<LaneKey, Lane>,
    ready: VecDeque<LaneKey>,
    closed: bool,
}

#[derive(Default)]
struct Lane {
    waiting: VecDeque<Submission>,
    /// A transaction has it; what arrives meanwhile waits for the next.
    busy: bool,
}

impl Queue {
    pub(super) fn new(lane_max: usize, total_max: usize) -> Self {
        Self { state: Mutex::default(), ready: Notify::new(), waiting: AtomicUsize::new(0), lane_max, total_max }
    }

    /// Whether one more command would find a place; the real decision is [`Queue::push`]'s.
    pub(super) fn admit(&self, lane: LaneKey) -> Result<(), AppError> {
        if self.waiting() >= self.total_max {
            return Err(overloaded());
        }
        // The lane's own bound is looked at only when it could be reached.
        if self.waiting() < self.lane_max {
            return Ok(());
        }
        let full = self.lock().lanes.get(&lane).is_some_and(|lane| lane.waiting.len() >= self.lane_max);
        if full { Err(overloaded()) } else { Ok(()) }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn push(&self, key: LaneKey, submission: Submission) -> Result<(), AppError> {
        let mut state = self.lock();
        if state.closed || self.waiting() >= self.total_max {
            return Err(overloaded());
        }
        let lane = state.lanes.entry(key).or_default();
        if lane.waiting.len() >= self.lane_max {
            return Err(overloaded());
        }
        lane.waiting.push_back(submission);
        let wakes = !lane.busy && lane.waiting.len() == 1;
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if wakes {
            state.ready.push_back(key);
            drop(state);
            self.ready.notify_one();
        }
        Ok(())
    }

    /// Waits for ready lanes and takes what waits on them, up to `max` commands in all; `None` once the queue is closed
    /// and drained.
    pub(super) async fn take(&self, max: usize) -> Option<Vec<LaneBatch>> {
        loop {
            {
                let mut state = self.lock();
                let taken = self.take_ready(&mut state, max);
                if !taken.is_empty() {
                    return Some(taken);
                }
                if state.closed {
                    // Another committer may sleep through the closing.
                    self.ready.notify_one();
                    return None;
                }
            }
            self.ready.notified().await;
        }
    }

    fn take_ready(&self, state: &mut State, max: usize) -> Vec<LaneBatch> {
        let mut batches = Vec::new();
        let mut left = max;
        while left > 0 {
            let Some(key) = state.ready.pop_front() else { break };
            let Some(lane) = state.lanes.get_mut(&key) else { continue };
            lane.busy = true;
            let submissions: Vec<_> = lane.waiting.drain(..lane.waiting.len().min(left)).collect();
            left -= submissions.len();
            self.waiting.fetch_sub(submissions.len(), Ordering::Relaxed);
            batches.push(LaneBatch { key, submissions });
        }
        batches
    }

    /// What has arrived on a lane since it was taken: whoever had to wait for the lock batches more meanwhile.
    pub(super) fn take_more(&self, batch: &mut LaneBatch, max: usize) {
        let mut state = self.lock();
        let Some(lane) = state.lanes.get_mut(&batch.key) else { return };
        let count = lane.waiting.len().min(max.saturating_sub(batch.submissions.len()));
        batch.submissions.extend(lane.waiting.drain(..count));
        self.waiting.fetch_sub(count, Ordering::Relaxed);
    }

    /// The transaction of these lanes is over. What it could not decide goes back to the front of its lane.
    pub(super) fn give_back(&self, lanes: Vec<LaneBatch>) {
        let mut state = self.lock();
        let mut woken = false;
        for LaneBatch { key, submissions } in lanes {
            let Some(lane) = state.lanes.get_mut(&key) else { continue };
            lane.busy = false;
            self.waiting.fetch_add(submissions.len(), Ordering::Relaxed);
            for submission in submissions.into_iter().rev() {
                lane.waiting.push_front(submission);
            }
            if lane.waiting.is_empty() {
                state.lanes.remove(&key);
            } else {
                state.ready.push_back(key);
                woken = true;
            }
        }
        drop(state);
        if woken {
            self.ready.notify_one();
        }
    }

    /// Takes no more; what waits is still carried out.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics halfway through a change, so that a poisoned lock is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn overloaded() -> AppError {
    AppError::Unavailable { retry_after: Duration::from_secs(1) }
}
