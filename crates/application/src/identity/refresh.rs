//! Use case: a refresh token is changed for a new pair.

use domain::identity::{Refresh, Session};

use crate::error::AppError;
use crate::identity::EndedSession;
use crate::identity::secret_token::token_hash;
use crate::identity::service::Identity;
use crate::identity::tokens::TokenPair;
use crate::journal::Scribe;
use crate::origin::Origin;
use crate::store::UnitOfWork;

impl Identity {
    /// Spends the token and answers with a new pair. The same token again within ten seconds, while its successor was
    /// not used, counts as a lost answer and gets another pair; any other second use ends the session, for both who
    /// hold its tokens.
    ///
    /// # Errors
    /// [`AppError::Unauthenticated`] for an unknown or a spent token, and for one whose session is over.
    pub async fn refresh(&self, token: &str, origin: &Origin) -> Result<TokenPair, AppError> {
        let hash = token_hash(token).ok_or(AppError::Unauthenticated)?;
        let mut uow = self.ports.store.begin().await?;
        let found = uow.refresh_token(&hash).await?.ok_or(AppError::Unauthenticated)?;
        let session = uow.lock_session(found.session).await?.ok_or(AppError::Unauthenticated)?;
        // Read again: whoever held the lock may have spent it.
        let token = uow.refresh_token(&hash).await?.ok_or(AppError::Unauthenticated)?;
        match session.refresh(&token, &self.settings.session, self.now()) {
            Refresh::Rotated { session, spent } => {
                uow.save_refresh_token(&spent).await?;
                self.renew(uow, &session).await
            }
            Refresh::Reissued(session) => self.renew(uow, &session).await,
            Refresh::Reused(ended) => self.end_reused(uow, &session, &ended, origin).await,
            Refresh::Over => Err(AppError::Unauthenticated),
        }
    }

    async fn renew(&self, mut uow: Box<dyn UnitOfWork>, session: &Session) -> Result<TokenPair, AppError> {
        let user = uow.user_by_id(session.user).await?.ok_or(AppError::Unauthenticated)?;
        uow.save_session(session).await?;
        let pair = self.issue_in_op(uow.as_mut(), session, user.role, session.last_used_at).await?;
        uow.commit().await?;
        Ok(pair)
    }

    async fn end_reused(
        &self,
        uow: Box<dyn UnitOfWork>,
        before: &Session,
        after: &Session,
        origin: &Origin,
    ) -> Result<TokenPair, AppError> {
        tracing::warn!(session.id = %after.id, "A refresh token was used twice: session `{}` ends", after.id);
        metrics::counter!("goticket_refresh_token_reuses_total").increment(1);
        self.save_ended(uow, before, after, origin).await?;
        Err(AppError::Unauthenticated)
    }

    /// Saves a session that ended before its time, and heeds it in this process at once.
    pub(super) async fn save_ended(
        &self,
        mut uow: Box<dyn UnitOfWork>,
        before: &Session,
        after: &Session,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let at = after.ended.map_or_else(|| self.now(), |end| end.at);
        let entry = Scribe { ids: self.ports.ids.as_ref(), origin, at }.session_ended(before, after);
        uow.save_session(after).await?;
        uow.append_outbox(&[entry.message]).await?;
        uow.append_audit(&[entry.line]).await?;
        uow.commit().await?;
        self.revoked.session_ended(EndedSession { session: after.id, at });
        Ok(())
    }
}
