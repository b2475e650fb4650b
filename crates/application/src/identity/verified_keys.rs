//! The API keys that were looked up lately, and when they were used.
//!
//! A program in a rush sends the same key with every request: it costs a digest and a look here, as an access token
//! does. That a key was revoked is not asked here but of [`revoked`](super::revoked), which every replica keeps up to
//! date; what is remembered here is forgotten long before that is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::identity::{ApiKey, TokenHash};
use domain::{ApiKeyId, Timestamp};
use moka::sync::Cache;

use crate::access::ActingKey;

/// How long a key is remembered; far shorter than a revocation is.
const REMEMBERED: Duration = Duration::from_secs(60);
/// For how long after its last use a key is known to have held: a device at a door is quiet between two events.
const HELD_LATELY: Duration = Duration::from_secs(24 * 60 * 60);
/// How many keys are remembered, at about 200 bytes each.
const REMEMBERED_MAX: u64 = 20_000;
/// How often the use of a key is noted at most, in seconds.
pub(super) const NOTED_EVERY_SECS: i64 = 60;
/// How many uses wait at most to be written; the others are noted with a later use.
const WAITING_MAX: usize = 10_000;

/// What is known of a key.
pub(super) struct VerifiedKey {
    pub(super) acting: ActingKey,
    pub(super) expires_at: Option<Timestamp>,
    /// The second of the last use that was noted.
    noted: AtomicI64,
}

impl VerifiedKey {
    pub(super) fn of(key: &ApiKey) -> Self {
        Self {
            acting: ActingKey { id: key.id, organizer: key.organizer, scopes: key.scopes, event: key.event },
            expires_at: key.expires_at,
            noted: AtomicI64::new(key.last_used_at.map_or(i64::MIN, |at| at.timestamp())),
        }
    }

    /// Whether this use is to be noted: the first in a minute, and of several at once just one.
    fn is_due(&self, now: i64) -> bool {
        let noted = self.noted.load(Ordering::Relaxed);
        now.saturating_sub(noted) >= NOTED_EVERY_SECS
            && self.noted.compare_exchange(noted, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// The cache, and the uses that wait to be written.
pub(super) struct VerifiedKeys {
    known: Cache<[u8; 32], Arc<VerifiedKey>>,
    held_lately: Cache<[u8; 32], ApiKeyId>,
    uses: Mutex<HashMap<ApiKeyId, Timestamp>>,
}

impl Default for VerifiedKeys {
    fn default() -> Self {
        let known = Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(REMEMBERED).build();
        let held_lately = Cache::builder().max_capacity(REMEMBERED_MAX).time_to_idle(HELD_LATELY).build();
        Self { known, held_lately, uses: Mutex::default() }
    }
}

impl VerifiedKeys {
    pub(super) fn get(&self, hash: &TokenHash) -> Option<Arc<VerifiedKey>> {
        self.known.get(hash.as_bytes())
    }

    /// Remembers a key that holds. Only such get in, so that nobody fills it with rubbish.
    pub(super) fn insert(&self, hash: &TokenHash, key: Arc<VerifiedKey>) {
        self.held_lately.insert(*hash.as_bytes(), key.acting.id);
        self.known.insert(*hash.as_bytes(), key);
    }

    /// Which key this is, if it has held lately. It opens nothing by that.
    pub(super) fn held_lately(&self, hash: &TokenHash) -> Option<ApiKeyId> {
        self.held_lately.get(hash.as_bytes())
    }

    /// Forgets a key that does not hold any more.
    pub(super) fn forget(&self, hash: &TokenHash) {
        self.held_lately.invalidate(hash.as_bytes());
    }

    /// Notes a use, to be written later by somebody else.
    pub(super) fn note(&self, key: &VerifiedKey, now: Timestamp) {
        if key.is_due(now.timestamp()) {
            let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
            if uses.len() < WAITING_MAX {
                uses.insert(key.acting.id, now);
            }
        }
    }

    /// Takes the uses that wait.
    pub(super) fn take_uses(&self) -> Vec<(ApiKeyId, Timestamp)> {
        let mut uses: Vec<_> = self.uses.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
        uses.sort_unstable();
        uses
    }

    /// Puts back uses that could not be written, unless newer ones wait.
    pub(super) fn put_back(&self, unwritten: Vec<(ApiKeyId, Timestamp)>) {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, at) in unwritten {
            uses.entry(key).or_insert(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use domain::OrganizerId;
    use domain::identity::Scopes;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_use_is_noted_once_a_minute() {
        let id = Uuid::from_u128(1);
        let (id, organizer) = (ApiKeyId::new(id), OrganizerId::new(id));
        let acting = ActingKey { id, organizer, scopes: Scopes::default(), event: None };
        let key = VerifiedKey { acting, expires_at: None, noted: AtomicI64::new(i64::MIN) };
        let keys = VerifiedKeys::default();
        let at = |second: i64| Timestamp::UNIX_EPOCH + TimeDelta::seconds(second);
        for second in [0, 1, 59] {
            keys.note(&key, at(second));
        }
        assert_eq!(keys.take_uses(), [(acting.id, at(0))]);
        keys.note(&key, at(59));
        assert_eq!(keys.take_uses(), []);
        keys.note(&key, at(60));
        keys.put_back(vec![(acting.id, at(0))]);
        assert_eq!(keys.take_uses(), [(acting.id, at(60))]);
    }
}
