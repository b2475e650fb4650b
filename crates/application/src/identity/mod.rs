//! Accounts, sign-ins and access tokens.

mod claims;
mod crypto;
mod repository;
mod settings;

pub use claims::AccessClaims;
pub use crypto::{
    CryptoError, HashError, KeyPair, PasswordHasher, SealError, Sealer, SecretRandom, TokenFormat,
};
pub use repository::{
    ChangedRole, EndedSession, IdentityReads, IdentityRepository, Revocations, StoredSigningKey,
    UserInsert,
};
pub use settings::IdentitySettings;
