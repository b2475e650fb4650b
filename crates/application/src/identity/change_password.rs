//! Use case: somebody who knows his password chooses another one.

use domain::identity::{Account, EndReason, MailedPurpose, Password, User};
use domain::{Problems, UserId};

use crate::error::AppError;
use crate::identity::mailed::told;
use crate::identity::service::Identity;
use crate::journal::Scribe;
use crate::mail::MailContent;
use crate::origin::{Origin, Principal};
use crate::store::UnitOfWork;

impl Identity {
    /// Changes the password, and ends all sessions but the caller's own.
    ///
    /// # Errors
    /// [`AppError::Validation`] for a wrong present password (field `currentPassword`), or one that may not be;
    /// [`AppError::Unavailable`] when too many passwords wait to be hashed.
    pub async fn change_password(
        &self,
        principal: &Principal,
        current: &str,
        password: &str,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let password = Password::parse_new("password", password)?;
        let account = self.prove_password(principal.user, ("currentPassword", current), origin).await?;
        let hashed = self.ports.hasher.hash(&password).await?;
        let now = self.now();
        let mut uow = self.ports.store.begin().await?;
        let before = self.lock_proved_in_op(uow.as_mut(), &account).await?;
        let after = before.with_new_password();
        let entry =
            Scribe { ids: self.ports.ids.as_ref(), origin, at: now }.password_changed(&before, &after, "changed");
        uow.save_user(&after).await?;
        uow.save_password(after.id, &hashed).await?;
        uow.delete_mailed_tokens(after.id, &[MailedPurpose::ResetPassword]).await?;
        uow.append_outbox(&[entry.message]).await?;
        uow.append_audit(&[entry.line]).await?;
        let (keep, reason) = (Some(principal.session), EndReason::PasswordChanged);
        let ended = self.end_sessions_in_op(uow.as_mut(), after.id, keep, reason, origin).await?;
        let notice = MailContent::PasswordChanged { when: told(now) };
        self.notify_in_op(uow.as_mut(), (&after, &after.email), notice, now).await?;
        uow.commit().await?;
        self.heed_ended(&ended);
        Ok(())
    }

    /// The account of somebody who is signed in, if this is its password.
    ///
    /// # Errors
    /// [`AppError::Validation`] that names the field; [`AppError::RateLimited`] after too many wrong ones;
    /// [`AppError::Unavailable`] when too many passwords wait.
    pub(super) async fn prove_password(
        &self,
        user: UserId,
        (field, raw): (&str, &str),
        origin: &Origin,
    ) -> Result<Account, AppError> {
        let wrong = || AppError::from(Problems::one(field, "wrong_password", "is not the password of the account"));
        let password = Password::parse(field, raw).map_err(|_| wrong())?;
        let guards = &self.ports.guards;
        guards.try_password(user).await?;
        let account = self.ports.reads.account_by_id(user).await?.ok_or(AppError::Unauthenticated)?;
        if !self.ports.hasher.verify(&password, account.password.as_ref()).await? {
            self.note_failure("user.password_failed", Some(user), origin);
            return Err(wrong());
        }
        guards.right_password(user).await;
        Ok(account)
    }

    /// As [`prove_password`](Self::prove_password) for the field `password` of an account that has one; an account without
    /// has nothing to show, and is answered as it is.
    ///
    /// # Errors
    /// As [`prove_password`](Self::prove_password).
    pub(super) async fn prove_password_if_any(
        &self,
        account: Account,
        raw: Option<&str>,
        origin: &Origin,
    ) -> Result<Account, AppError> {
        if account.password.is_none() {
            return Ok(account);
        }
        self.prove_password(account.user.id, ("password", raw.unwrap_or_default()), origin).await
    }

    /// Locks an account whose password was [proved](Self::prove_password), and answers it as it is now.
    ///
    /// # Errors
    /// [`AppError::Unauthenticated`] if it is gone; [`AppError::Unavailable`] where something about it has changed
    /// while we hashed: whatever was proved is proved no more.
    pub(super) async fn lock_proved_in_op(&self, uow: &mut dyn UnitOfWork, proved: &Account) -> Result<User, AppError> {
        let present = uow.lock_user(proved.user.id).await?.ok_or(AppError::Unauthenticated)?;
        if present.version == proved.user.version { Ok(present) } else { Err(AppError::busy()) }
    }
}
