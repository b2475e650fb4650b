//! Use cases: a browser is sent to a provider, to sign in or to link an identity.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Problems;
use domain::identity::TokenHash;
use secrecy::{ExposeSecret, SecretString};

use super::attempt::Attempt;
use super::finish::{SignInFailure, failure_at};
use super::provider::{AuthorizationWish, SignInProvider};
use crate::error::AppError;
use crate::identity::secret_token::digest;
use crate::identity::service::Identity;
use crate::origin::{Origin, Principal};

/// A provider that one can sign in by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OfferedProvider {
    /// Its name in paths.
    pub name: String,
    /// What people call it.
    pub title: String,
}

/// Where the browser goes next, and what it is to keep; the cookie does not print.
#[derive(Debug)]
pub struct SignInStep {
    /// Where it goes.
    pub location: String,
    /// What it keeps; none makes it forget.
    pub cookie: Option<SecretString>,
}

impl Identity {
    /// The providers that one can sign in by, in the order of their names.
    #[must_use]
    pub fn sign_in_providers(&self) -> Vec<OfferedProvider> {
        let offered = |provider: &std::sync::Arc<dyn SignInProvider>| OfferedProvider {
            name: provider.name().to_owned(),
            title: provider.title().to_owned(),
        };
        self.ports.providers.iter().map(offered).collect()
    }

    /// Begins a sign-in that ends at `page`, or else at the first allowed one. With a `code_challenge` (SHA-256 of a secret
    /// of the client, base64url) the code at its end is worth something to who knows that secret alone; without one, to
    /// this browser alone. Where the provider is away the browser is sent to the page with the reason.
    ///
    /// # Errors
    /// [`AppError::NotFound`] for an unknown provider; [`AppError::Validation`] for a page that is not allowed, or what is
    /// no challenge; [`AppError::RateLimited`].
    pub async fn start_sign_in(
        &self,
        provider: &str,
        page: Option<&str>,
        code_challenge: Option<&str>,
        origin: &Origin,
    ) -> Result<SignInStep, AppError> {
        let provider = self.provider(provider)?;
        let page = self.allowed_page(page)?;
        self.ports.guards.sign_in_elsewhere(origin).await?;
        let bound = match code_challenge {
            Some(challenge) => (challenge_hash(challenge)?, None),
            None => {
                let proof = self.new_token("")?;
                (proof.hash, Some(proof.text.expose_secret().to_owned()))
            }
        };
        let attempt = Attempt::new(self.secrets()?, (provider.name(), page), bound, None, self.now());
        self.send_to(provider, &attempt).await
    }

    /// Begins to link an identity to the account of the caller, who shows his password again if he has one: whoever
    /// links an identity can sign in by it from then on.
    ///
    /// # Errors
    /// As [`start_sign_in`](Self::start_sign_in); [`AppError::Validation`] for a wrong password;
    /// [`AppError::InvalidState`] while the address of the account is not verified.
    pub async fn start_linking(
        &self,
        principal: &Principal,
        provider: &str,
        page: Option<&str>,
        password: Option<&str>,
        origin: &Origin,
    ) -> Result<SignInStep, AppError> {
        let provider = self.provider(provider)?;
        let page = self.allowed_page(page)?;
        let account = self.ports.reads.account_by_id(principal.user).await?.ok_or(AppError::Unauthenticated)?;
        account.user.must_be_verified()?;
        self.prove_password_if_any(account, password, origin).await?;
        let bound = (self.new_token("")?.hash, None);
        let linking = Some((principal.user, principal.session));
        let attempt = Attempt::new(self.secrets()?, (provider.name(), page), bound, linking, self.now());
        self.send_to(provider, &attempt).await
    }

    pub(super) fn provider(&self, name: &str) -> Result<&dyn SignInProvider, AppError> {
        let found = self.ports.providers.iter().find(|provider| provider.name() == name);
        found.map(AsRef::as_ref).ok_or(AppError::NotFound("provider"))
    }

    pub(super) fn redirect_uri(&self, provider: &str) -> String {
        format!("{}/api/v1/auth/oauth/{provider}/callback", self.settings.public_url)
    }

    /// Exactly one of the list: whoever could choose would get the codes of others.
    pub(super) fn allowed_page(&self, wished: Option<&str>) -> Result<&str, AppError> {
        let mut pages = self.settings.sign_in_pages.iter();
        let found = match wished {
            None => pages.next(),
            Some(wished) => pages.find(|page| page.as_str() == wished),
        };
        let not_allowed = || Problems::one("redirectUri", "not_allowed", "is not among the pages of the configuration");
        found.map(String::as_str).ok_or_else(|| not_allowed().into())
    }

    fn secrets(&self) -> Result<[String; 3], AppError> {
        let secret = || Ok::<_, AppError>(self.new_token("")?.text.expose_secret().to_owned());
        Ok([secret()?, secret()?, secret()?])
    }

    async fn send_to(&self, provider: &dyn SignInProvider, attempt: &Attempt) -> Result<SignInStep, AppError> {
        let wish = AuthorizationWish {
            state: &attempt.state,
            nonce: &attempt.nonce,
            code_challenge: &URL_SAFE_NO_PAD.encode(digest(&attempt.verifier).as_bytes()),
            redirect_uri: &self.redirect_uri(&attempt.provider),
        };
        match provider.authorization_url(wish).await {
            Ok(location) => Ok(SignInStep { location, cookie: Some(self.seal_attempt(attempt)?) }),
            Err(error) => Ok(failure_at(&attempt.page, SignInFailure::of_provider(&attempt.provider, &error))),
        }
    }
}

fn challenge_hash(challenge: &str) -> Result<TokenHash, AppError> {
    let bytes = URL_SAFE_NO_PAD.decode(challenge).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let wrong = || Problems::one("codeChallenge", "invalid_challenge", "must be a SHA-256 in base64url, 43 characters");
    bytes.map(TokenHash::new).ok_or_else(|| wrong().into())
}
