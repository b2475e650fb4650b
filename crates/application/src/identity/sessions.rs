//! Use cases: somebody sees where he is signed in, and ends what he does not know.

use domain::identity::{EndReason, MailedPurpose, Session};
use domain::{SessionId, UserId};

use crate::error::AppError;
use crate::identity::EndedSession;
use crate::identity::service::Identity;
use crate::journal::Scribe;
use crate::origin::{Origin, Principal};
use crate::store::UnitOfWork;

/// The most sessions that are shown: the last used ones.
const SHOWN_MAX: u64 = 100;

impl Identity {
    /// The live sessions of the caller, the last used ones first, a hundred at most.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn sessions(&self, principal: &Principal) -> Result<Vec<Session>, AppError> {
        Ok(self.ports.reads.sessions_of(principal.user, self.now(), SHOWN_MAX).await?)
    }

    /// Ends one session of the caller, his present one too if he likes: its refresh tokens are worth nothing from now
    /// on, and its access tokens are refused within a second on every replica.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for what is no live session of his.
    pub async fn end_session(
        &self,
        principal: &Principal,
        session: SessionId,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let mut uow = self.ports.store.begin().await?;
        let found = uow.lock_session(session).await?.filter(|session| session.user == principal.user);
        let session = found.ok_or(AppError::NotFound("session"))?;
        match session.end(EndReason::EndedByOwner, self.now()) {
            Some(ended) => self.save_ended(uow, &session, &ended, origin).await,
            None => Err(AppError::NotFound("session")),
        }
    }

    /// Ends all sessions of the caller but the present one.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn end_other_sessions(&self, principal: &Principal, origin: &Origin) -> Result<(), AppError> {
        let mut uow = self.ports.store.begin().await?;
        // Against a sign-in or a change of password at the same time.
        uow.lock_user(principal.user).await?.ok_or(AppError::Unauthenticated)?;
        let (keep, reason) = (Some(principal.session), EndReason::EndedByOwner);
        let ended = self.end_sessions_in_op(uow.as_mut(), principal.user, keep, reason, origin).await?;
        uow.commit().await?;
        self.heed_ended(&ended);
        Ok(())
    }

    /// Ends the sessions of an account that this transaction has locked, all but one. What it answers is passed on to
    /// [`heed_ended`](Self::heed_ended) once it is committed.
    pub(super) async fn end_sessions_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        user: UserId,
        keep: Option<SessionId>,
        reason: EndReason,
        origin: &Origin,
    ) -> Result<Vec<EndedSession>, AppError> {
        let now = self.now();
        let scribe = Scribe { ids: self.ports.ids.as_ref(), origin, at: now };
        let (mut ended, mut messages, mut lines) = (Vec::new(), Vec::new(), Vec::new());
        for before in uow.lock_sessions_of(user).await? {
            let Some(after) = before.end(reason, now).filter(|_| Some(before.id) != keep) else { continue };
            let entry = scribe.session_ended(&before, &after);
            uow.save_session(&after).await?;
            messages.push(entry.message);
            lines.push(entry.line);
            ended.push(EndedSession { session: after.id, at: after.ended.map_or(now, |end| end.at) });
        }
        uow.append_outbox(&messages).await?;
        uow.append_audit(&lines).await?;
        Ok(ended)
    }

    /// Ends every session of a locked account, and whatever its mails were to do: whoever asked for another address with
    /// the password until now may have been somebody else.
    pub(super) async fn shut_out_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        user: UserId,
        why: EndReason,
        origin: &Origin,
    ) -> Result<Vec<EndedSession>, AppError> {
        uow.delete_mailed_tokens(user, &MailedPurpose::ALL).await?;
        uow.delete_email_change(user).await?;
        self.end_sessions_in_op(uow, user, None, why, origin).await
    }

    /// Makes sure that a session has not ended, and does not before this transaction does. It is locked before teams are.
    ///
    /// # Errors
    /// [`AppError::Unauthenticated`].
    pub(crate) async fn signed_in_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        principal: &Principal,
    ) -> Result<(), AppError> {
        if self.is_live_in_op(uow, principal.session).await? { Ok(()) } else { Err(AppError::Unauthenticated) }
    }

    /// Whether a session has not ended; nobody ends it before this transaction does.
    pub(super) async fn is_live_in_op(&self, uow: &mut dyn UnitOfWork, session: SessionId) -> Result<bool, AppError> {
        let session = uow.lock_session(session).await?;
        Ok(session.is_some_and(|session| session.ended.is_none() && self.now() < session.expires_at))
    }

    /// Heeds ended sessions in this process at once; others learn of them within a second.
    pub(super) fn heed_ended(&self, ended: &[EndedSession]) {
        for session in ended {
            self.revoked.session_ended(*session);
        }
    }
}
