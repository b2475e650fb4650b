//! An account whose address nobody had verified becomes that of who reads the mails of the address.
//!
//! Who has registered it need not be he. So nothing that the account had lets anybody else in afterwards: neither to the
//! account, nor to the organizers that it has founded, for which others may act by keys, as members and by invitations.
//! An account that has not verified its address can have been invited by nobody: to accept is to verify.

use domain::catalog::{Member, MemberRole};
use domain::identity::{EndReason, MailedPurpose};
use domain::{OrganizerId, UserId};

use crate::error::AppError;
use crate::identity::service::Identity;
use crate::identity::{EndedSession, RevokedKey};
use crate::origin::Origin;
use crate::store::UnitOfWork;

/// What this process heeds at once when the claim is committed.
pub(super) struct Claimed {
    sessions: Vec<EndedSession>,
    keys: Vec<RevokedKey>,
}

impl Identity {
    /// Takes away from a locked account what let anybody in, but its password: that is dropped or replaced by the caller.
    /// `why` its sessions end.
    pub(super) async fn claim_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        user: UserId,
        why: EndReason,
        origin: &Origin,
    ) -> Result<Claimed, AppError> {
        uow.delete_second_factor(user).await?;
        let mut claimed = self.shut_out_in_op(uow, user, why, origin).await?;
        for member in uow.memberships(user).await?.iter().filter(|member| member.role == MemberRole::Owner) {
            self.remove_others_in_op(uow, member, origin).await?;
            self.revoke_invitations_in_op(uow, member.organizer, origin).await?;
            claimed.keys.extend(self.revoke_keys_in_op(uow, member.organizer, origin).await?);
        }
        Ok(claimed)
    }

    /// Ends every session of a locked account, and whatever its mails were to do: whoever asked for another address with
    /// the password until now may have been somebody else.
    pub(super) async fn shut_out_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        user: UserId,
        why: EndReason,
        origin: &Origin,
    ) -> Result<Claimed, AppError> {
        uow.delete_mailed_tokens(user, &MailedPurpose::ALL).await?;
        uow.delete_email_change(user).await?;
        let sessions = self.end_sessions_in_op(uow, user, None, why, origin).await?;
        Ok(Claimed { sessions, keys: Vec::new() })
    }

    /// Heeds in this process at once what a committed claim has ended; others learn of it within a second.
    pub(super) fn heed_claimed(&self, claimed: &Claimed) {
        self.heed_ended(&claimed.sessions);
        for key in &claimed.keys {
            self.key_revoked(*key);
        }
    }

    async fn remove_others_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        owner: &Member,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let Some(mut team) = uow.lock_team(owner.organizer).await? else { return Ok(()) };
        for member in uow.members_of(owner.organizer).await?.iter().filter(|member| member.user != owner.user) {
            team.version += 1;
            let (message, line) = self.scribe(origin).member_left(&team, member);
            uow.delete_member(owner.organizer, member.user).await?;
            uow.append_outbox(&[message]).await?;
            uow.append_audit(&[line]).await?;
        }
        uow.save_team(&team).await?;
        Ok(())
    }

    async fn revoke_invitations_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        organizer: OrganizerId,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let scribe = self.scribe(origin);
        for invitation in uow.open_invitations(organizer, scribe.at).await? {
            let Some(revoked) = invitation.revoke(scribe.at) else { continue };
            let (message, line) = scribe.invitation_revoked(&revoked);
            uow.save_invitation(&revoked).await?;
            uow.append_outbox(&[message]).await?;
            uow.append_audit(&[line]).await?;
        }
        Ok(())
    }

    async fn revoke_keys_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        organizer: OrganizerId,
        origin: &Origin,
    ) -> Result<Vec<RevokedKey>, AppError> {
        let scribe = self.scribe(origin);
        let mut keys = Vec::new();
        for key in uow.lock_open_api_keys(organizer, scribe.at).await? {
            let Some(revoked) = key.revoke(scribe.at) else { continue };
            let (message, line) = scribe.api_key(Some(&key), &revoked);
            uow.save_api_key(&revoked).await?;
            uow.append_outbox(&[message]).await?;
            uow.append_audit(&[line]).await?;
            keys.push(RevokedKey { key: key.id, at: scribe.at });
        }
        Ok(keys)
    }
}
