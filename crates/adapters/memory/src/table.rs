//! The states of one limit by key, bounded.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::nanos::Nanos;
use governor::state::StateStore;

use crate::time::Time;

const SHARDS: usize = 16;
/// Fewer are never forgotten for want of room.
const YOUNG_MIN: usize = 64;

/// Until when each key has used up what it has, in nanoseconds; by the digest of the key, since whoever books comes to half a
/// dozen such tables, and waits for the memory of each: the smaller, the nearer.
type Generation = HashMap<u64, u64, BuildHasherDefault<Digested>>;

/// A digest is its own hash.
#[derive(Default)]
struct Digested(u64);

impl Hasher for Digested {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |digest, byte| digest << 8 | u64::from(*byte));
    }

    fn write_u64(&mut self, digest: u64) {
        self.0 = digest;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Two generations: what is asked for moves to the young one; when that is full, whoever has all his units again is
/// dropped, and if it is still more than half full it becomes the old one, and the old one is dropped. So it is bounded,
/// and forgets who has asked longest ago, without a list of uses.
#[derive(Default)]
struct Shard {
    young: Generation,
    old: Generation,
}

impl Shard {
    fn get(&self, key: u64) -> Option<u64> {
        self.young.get(&key).or_else(|| self.old.get(&key)).copied()
    }

    /// Takes a key in that is not among the young.
    fn take_in(&mut self, key: u64, until: u64, young_max: usize, now: u64) {
        self.old.remove(&key);
        if self.young.len() >= young_max {
            self.young.retain(|_, until| *until > now);
            if self.young.len() > young_max / 2 {
                self.old = std::mem::take(&mut self.young);
            } else {
                self.old.retain(|_, until| *until > now);
            }
        }
        self.young.insert(key, until);
    }

    fn remove(&mut self, key: u64) {
        self.young.remove(&key);
        self.old.remove(&key);
    }
}

/// The table of one limit.
pub(crate) struct Table {
    shards: [Mutex<Shard>; SHARDS],
    young_max: usize,
    time: Time,
    /// Keyed anew in each process: nobody knows which keys would share a digest.
    random: RandomState,
}

impl Table {
    /// For at most so many keys.
    pub(crate) fn new(keys_max: usize, time: Time) -> Self {
        Self {
            shards: Default::default(),
            young_max: (keys_max / SHARDS / 2).max(YOUNG_MIN),
            time,
            random: RandomState::new(),
        }
    }

    /// Until when the key has used up what it has.
    pub(crate) fn get(&self, key: u128) -> Option<u64> {
        let key = self.digest(key);
        self.shard(key).get(key)
    }

    /// Brings that forward.
    pub(crate) fn bring_forward(&self, key: u128, by: u64) {
        let key = self.digest(key);
        let mut shard = self.shard(key);
        if let Some(until) = shard.young.get_mut(&key) {
            *until = until.saturating_sub(by);
        } else if let Some(until) = shard.old.get(&key).copied() {
            shard.take_in(key, until.saturating_sub(by), self.young_max, self.time.nanos());
        }
    }

    /// Forgets a key.
    pub(crate) fn remove(&self, key: u128) {
        let key = self.digest(key);
        self.shard(key).remove(key);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let shards = self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner));
        shards.map(|shard| shard.young.len() + shard.old.len()).sum()
    }

    fn digest(&self, key: u128) -> u64 {
        self.random.hash_one(key)
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, Shard> {
        // Bits of the middle: within a shard the map goes by those at both ends.
        let at = key >> 32;
        self.shards[at as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The table as governor writes in it.
pub(crate) struct Written(pub(crate) Arc<Table>);

impl StateStore for Written {
    type Key = u128;

    fn measure_and_replace<T, F, E>(&self, key: &u128, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let table = &self.0;
        let key = &table.digest(*key);
        let mut shard = table.shard(*key);
        // Nearly all who ask are young: one look finds the place that is written to.
        if let Some(until) = shard.young.get_mut(key) {
            let (answer, after) = decide(Some(Nanos::new(*until)))?;
            *until = after.as_u64();
            return Ok(answer);
        }
        let before = shard.old.get(key).copied();
        let decided = decide(before.map(Nanos::new));
        let until = match &decided {
            Ok((_, until)) => Some(until.as_u64()),
            // Who is refused has asked as well, and is not forgotten for it.
            Err(_) => before,
        };
        if let Some(until) = until {
            shard.take_in(*key, until, table.young_max, table.time.nanos());
        }
        decided.map(|(answer, _)| answer)
    }
}
