//! Ids, by the hundred thousand a second.

use std::sync::atomic::{AtomicU64, Ordering};

use application::clock::{Clock, Ids};
use domain::Timestamp;
use rand::Rng;
use uuid::Uuid;

use crate::SystemClock;

/// UUIDs of version 7 that only grow within the process. The 60 bits behind version and variant are a clock of
/// 1/4096 ms (RFC 9562, 6.2, method 3) that is set forward by one tick where it would stand still or go back; the other
/// 62 bits are random, which keeps the ids of several processes apart.
#[derive(Default, Debug)]
pub struct SystemIds {
    last_tick: AtomicU64,
}

impl SystemIds {
    /// The tick of this id: that of the time, or the one behind the last tick.
    fn next_tick(&self, now: u64) -> u64 {
        let mut last = self.last_tick.load(Ordering::Relaxed);
        loop {
            let next = now.max(last.wrapping_add(1));
            match self.last_tick.compare_exchange_weak(last, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return next,
                Err(present) => last = present,
            }
        }
    }
}

impl Ids for SystemIds {
    fn uuid(&self) -> Uuid {
        assemble(self.next_tick(tick(SystemClock.now())), self.random())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the adapter behind the port that everybody else asks")]
    fn random(&self) -> u64 {
        rand::rng().next_u64()
    }
}

/// Milliseconds since 1970 in the upper 48 of 60 bits, 1/4096 of them in the lower 12.
fn tick(now: Timestamp) -> u64 {
    let micros = u64::try_from(now.timestamp_micros()).unwrap_or_default();
    ((micros / 1000) << 12) | ((micros % 1000) * 4096 / 1000)
}

fn assemble(tick: u64, random: u64) -> Uuid {
    let (millis, fraction) = (tick >> 12, tick & 0xfff);
    Uuid::from_u64_pair((millis << 16) | 0x7000 | fraction, (1 << 63) | (random >> 2))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn are_of_version_7_and_bear_the_time() {
        let before = tick(SystemClock.now()) >> 12;
        let id = SystemIds::default().uuid();
        assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
        let millis = u64::try_from(id.as_u128() >> 80).unwrap();
        assert!((before..=(tick(SystemClock.now()) >> 12)).contains(&millis));
    }

    #[test]
    fn only_grow_even_while_the_clock_goes_back() {
        let ids = SystemIds::default();
        let ticks = [100, 100, 50, 101, 1000].map(|now| ids.next_tick(now));
        assert_eq!(ticks, [100, 101, 102, 103, 1000]);
    }

    #[test]
    fn of_many_threads_none_is_twice_and_each_thread_sees_them_grow() {
        let ids = Arc::new(SystemIds::default());
        let make = |ids: Arc<SystemIds>| (0..50_000).map(|_| ids.uuid()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| (ids.clone(), make)).collect();
        let made: Vec<_> = threads.into_iter().map(|(ids, make)| std::thread::spawn(move || make(ids))).collect();
        let mut all = HashSet::new();
        for thread in made {
            let ids = thread.join().unwrap();
            assert!(ids.is_sorted());
            all.extend(ids);
        }
        assert_eq!(all.len(), 200_000);
    }
}
