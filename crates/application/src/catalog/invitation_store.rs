//! The storage ports of invitations.
//!
//! # Tables
//! `invitations`: `id` (primary key), `organizer_id` (references `organizers`, cascades on delete), `email`, `role`,
//! `all_events`, `hash` (unique, 32 bytes), `invited_by` (references `users`), `created_at`, `expires_at`, `ended_at` and
//! `outcome` (`accepted`, `revoked`), both null or neither. At most one of an organizer and an address that has not
//! ended. `invitation_events`: the events of those that are not for all.

use async_trait::async_trait;
use domain::catalog::Invitation;
use domain::identity::TokenHash;
use domain::{EmailAddress, InvitationId, Limit, OrganizerId, Timestamp};

use crate::store::StoreError;

/// Invitations within a transaction that has locked the team of their organizer.
#[async_trait]
pub trait InvitationRepository {
    /// Inserts an invitation.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where one to this address has not ended.
    async fn insert_invitation(&mut self, invitation: &Invitation) -> Result<(), StoreError>;

    /// The invitation of the organizer.
    async fn invitation(&mut self, organizer: OrganizerId, id: InvitationId) -> Result<Option<Invitation>, StoreError>;

    /// The invitation of this token. Asked without a lock, it tells whose team to lock; then it must be read anew.
    async fn invitation_by_hash(&mut self, hash: &TokenHash) -> Result<Option<Invitation>, StoreError>;

    /// The invitation of the organizer to this address that has not ended; it may have lapsed.
    async fn invitation_to(
        &mut self,
        organizer: OrganizerId,
        email: &EmailAddress,
    ) -> Result<Option<Invitation>, StoreError>;

    /// How many invitations of the organizer can be accepted at this time.
    async fn count_invitations(&mut self, organizer: OrganizerId, now: Timestamp) -> Result<u64, StoreError>;

    /// Saves how an invitation ended.
    ///
    /// # Errors
    /// [`StoreError::Defect`] where there is no such invitation.
    async fn save_invitation(&mut self, invitation: &Invitation) -> Result<(), StoreError>;

    /// Deletes at most `limit` invitations that ended or lapsed before `before`, and answers how many. It needs no lock.
    async fn delete_old_invitations(&mut self, before: Timestamp, limit: Limit) -> Result<u64, StoreError>;
}

/// Reads of invitations that need no transaction.
#[async_trait]
pub trait InvitationReads {
    /// Invitations of the organizer that can be accepted at this time, in ascending order of their ids, those behind
    /// `after`, at most `rows`.
    async fn invitations(
        &self,
        organizer: OrganizerId,
        now: Timestamp,
        after: Option<InvitationId>,
        rows: u64,
    ) -> Result<Vec<Invitation>, StoreError>;

    /// The invitation of the organizer, if it can be accepted at this time.
    async fn open_invitation(
        &self,
        organizer: OrganizerId,
        id: InvitationId,
        now: Timestamp,
    ) -> Result<Option<Invitation>, StoreError>;

    /// Invitations of all organizers to this address, over or not, in ascending order of their ids, at most `rows`.
    async fn invitations_to_address(&self, email: &EmailAddress, rows: u64) -> Result<Vec<Invitation>, StoreError>;
}
