//! The access tokens whose signature was verified lately: verifying one costs some 40 µs, finding it here well under
//! one, and a buyer in a rush sends the same token with every request.

use std::hash::{BuildHasherDefault, Hasher};

use domain::SigningKeyId;
use sha2::{Digest, Sha256};

use crate::origin::Principal;
use crate::recent::Recent;

/// How many tokens are kept, at about 150 bytes each.
const VERIFIED_MAX: usize = 100_000;

/// What is known of a verified token. Issuer, audience and length of life were checked; the times, and that its key still counts, are
/// checked anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Verified {
    pub(super) principal: Principal,
    pub(super) key: SigningKeyId,
    pub(super) not_before: i64,
    pub(super) expires_at: i64,
}

/// SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TokenDigest([u8; 32]);

impl TokenDigest {
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

impl std::hash::Hash for TokenDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

/// A digest is as random as any hash of it: its first bytes will do.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().take(8).fold(0, |value, byte| (value << 8) | u64::from(*byte));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The cache. Only tokens that were verified get in, so that nobody fills it with rubbish.
pub(super) struct VerifiedTokens(Recent<TokenDigest, Verified, BuildHasherDefault<FirstBytes>>);

impl Default for VerifiedTokens {
    fn default() -> Self {
        Self(Recent::new(VERIFIED_MAX))
    }
}

impl VerifiedTokens {
    /// What is known of the token, if it holds at `now` (seconds since 1970).
    pub(super) fn get(&self, token: TokenDigest, now: i64) -> Option<Verified> {
        let verified = self.0.get(token)?;
        (verified.not_before <= now && now < verified.expires_at).then_some(verified)
    }

    /// Keeps what was verified.
    pub(super) fn insert(&self, token: TokenDigest, verified: Verified) {
        self.0.insert(token, verified);
    }
}

#[cfg(test)]
mod tests {
    use domain::identity::Role;
    use domain::{SessionId, UserId};
    use uuid::Uuid;

    use super::*;
    use crate::origin::Factor;

    fn verified(number: u128) -> Verified {
        let id = Uuid::from_u128(number);
        let (user, session) = (UserId::new(id), SessionId::new(id));
        let principal = Principal { user, session, role: Role::User, factor: Factor::Missing };
        Verified { principal, key: SigningKeyId::new(id), not_before: 100, expires_at: 200 }
    }

    #[test]
    fn a_token_is_found_until_it_expires() {
        let tokens = VerifiedTokens::default();
        let token = TokenDigest::of("a");
        tokens.insert(token, verified(1));
        assert_eq!(tokens.get(token, 99), None);
        assert_eq!(tokens.get(token, 100), Some(verified(1)));
        assert_eq!(tokens.get(token, 199), Some(verified(1)));
        assert_eq!(tokens.get(token, 200), None);
        assert_eq!(tokens.get(TokenDigest::of("b"), 150), None);
    }
}
