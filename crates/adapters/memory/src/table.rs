//! The states of one limit by key, bounded.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::nanos::Nanos;
use governor::state::StateStore;

const SHARDS: usize = 16;
/// How many keys share a place.
const WAYS: usize = 4;

/// The digest of a key, and until when it has used up what it has, in nanoseconds. Both are nought where nobody is.
type State = (u64, u64);

/// What a processor fetches together: whoever books comes to half a dozen tables, and what they cost is waiting for their
/// memory.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Place([State; WAYS]);

/// The table of one limit. A key has one place, and shares it with few: where all of it is taken, the one of them who is
/// nearest to having all his units again gives way to whoever comes. So it is bounded, and nothing is ever moved or cleared;
/// who has used up much goes for one who comes only where the others of his place have used up no less.
pub(crate) struct Table {
    /// Each is without memory until somebody comes to it: most limits are those of few.
    shards: [Mutex<Vec<Place>>; SHARDS],
    /// Of a shard.
    places: usize,
    /// Keyed anew in each process: nobody knows which keys share a place, or a digest.
    random: RandomState,
}

impl Table {
    /// For at most so many keys.
    pub(crate) fn new(keys_max: usize) -> Self {
        let places = (keys_max / SHARDS / WAYS).max(1);
        Self { shards: Default::default(), places, random: RandomState::new() }
    }

    /// Until when the key has used up what it has.
    pub(crate) fn get(&self, key: u128) -> Option<u64> {
        let key = self.digest(key);
        let shard = self.shard(key);
        let (_, until) = shard.get(self.place(key))?.0.iter().find(|(known, _)| *known == key)?;
        Some(*until)
    }

    /// Brings that forward.
    pub(crate) fn bring_forward(&self, key: u128, by: u64) {
        let key = self.digest(key);
        let mut shard = self.shard(key);
        let place = shard.get_mut(self.place(key));
        if let Some((_, until)) = place.and_then(|place| state_of(place, key)) {
            *until = until.saturating_sub(by);
        }
    }

    /// Forgets a key.
    pub(crate) fn remove(&self, key: u128) {
        let key = self.digest(key);
        let mut shard = self.shard(key);
        let place = shard.get_mut(self.place(key));
        if let Some(state) = place.and_then(|place| state_of(place, key)) {
            *state = State::default();
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let shards = self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner));
        let taken = |place: &Place| place.0.iter().filter(|state| **state != State::default()).count();
        shards.map(|shard| shard.iter().map(taken).sum::<usize>()).sum()
    }

    /// Never nought, which is nobody.
    fn digest(&self, key: u128) -> u64 {
        self.random.hash_one(key).max(1)
    }

    /// By the upper bits.
    fn shard(&self, key: u64) -> MutexGuard<'_, Vec<Place>> {
        let at = key >> 32;
        self.shards[at as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// By the lower bits.
    fn place(&self, key: u64) -> usize {
        let at = key & u64::from(u32::MAX);
        at as usize % self.places
    }
}

fn state_of(place: &mut Place, key: u64) -> Option<&mut State> {
    place.0.iter_mut().find(|(known, _)| *known == key)
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
        let key = table.digest(*key);
        let mut shard = table.shard(key);
        if shard.is_empty() {
            *shard = vec![Place::default(); table.places];
        }
        let place = &mut shard[table.place(key)];
        if let Some((_, until)) = state_of(place, key) {
            let (answer, after) = decide(Some(Nanos::new(*until)))?;
            *until = after.as_u64();
            return Ok(answer);
        }
        let (answer, after) = decide(None)?;
        if let Some(first) = place.0.iter_mut().min_by_key(|(_, until)| *until) {
            *first = (key, after.as_u64());
        }
        Ok(answer)
    }
}
