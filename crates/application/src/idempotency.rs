//! Idempotency keys (IETF draft-ietf-httpapi-idempotency-key-header): the same request sent twice has one effect and
//! one answer.
//!
//! Only committed successes are kept, in the transaction that made them; a refusal changed nothing and is decided anew.
//! That the first request *still runs* is known only to the process that runs it ([`InFlight`]); between processes the
//! lock on the lane, or the unique key itself, makes the second wait for the first.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{ApiKeyId, Timestamp, UserId};
use uuid::Uuid;

use crate::error::AppError;

/// For how long a key is kept.
pub const KEPT_FOR: chrono::TimeDelta = chrono::TimeDelta::hours(24);

/// Whose key it is: an account or an API key, whose ids are never alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallerId(Uuid);

impl CallerId {
    /// As a store has read it.
    #[must_use]
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The bare UUID, for stores.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl From<UserId> for CallerId {
    fn from(user: UserId) -> Self {
        Self(user.uuid())
    }
}

impl From<ApiKeyId> for CallerId {
    fn from(key: ApiKeyId) -> Self {
        Self(key.uuid())
    }
}

/// A key within the scope of its caller, bound to the request that it was sent with.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct IdempotencyKey {
    /// Whose key it is: two callers may use the same word.
    pub caller: CallerId,
    /// The word that the client made: 1 to 255 printable ASCII characters.
    pub key: Arc<str>,
    /// SHA-256 over method, path and body.
    pub fingerprint: [u8; 32],
}

/// A success that was kept.
#[derive(Clone, Debug)]
pub struct KeptAnswer {
    /// The request that it answered.
    pub key: IdempotencyKey,
    /// The view that was answered, as versioned JSON of the application layer, which no protocol owns.
    pub snapshot: String,
    /// When; it lapses [`KEPT_FOR`] later.
    pub at: Timestamp,
}

impl KeptAnswer {
    /// Whether the key may be used anew.
    #[must_use]
    pub fn lapsed(&self, now: Timestamp) -> bool {
        self.at + KEPT_FOR <= now
    }

    /// The snapshot, if the request is the same one.
    ///
    /// # Errors
    /// [`AppError::IdempotencyConflict`] where the key came with another request.
    pub fn replay(&self, request: &IdempotencyKey) -> Result<&str, AppError> {
        if self.key.fingerprint == request.fingerprint {
            Ok(&self.snapshot)
        } else {
            Err(AppError::IdempotencyConflict)
        }
    }
}

/// The value of a use case, and whether it is the kept one of an earlier request.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    /// The view.
    pub value: T,
    /// Whether nothing was done now: `Idempotency-Replayed: true`.
    pub replayed: bool,
}

impl<T> Answer<T> {
    /// Done now.
    pub const fn fresh(value: T) -> Self {
        Self { value, replayed: false }
    }

    /// Answered as it was the first time.
    pub const fn replayed(value: T) -> Self {
        Self { value, replayed: true }
    }
}

/// A key within the scope of its caller.
type ScopedKey = (CallerId, Arc<str>);

/// The requests of this process that bear a key and still run.
#[derive(Clone, Default, Debug)]
pub struct InFlight(Arc<Mutex<HashSet<ScopedKey>>>);

/// Holds a key for as long as its request runs; dropping it lets the next one in.
#[derive(Debug)]
pub struct InFlightGuard {
    running: InFlight,
    key: ScopedKey,
}

impl InFlight {
    /// Marks the request as running.
    ///
    /// # Errors
    /// [`AppError::RequestInProgress`] if one with the same key runs.
    pub fn enter(&self, key: &IdempotencyKey) -> Result<InFlightGuard, AppError> {
        let key = (key.caller, Arc::clone(&key.key));
        let entered = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        if entered { Ok(InFlightGuard { running: self.clone(), key }) } else { Err(AppError::RequestInProgress) }
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.running.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
