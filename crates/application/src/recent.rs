//! What was seen lately, so that it is not looked up again: for what never changes, or may be old.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 16;

/// Keeps so many values at most, and drops what was not asked for the longest. It asks nobody for what it does not know, and
/// costs a lock that is hardly ever had by another, and one look: for that it is used where a request is felt.
pub(crate) struct Recent<K, V, S = RandomState> {
    shards: [Mutex<Shard<K, V, S>>; SHARDS],
    hasher: S,
    young_max: usize,
}

/// Two generations: what is used moves to the young one; when that is full it becomes the old one, and the old one is
/// dropped. So it is bounded, and drops what was not used for longest, without a list of uses.
#[derive(Default)]
struct Shard<K, V, S> {
    young: HashMap<K, V, S>,
    old: HashMap<K, V, S>,
}

impl<K: Hash + Eq + Copy, V: Clone, S: BuildHasher + Default> Shard<K, V, S> {
    fn get(&mut self, key: K, young_max: usize) -> Option<V> {
        if let Some(value) = self.young.get(&key) {
            return Some(value.clone());
        }
        let value = self.old.remove(&key)?;
        self.insert(key, value.clone(), young_max);
        Some(value)
    }

    fn insert(&mut self, key: K, value: V, young_max: usize) {
        if self.young.len() >= young_max {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

impl<K: Hash + Eq + Copy, V: Clone, S: BuildHasher + Default> Recent<K, V, S> {
    /// For at most so many values, and a few at least.
    pub(crate) fn new(max: usize) -> Self {
        let shard = || Mutex::new(Shard { young: HashMap::default(), old: HashMap::default() });
        Self { shards: std::array::from_fn(|_| shard()), hasher: S::default(), young_max: (max / SHARDS / 2).max(1) }
    }

    /// What is known of the key.
    pub(crate) fn get(&self, key: K) -> Option<V> {
        self.shard(key).get(key, self.young_max)
    }

    /// Remembers what was seen, in place of what was known.
    pub(crate) fn insert(&self, key: K, value: V) {
        self.shard(key).insert(key, value, self.young_max);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let shards = self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner));
        shards.map(|shard| shard.young.len() + shard.old.len()).sum()
    }

    fn shard(&self, key: K) -> MutexGuard<'_, Shard<K, V, S>> {
        // The tables go by the first bits and the last ones.
        let at = (self.hasher.hash_one(key) >> 32) as usize % SHARDS;
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_counts() {
        let recent: Recent<u32, u32> = Recent::new(100);
        assert_eq!(recent.get(1), None);
        recent.insert(1, 10);
        recent.insert(1, 11);
        assert_eq!(recent.get(1), Some(11));
        for other in 100..1_000 {
            recent.insert(other, 0);
            recent.get(1);
        }
        recent.insert(1, 12);
        for other in 100..110 {
            recent.insert(other, 0);
        }
        assert_eq!(recent.get(1), Some(12), "also where an older one had grown old");
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let recent: Recent<usize, usize> = Recent::new(1_000);
        let used = usize::MAX;
        recent.insert(used, 0);
        for other in 0..100_000 {
            recent.insert(other, 1);
            if other % 10 == 0 {
                assert_eq!(recent.get(used), Some(0));
            }
        }
        assert!(recent.len() <= 1_000, "{} are kept", recent.len());
    }
}
