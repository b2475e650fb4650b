//! GitHub: OAuth 2.0 with PKCE, and an API of its own that tells who somebody is and which addresses are verified.

use application::identity::{AuthorizationAnswer, AuthorizationWish, ProviderError, SignInProvider};
use async_trait::async_trait;
use domain::EmailAddress;
use domain::identity::{ExternalProfile, ExternalSubject, UserName};
use openidconnect::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use openidconnect::http::{Method, Request};
use openidconnect::{HttpRequest, HttpResponse};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded::Serializer;

use crate::http::{OutsideCalls, within};

const SCOPES: &str = "read:user user:email";

/// GitHub, or a GitHub Enterprise Server.
#[derive(Clone, Debug)]
pub struct GithubSettings {
    /// Its name in paths.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// How it knows us.
    pub client_id: String,
    /// By what we show that we are we.
    pub client_secret: SecretString,
    /// Where people sign in: `https://github.com`. It counts as the issuer.
    pub web_url: String,
    /// Its API: `https://api.github.com`.
    pub api_url: String,
}

/// GitHub.
pub struct GithubProvider {
    settings: GithubSettings,
    calls: OutsideCalls,
}

/// An answer of the token endpoint: GitHub tells errors with status 200.
#[derive(Deserialize)]
struct Tokens {
    access_token: Option<SecretString>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct User {
    id: u64,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Address {
    email: String,
    primary: bool,
    verified: bool,
}

impl GithubProvider {
    /// GitHub with these settings.
    #[must_use]
    pub const fn new(settings: GithubSettings, calls: OutsideCalls) -> Self {
        Self { settings, calls }
    }

    async fn ask(&self, answer: AuthorizationAnswer<'_>) -> Result<ExternalProfile, ProviderError> {
        if answer.issuer.is_some_and(|issuer| !issuer.starts_with(&self.settings.web_url)) {
            return Err(ProviderError::WrongIssuer);
        }
        let token = self.exchange(answer).await?;
        let user: User = self.get("/user", &token).await?;
        let addresses: Vec<Address> = self.get("/user/emails", &token).await?;
        // The others may be old ones; the primary one is where GitHub itself writes to.
        let primary = addresses.into_iter().find(|address| address.primary && address.verified);
        Ok(ExternalProfile {
            who: ExternalSubject { issuer: self.settings.web_url.clone(), subject: user.id.to_string() },
            verified_email: primary.and_then(|address| EmailAddress::parse("email", &address.email).ok()),
            name: user.name.and_then(|name| UserName::parse("name", &name).ok()),
        })
    }

    async fn exchange(&self, answer: AuthorizationAnswer<'_>) -> Result<SecretString, ProviderError> {
        let form = Serializer::new(String::new())
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("client_secret", self.settings.client_secret.expose_secret())
            .append_pair("code", answer.code)
            .append_pair("redirect_uri", answer.redirect_uri)
            .append_pair("code_verifier", answer.code_verifier)
            .finish();
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/login/oauth/access_token", self.settings.web_url))
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.into_bytes());
        let tokens: Tokens = parsed(&self.send(request).await?)?;
        match (tokens.access_token, tokens.error.as_deref()) {
            (Some(token), None) => Ok(token),
            (_, Some("bad_verification_code")) => Err(ProviderError::CodeRefused("bad_verification_code".to_owned())),
            (_, Some("incorrect_client_credentials" | "redirect_uri_mismatch")) => {
                Err(ProviderError::InvalidAnswer("it does not know this client, or this address of it".to_owned()))
            }
            _ => Err(ProviderError::InvalidAnswer("there is no access token".to_owned())),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, token: &SecretString) -> Result<T, ProviderError> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(format!("{}{path}", self.settings.api_url))
            .header(ACCEPT, "application/vnd.github+json")
            .header("X-GitHub-Api-Version", "2022-11-28")
            .header(AUTHORIZATION, format!("Bearer {}", token.expose_secret()))
            .body(Vec::new());
        parsed(&self.send(request).await?)
    }

    async fn send(
        &self,
        request: Result<HttpRequest, openidconnect::http::Error>,
    ) -> Result<HttpResponse, ProviderError> {
        let request = request.map_err(|_| ProviderError::InvalidAnswer("no request can be made of it".to_owned()))?;
        let answer = self.calls.send(request).await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(ProviderError::InvalidAnswer(format!("status {}", answer.status().as_u16())))
    }
}

#[async_trait]
impl SignInProvider for GithubProvider {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn title(&self) -> &str {
        &self.settings.title
    }

    async fn authorization_url(&self, wish: AuthorizationWish<'_>) -> Result<String, ProviderError> {
        let query = Serializer::new(String::new())
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", wish.redirect_uri)
            .append_pair("scope", SCOPES)
            .append_pair("state", wish.state)
            .append_pair("code_challenge", wish.code_challenge)
            .append_pair("code_challenge_method", "S256")
            .finish();
        Ok(format!("{}/login/oauth/authorize?{query}", self.settings.web_url))
    }

    async fn profile(&self, answer: AuthorizationAnswer<'_>) -> Result<ExternalProfile, ProviderError> {
        within(self.ask(answer)).await
    }
}

fn parsed<T: DeserializeOwned>(answer: &HttpResponse) -> Result<T, ProviderError> {
    serde_json::from_slice(answer.body())
        .map_err(|_| ProviderError::InvalidAnswer("its API answers in no known form".to_owned()))
}
