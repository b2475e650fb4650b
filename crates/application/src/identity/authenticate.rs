//! Use case: whose access token is this?

use domain::SigningKeyId;

use crate::access::{Purpose, decide_session, factor_of};
use crate::error::AppError;
use crate::identity::AccessClaims;
use crate::identity::api_keys::PREFIX;
use crate::identity::secret_token::token_hash_behind;
use crate::identity::service::Identity;
use crate::identity::verified::{TokenDigest, Verified};
use crate::origin::{Actor, Principal};

/// Ours have some 500 bytes.
const TOKEN_BYTES_MAX: usize = 2_048;

impl Identity {
    /// Whom a token speaks of, as he is now. The role is the present one, not that of the token: a change of it counts
    /// within a second on every replica, without a new sign-in. A token seen lately costs about a microsecond.
    ///
    /// # Errors
    /// [`AppError::Unauthenticated`] for anything but a valid token of a session that has not ended;
    /// [`AppError::SecondFactorOwed`] for an account that may do nothing before it has set a second factor up.
    pub async fn authenticate(&self, token: &str) -> Result<Principal, AppError> {
        self.authenticate_for(token, Purpose::Anything).await
    }

    /// As [`authenticate`](Self::authenticate), where it is known what for: what concerns the session itself may be done
    /// without a second factor.
    ///
    /// # Errors
    /// As [`authenticate`](Self::authenticate).
    pub async fn authenticate_for(&self, token: &str, purpose: Purpose) -> Result<Principal, AppError> {
        let principal = self.verified(token).await?;
        let required_for = &self.settings.second_factor_required_for;
        let principal = Principal { factor: factor_of(&principal, required_for), ..principal };
        if decide_session(&principal, required_for, purpose) { Ok(principal) } else { Err(AppError::SecondFactorOwed) }
    }

    async fn verified(&self, token: &str) -> Result<Principal, AppError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(AppError::Unauthenticated);
        }
        let digest = TokenDigest::of(token);
        let now = self.now().timestamp();
        let principal = match self.verified.get(digest, now) {
            Some(verified) if self.key_ring.verifies(verified.key) => verified.principal,
            _ => self.verify(token, digest).await.ok_or(AppError::Unauthenticated)?,
        };
        self.revoked.present(principal).ok_or(AppError::Unauthenticated)
    }

    /// Whom an access token or an API key speaks of, as far as this process can tell by itself: nothing is looked up for
    /// it, so that it may be asked of whoever sends what he likes. It lets nobody in: a key may have been revoked since.
    #[must_use]
    pub fn recognise(&self, token: &str) -> Option<Actor> {
        if token.starts_with(PREFIX) {
            return self.verified_keys.held_lately(&token_hash_behind(PREFIX, token)?).map(Actor::Key);
        }
        self.recognise_account(token).map(|principal| Actor::User(principal.user))
    }

    fn recognise_account(&self, token: &str) -> Option<Principal> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let digest = TokenDigest::of(token);
        let principal = match self.verified.get(digest, self.now().timestamp()) {
            Some(verified) if self.key_ring.verifies(verified.key) => verified.principal,
            _ => {
                let key = self.ports.tokens.key_id(token)?;
                self.verify_by(token, digest, (key, self.key_ring.known(key)?))?
            }
        };
        self.revoked.present(principal)
    }

    /// For how many seconds more a token holds that was [authenticated](Self::authenticate) just now.
    #[must_use]
    pub fn expires_in_secs(&self, token: &str) -> u64 {
        let now = self.now().timestamp();
        let verified = self.verified.get(TokenDigest::of(token), now);
        verified.map_or(0, |verified| u64::try_from(verified.expires_at - now).unwrap_or_default())
    }

    async fn verify(&self, token: &str, digest: TokenDigest) -> Option<Principal> {
        let key = self.ports.tokens.key_id(token)?;
        let public_key = self.key_ring.public_key(&self.ports, key).await?;
        self.verify_by(token, digest, (key, public_key))
    }

    fn verify_by(
        &self,
        token: &str,
        digest: TokenDigest,
        (key, public_key): (SigningKeyId, [u8; 32]),
    ) -> Option<Principal> {
        let claims = self.ports.tokens.verify(token, &public_key)?;
        if !claims.holds(&self.settings, self.now()) {
            return None;
        }
        let AccessClaims { not_before, expires_at, .. } = claims;
        let principal = claims.principal();
        self.verified.insert(digest, Verified { principal, key, not_before, expires_at });
        Some(principal)
    }
}
