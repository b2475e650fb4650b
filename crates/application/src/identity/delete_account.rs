//! Use case: somebody deletes his account.

use domain::identity::{EndReason, MailedPurpose, Role};
use domain::{JobId, UserId};

use crate::audit::erasure;
use crate::booking::leaving;
use crate::error::AppError;
use crate::identity::ChangedRole;
use crate::identity::mailed::told;
use crate::identity::service::Identity;
use crate::journal::Scribe;
use crate::mail::MailContent;
use crate::origin::{Origin, Principal};
use crate::store::UnitOfWork;

impl Identity {
    /// Deletes the account of the caller: address, name and password go, the names of those he booked for too, his
    /// memberships end, of which each organizer is told, and so does every session. What he has bought stays under his
    /// id, which leads to nobody any more: money and stock are facts. What he waits for, or was offered, goes to others,
    /// by a job. The address is free for a new account.
    ///
    /// # Errors
    /// [`AppError::Validation`] for a wrong password; [`AppError::InvalidState`] for the last admin, and for the only
    /// owner of an organizer; [`AppError::Unavailable`] when too many passwords wait to be hashed.
    pub async fn delete_account(&self, principal: &Principal, password: &str, origin: &Origin) -> Result<(), AppError> {
        let account = self.prove_password(principal.user, ("password", password), origin).await?;
        let now = self.now();
        let mut uow = self.ports.store.begin().await?;
        let admins = uow.lock_admins().await?;
        let before = self.lock_proved_in_op(uow.as_mut(), &account).await?;
        if admins == [before.id] {
            return Err(AppError::InvalidState("this is the last admin: make another one first".to_owned()));
        }
        // Sessions are locked before teams, everywhere.
        let ended = self.end_sessions_in_op(uow.as_mut(), before.id, None, EndReason::AccountDeleted, origin).await?;
        if uow.is_only_owner(before.id).await? {
            let told = "the account is the only owner of an organizer: make somebody else an owner first";
            return Err(AppError::InvalidState(told.to_owned()));
        }
        let after = before.deleted(now);
        let scribe = Scribe { ids: self.ports.ids.as_ref(), origin, at: now };
        let entry = scribe.deleted(&before, &after);
        leave_in_op(uow.as_mut(), &scribe, after.id).await?;
        let notice = MailContent::AccountDeleted { when: told(now) };
        self.notify_in_op(uow.as_mut(), (&before, &before.email), notice, now).await?;
        uow.delete_mailed_tokens(after.id, &MailedPurpose::ALL).await?;
        uow.delete_email_change(after.id).await?;
        uow.delete_second_factor(after.id).await?;
        uow.erase_user(&after).await?;
        uow.append_outbox(&[entry.message]).await?;
        uow.append_audit(&[entry.line]).await?;
        // What the audit log has of him is erased once it is sealed.
        uow.enqueue_job(&erasure(JobId::new(self.ports.ids.uuid()), after.id, now)).await?;
        // What was offered to him goes to who waits next: that is for the lanes of the events to decide.
        uow.enqueue_job(&leaving(JobId::new(self.ports.ids.uuid()), after.id, now)).await?;
        uow.commit().await?;
        self.heed_ended(&ended);
        self.role_changed(ChangedRole { user: after.id, role: Role::User, at: now });
        Ok(())
    }
}

/// Tells each organizer that the account is a member of that it leaves; the rows go with the account.
async fn leave_in_op(uow: &mut dyn UnitOfWork, scribe: &Scribe<'_>, user: UserId) -> Result<(), AppError> {
    for member in uow.memberships(user).await? {
        let Some(mut team) = uow.lock_team(member.organizer).await? else { continue };
        team.version += 1;
        let (message, line) = scribe.member_left(&team, &member);
        uow.save_team(&team).await?;
        uow.append_outbox(&[message]).await?;
        uow.append_audit(&[line]).await?;
    }
    Ok(())
}
