//! What a browser keeps between its way to a provider and its way back: sealed, so that it can neither read nor make
//! it; nothing of it is stored, so that nobody fills a table by beginning sign-ins.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use domain::identity::TokenHash;
use domain::{SessionId, Timestamp, UserId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::AppError;
use crate::identity::service::Identity;

const PURPOSE: &str = "oauth attempt";
/// For how long one may sign in at the provider.
const HOLDS: TimeDelta = TimeDelta::minutes(10);
/// Ours have at most about 1,500.
const CHARS_MAX: usize = 4_000;

/// A sign-in that was begun.
#[derive(Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) provider: String,
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
    pub(super) page: String,
    /// SHA-256 of what the client shows to get tokens.
    binding: [u8; 32],
    /// That, where it is the browser that shows it.
    pub(super) proof: Option<String>,
    /// Who links an identity, from which session.
    linking: Option<(Uuid, Uuid)>,
    at: i64,
}

/// What a cookie was worth.
pub(super) enum Opened {
    Attempt(Box<Attempt>),
    Expired(Box<Attempt>),
    Nothing,
}

impl Attempt {
    pub(super) fn new(
        [state, nonce, verifier]: [String; 3],
        (provider, page): (&str, &str),
        (binding, proof): (TokenHash, Option<String>),
        linking: Option<(UserId, SessionId)>,
        now: Timestamp,
    ) -> Self {
        Self {
            provider: provider.to_owned(),
            state,
            nonce,
            verifier,
            page: page.to_owned(),
            binding: *binding.as_bytes(),
            proof,
            linking: linking.map(|(user, session)| (user.uuid(), session.uuid())),
            at: now.timestamp(),
        }
    }

    pub(super) fn binding(&self) -> TokenHash {
        TokenHash::new(self.binding)
    }

    pub(super) fn linking(&self) -> Option<(UserId, SessionId)> {
        self.linking.map(|(user, session)| (UserId::new(user), SessionId::new(session)))
    }
}

impl Identity {
    pub(super) fn seal_attempt(&self, attempt: &Attempt) -> Result<SecretString, AppError> {
        let text = serde_json::to_vec(attempt).map_err(|_| AppError::Internal)?;
        Ok(URL_SAFE_NO_PAD.encode(self.ports.sealer.seal(PURPOSE, &text)?).into())
    }

    pub(super) fn open_attempt(&self, cookie: Option<&str>) -> Opened {
        let attempt = cookie.filter(|text| text.len() <= CHARS_MAX).and_then(|text| {
            let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
            let opened = self.ports.sealer.open(PURPOSE, &sealed).ok()?;
            serde_json::from_slice::<Box<Attempt>>(opened.expose_secret()).ok()
        });
        match attempt {
            None => Opened::Nothing,
            Some(attempt) if self.now().timestamp() >= attempt.at + HOLDS.num_seconds() => Opened::Expired(attempt),
            Some(attempt) => Opened::Attempt(attempt),
        }
    }
}
