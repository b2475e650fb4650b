//! Use cases: a code is asked for before there are tokens.
//!
//! A challenge is opaque and kept as its digest. It says who has shown his password, or come from a provider, and when; it
//! is worth nothing without a code, works once, and is worth nothing once anything about the account has changed.

use domain::identity::{Device, SignInChallenge, TokenHash, User};
use secrecy::SecretString;

use super::codes::wrong_code;
use crate::error::AppError;
use crate::identity::secret_token::token_hash;
use crate::identity::service::Identity;
use crate::identity::tokens::TokenPair;
use crate::origin::Origin;
use crate::store::UnitOfWork;

/// The most challenges of an account: somebody who signs in on several devices at once. Who has the password and asks for
/// more of them fills no table.
const CHALLENGES_MAX: u64 = 5;

/// What the first factor has led to.
#[derive(Debug)]
pub enum SignIn {
    /// A session has begun.
    Done(TokenPair),
    /// A code is asked for; until then there are no tokens.
    Challenged(Challenge),
}

/// What is shown with a code to sign in; it does not print.
#[derive(Debug)]
pub struct Challenge {
    /// Its text, which is not kept.
    pub text: SecretString,
    /// For how many seconds it holds.
    pub expires_in_secs: u64,
}

impl SignIn {
    /// The tokens; none where a code is asked for.
    #[must_use]
    pub fn tokens(self) -> Option<TokenPair> {
        match self {
            Self::Done(pair) => Some(pair),
            Self::Challenged(_) => None,
        }
    }
}

impl Identity {
    /// Starts a session of an account that this transaction has locked and whose owner has shown one factor, or asks for
    /// the second one. Every way to sign in comes through here.
    pub(in crate::identity) async fn sign_in_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        user: &User,
        device: Device,
        origin: &Origin,
    ) -> Result<SignIn, AppError> {
        let factor = uow.second_factor(user.id).await?;
        if factor.is_none_or(|factor| factor.confirmed_at.is_none()) {
            return Ok(SignIn::Done(self.start_session_in_op(uow, user, device, origin).await?));
        }
        let token = self.new_token("")?;
        let challenge = SignInChallenge::new(token.hash, user, self.now());
        uow.insert_sign_in_challenge(&challenge, CHALLENGES_MAX).await?;
        let expires_in_secs = SignInChallenge::LIFETIME.num_seconds().unsigned_abs();
        Ok(SignIn::Challenged(Challenge { text: token.text, expires_in_secs }))
    }

    /// Starts a session for a challenge and a code, of the app or a recovery code; both are used up.
    ///
    /// # Errors
    /// [`AppError::Unauthenticated`] for a challenge that does not hold, whatever the reason; [`AppError::Validation`]
    /// (field `code`) for a wrong code; [`AppError::RateLimited`] after too many wrong ones for the account.
    pub async fn login_with_code(
        &self,
        challenge: &str,
        code: &str,
        device: Device,
        origin: &Origin,
    ) -> Result<TokenPair, AppError> {
        let hash = token_hash(challenge).ok_or(AppError::Unauthenticated)?;
        let owner = self.ports.reads.sign_in_challenge(&hash).await?.ok_or(AppError::Unauthenticated)?.user;
        // Before anything is locked: a flood is over here.
        self.ports.guards.try_code(owner).await?;
        let mut uow = self.ports.store.begin().await?;
        let (user, challenge) = self.challenged_in_op(uow.as_mut(), &hash).await?;
        let factor = uow.second_factor(user.id).await?.filter(|factor| factor.confirmed_at.is_some());
        // Whoever takes the factor away changes the account, so that its challenges do not hold.
        let factor = factor.ok_or(AppError::Unauthenticated)?;
        if self.try_code_in_op(uow.as_mut(), &user, &factor, code, origin).await?.is_none() {
            match challenge.after_wrong_code() {
                Some(left) => uow.save_sign_in_challenge(&left).await?,
                None => uow.delete_sign_in_challenge(&hash).await?,
            }
            uow.commit().await?;
            return Err(wrong_code());
        }
        uow.delete_sign_in_challenge(&hash).await?;
        let pair = self.start_session_in_op(uow.as_mut(), &user, device, origin).await?;
        uow.commit().await?;
        self.ports.guards.right_code(user.id).await;
        Ok(pair)
    }

    /// The account of a challenge that holds, locked, and the challenge as it is under that lock.
    async fn challenged_in_op(
        &self,
        uow: &mut dyn UnitOfWork,
        hash: &TokenHash,
    ) -> Result<(User, SignInChallenge), AppError> {
        let found = uow.sign_in_challenge(hash).await?.ok_or(AppError::Unauthenticated)?;
        let user = uow.lock_user(found.user).await?.ok_or(AppError::Unauthenticated)?;
        // Read again: whoever held the lock may have used it.
        let challenge = uow.sign_in_challenge(hash).await?.ok_or(AppError::Unauthenticated)?;
        if challenge.holds(&user, self.now()) { Ok((user, challenge)) } else { Err(AppError::Unauthenticated) }
    }
}
