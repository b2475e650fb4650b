//! The lanes in memory: who waits on which, and which are ready for a committer.
//!
//! A lane exists here only while somebody waits on it or a transaction holds it; a lane that nobody uses costs nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::command::{LaneBatch, Submission};
use super::rush::Rush;
use crate::booking::LaneKey;
use crate::error::AppError;

pub(super) struct Queue {
    state: Mutex<State>,
    ready: Notify,
    /// Commands that wait, over all lanes; read without the lock to shed load early.
    waiting: AtomicUsize,
    rush: Rush,
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
        let (state, waiting) = (Mutex::default(), AtomicUsize::new(0));
        Self { state, ready: Notify::new(), waiting, rush: Rush::new(), lane_max, total_max }
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

    /// How long there were many of them again and again, if there are.
    pub(super) fn rush(&self) -> Option<Duration> {
        self.rush.lasts()
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
        self.rush.look(self.waiting.fetch_add(1, Ordering::Relaxed) + 1);
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

    /// What has arrived on a lane since it was taken, up to `max` commands: whoever had to wait for the lock batches more
    /// meanwhile. Says how many these are.
    pub(super) fn take_more(&self, batch: &mut LaneBatch, max: usize) -> usize {
        let mut state = self.lock();
        let Some(lane) = state.lanes.get_mut(&batch.key) else { return 0 };
        let count = lane.waiting.len().min(max);
        batch.submissions.extend(lane.waiting.drain(..count));
        self.waiting.fetch_sub(count, Ordering::Relaxed);
        count
    }

    /// The transaction of these lanes is over. What it could not decide goes back to the front of its lane. Says whether
    /// somebody waits for the next.
    pub(super) fn give_back(&self, lanes: Vec<LaneBatch>) -> bool {
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
        woken
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

#[cfg(test)]
mod tests {
    use super::super::command::Command;
    use super::*;
    use crate::origin::Origin;
    use std::time::Instant;
    use tokio::sync::oneshot;
    use uuid::Uuid;

    fn lane(n: u128) -> LaneKey {
        LaneKey::new(Uuid::from_u128(n))
    }

    fn submission(n: u32) -> Submission {
        let (reply, _) = oneshot::channel();
        let deadline = Instant::now() + Duration::from_secs(60);
        Submission {
            command: Command::Expire(n),
            origin: Origin::system("test"),
            key: None,
            deadline,
            collisions: 0,
            reply,
        }
    }

    fn numbers(batches: &[LaneBatch]) -> Vec<(LaneKey, Vec<u32>)> {
        let number = |one: &Submission| one.command.units_wanted();
        batches.iter().map(|batch| (batch.key, batch.submissions.iter().map(number).collect())).collect()
    }

    #[tokio::test]
    async fn a_lane_is_in_one_transaction_at_a_time_and_keeps_its_order() {
        let queue = Queue::new(10, 100);
        (1..=3).for_each(|n| queue.push(lane(1), submission(n)).unwrap());
        let taken = queue.take(2).await.unwrap();
        assert_eq!(numbers(&taken), [(lane(1), vec![1, 2])]);
        queue.push(lane(1), submission(4)).unwrap();
        queue.push(lane(2), submission(9)).unwrap();
        assert_eq!(numbers(&queue.take(10).await.unwrap()), [(lane(2), vec![9])], "lane 1 is busy");
        // The second of the two could not be decided: it goes back to the front.
        let back = LaneBatch { key: lane(1), submissions: vec![submission(2)] };
        queue.give_back(vec![back]);
        assert_eq!(numbers(&queue.take(10).await.unwrap()), [(lane(1), vec![2, 3, 4])]);
        assert_eq!(queue.waiting(), 0);
    }

    #[tokio::test]
    async fn what_came_since_comes_along_as_far_as_there_is_room() {
        let queue = Queue::new(10, 100);
        queue.push(lane(1), submission(1)).unwrap();
        let mut taken = queue.take(10).await.unwrap();
        (2..=4).for_each(|n| queue.push(lane(1), submission(n)).unwrap());
        assert_eq!(queue.take_more(&mut taken[0], 2), 2);
        assert_eq!((numbers(&taken), queue.waiting()), (vec![(lane(1), vec![1, 2, 3])], 1));
        let mut unknown = LaneBatch { key: lane(2), submissions: vec![] };
        assert_eq!(queue.take_more(&mut unknown, 2), 0);
    }

    #[tokio::test]
    async fn many_lukewarm_lanes_share_one_transaction() {
        let queue = Queue::new(10, 100);
        (1..=5).for_each(|n| queue.push(lane(n), submission(1)).unwrap());
        assert_eq!(queue.take(4).await.unwrap().len(), 4);
        assert_eq!(queue.take(4).await.unwrap().len(), 1);
    }

    #[test]
    fn queues_are_bounded_by_lane_and_in_all() {
        let queue = Queue::new(2, 3);
        assert!(queue.admit(lane(1)).is_ok());
        (1..=2).for_each(|n| queue.push(lane(1), submission(n)).unwrap());
        assert!(queue.admit(lane(1)).is_err() && queue.push(lane(1), submission(3)).is_err());
        assert!(queue.admit(lane(2)).is_ok() && queue.push(lane(2), submission(1)).is_ok());
        assert!(queue.admit(lane(3)).is_err() && queue.push(lane(3), submission(1)).is_err());
    }

    #[tokio::test]
    async fn a_closed_queue_is_drained_and_then_ends() {
        let queue = Queue::new(10, 100);
        queue.push(lane(1), submission(1)).unwrap();
        queue.close();
        assert!(queue.push(lane(1), submission(2)).is_err());
        let taken = queue.take(10).await.unwrap();
        queue.give_back(taken.into_iter().map(|batch| LaneBatch { submissions: vec![], ..batch }).collect());
        assert!(queue.take(10).await.is_none());
        assert!(queue.take(10).await.is_none(), "every committer hears of it");
    }

    #[tokio::test]
    async fn a_lane_that_nobody_uses_costs_nothing() {
        let queue = Queue::new(10, 100);
        queue.push(lane(1), submission(1)).unwrap();
        let taken = queue.take(10).await.unwrap();
        queue.give_back(taken.into_iter().map(|batch| LaneBatch { submissions: vec![], ..batch }).collect());
        assert!(queue.lock().lanes.is_empty());
    }
}
