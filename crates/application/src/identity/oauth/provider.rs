//! The port to providers.

use async_trait::async_trait;
use domain::identity::ExternalProfile;

/// Where a browser is sent to sign in.
#[derive(Clone, Copy)]
pub struct AuthorizationWish<'a> {
    /// Comes back with the browser.
    pub state: &'a str,
    /// Comes back within the signed answer, where the provider signs one.
    pub nonce: &'a str,
    /// SHA-256 of the code verifier, base64url (PKCE, RFC 7636, `S256`).
    pub code_challenge: &'a str,
    /// Where the browser comes back to.
    pub redirect_uri: &'a str,
}

/// What a browser has come back with, and what only the one who sent it there knows.
#[derive(Clone, Copy)]
pub struct AuthorizationAnswer<'a> {
    /// The code of the provider.
    pub code: &'a str,
    /// `iss` of the answer (RFC 9207), if it bears one.
    pub issuer: Option<&'a str>,
    /// The code verifier.
    pub code_verifier: &'a str,
    /// The nonce of the wish.
    pub nonce: &'a str,
    /// As in the wish.
    pub redirect_uri: &'a str,
}

/// Somebody elsewhere who knows who people are.
///
/// Every call is bounded in time and in the bytes that are read of an answer, and follows no redirects.
#[async_trait]
pub trait SignInProvider: Send + Sync {
    /// Its name in paths: lower case letters, digits, `-` and `_`.
    fn name(&self) -> &str;

    /// What people call it.
    fn title(&self) -> &str;

    /// Where the browser is sent to. Twice gives the same.
    ///
    /// # Errors
    /// [`ProviderError::Unavailable`], or [`ProviderError::WrongIssuer`] and [`ProviderError::InvalidAnswer`] where the
    /// provider describes itself wrongly.
    async fn authorization_url(&self, wish: AuthorizationWish<'_>) -> Result<String, ProviderError>;

    /// Changes the code for what the provider tells of who has signed in. A code works once.
    ///
    /// # Errors
    /// [`ProviderError`].
    async fn profile(&self, answer: AuthorizationAnswer<'_>) -> Result<ExternalProfile, ProviderError>;
}

/// Why a provider does not tell who somebody is. The texts are for logs, and bear neither secrets nor personal data.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProviderError {
    /// It does not answer in time, or with an error of its own.
    #[error("it does not answer: {0}")]
    Unavailable(String),
    /// It does not take the code: used, expired, or somebody else's.
    #[error("it refuses the code: {0}")]
    CodeRefused(String),
    /// The answer is of another issuer.
    #[error("the answer is of another issuer")]
    WrongIssuer,
    /// The answer belongs to another sign-in.
    #[error("the answer bears another nonce")]
    WrongNonce,
    /// The answer does not hold: signature, audience, time, form.
    #[error("its answer does not hold: {0}")]
    InvalidAnswer(String),
}
