//! Use cases: the owner of an account sets up, changes and takes away its second factor; an admin takes it away for who
//! has lost it.

use domain::identity::{Account, EndReason, SecondFactor, User};
use domain::{EmailAddress, Timestamp, UserId};
use secrecy::SecretString;

use super::codes::SEED;
use crate::access::{Agent, PlatformOperation, cannot_do_without, require_on_platform};
use crate::error::AppError;
use crate::identity::mailed::told;
use crate::identity::service::Identity;
use crate::mail::MailContent;
use crate::origin::{Origin, Principal};
use crate::store::UnitOfWork;

/// How an account stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SecondFactorState {
    /// Since when a code is asked for; none where none is.
    pub since: Option<Timestamp>,
    /// How many recovery codes are left.
    pub recovery_codes: u64,
    /// Whether the role of the account cannot do without.
    pub is_required: bool,
}

/// What an app is given; it does not print, and is shown this once.
#[derive(Debug)]
pub struct Enrolment {
    /// The seed, as one types it into an app (base32).
    pub secret: SecretString,
    /// The link behind a QR code: `otpauth://totp/…`; it bears the seed.
    pub link: SecretString,
}

impl Identity {
    /// How the account of the caller stands.
    ///
    /// # Errors
    /// What the store answers.
    pub async fn second_factor(&self, principal: &Principal) -> Result<SecondFactorState, AppError> {
        let found = self.ports.reads.second_factor_of(principal.user).await?;
        let confirmed = found.filter(|(factor, _)| factor.confirmed_at.is_some());
        let (since, recovery_codes) = confirmed.map_or((None, 0), |(factor, codes)| (factor.confirmed_at, codes));
        let is_required = self.cannot_do_without(principal).await?;
        Ok(SecondFactorState { since, recovery_codes, is_required })
    }

    /// Whether its role, or what it is to an organizer, asks for a second factor.
    async fn cannot_do_without(&self, principal: &Principal) -> Result<bool, AppError> {
        let required_for = &self.settings.second_factor_required_for;
        if required_for.is_empty() {
            return Ok(false);
        }
        let memberships = self.ports.store.begin().await?.memberships(principal.user).await?;
        Ok(cannot_do_without(principal.role, &memberships, required_for))
    }

    /// Makes a seed for an app. It is asked for once the app has shown that it knows it; until then another one may take
    /// its place. The caller shows his password, if he has one.
    ///
    /// # Errors
    /// [`AppError::Validation`] for a wrong password; [`AppError::InvalidState`] where there is a second factor already,
    /// or the address of the account is not verified.
    pub async fn enrol_second_factor(
        &self,
        principal: &Principal,
        password: Option<&str>,
        origin: &Origin,
    ) -> Result<Enrolment, AppError> {
        let proved = self.prove_first_factor(principal, password, origin).await?;
        let now = self.now();
        let mut uow = self.ports.store.begin().await?;
        let user = self.lock_proved_in_op(uow.as_mut(), &proved).await?;
        user.must_be_verified()?;
        let present = uow.second_factor(user.id).await?;
        if present.as_ref().is_some_and(|factor| factor.confirmed_at.is_some()) {
            return Err(AppError::InvalidState("the account has a second factor: remove it first".to_owned()));
        }
        let seed = self.ports.random.secret()?;
        let sealed = self.ports.sealer.seal(SEED, &seed)?;
        let factor = match present {
            Some(older) => older.with_other_seed(sealed, now),
            None => SecondFactor::new(user.id, sealed, now),
        };
        uow.save_second_factor(&factor).await?;
        uow.append_audit(&[self.scribe(origin).second_factor_begun(&user)]).await?;
        uow.commit().await?;
        let codes = &self.ports.codes;
        Ok(Enrolment { secret: codes.secret(&seed), link: codes.link(&seed, user.email.as_str())? })
    }

    /// Shows that the app knows the seed: from now on a code is asked for at every sign-in. The recovery codes are shown
    /// this once.
    ///
    /// # Errors
    /// [`AppError::Validation`] for a wrong code; [`AppError::InvalidState`] where nothing waits to be confirmed;
    /// [`AppError::RateLimited`] after too many wrong codes.
    pub async fn confirm_second_factor(
        &self,
        principal: &Principal,
        code: &str,
        origin: &Origin,
    ) -> Result<Vec<SecretString>, AppError> {
        self.ports.guards.try_code(principal.user).await?;
        let now = self.now();
        let mut uow = self.ports.store.begin().await?;
        let before = uow.lock_user(principal.user).await?.ok_or(AppError::Unauthenticated)?;
        let waiting = uow.second_factor(before.id).await?.filter(|factor| factor.confirmed_at.is_none());
        let none = || AppError::InvalidState("no second factor waits to be confirmed".to_owned());
        let (mut uow, factor) = self.take_code(uow, &before, &waiting.ok_or_else(none)?, code, origin).await?;
        let (codes, kept) = self.new_recovery_codes()?;
        uow.save_second_factor(&factor.confirmed(now)).await?;
        uow.replace_recovery_codes(before.id, &kept).await?;
        let notice = MailContent::SecondFactorSetUp { when: told(now) };
        self.changed_in_op(uow.as_mut(), &before, "set_up", notice, origin).await?;
        uow.commit().await?;
        self.ports.guards.right_code(principal.user).await;
        Ok(codes)
    }

