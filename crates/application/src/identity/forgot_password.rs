//! Use cases: somebody has forgotten his password, and chooses another one.
//!
//! Nobody learns from the first call whether an address has an account: the request writes down a job, the same for
//! every address, and whether there is an account is looked up when nobody waits any more.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::identity::{EndReason, MailedPurpose, Password, PasswordHash, User};
use domain::{EmailAddress, JobId};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::error::AppError;
use crate::identity::mailed::{invalid_token, told};
use crate::identity::secret_token::token_hash;
use crate::identity::service::Identity;
use crate::jobs::{JobHandler, JobOutcome, LeasedJob, NewJob};
use crate::journal::Scribe;
use crate::mail::MailContent;
use crate::origin::Origin;

pub(crate) const KIND: &str = "password.forgot";
const PURPOSE: &str = "password.forgot";
const TRIES_MAX: u32 = 8;

impl Identity {
    /// Sees to it that a mail with a link is sent to the address, if it has an account. Asked again while the first
    /// wish still waits, it changes nothing.
    ///
    /// # Errors
    /// [`AppError::Validation`] for what is no address; [`AppError::RateLimited`], whether it has an account or not; what
    /// the store answers.
    pub async fn forgot_password(&self, email: &str, origin: &Origin) -> Result<(), AppError> {
        let email = EmailAddress::parse("email", email)?;
        self.ports.guards.ask_for_mail(&email, origin).await?;
        let sealed = self.ports.sealer.seal(PURPOSE, email.as_str().as_bytes())?;
        let job = NewJob {
            id: JobId::new(self.ports.ids.uuid()),
            kind: KIND,
            subject: URL_SAFE_NO_PAD.encode(Sha256::digest(email.as_str())),
            payload: serde_json::Value::String(STANDARD.encode(sealed)).to_string(),
            run_at: self.now(),
        };
        let mut uow = self.ports.store.begin().await?;
        uow.enqueue_job(&job).await?;
        uow.commit().await?;
        Ok(())
    }

    /// Sets another password by the token of a mail, and ends every session of the account. Whoever has the token reads
    /// the mails of the address: it counts as verified from now on.
    ///
    /// # Errors
    /// [`AppError::Validation`] for a token that does not hold, which stays unused if the password is at fault;
    /// [`AppError::Unavailable`] when too many passwords wait to be hashed.
    pub async fn reset_password(&self, token: &str, password: &str, origin: &Origin) -> Result<(), AppError> {
        let password = Password::parse_new("password", password)?;
        self.ports.guards.try_token(origin).await?;
        // Spares the work of a hash; whether the token still holds is decided under the lock.
        let hash = token_hash(token).ok_or_else(invalid_token)?;
        let known = self.ports.reads.mailed_token(&hash).await?.ok_or_else(invalid_token)?;
        if !known.holds(MailedPurpose::ResetPassword, &known.email, self.now()) {
            return Err(invalid_token());
        }
        self.ports.guards.right_token(origin).await;
        let hashed = self.ports.hasher.hash(&password).await?;
        self.reset_to(token, &hashed, origin).await
    }

    async fn reset_to(&self, token: &str, hashed: &PasswordHash, origin: &Origin) -> Result<(), AppError> {
        let now = self.now();
        let mut uow = self.ports.store.begin().await?;
        let (token, before) = self.take_token_in_op(uow.as_mut(), token, &[MailedPurpose::ResetPassword], now).await?;
        if !token.holds(MailedPurpose::ResetPassword, &before.email, now) {
            return Err(invalid_token());
        }
        let after = User { email_verified: true, ..before.with_new_password() };
        let entry = Scribe { ids: self.ports.ids.as_ref(), origin, at: now }.password_changed(&before, &after, "reset");
        uow.save_user(&after).await?;
        uow.save_password(after.id, hashed).await?;
        uow.append_outbox(&[entry.message]).await?;
        uow.append_audit(&[entry.line]).await?;
        let ended = self.shut_out_in_op(uow.as_mut(), after.id, EndReason::PasswordChanged, origin).await?;
        let notice = MailContent::PasswordChanged { when: told(now) };
        self.notify_in_op(uow.as_mut(), (&after, &after.email), notice, now).await?;
        uow.commit().await?;
        self.heed_ended(&ended);
        Ok(())
    }

    async fn mail_reset(&self, email: &EmailAddress) -> Result<(), AppError> {
        let Some(account) = self.ports.reads.account_by_email(email).await? else { return Ok(()) };
        let mut uow = self.ports.store.begin().await?;
        let Some(user) = uow.lock_user(account.user.id).await?.filter(|user| user.email == *email) else {
            return Ok(());
        };
        let content = |link| MailContent::ResetPassword { link };
        self.mail_token_in_op(uow.as_mut(), &user, MailedPurpose::ResetPassword, email, content, self.now()).await?;
        // Who asked, and from where, nobody knows any more; and whoever did need not be the owner.
        let line = self.scribe(&Origin::system(KIND)).mail_asked(&user, MailedPurpose::ResetPassword);
        uow.append_audit(&[line]).await?;
        uow.commit().await?;
        Ok(())
    }
}

/// Job `password.forgot`: looks whether there is an account, and mails it a link.
pub struct MailPasswordResets {
    /// Accounts.
    pub identity: Arc<Identity>,
}

#[async_trait]
impl JobHandler for MailPasswordResets {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn recurs(&self) -> bool {
        false
    }

    fn tries_max(&self) -> Option<u32> {
        Some(TRIES_MAX)
    }

    async fn run(&self, job: &LeasedJob) -> Result<JobOutcome, AppError> {
        let parked = |error: &str| Ok(JobOutcome::Parked { error: error.to_owned() });
        let sealed = serde_json::from_str::<String>(&job.payload).ok().and_then(|text| STANDARD.decode(text).ok());
        let Some(sealed) = sealed else { return parked("it is no such job") };
        let email = match self.identity.ports.sealer.open(PURPOSE, &sealed) {
            Ok(email) => email,
            Err(error) => return parked(&error.to_string()),
        };
        let email = String::from_utf8_lossy(email.expose_secret()).into_owned();
        self.identity.mail_reset(&EmailAddress::trusted(email)).await?;
        Ok(JobOutcome::Done)
    }
}
