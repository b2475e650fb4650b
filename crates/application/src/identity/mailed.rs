//! Tokens that are mailed: made, and taken back once.
//!
//! A token is bound to an account, a purpose and an address. Using it deletes
//! its row, so that of two requests at once the second one finds nothing.

use domain::identity::{MailedPurpose, MailedToken, User};
use domain::{EmailAddress, Problems, Timestamp, UserId};
use secrecy::ExposeSecret;

use crate::error::AppError;
use crate::identity::secret_token::token_hash;
use crate::identity::service::Identity;
use crate::mail::MailContent;
use crate::store::UnitOfWork;

impl Identity {
    /// Makes a token for this address and mails it, unless one of this purpose was mailed just now. The others of this
    /// purpose are worth nothing any more.
    pub(super) async fn mail_token_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        user: &User,
        purpose: MailedPurpose,
        to: &EmailAddress,
        content: impl FnOnce(String) -> MailContent + Send,
        now: Timestamp,
    ) -> Result<(), AppError> {
        if !MailedToken::may_follow(uow.last_mailed(user.id, purpose).await?, now) {
            return Ok(());
        }
        let secret = self.new_token("")?;
        let token = MailedToken::issue(secret.hash, user.id, purpose, to.clone(), now);
        uow.delete_mailed_tokens(user.id, &[purpose]).await?;
        uow.insert_mailed_token(&token).await?;
        let content = content(self.ports.mails.link(page(purpose), secret.text.expose_secret()));
        self.ports.mails.send_in_op(uow, to, user.language, content, (now, token.expires_at)).await
    }

    /// A mail that bears no token.
    pub(super) async fn notify_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        (user, to): (&User, &EmailAddress),
        content: MailContent,
        now: Timestamp,
    ) -> Result<(), AppError> {
        self.ports.mails.send_in_op(uow, to, user.language, content, (now, now + NOTICE_HOLDS)).await
    }

    /// Uses the token up, and locks its account. `bound_to` says which address of the account it must speak of.
    ///
    /// # Errors
    /// [`invalid_token`], alike for whatever is wrong with it.
    pub(super) async fn take_token_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        token: &str,
        purposes: &[MailedPurpose],
        now: Timestamp,
    ) -> Result<(MailedToken, User), AppError> {
        let hash = token_hash(token).ok_or_else(invalid_token)?;
        let owner: UserId = uow.mailed_token(&hash).await?.ok_or_else(invalid_token)?.user;
        // The account first: that is the order of locks.
        let user = uow.lock_user(owner).await?.ok_or_else(invalid_token)?;
        let token = uow.take_mailed_token(&hash).await?.ok_or_else(invalid_token)?;
        let is_good = purposes.contains(&token.purpose) && now < token.expires_at && user.deleted_at.is_none();
        if is_good { Ok((token, user)) } else { Err(invalid_token()) }
    }
}

/// For how long a notice is worth sending.
const NOTICE_HOLDS: chrono::TimeDelta = chrono::TimeDelta::days(3);

/// The page that a token of this purpose is taken to.
const fn page(purpose: MailedPurpose) -> &'static str {
    match purpose {
        MailedPurpose::VerifyEmail => "verify-email",
        MailedPurpose::ResetPassword => "reset-password",
        MailedPurpose::ConfirmOldEmail | MailedPurpose::ConfirmNewEmail => "confirm-email",
    }
}

/// What is said of a token that does not hold, for whatever reason.
pub(super) fn invalid_token() -> AppError {
    Problems::one("token", "invalid_token", "is unknown, used, or expired: ask for another one").into()
}

/// When something happened, as mails say it.
pub(super) fn told(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}
