//! What the machine gives, behind the ports of `application`: time, ids, randomness, password hashes, signatures, and
//! the master key that seals what is secret in the database.
//!
//! Here, and nowhere else, the clock is read and randomness is drawn. Nothing here knows a database or a protocol.
//! Everything cryptographic is done by aws-lc, but bcrypt, which it does not have.

mod clock;
mod hasher;
mod ids;
mod master_key;
mod random;
mod sealer;
mod signer;
mod tokens;
mod totp;

pub use clock::SystemClock;
pub use hasher::{BcryptHasher, BcryptLimits, CostOutOfRange};
pub use ids::SystemIds;
pub use master_key::{MasterKey, MasterKeyError};
pub use random::SystemRandom;
pub use sealer::AesSealer;
pub use signer::Ed25519Signer;
pub use tokens::EdDsaTokens;
pub use totp::TotpCodes;
