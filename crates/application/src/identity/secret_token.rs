//! Opaque tokens: refresh tokens, tokens of mails and invitations, API keys.
//!
//! Each is 256 random bits in base64url, some behind a prefix by which people and scanners of secrets recognise them. Nobody
//! can try so many, so that a single SHA-256 of the text, which is all that is kept, is as safe as a slow hash would be
//! and costs about a microsecond; a password, which people choose, is another matter.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::identity::TokenHash;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::error::AppError;
use crate::identity::service::Identity;

/// 256 bits in base64url.
const RANDOM_CHARS: usize = 43;

/// A token that was made just now.
pub(crate) struct NewToken {
    /// Its text, which goes to whom it is for and is not kept; it does not print.
    pub(crate) text: SecretString,
    /// What is kept of it.
    pub(crate) hash: TokenHash,
}

impl Identity {
    /// Makes a token whose text begins with `prefix`.
    pub(crate) fn new_token(&self, prefix: &str) -> Result<NewToken, AppError> {
        let text = SecretString::from(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(self.ports.random.secret()?)));
        Ok(NewToken { hash: digest(text.expose_secret()), text })
    }
}

/// What is kept of a token without a prefix; none if it is no token of ours by its form.
pub(crate) fn token_hash(token: &str) -> Option<TokenHash> {
    token_hash_behind("", token)
}

/// What is kept of a token with this prefix; none if it is no such token by its form.
pub(crate) fn token_hash_behind(prefix: &str, token: &str) -> Option<TokenHash> {
    let is_ours = token.len() == prefix.len() + RANDOM_CHARS && token.starts_with(prefix);
    is_ours.then(|| digest(token))
}

/// What is kept of any secret of enough bits.
pub(super) fn digest(token: &str) -> TokenHash {
    TokenHash::new(Sha256::digest(token.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_form() {
        let text = "A".repeat(43);
        assert_eq!(token_hash(&text).unwrap(), token_hash_behind("", &text).unwrap());
        assert!(token_hash_behind("gtk_", &format!("gtk_{text}")).is_some());
        for bad in ["", "A", &"A".repeat(42), &"A".repeat(44), &format!("gtk_{text}")] {
            assert!(token_hash(bad).is_none(), "{bad}");
        }
        for bad in [text.as_str(), &format!("xtk_{text}"), &format!("gtk_{text}A"), "gtk_"] {
            assert!(token_hash_behind("gtk_", bad).is_none(), "{bad}");
        }
    }
}
