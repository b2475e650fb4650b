//! Use cases: somebody sees by what he can sign in, and takes an identity away.

use domain::ExternalIdentityId;
use domain::identity::{ExternalIdentity, may_unlink};

use crate::error::AppError;
use crate::identity::mailed::told;
use crate::identity::service::Identity;
use crate::mail::MailContent;
use crate::origin::{Origin, Principal};

impl Identity {
    /// The external identities of the caller, in the order in which they were linked; there are few.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn external_identities(&self, principal: &Principal) -> Result<Vec<ExternalIdentity>, AppError> {
        Ok(self.ports.reads.external_identities(principal.user).await?)
    }

    /// Takes an identity away from the account of the caller; nobody signs in by it any more. His sessions go on.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for what is no identity of his; [`AppError::InvalidState`] where nothing would be left to
    /// sign in by.
    pub async fn unlink_identity(
        &self,
        principal: &Principal,
        id: ExternalIdentityId,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let now = self.now();
        let mut uow = self.ports.store.begin().await?;
        // The lock of the account makes the count right, and its password stay.
        let before = uow.lock_user(principal.user).await?.ok_or(AppError::Unauthenticated)?;
        let identities = uow.external_identities(before.id).await?;
        let identity = identities.iter().find(|identity| identity.id == id).ok_or(AppError::NotFound("identity"))?;
        if !may_unlink(uow.has_password(before.id).await?, identities.len()) {
            let told = "nothing would be left to sign in by: set a password first (by «password forgotten»)";
            return Err(AppError::InvalidState(told.to_owned()));
        }
        let after = before.with_other_identities();
        let entry = self.scribe(origin).identity_unlinked(&before, &after, &identity.provider);
        uow.save_user(&after).await?;
        uow.delete_external_identity(id).await?;
        uow.append_outbox(&[entry.message]).await?;
        uow.append_audit(&[entry.line]).await?;
        let notice = MailContent::IdentityUnlinked { provider: self.title_of(&identity.provider), when: told(now) };
        self.notify_in_op(uow.as_mut(), (&after, &after.email), notice, now).await?;
        uow.commit().await?;
        Ok(())
    }
}
