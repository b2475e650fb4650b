//! Use case: a client changes its one-time code for tokens.

use domain::identity::Device;

use crate::error::AppError;
use crate::identity::SignIn;
use crate::identity::secret_token::{digest, token_hash};
use crate::identity::service::Identity;
use crate::origin::Origin;

/// A code verifier of PKCE (RFC 7636, 4.1), and the proof in a cookie, which has the least.
const PROOF_CHARS: std::ops::RangeInclusive<usize> = 43..=128;

impl Identity {
    /// Starts a session, or asks for a second factor where the account has one, for who shows a one-time code, and with it
    /// the `proof` that he has begun the sign-in: the secret of the challenge, or what his browser keeps. A code is used up
    /// even where the proof is wrong.
    ///
    /// # Errors
    /// [`AppError::Unauthenticated`] for a code that does not hold, whatever the reason.
    pub async fn exchange_sign_in_code(
        &self,
        code: &str,
        proof: Option<&str>,
        device: Device,
        origin: &Origin,
    ) -> Result<SignIn, AppError> {
        let hash = token_hash(code).ok_or(AppError::Unauthenticated)?;
        let proof = proof.filter(|text| PROOF_CHARS.contains(&text.len())).map(digest);
        let now = self.now();
        let mut uow = self.ports.store.begin().await?;
        let owner = uow.sign_in_code(&hash).await?.ok_or(AppError::Unauthenticated)?.user;
        let user = uow.lock_user(owner).await?.ok_or(AppError::Unauthenticated)?;
        // Of two that come at once, one takes it.
        let code = uow.take_sign_in_code(&hash).await?.ok_or(AppError::Unauthenticated)?;
        if !proof.is_some_and(|proof| code.holds(&user, &proof, now)) {
            uow.commit().await?;
            self.note_failure("login.failed", Some(user.id), origin);
            return Err(AppError::Unauthenticated);
        }
        let step = self.sign_in_in_op(uow.as_mut(), &user, device, origin).await?;
        uow.commit().await?;
        Ok(step)
    }
}
