//! The storage ports of API keys.
//!
//! # Table
//! `api_keys`: `id` (primary key), `organizer_id` (references `organizers`, cascades on delete), `name`, `hash` (unique,
//! 32 bytes), `hint`, `scopes` (their words, one space between), `created_by` (references `users`), `created_at`,
//! `expires_at` (null), `last_used_at` (null), `revoked_at` (null; partial index where not null).

use async_trait::async_trait;
use domain::identity::{ApiKey, TokenHash};
use domain::{ApiKeyId, OrganizerId, Timestamp};

use crate::store::StoreError;

/// That a key opens nothing any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RevokedKey {
    /// Which.
    pub key: ApiKeyId,
    /// Since when.
    pub at: Timestamp,
}

/// API keys within a transaction.
#[async_trait]
pub trait ApiKeyRepository {
    /// Inserts a key.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where its id or its hash is there already.
    async fn insert_api_key(&mut self, key: &ApiKey) -> Result<(), StoreError>;

    /// The key of this organizer as it is once every other transaction that has changed it is over; nobody else changes
    /// it until this transaction is (PostgreSQL: `FOR NO KEY UPDATE`).
    async fn lock_api_key(&mut self, organizer: OrganizerId, key: ApiKeyId) -> Result<Option<ApiKey>, StoreError>;

    /// Saves `revoked_at` of a key that this transaction has locked.
    ///
    /// # Errors
    /// [`StoreError::Defect`] where there is no such key.
    async fn save_api_key(&mut self, key: &ApiKey) -> Result<(), StoreError>;

    /// How many keys of the organizer open something at this time.
    async fn count_api_keys(&mut self, organizer: OrganizerId, now: Timestamp) -> Result<u64, StoreError>;

    /// Sets `last_used_at` where it is at least a minute behind, so that many replicas write no more often than one. A
    /// key that is gone is left out.
    async fn save_api_key_uses(&mut self, uses: &[(ApiKeyId, Timestamp)]) -> Result<(), StoreError>;
}

/// Reads of API keys that need no transaction.
#[async_trait]
pub trait ApiKeyReads {
    /// The key of this digest, whether it opens anything or not.
    async fn api_key_by_hash(&self, hash: &TokenHash) -> Result<Option<ApiKey>, StoreError>;

    /// The key of the organizer.
    async fn api_key(&self, organizer: OrganizerId, key: ApiKeyId) -> Result<Option<ApiKey>, StoreError>;

    /// Keys of the organizer in ascending order of their ids, those behind `after`, at most `rows`.
    async fn api_keys(
        &self,
        organizer: OrganizerId,
        after: Option<ApiKeyId>,
        rows: u64,
    ) -> Result<Vec<ApiKey>, StoreError>;
}
