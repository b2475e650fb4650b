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
    let random = token.strip_prefix(prefix)?;
    let is_random = random.len() == RANDOM_CHARS && random.bytes().all(is_base64url);
    is_random.then(|| digest(token))
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
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
        for bad in ["", "A", &"A".repeat(42), &"A".repeat(44), &format!("gtk_{text}"), &format!("{} ", "A".repeat(42))]
        {
            assert!(token_hash(bad).is_none(), "{bad}");
        }
        for bad in [text.as_str(), &format!("xtk_{text}"), &format!("gtk_{text}A"), "gtk_"] {
            assert!(token_hash_behind("gtk_", bad).is_none(), "{bad}");
        }
    }
}

/// What reads refresh tokens, mailed tokens, invitations, one-time codes and API keys, before anything is looked up.
#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::api_keys::PREFIX;

    /// Any text, and texts that nearly are tokens.
    fn presented() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => any::<String>(),
            2 => "[A-Za-z0-9_.=-]{0,60}",
            4 => "[A-Za-z0-9_-]{43}",
            4 => "gtk_[A-Za-z0-9_-]{43}",
            2 => "[A-Za-z0-9_-]{42}[^A-Za-z0-9_-]",
            2 => "(gtk_){0,2}[ -~]{40,47}",
        ]
    }

    proptest! {
        /// A text has the form of a token of one kind at most, and then nothing is left of it but its digest.
        #[test]
        fn a_presented_token_has_the_form_of_one_kind_or_of_none(
            text in presented(),
            at in any::<prop::sample::Index>(),
            byte in b' '..=b'~',
        ) {
            let of_form = |text: &str| text.len() == 43 && text.bytes().all(|b| b"-_".contains(&b) || b.is_ascii_alphanumeric());
            let (plain, key) = (token_hash(&text), token_hash_behind(PREFIX, &text));
            prop_assert_eq!(plain.is_some(), of_form(&text), "{:?}", text);
            prop_assert_eq!(key.is_some(), text.strip_prefix(PREFIX).is_some_and(of_form), "{:?}", text);
            prop_assert!(plain.is_none() || key.is_none());
            for hash in [plain, key].into_iter().flatten() {
                prop_assert_eq!(hash, digest(&text));
                let mut changed = text.clone().into_bytes();
                let at = at.index(changed.len());
                changed[at] = byte;
                let changed = String::from_utf8(changed).unwrap_or_default();
                let other = token_hash(&changed).or(token_hash_behind(PREFIX, &changed));
                prop_assert!(changed == text || other != Some(hash), "{changed:?} passes for {text:?}");
            }
        }

        /// What we make is read back, as what it is alone.
        #[test]
        fn what_was_made_is_read_back(random in any::<[u8; 32]>()) {
            let plain = URL_SAFE_NO_PAD.encode(random);
            let key = format!("{PREFIX}{plain}");
            prop_assert_eq!(token_hash(&plain), Some(digest(&plain)));
            prop_assert_eq!(token_hash_behind(PREFIX, &key), Some(digest(&key)));
            prop_assert!(token_hash(&key).is_none() && token_hash_behind(PREFIX, &plain).is_none());
        }
    }
}
