//! Use case: somebody signs in with his password.

use domain::identity::{Account, Device, Password, PasswordHash, Session, User};
use domain::{EmailAddress, SessionId};

use crate::error::AppError;
use crate::identity::SignIn;
use crate::identity::service::Identity;
use crate::identity::tokens::TokenPair;
use crate::journal::Scribe;
use crate::origin::Origin;
use crate::store::UnitOfWork;

impl Identity {
    /// Starts a session, or asks for a second factor where the account has one. A wrong password and an unknown address
    /// answer alike, after the same work, and are noted for the audit log; what cannot be an address or a password of
    /// anybody is refused at once. Doing it twice starts two sessions.
    ///
    /// # Errors
    /// [`AppError::BadCredentials`]; [`AppError::RateLimited`] after too many wrong passwords;
    /// [`AppError::Unavailable`] when too many passwords wait to be hashed.
    pub async fn login(&self, email: &str, password: &str, origin: &Origin) -> Result<SignIn, AppError> {
        self.login_on(Device::default(), email, password, origin).await
    }

    /// As [`login`](Self::login), and remembers the device for the owner's list of sessions.
    ///
    /// # Errors
    /// As [`login`](Self::login).
    pub async fn login_on(
        &self,
        device: Device,
        email: &str,
        password: &str,
        origin: &Origin,
    ) -> Result<SignIn, AppError> {
        let (Ok(email), Ok(password)) = (EmailAddress::parse("email", email), Password::parse("password", password))
        else {
            self.note_failure("login.failed", None, origin);
            return Err(AppError::BadCredentials);
        };
        let guards = &self.ports.guards;
        let tried = guards.try_login(&email, origin).await?;
        let account = self.ports.reads.account_by_email(&email).await?;
        let kept = account.as_ref().and_then(|account| account.password.as_ref());
        let proved = self.ports.hasher.verify(&password, kept).await;
        match proved {
            Ok(true) => guards.right_login(&tried).await,
            Ok(false) => {}
            Err(_) => guards.unproved_login(&tried).await,
        }
        let is_right = proved?;
        let outcome = if is_right { "succeeded" } else { "failed" };
        metrics::counter!("goticket_logins_total", "outcome" => outcome).increment(1);
        match account {
            Some(account) if is_right => self.start_session(&account, &password, device, origin).await,
            account => {
                self.note_failure("login.failed", account.map(|account| account.user.id), origin);
                Err(AppError::BadCredentials)
            }
        }
    }

    async fn start_session(
        &self,
        account: &Account,
        password: &Password,
        device: Device,
        origin: &Origin,
    ) -> Result<SignIn, AppError> {
        let rehashed = self.rehash(account, password).await;
        let user = &account.user;
        let mut uow = self.ports.store.begin().await?;
        // The password was proved a moment ago; what has changed about the account since then ends that proof.
        self.lock_proved_in_op(uow.as_mut(), account).await?;
        if let Some(password) = rehashed {
            uow.save_password(user.id, &password).await?;
        }
        let step = self.sign_in_in_op(uow.as_mut(), user, device, origin).await?;
        uow.commit().await?;
        Ok(step)
    }

    /// Starts a session of an account that this transaction has locked and whose owner has shown all that is asked of him.
    pub(super) async fn start_session_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        user: &User,
        device: Device,
        origin: &Origin,
    ) -> Result<TokenPair, AppError> {
        let now = self.now();
        let session = Session::start(SessionId::new(self.ports.ids.uuid()), user.id, &self.settings.session, now);
        let session = session.on(device);
        let entry = Scribe { ids: self.ports.ids.as_ref(), origin, at: now }.session_started(&session);
        uow.insert_sessions(std::slice::from_ref(&session)).await?;
        let pair = self.issue_in_op(uow, &session, user.role, now).await?;
        uow.append_outbox(&[entry.message]).await?;
        uow.append_audit(&[entry.line]).await?;
        Ok(pair)
    }

    /// A new hash where the old one was made with less work than is asked for now. If there is no room for it now, the
    /// next sign-in will do.
    async fn rehash(&self, account: &Account, password: &Password) -> Option<PasswordHash> {
        let kept = account.password.as_ref()?;
        if !self.ports.hasher.is_outdated(kept) {
            return None;
        }
        self.ports.hasher.hash(password).await.ok()
    }
}
