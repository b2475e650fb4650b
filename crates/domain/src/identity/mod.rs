//! Who somebody is, and what the platform lets him do.
//!
//! An account ([`User`]) signs in with a [`Password`] and gets a [`Session`]: a chain of refresh tokens, of which only
//! the last one counts. What a presented refresh token means is decided by [`Session::refresh`]; who may be made what is
//! decided by [`User::change_role`]; what a code of a second factor is worth by [`SecondFactor`]. Hashing, signing and randomness are ports of the application.

mod api_key;
mod external_identity;
mod mailed_token;
mod password;
mod role;
mod second_factor;
mod session;
mod user;

pub use api_key::{ApiKey, NewApiKey, Scope, Scopes};
pub use external_identity::{
    EXTERNAL_IDENTITIES_MAX, ExternalIdentity, ExternalProfile, ExternalRefusal, ExternalSignIn, ExternalSubject,
    SignInCode, decide_external_sign_in, may_unlink,
};
pub use mailed_token::{EmailChange, MailedPurpose, MailedToken, UnknownMailedPurpose};
pub use password::{Password, PasswordHash};
pub use role::{Role, UnknownRole};
pub use second_factor::{CodeDecision, RECOVERY_CODES, SecondFactor, SignInChallenge};
pub use session::{
    Device, EndReason, Refresh, RefreshToken, Session, SessionEnd, SessionLifetimes, TokenHash, UnknownEndReason,
};
pub use user::{Account, NotVerified, RoleDecision, RoleRefusal, User, UserName};
