//! The token by which a page shows that a request with its cookies is its own.
//!
//! It is the id of the session, sealed by the master key: every replica makes and checks it, nobody else can, it is worth
//! nothing with the cookies of another session, and nothing has to be kept.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::SessionId;
use secrecy::{ExposeSecret, SecretString};

use crate::error::AppError;
use crate::identity::service::Identity;

const PURPOSE: &str = "csrf";
/// Ours have 71.
const CHARS_MAX: usize = 200;

impl Identity {
    /// A token for the pages of this session; each call makes another one, and all of them hold.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn csrf_token(&self, session: SessionId) -> Result<SecretString, AppError> {
        let sealed = self.ports.sealer.seal(PURPOSE, session.uuid().as_bytes())?;
        Ok(URL_SAFE_NO_PAD.encode(sealed).into())
    }

    /// Whether the token is one of this session.
    #[must_use]
    pub fn csrf_holds(&self, token: &str, session: SessionId) -> bool {
        if token.len() > CHARS_MAX {
            return false;
        }
        let Ok(sealed) = URL_SAFE_NO_PAD.decode(token) else { return false };
        let opened = self.ports.sealer.open(PURPOSE, &sealed);
        opened.is_ok_and(|opened| opened.expose_secret() == session.uuid().as_bytes())
    }
}
