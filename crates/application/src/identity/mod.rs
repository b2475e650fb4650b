//! Accounts, sign-ins and access tokens.
//!
//! [`Identity`] holds the use cases, one file each; the ports are in `repository` and `crypto`. An access token is
//! verified once and then found by its digest (`verified`); what it cannot know of itself, that its session has ended or
//! that the role has changed, every replica knows within a second (`revoked`). Signing keys are shared by all replicas
//! through the database (`key_ring`).

mod api_key_store;
mod api_keys;
mod authenticate;
mod change_email;
mod change_password;
mod change_role;
mod claims;
mod crypto;
mod csrf;
mod delete_account;
mod demo;
mod forgot_password;
mod journal;
mod key_ring;
mod login;
mod logout;
mod mailed;
mod oauth;
mod refresh;
mod register;
mod repository;
mod revoked;
mod rewrap;
mod rotate_keys;
mod second_factor;
mod secret_token;
mod service;
mod sessions;
mod settings;
mod tokens;
mod users;
mod verified;
mod verified_keys;
mod verify_email;

pub use api_key_store::{ApiKeyReads, ApiKeyRepository, RevokedKey};
pub use change_email::EmailAgreement;
pub use claims::AccessClaims;
pub use crypto::{
    CryptoError, HashError, KeyPair, OneTimeCodes, PasswordHasher, SealError, Sealer, SecretRandom, TokenFormat,
};
pub use demo::{DEMO_ACCOUNTS_MAX, DemoAccount};
pub(crate) use forgot_password::KIND as FORGOTTEN;
pub use forgot_password::MailPasswordResets;
pub use key_ring::{KeyRingError, PublicKey};
pub use oauth::{
    AuthorizationAnswer, AuthorizationWish, ExternalIdentityReads, ExternalIdentityRepository, OfferedProvider,
    ProviderError, ProviderReply, SignInFailure, SignInProvider, SignInStep,
};
pub use register::NewUser;
pub use repository::{
    ChangedRole, EndedSession, IdentityReads, IdentityRepository, Revocations, StoredSigningKey, UserInsert,
};
pub use rewrap::{Rewrap, Rewrapped, RowKey, SEALED, SealedColumn, SealedValue, SealedValues};
pub use second_factor::{Challenge, Enrolment, SecondFactorReads, SecondFactorRepository, SecondFactorState, SignIn};
pub(crate) use secret_token::token_hash;
pub use service::{Identity, IdentityPorts};
pub use settings::IdentitySettings;
pub use tokens::TokenPair;
pub use users::UsersPage;
