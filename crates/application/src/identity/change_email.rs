//! Use cases: an account moves to another address, once both have agreed.

use domain::EmailAddress;
use domain::identity::{EmailChange, MailedPurpose, MailedToken, User};

use crate::error::AppError;
use crate::identity::mailed::{invalid_token, told};
use crate::identity::service::Identity;
use crate::journal::Scribe;
use crate::mail::MailContent;
use crate::origin::{Origin, Principal};
use crate::store::{StoreError, UnitOfWork};

/// What an agreement has led to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EmailAgreement {
    /// The other address has to agree too.
    Waiting,
    /// The account has the new address.
    Changed,
}

impl Identity {
    /// The address that the caller wishes for and that has not been agreed to yet.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn wished_email(&self, principal: &Principal) -> Result<Option<EmailChange>, AppError> {
        Ok(self.ports.store.begin().await?.email_change(principal.user).await?)
    }

    /// Asks both addresses whether the account may move. It answers alike for every address: one that has an account of
    /// its own is told so by mail, and is asked nothing. A second wish takes the place of the first.
    ///
    /// # Errors
    /// [`AppError::Validation`] for what is no address, the present address, or a wrong password;
    /// [`AppError::InvalidState`] less than a minute after the last wish; [`AppError::Unavailable`] when too many passwords wait to be hashed.
    pub async fn ask_for_email_change(
        &self,
        principal: &Principal,
        email: &str,
        password: &str,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let new_email = EmailAddress::parse("email", email)?;
        let account = self.prove_password(principal.user, ("password", password), origin).await?;
        self.ports.guards.mail(&new_email).await?;
        let is_taken = self.ports.reads.account_by_email(&new_email).await?.is_some();
        let now = self.now();
        let mut uow = self.ports.store.begin().await?;
        let user = self.lock_proved_in_op(uow.as_mut(), &account).await?;
        if user.email == new_email {
            let problem = domain::Problems::one("email", "unchanged", "is the address of the account already");
            return Err(problem.into());
        }
        // Of either: where the old address has agreed already, its token is gone.
        for purpose in [MailedPurpose::ConfirmOldEmail, MailedPurpose::ConfirmNewEmail] {
            if !MailedToken::may_follow(uow.last_mailed(user.id, purpose).await?, now) {
                let told = "another address was asked for less than a minute ago: wait a moment";
                return Err(AppError::InvalidState(told.to_owned()));
            }
        }
        let line = Scribe { ids: self.ports.ids.as_ref(), origin, at: now }.email_change_asked(&user);
        uow.save_email_change(&EmailChange::ask(user.id, new_email.clone(), now)).await?;
        uow.append_audit(&[line]).await?;
        self.ask_both_in_op(uow.as_mut(), &user, &new_email, is_taken).await?;
        uow.commit().await?;
        Ok(())
    }

    async fn ask_both_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        user: &User,
        new_email: &EmailAddress,
        is_taken: bool,
    ) -> Result<(), AppError> {
        use MailedPurpose::{ConfirmNewEmail, ConfirmOldEmail};
        let now = self.now();
        let shown = new_email.as_str().to_owned();
        let to_old = |link| MailContent::ConfirmOldEmail { new_email: shown, link };
        self.mail_token_in_op(uow, user, ConfirmOldEmail, &user.email, to_old, now).await?;
        // The same work for both, so that the time tells nothing; of a token for an address that is taken nobody learns.
        let to_new = |link| if is_taken { MailContent::EmailInUse {} } else { MailContent::ConfirmNewEmail { link } };
        self.mail_token_in_op(uow, user, ConfirmNewEmail, new_email, to_new, now).await
    }

    /// Takes the agreement of one of both addresses.
    ///
    /// # Errors
    /// [`AppError::Validation`] for a token that does not hold, also once another wish has come; and
    /// [`AppError::AlreadyExists`] where an account with the new address was made meanwhile, which only its reader
    /// learns.
    pub async fn agree_to_email_change(&self, token: &str, origin: &Origin) -> Result<EmailAgreement, AppError> {
        use MailedPurpose::{ConfirmNewEmail, ConfirmOldEmail};
        self.ports.guards.try_token(origin).await?;
        let now = self.now();
        let mut uow = self.ports.store.begin().await?;
        let purposes = [ConfirmOldEmail, ConfirmNewEmail];
        let (token, before) = self.take_token_in_op(uow.as_mut(), token, &purposes, now).await?;
        let change = uow.email_change(before.id).await?.ok_or_else(invalid_token)?;
        let speaks_of = if token.purpose == ConfirmOldEmail { &before.email } else { &change.new_email };
        if !token.holds(token.purpose, speaks_of, now) {
            return Err(invalid_token());
        }
        let change = change.agreed_by(token.purpose);
        if !change.is_agreed() {
            uow.save_email_change(&change).await?;
            uow.append_audit(&[self.scribe(origin).email_change_agreed(&before, token.purpose)]).await?;
            uow.commit().await?;
            self.ports.guards.right_token(origin).await;
            return Ok(EmailAgreement::Waiting);
        }
        self.move_account(uow, &before, change.new_email, origin).await?;
        self.ports.guards.right_token(origin).await;
        Ok(EmailAgreement::Changed)
    }

    async fn move_account(
        &self,
        mut uow: Box<dyn UnitOfWork>,
        before: &User,
        new_email: EmailAddress,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let now = self.now();
        let after = before.with_email(new_email);
        let entry = Scribe { ids: self.ports.ids.as_ref(), origin, at: now }.email_changed(before, &after);
        uow.save_email(&after).await.map_err(|error| match error {
            StoreError::Conflict(_) => AppError::AlreadyExists("another account has this e-mail address by now"),
            error => error.into(),
        })?;
        uow.delete_email_change(after.id).await?;
        uow.delete_mailed_tokens(after.id, &MailedPurpose::ALL).await?;
        uow.append_outbox(&[entry.message]).await?;
        uow.append_audit(&[entry.line]).await?;
        let notice = MailContent::EmailChanged { when: told(now) };
        self.notify_in_op(uow.as_mut(), (&after, &before.email), notice, now).await?;
        uow.commit().await?;
        Ok(())
    }
}
