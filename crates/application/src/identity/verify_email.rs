//! Use cases: somebody shows that he reads the mails of his address.

use domain::identity::{MailedPurpose, User};

use crate::error::AppError;
use crate::identity::mailed::invalid_token;
use crate::identity::service::Identity;
use crate::mail::MailContent;
use crate::origin::{Origin, Principal};
use crate::store::UnitOfWork;

impl Identity {
    /// Takes the token of a mail. It works once, while the account has the address that the mail was sent to.
    ///
    /// # Errors
    /// [`AppError::Validation`] for a token that does not hold; [`AppError::RateLimited`].
    pub async fn verify_email(&self, token: &str, origin: &Origin) -> Result<User, AppError> {
        self.ports.guards.try_token(origin).await?;
        let now = self.now();
        let mut uow = self.ports.store.begin().await?;
        let (token, before) = self.take_token_in_op(uow.as_mut(), token, &[MailedPurpose::VerifyEmail], now).await?;
        if !token.holds(MailedPurpose::VerifyEmail, &before.email, now) {
            return Err(invalid_token());
        }
        let after = self.verify_in_op(uow.as_mut(), &before, origin).await?;
        uow.commit().await?;
        self.ports.guards.right_token(origin).await;
        Ok(after)
    }

    /// The locked account, its address verified: whoever has it has shown that he reads the mails of the address.
    pub(crate) async fn verify_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        before: &User,
        origin: &Origin,
    ) -> Result<User, AppError> {
        let Some(after) = before.verified() else { return Ok(before.clone()) };
        let entry = self.scribe(origin).email_verified(before, &after);
        uow.save_user(&after).await?;
        uow.append_outbox(&[entry.message]).await?;
        uow.append_audit(&[entry.line]).await?;
        Ok(after)
    }

    /// Sends the mail once more, unless the address is verified or the last mail was sent just now. The token of the
    /// last one is worth nothing any more.
    ///
    /// # Errors
    /// [`AppError::Unauthenticated`] if the account is gone; [`AppError::RateLimited`] for too many mails to its address,
    /// which may be somebody else's.
    pub async fn ask_for_verification(&self, principal: &Principal, origin: &Origin) -> Result<(), AppError> {
        let account = self.ports.reads.account_by_id(principal.user).await?.ok_or(AppError::Unauthenticated)?;
        if account.user.email_verified {
            return Ok(());
        }
        self.ports.guards.mail(&account.user.email).await?;
        let mut uow = self.ports.store.begin().await?;
        let user = uow.lock_user(principal.user).await?.ok_or(AppError::Unauthenticated)?;
        if user.email_verified {
            return Ok(());
        }
        self.mail_verification_in_op(uow.as_mut(), &user).await?;
        uow.append_audit(&[self.scribe(origin).mail_asked(&user, MailedPurpose::VerifyEmail)]).await?;
        uow.commit().await?;
        Ok(())
    }

    pub(super) async fn mail_verification_in_op(&self, uow: &mut dyn UnitOfWork, user: &User) -> Result<(), AppError> {
        let content = |link| MailContent::VerifyEmail { link };
        self.mail_token_in_op(uow, user, MailedPurpose::VerifyEmail, &user.email, content, self.now()).await
    }
}
