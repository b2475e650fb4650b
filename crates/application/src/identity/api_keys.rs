//! Use cases: a program shows its key, and the uses of keys are written down.
//!
//! The text of a key is `gtk_` and 256 random bits in base64url. Nobody can try so many, so that a single SHA-256 keeps
//! it as safe as a slow hash would, and costs a request about a microsecond; a password, which people choose, is another
//! matter. The prefix lets people and scanners of secrets recognise a key where it should not be.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::identity::TokenHash;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::access::{ActingKey, Agent};
use crate::error::AppError;
use crate::identity::RevokedKey;
use crate::identity::service::Identity;
use crate::identity::verified_keys::VerifiedKey;

/// How every key begins.
pub(super) const PREFIX: &str = "gtk_";
/// The characters of a key: the prefix and 256 bits in base64url.
const CHARS: usize = PREFIX.len() + 43;
/// How much of a key is shown later: the prefix and 36 of its 256 bits.
const HINT_CHARS: usize = PREFIX.len() + 6;

/// A new secret: its text, which is shown once, what is kept of it, and its hint.
pub(crate) struct NewSecret {
    pub(crate) text: SecretString,
    pub(crate) hash: TokenHash,
    pub(crate) hint: String,
}

impl Identity {
    /// Who shows this bearer token, be it an access token or an API key.
    ///
    /// # Errors
    /// [`AppError::Unauthenticated`] for anything that does not hold; [`AppError::Unavailable`] where a key must be
    /// looked up and the database is away.
    pub async fn identify(&self, token: &str) -> Result<Agent, AppError> {
        if token.starts_with(PREFIX) {
            return self.authenticate_key(token).await.map(Agent::Key);
        }
        self.authenticate(token).await.map(Agent::Account)
    }

    /// Heeds in this process at once that a key is revoked, once the transaction that did it is committed; other
    /// processes learn of it within a second.
    pub fn key_revoked(&self, revoked: RevokedKey) {
        self.revoked.key_revoked(revoked);
    }

    /// Makes a secret for a key.
    pub(crate) fn new_key_secret(&self) -> Result<NewSecret, AppError> {
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.random_secret()?));
        let hint = text[..HINT_CHARS].to_owned();
        Ok(NewSecret { hash: digest(&text), hint, text: text.into() })
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
        if text.len() != CHARS {
            return Err(AppError::Unauthenticated);
        }
        let hash = digest(text);
        let now = self.now();
        let key = match self.verified_keys.get(&hash) {
            Some(key) => key,
            None => self.look_up_key(&hash).await?.ok_or(AppError::Unauthenticated)?,
        };
        let has_expired = key.expires_at.is_some_and(|end| end <= now);
        if has_expired || self.revoked.is_revoked(key.acting.id) {
            return Err(AppError::Unauthenticated);
        }
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

fn digest(text: &str) -> TokenHash {
    TokenHash::new(Sha256::digest(text.as_bytes()).into())
}
