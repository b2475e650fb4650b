//! Use case: many accounts with access tokens at once, for the drill, and only on an instance that is marked as a demo.

use domain::identity::{Account, Role, Session, SessionLifetimes, User};
use domain::{EmailAddress, SessionId, Timestamp, UserId};
use secrecy::SecretString;

use crate::error::AppError;
use crate::identity::AccessClaims;
use crate::identity::journal::Entry;
use crate::identity::service::Identity;
use crate::journal::Scribe;
use crate::origin::{Factor, Origin, Principal};

/// How many accounts one call makes at most.
pub const DEMO_ACCOUNTS_MAX: usize = 100_000;
/// How many go into one transaction.
const CHUNK: usize = 2_000;

/// An account that nobody can sign in to, and a token that acts for it.
#[derive(Debug)]
pub struct DemoAccount {
    /// The account; its address is `demo-…@example.invalid`, and it has no password.
    pub user: User,
    /// Its access token, which lives as long as the instance's setting says.
    pub access_token: SecretString,
}

impl Identity {
    /// Makes `count` accounts with the role `user` or `organizer`, set-wise. A failure leaves whole chunks of those
    /// that were made before it.
    ///
    /// # Errors
    /// [`AppError::Forbidden`] where the instance is no demo, or for admins; [`AppError::Validation`] for more than
    /// [`DEMO_ACCOUNTS_MAX`].
    pub async fn make_demo_accounts(
        &self,
        count: usize,
        role: Role,
        origin: &Origin,
    ) -> Result<Vec<DemoAccount>, AppError> {
        let ttl = self.settings.demo_token_ttl.filter(|_| role != Role::Admin).ok_or(AppError::Forbidden)?;
        if count > DEMO_ACCOUNTS_MAX {
            let problems =
                domain::Problems::one("count", "out_of_range", format!("must be at most {DEMO_ACCOUNTS_MAX}"));
            return Err(problems.into());
        }
        let mut made = Vec::with_capacity(count);
        while made.len() < count {
            let users = self.new_demo_users(CHUNK.min(count - made.len()), role);
            made.extend(self.save_demo_users(users, SessionLifetimes { idle: ttl, absolute: ttl }, origin).await?);
        }
        Ok(made)
    }

    fn new_demo_users(&self, count: usize, role: Role) -> Vec<User> {
        let now = self.now();
        let new_user = || {
            let id = self.ports.ids.uuid();
            let email = EmailAddress::trusted(format!("demo-{}@example.invalid", id.simple()));
            User { email_verified: true, ..User::new(UserId::new(id), email, None, role, now) }
        };
        std::iter::repeat_with(new_user).take(count).collect()
    }

    async fn save_demo_users(
        &self,
        users: Vec<User>,
        lifetimes: SessionLifetimes,
        origin: &Origin,
    ) -> Result<Vec<DemoAccount>, AppError> {
        let now = self.now();
        let accounts: Vec<Account> = users.iter().map(|user| Account { user: user.clone(), password: None }).collect();
        let start = |user: &User| Session::start(SessionId::new(self.ports.ids.uuid()), user.id, &lifetimes, now);
        let sessions: Vec<Session> = users.iter().map(start).collect();
        let scribe = Scribe { ids: self.ports.ids.as_ref(), origin, at: now };
        let registered = users.iter().map(|user| scribe.registered(user));
        let entries = registered.chain(sessions.iter().map(|session| scribe.session_started(session)));
        let (messages, lines): (Vec<_>, Vec<_>) = entries.map(|Entry { message, line }| (message, line)).unzip();

        let mut uow = self.ports.store.begin().await?;
        uow.insert_users(&accounts).await?;
        uow.insert_sessions(&sessions).await?;
        uow.append_outbox(&messages).await?;
        uow.append_audit(&lines).await?;
        uow.commit().await?;
        users.into_iter().zip(&sessions).map(|(user, session)| self.demo_account(user, session, now)).collect()
    }

    fn demo_account(&self, user: User, session: &Session, now: Timestamp) -> Result<DemoAccount, AppError> {
        let principal = Principal { user: user.id, session: session.id, role: user.role, factor: Factor::Missing };
        let ttl = session.expires_at - now;
        let claims = AccessClaims::new(&self.settings, &principal, self.ports.ids.uuid(), now, ttl);
        let access_token = self.key_ring.sign(&self.ports, &claims)?.into();
        Ok(DemoAccount { user, access_token })
    }
}
