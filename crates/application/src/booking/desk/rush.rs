//! Whether people buy right now: what can wait leaves the machine to them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// So many commands that wait at once are a rush.
const MANY: usize = 8;
/// It is over when there were never so many for so long: between two batches nothing waits for a moment.
const OVER_AFTER: Duration = Duration::from_secs(1);

/// When there were many. Whoever reads while it is written sees a rush that began a moment earlier or later.
pub(super) struct Rush {
    opened: Instant,
    /// When this one began, and when there were many last; in milliseconds since `opened`, the first of which is 1.
    began: AtomicU64,
    seen: AtomicU64,
}

impl Rush {
    pub(super) fn new() -> Self {
        Self { opened: Instant::now(), began: AtomicU64::new(0), seen: AtomicU64::new(0) }
    }

    /// So many wait now.
    pub(super) fn look(&self, waiting: usize) {
        if waiting >= MANY {
            self.saw_many(self.now());
        }
    }

    /// How long the rush lasts already, if there is one.
    pub(super) fn lasts(&self) -> Option<Duration> {
        self.lasts_at(self.now())
    }

    fn saw_many(&self, now: u64) {
        let before = self.seen.swap(now, Ordering::Relaxed);
        if before == 0 || is_over(before, now) {
            self.began.store(now, Ordering::Relaxed);
        }
    }

    fn lasts_at(&self, now: u64) -> Option<Duration> {
        let seen = self.seen.load(Ordering::Relaxed);
        let lasts = || Duration::from_millis(now.saturating_sub(self.began.load(Ordering::Relaxed)));
        (seen > 0 && !is_over(seen, now)).then(lasts)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

fn is_over(seen: u64, now: u64) -> bool {
    Duration::from_millis(now.saturating_sub(seen)) > OVER_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rush_begins_with_many_and_ends_a_second_after_the_last_of_them() {
        let rush = Rush::new();
        rush.look(MANY - 1);
        assert_eq!(rush.lasts(), None);
        rush.saw_many(10);
        rush.saw_many(900);
        rush.saw_many(1_800);
        let lasts = |now| rush.lasts_at(now).map(|lasts| lasts.as_millis());
        assert_eq!([lasts(1_800), lasts(2_800), lasts(2_801)], [Some(1_790), Some(2_790), None]);
        rush.saw_many(5_000);
        assert_eq!(lasts(5_001), Some(1), "another one");
    }
}
