//! The storage ports of second factors.
//!
//! # Tables
//! - `second_factors`: `user_id` (primary key, references `users`), `sealed_seed` (at most 1,024 bytes), `made_at`,
//!   `confirmed_at` (null), `last_step` (null), `failures`, `blocked_until` (null).
//! - `recovery_codes`: `hash` (primary key, 32 bytes), `user_id` (references `users`, indexed).
//! - `sign_in_challenges`: `hash` (primary key, 32 bytes), `user_id` (references `users`, indexed), `user_version`,
//!   `tries_left`, `expires_at` (indexed).

use async_trait::async_trait;
use domain::identity::{SecondFactor, SignInChallenge, TokenHash};
use domain::{Timestamp, UserId};

use crate::store::StoreError;

/// Second factors within a transaction. They are locked by the lock of their account, and so are its challenges.
#[async_trait]
pub trait SecondFactorRepository {
    /// The second factor of an account, confirmed or not.
    async fn second_factor(&mut self, user: UserId) -> Result<Option<SecondFactor>, StoreError>;

    /// Saves it, in the place of an older one.
    async fn save_second_factor(&mut self, factor: &SecondFactor) -> Result<(), StoreError>;

    /// Deletes it with all recovery codes and challenges of the account, if there is one.
    async fn delete_second_factor(&mut self, user: UserId) -> Result<(), StoreError>;

    /// The recovery codes of the account are these, and no others.
    async fn replace_recovery_codes(&mut self, user: UserId, codes: &[TokenHash]) -> Result<(), StoreError>;

    /// How many recovery codes are left.
    async fn count_recovery_codes(&mut self, user: UserId) -> Result<u64, StoreError>;

    /// Takes a recovery code away; whether it was there, and this account's.
    async fn take_recovery_code(&mut self, user: UserId, code: &TokenHash) -> Result<bool, StoreError>;

    /// Inserts a challenge. The account has at most `kept` of them then: the ones that expire first give way.
    async fn insert_sign_in_challenge(&mut self, challenge: &SignInChallenge, kept: u64) -> Result<(), StoreError>;

    /// The challenge, as the present statement sees it.
    async fn sign_in_challenge(&mut self, hash: &TokenHash) -> Result<Option<SignInChallenge>, StoreError>;

    /// Saves how many tries are left of a challenge that is there.
    async fn save_sign_in_challenge(&mut self, challenge: &SignInChallenge) -> Result<(), StoreError>;

    /// Deletes a challenge, if it is there.
    async fn delete_sign_in_challenge(&mut self, hash: &TokenHash) -> Result<(), StoreError>;

    /// Deletes challenges that expired before `now`, a bounded number of them.
    async fn delete_lapsed_sign_in_challenges(&mut self, now: Timestamp) -> Result<(), StoreError>;
}

/// Reads of second factors that need no transaction.
#[async_trait]
pub trait SecondFactorReads {
    /// The second factor of an account, confirmed or not, and how many recovery codes are left.
    async fn second_factor_of(&self, user: UserId) -> Result<Option<(SecondFactor, u64)>, StoreError>;

    /// The challenge.
    async fn sign_in_challenge(&self, hash: &TokenHash) -> Result<Option<SignInChallenge>, StoreError>;
}