    /// New recovery codes in the place of the old ones, shown this once.
    ///
    /// # Errors
    /// [`AppError::Validation`] for a wrong password or code; [`AppError::InvalidState`] without a second factor;
    /// [`AppError::RateLimited`] after too many wrong codes.
    pub async fn renew_recovery_codes(
        &self,
        principal: &Principal,
        password: Option<&str>,
        code: &str,
        origin: &Origin,
    ) -> Result<Vec<SecretString>, AppError> {
        let (mut uow, before) = self.proved(principal, password, code, origin).await?;
        let (codes, kept) = self.new_recovery_codes()?;
        uow.replace_recovery_codes(before.id, &kept).await?;
        let notice = MailContent::RecoveryCodesRenewed { when: told(self.now()) };
        self.changed_in_op(uow.as_mut(), &before, "recovery_codes_renewed", notice, origin).await?;
        uow.commit().await?;
        self.ports.guards.right_code(principal.user).await;
        Ok(codes)
    }

    /// Takes the second factor away.
    ///
    /// # Errors
    /// [`AppError::InvalidState`] without a second factor, and where the role of the account cannot do without;
    /// [`AppError::Validation`] for a wrong password or code; [`AppError::RateLimited`] after too many wrong codes.
    pub async fn remove_second_factor(
        &self,
        principal: &Principal,
        password: Option<&str>,
        code: &str,
        origin: &Origin,
    ) -> Result<(), AppError> {
        if self.cannot_do_without(principal).await? {
            return Err(AppError::InvalidState("an account of this role cannot do without".to_owned()));
        }
        let (mut uow, before) = self.proved(principal, password, code, origin).await?;
        uow.delete_second_factor(before.id).await?;
        let notice = MailContent::SecondFactorRemoved { when: told(self.now()) };
        self.changed_in_op(uow.as_mut(), &before, "removed", notice, origin).await?;
        uow.commit().await?;
        self.ports.guards.right_code(principal.user).await;
        Ok(())
    }

    /// Takes the second factor of somebody away who has lost it, and ends his sessions; done twice, it is done once.
    ///
    /// # Errors
    /// [`AppError::Forbidden`] for who is no admin; [`AppError::NotFound`]; [`AppError::InvalidState`] for one's own.
    pub async fn reset_second_factor(&self, agent: &Agent, user: UserId, origin: &Origin) -> Result<(), AppError> {
        require_on_platform(agent, PlatformOperation::ManageAccounts, false)?;
        // His own he takes away as everybody does: by a code.
        if agent.account().is_ok_and(|principal| principal.user == user) {
            return Err(AppError::InvalidState("an admin does not take his own second factor away so".to_owned()));
        }
        self.take_away(user, origin).await.map(drop)
    }

    /// The same for the account of this address, by whoever has the command line: the only admin may have lost his, too.
    /// Answers whether there was one.
    ///
    /// # Errors
    /// [`AppError::Validation`] for what is no address; [`AppError::NotFound`].
    pub async fn reset_second_factor_of(&self, email: &str, origin: &Origin) -> Result<bool, AppError> {
        let email = EmailAddress::parse("email", email)?;
        let account = self.ports.reads.account_by_email(&email).await?.ok_or(AppError::NotFound("user"))?;
        self.take_away(account.user.id, origin).await
    }

    async fn take_away(&self, user: UserId, origin: &Origin) -> Result<bool, AppError> {
        let mut uow = self.ports.store.begin().await?;
        let before = uow.lock_user(user).await?.filter(|user| user.deleted_at.is_none());
        let before = before.ok_or(AppError::NotFound("user"))?;
        if uow.second_factor(user).await?.is_none() {
            return Ok(false);
        }
        uow.delete_second_factor(user).await?;
        let notice = MailContent::SecondFactorRemoved { when: told(self.now()) };
        self.changed_in_op(uow.as_mut(), &before, "reset", notice, origin).await?;
        let ended = self.end_sessions_in_op(uow.as_mut(), user, None, EndReason::SecondFactorReset, origin).await?;
        uow.commit().await?;
        self.heed_ended(&ended);
        Ok(true)
    }

    /// The account of the caller, who has shown his password if he has one.
    async fn prove_first_factor(
        &self,
        principal: &Principal,
        password: Option<&str>,
        origin: &Origin,
    ) -> Result<Account, AppError> {
        let account = self.ports.reads.account_by_id(principal.user).await?.ok_or(AppError::Unauthenticated)?;
        self.prove_password_if_any(account, password, origin).await
    }

    /// The account, locked, of who has shown his password, if he has one, and a code.
    async fn proved(
        &self,
        principal: &Principal,
        password: Option<&str>,
        code: &str,
        origin: &Origin,
    ) -> Result<(Box<dyn UnitOfWork>, User), AppError> {
        let proved = self.prove_first_factor(principal, password, origin).await?;
        self.ports.guards.try_code(principal.user).await?;
        let mut uow = self.ports.store.begin().await?;
        let user = self.lock_proved_in_op(uow.as_mut(), &proved).await?;
        let factor = uow.second_factor(user.id).await?.filter(|factor| factor.confirmed_at.is_some());
        let none = || AppError::InvalidState("the account has no second factor".to_owned());
        let (uow, _) = self.take_code(uow, &user, &factor.ok_or_else(none)?, code, origin).await?;
        Ok((uow, user))
    }

    async fn changed_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        before: &User,
        how: &str,
        notice: MailContent,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let after = before.with_other_second_factor();
        let entry = self.scribe(origin).second_factor_changed(before, &after, how);
        uow.save_user(&after).await?;
        uow.append_outbox(&[entry.message]).await?;
        uow.append_audit(&[entry.line]).await?;
        self.notify_in_op(uow, (&after, &after.email), notice, self.now()).await
    }
}
