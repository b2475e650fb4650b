//! Signing in by a provider elsewhere: OpenID Connect, and GitHub, which is almost that.
//!
//! [`start`](crate::identity::Identity::start_sign_in) sends the browser to the provider, with a state, a nonce and a
//! PKCE challenge that the browser keeps sealed in a cookie; the provider sends it back, and
//! [`finish`](crate::identity::Identity::finish_sign_in) asks the provider who that was and decides whose account it is.
//! The browser gets a one-time code, never a token, which
//! [`exchange`](crate::identity::Identity::exchange_sign_in_code) changes for tokens, for who began alone.

mod attempt;
mod exchange;
mod finish;
mod linked;
mod provider;
mod start;
mod store;

pub use finish::{ProviderReply, SignInFailure};
pub use provider::{AuthorizationAnswer, AuthorizationWish, ProviderError, SignInProvider};
pub use start::{OfferedProvider, SignInStep};
pub use store::{ExternalIdentityReads, ExternalIdentityRepository};
