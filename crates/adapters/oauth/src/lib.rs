//! Signing in by somebody else: any provider of OpenID Connect (`oidc`), and GitHub (`github`), whose answers have a shape
//! of their own. `http` is how both are spoken to: bounded in time, tries and bytes, and without following redirects.

mod github;
mod http;
mod oidc;

pub use github::{GithubProvider, GithubSettings};
pub use http::{HttpSettings, OutsideCalls, SetupError, is_sound_url};
pub use oidc::{OidcProvider, OidcSettings};
