//! Use cases: a program shows its key, and the uses of keys are written down.
//!
//! The text of a key begins with `gtk_`, by which people and scanners of secrets recognise it where it should not be.

use std::sync::Arc;

use domain::identity::TokenHash;
use secrecy::ExposeSecret;

use crate::access::{ActingKey, Agent, Purpose};
use crate::error::AppError;
use crate::identity::RevokedKey;
use crate::identity::secret_token::{NewToken, token_hash_behind};
use crate::identity::service::Identity;
use crate::identity::verified_keys::VerifiedKey;

/// How every key begins.
pub(super) const PREFIX: &str = "gtk_";
/// How much of a key is shown later: the prefix and 36 of its 256 bits.
const HINT_CHARS: usize = PREFIX.len() + 6;

impl Identity {
    /// Who shows this bearer token, be it an access token or an API key.
    ///
    /// # Errors
    /// [`AppError::Unauthenticated`] for anything that does not hold; [`AppError::SecondFactorOwed`] for an account that may
    /// do nothing before it has set a second factor up; [`AppError::Unavailable`] where a key must be looked up and the
    /// database is away.
    pub async fn identify(&self, token: &str) -> Result<Agent, AppError> {
        self.identify_for(token, Purpose::Anything).await
    }

    /// As [`identify`](Self::identify), where it is known what for: what concerns a session itself may be done without a
    /// second factor. Keys are no accounts, and owe none.
    ///
    /// # Errors
    /// As [`identify`](Self::identify).
    pub async fn identify_for(&self, token: &str, purpose: Purpose) -> Result<Agent, AppError> {
        if token.starts_with(PREFIX) {
            return self.authenticate_key(token).await.map(Agent::Key);
        }
        self.authenticate_for(token, purpose).await.map(Agent::Account)
    }

    /// Heeds in this process at once that a key is revoked, once the transaction that did it is committed; other
    /// processes learn of it within a second.
    pub fn key_revoked(&self, revoked: RevokedKey) {
        self.revoked.key_revoked(revoked);
    }

    /// Makes a secret for a key, and the hint by which its owner recognises it.
    pub(crate) fn new_key_secret(&self) -> Result<(NewToken, String), AppError> {
        let token = self.new_token(PREFIX)?;
        let hint = token.text.expose_secret()[..HINT_CHARS].to_owned();
        Ok((token, hint))
    }

    /// Writes down which keys were used since the last time. A task calls it every second: a request never waits for it.
    ///
    /// # Errors
    /// What the store answers; the uses wait on.
    pub async fn write_key_uses(&self) -> Result<(), AppError> {
        let uses = self.verified_keys.take_uses();
        if uses.is_empty() {
            return Ok(());
        }
        let written = async {
            let mut uow = self.ports.store.begin().await?;
            uow.save_api_key_uses(&uses).await?;
            uow.commit().await
        };
        written.await.map_err(|error| {
            self.verified_keys.put_back(uses.clone());
            error.into()
        })
    }

    async fn authenticate_key(&self, text: &str) -> Result<ActingKey, AppError> {
        let hash = token_hash_behind(PREFIX, text).ok_or(AppError::Unauthenticated)?;
        let now = self.now();
        let key = match self.verified_keys.get(&hash) {
            Some(key) => Some(key),
            None => self.look_up_key(&hash).await?,
        };
        let holds = |key: &Arc<VerifiedKey>| {
            key.expires_at.is_none_or(|end| end > now) && !self.revoked.is_revoked(key.acting.id)
        };
        let Some(key) = key.filter(holds) else {
            self.verified_keys.forget(&hash);
            return Err(AppError::Unauthenticated);
        };
        self.verified_keys.note(&key, now);
        Ok(key.acting)
    }

    async fn look_up_key(&self, hash: &TokenHash) -> Result<Option<Arc<VerifiedKey>>, AppError> {
        let found = self.ports.reads.api_key_by_hash(hash).await?;
        let Some(found) = found.filter(|key| key.holds(self.now())) else { return Ok(None) };
        let key = Arc::new(VerifiedKey::of(&found));
        self.verified_keys.insert(hash, Arc::clone(&key));
        Ok(Some(key))
    }
}
