//! Use case: somebody signs out.

use domain::identity::EndReason;

use crate::error::AppError;
use crate::identity::service::Identity;
use crate::origin::{Origin, Principal};

impl Identity {
    /// Ends the session of the caller: its refresh tokens are worth nothing from now on, and its access tokens are
    /// refused here at once and on every other replica within a second. A second time changes nothing.
    ///
    /// # Errors
    /// What the store answers; then it is not known whether the session has ended.
    pub async fn logout(&self, principal: &Principal, origin: &Origin) -> Result<(), AppError> {
        let mut uow = self.ports.store.begin().await?;
        let Some(session) = uow.lock_session(principal.session).await? else { return Ok(()) };
        match session.end(EndReason::Logout, self.now()) {
            Some(ended) => self.save_ended(uow, &session, &ended, origin).await,
            None => Ok(()),
        }
    }

    /// Deletes mailed tokens, one-time codes, challenges and wishes for another address that are worth nothing any more.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn delete_lapsed_tokens(&self) -> Result<(), AppError> {
        let mut uow = self.ports.store.begin().await?;
        uow.delete_lapsed_mailed_tokens(self.now()).await?;
        uow.delete_lapsed_sign_in_codes(self.now()).await?;
        uow.delete_lapsed_sign_in_challenges(self.now()).await?;
        uow.commit().await?;
        Ok(())
    }

    /// Deletes sessions that have been over for longer than any access token lives, at most `limit` at a time, and
    /// answers how many: a job calls it until it answers less than it was allowed.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn delete_dead_sessions(&self, limit: domain::Limit) -> Result<u64, AppError> {
        let before = self.now() - self.settings.longest_token() - chrono::TimeDelta::days(1);
        let mut uow = self.ports.store.begin().await?;
        let deleted = uow.delete_dead_sessions(before, limit).await?;
        uow.commit().await?;
        Ok(deleted)
    }
}
