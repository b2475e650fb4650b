//! When a connection did what, and until when it may go on like that.
//!
//! One connection is driven by one task, so nothing here is contended; atomics only let its parts share it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::Limits;

/// No head is coming.
const NONE: u64 = u64::MAX;

/// What a connection does.
pub(super) struct Activity {
    born: Instant,
    /// Milliseconds of its life at which bytes went in or out.
    last: AtomicU64,
    /// Milliseconds of its life at which the head that is not complete yet began.
    head_since: AtomicU64,
    /// Requests whose answer has not begun.
    running: AtomicU32,
    /// Whether heads follow one another on it, as in HTTP/1. HTTP/2 mixes them, and looks after them by itself.
    in_turn: bool,
}

impl Activity {
    pub(super) fn new(in_turn: bool) -> Self {
        Self {
            born: Instant::now(),
            last: AtomicU64::new(0),
            head_since: AtomicU64::new(NONE),
            running: AtomicU32::new(0),
            in_turn,
        }
    }

    /// Bytes came in.
    pub(super) fn read(&self) {
        let now = self.age();
        self.last.store(now, Ordering::Relaxed);
        let waits = self.running.load(Ordering::Relaxed) == 0 && self.head_since.load(Ordering::Relaxed) == NONE;
        if self.in_turn && waits {
            self.head_since.store(now, Ordering::Relaxed);
        }
    }

    /// Bytes went out.
    pub(super) fn wrote(&self) {
        self.last.store(self.age(), Ordering::Relaxed);
    }

    /// A head is complete, its request runs.
    pub(super) fn began(&self) {
        self.running.fetch_add(1, Ordering::Relaxed);
        self.head_since.store(NONE, Ordering::Relaxed);
    }

    /// The answer of a request begins, or nobody waits for it any more.
    pub(super) fn ended(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
        self.last.store(self.age(), Ordering::Relaxed);
    }

    /// Whether a head has begun and is not complete.
    pub(super) fn is_reading_head(&self) -> bool {
        self.head_since.load(Ordering::Relaxed) != NONE
    }

    /// When the connection has to end if nothing happens until then.
    pub(super) fn deadline(&self, limits: &Limits) -> Instant {
        let silent = self.at(self.last.load(Ordering::Relaxed)) + limits.idle_timeout;
        match self.head_since.load(Ordering::Relaxed) {
            NONE => silent,
            since => silent.min(self.at(since) + limits.header_timeout),
        }
    }

    fn age(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(NONE - 1)
    }

    fn at(&self, age: u64) -> Instant {
        self.born + Duration::from_millis(age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        connections_max: 1,
        header_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(60),
        header_bytes_max: 8192,
    };

    async fn pass(secs: u64) {
        tokio::time::advance(Duration::from_secs(secs)).await;
    }

    fn left(activity: &Activity) -> u64 {
        (activity.deadline(&LIMITS) - Instant::now()).as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn silence_counts_from_the_last_byte() {
        let activity = Activity::new(true);
        pass(10).await;
        assert_eq!(left(&activity), 50);
        activity.wrote();
        assert_eq!(left(&activity), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time_from_its_first_byte_however_many_follow() {
        let activity = Activity::new(true);
        pass(30).await;
        activity.read();
        pass(3).await;
        activity.read();
        assert!(activity.is_reading_head());
        assert_eq!(left(&activity), 2);
        activity.began();
        assert!(!activity.is_reading_head());
        assert_eq!(left(&activity), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_of_a_body_are_no_head() {
        let activity = Activity::new(true);
        activity.read();
        activity.began();
        activity.read();
        assert!(!activity.is_reading_head());
        activity.ended();
        activity.read();
        assert!(activity.is_reading_head());
    }

    #[tokio::test(start_paused = true)]
    async fn http_2_looks_after_its_heads_by_itself() {
        let activity = Activity::new(false);
        activity.read();
        assert_eq!(left(&activity), 60);
    }
}
