//! The ports for everything that needs secrets: hashing, signing, sealing, randomness.

use std::error::Error;

use async_trait::async_trait;
use domain::identity::{Password, PasswordHash};
use domain::{SigningKeyId, Timestamp};
use secrecy::{SecretSlice, SecretString};

use crate::error::{AppError, chain};
use crate::identity::AccessClaims;

/// Hashes passwords, slowly and on purpose, off the threads of the runtime. How many it hashes at a time is bounded,
/// and so is how many wait.
#[async_trait]
pub trait PasswordHasher: Send + Sync {
    /// Hashes with a new salt.
    ///
    /// # Errors
    /// [`HashError::Busy`] when too many wait already.
    async fn hash(&self, password: &Password) -> Result<PasswordHash, HashError>;

    /// Whether the password is the one that was hashed. Without a hash it works just as long and answers `false`, so
    /// that nobody reads from the time whether an account exists.
    ///
    /// # Errors
    /// [`HashError::Busy`] when too many wait already.
    async fn verify(&self, password: &Password, hash: Option<&PasswordHash>) -> Result<bool, HashError>;

    /// Whether the hash was made with less work than hashes are made with now: it is replaced at the next sign-in, when
    /// the password is at hand.
    fn is_outdated(&self, hash: &PasswordHash) -> bool;
}

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Too many wait already.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// A defect: a hash that is none, a thread that panicked.
    #[error("the password could not be hashed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

impl From<HashError> for AppError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::busy(),
            HashError::Failed(cause) => {
                tracing::error!(cause = %chain(&*cause), "A password could not be hashed");
                Self::Internal
            }
        }
    }
}

/// A defect of something cryptographic: never what somebody sent.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CryptoError(pub &'static str);

impl From<CryptoError> for AppError {
    fn from(error: CryptoError) -> Self {
        tracing::error!(%error, "Cryptography failed");
        Self::Internal
    }
}

/// A pair of Ed25519 keys.
#[derive(Debug)]
pub struct KeyPair {
    /// The raw public key.
    pub public_key: [u8; 32],
    /// The private key as PKCS#8; it does not print.
    pub private_key: SecretSlice<u8>,
}

/// Makes and reads the compact form of access tokens: JWT (RFC 7519) with `alg` `EdDSA` (RFC 8037) and a `kid`.
pub trait TokenFormat: Send + Sync {
    /// Makes a pair of keys.
    ///
    /// # Errors
    /// When the system has no randomness.
    fn make_keys(&self) -> Result<KeyPair, CryptoError>;

    /// Signs the claims.
    ///
    /// # Errors
    /// When the key is none.
    fn sign(
        &self,
        id: SigningKeyId,
        private_key: &SecretSlice<u8>,
        claims: &AccessClaims,
    ) -> Result<String, CryptoError>;

    /// The `kid` of a token, unverified; none if it is no token of this form, or bears another algorithm.
    fn key_id(&self, token: &str) -> Option<SigningKeyId>;

    /// The claims of a token that was signed by this key with EdDSA; none if it was not, whatever the reason. Time,
    /// issuer and audience are checked by the caller ([`AccessClaims::holds`]).
    fn verify(&self, token: &str, public_key: &[u8; 32]) -> Option<AccessClaims>;
}

/// Why something sealed does not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SealError {
    /// It was sealed by another master key.
    #[error("it was sealed by another master key")]
    OtherKey,
    /// It was changed, or sealed for another purpose, or is nothing sealed at all.
    #[error("it is not what was sealed")]
    Tampered,
}

/// Seals secrets by the master key before they are stored: encrypted, authenticated, bound to a purpose. What was sealed
/// by an older key opens too, as long as that is known.
pub trait Sealer: Send + Sync {
    /// Seals; the same secret twice gives different results.
    ///
    /// # Errors
    /// When the system has no randomness.
    fn seal(&self, purpose: &str, secret: &[u8]) -> Result<Vec<u8>, CryptoError>;

    /// Opens what was sealed for the same purpose.
    ///
    /// # Errors
    /// [`SealError`].
    fn open(&self, purpose: &str, sealed: &[u8]) -> Result<SecretSlice<u8>, SealError>;

    /// Whether it was sealed by the key that seals now, and not by one that is only known still.
    fn is_current(&self, sealed: &[u8]) -> bool;
}

/// Codes of apps that know a seed (TOTP, RFC 6238): six digits, steps of 30 seconds. A code counts in its step, and in the
/// ones before and after, since clocks differ.
pub trait OneTimeCodes: Send + Sync {
    /// The step of time that the code belongs to, if it is one that counts now. It takes as long for a wrong code as for
    /// a right one.
    ///
    /// # Errors
    /// When the seed is none.
    fn step(&self, seed: &[u8], code: &str, now: Timestamp) -> Result<Option<u64>, CryptoError>;

    /// The seed as one types it into an app (base32).
    fn secret(&self, seed: &[u8]) -> SecretString;

    /// What an app reads from a QR code: `otpauth://totp/…` with the seed.
    ///
    /// # Errors
    /// When the seed is none.
    fn link(&self, seed: &[u8], account: &str) -> Result<SecretString, CryptoError>;
}

/// Randomness for secrets.
pub trait SecretRandom: Send + Sync {
    /// 256 random bits that nobody can foretell.
    ///
    /// # Errors
    /// When the system has no randomness.
    fn secret(&self) -> Result<[u8; 32], CryptoError>;
}
