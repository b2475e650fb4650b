//! The storage ports of external identities.
//!
//! # Tables
//! - `external_identities`: `id` (primary key), `user_id` (references `users`, indexed), `provider`, `issuer`, `subject`
//!   (unique with `issuer`: constraint `external_identities_who_key`), `linked_at`.
//! - `sign_in_codes`: `hash` (primary key, 32 bytes), `user_id` (references `users`, indexed), `user_version`, `binding`
//!   (32 bytes), `expires_at` (indexed).

use async_trait::async_trait;
use domain::identity::{ExternalIdentity, ExternalSubject, SignInCode, TokenHash};
use domain::{ExternalIdentityId, Timestamp, UserId};

use crate::store::StoreError;

/// External identities within a transaction. They are locked by the lock of their account.
#[async_trait]
pub trait ExternalIdentityRepository {
    /// The identity of this subject, whoever's it is.
    async fn external_identity(&mut self, who: &ExternalSubject) -> Result<Option<ExternalIdentity>, StoreError>;

    /// All identities of an account, in the order of their ids.
    async fn external_identities(&mut self, user: UserId) -> Result<Vec<ExternalIdentity>, StoreError>;

    /// Inserts an identity.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the subject is linked already; the transaction is over then.
    async fn insert_external_identity(&mut self, identity: &ExternalIdentity) -> Result<(), StoreError>;

    /// Deletes an identity, if there is one.
    async fn delete_external_identity(&mut self, id: ExternalIdentityId) -> Result<(), StoreError>;

    /// Inserts a one-time code.
    async fn insert_sign_in_code(&mut self, code: &SignInCode) -> Result<(), StoreError>;

    /// The code, as the present statement sees it.
    async fn sign_in_code(&mut self, hash: &TokenHash) -> Result<Option<SignInCode>, StoreError>;

    /// Takes the code away. Of two transactions at once one gets it: the other waits, and gets none if the first has
    /// committed.
    async fn take_sign_in_code(&mut self, hash: &TokenHash) -> Result<Option<SignInCode>, StoreError>;

    /// Deletes codes that expired before `now`, a bounded number of them.
    async fn delete_lapsed_sign_in_codes(&mut self, now: Timestamp) -> Result<(), StoreError>;
}

/// Reads of external identities that need no transaction.
#[async_trait]
pub trait ExternalIdentityReads {
    /// All identities of an account, in the order of their ids.
    async fn external_identities(&self, user: UserId) -> Result<Vec<ExternalIdentity>, StoreError>;
}
