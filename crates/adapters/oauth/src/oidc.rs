//! Providers of OpenID Connect: they describe themselves, and sign who somebody is.

use std::sync::Arc;
use std::time::Duration;

use application::clock::Clock;
use application::identity::{AuthorizationAnswer, AuthorizationWish, ProviderError, SignInProvider};
use async_trait::async_trait;
use domain::EmailAddress;
use domain::identity::{ExternalProfile, ExternalSubject, UserName};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreErrorResponseType, CoreIdTokenClaims, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreTokenResponse, CoreUserInfoClaims,
};
use openidconnect::{
    AccessToken, AccessTokenHash, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    DiscoveryError, EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, Nonce, OAuth2TokenResponse,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, SignatureVerificationError, TokenResponse,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::http::{CallError, OutsideCalls, SetupError, within};

/// For how long what a provider says of itself is believed.
const BELIEVED: Duration = Duration::from_secs(3_600);
/// A key that is not known makes us ask no more often than this.
const ASKED_AGAIN: Duration = Duration::from_secs(60);
/// Signatures that only the provider can make: none, and none by a secret that we have too, is not among them.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// A provider, as the configuration has it.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// Its name in paths.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Its issuer, from which all else is found (OpenID Connect Discovery).
    pub issuer: String,
    /// How it knows us.
    pub client_id: String,
    /// By what we show that we are we; none for a public client.
    pub client_secret: Option<SecretString>,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
}

/// A provider of OpenID Connect.
pub struct OidcProvider {
    settings: OidcSettings,
    issuer: IssuerUrl,
    calls: OutsideCalls,
    clock: Arc<dyn Clock>,
    known: Mutex<Option<Known>>,
}

/// What a provider says of itself, its keys included.
#[derive(Clone)]
struct Known {
    metadata: Arc<CoreProviderMetadata>,
    at: Instant,
}

type Client =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

impl OidcProvider {
    /// The provider of these settings. It is asked for nothing yet: one that is away keeps nobody from starting.
    ///
    /// # Errors
    /// [`SetupError::Issuer`].
    pub fn try_new(settings: OidcSettings, calls: OutsideCalls, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let issuer = IssuerUrl::new(settings.issuer.clone())?;
        Ok(Self { settings, issuer, calls, clock, known: Mutex::new(None) })
    }

    /// What the provider says of itself; asked for once, and by one at a time. `newer_than` wants it to be newer than
    /// what was tried, unless that was asked for a moment ago.
    async fn metadata(&self, newer_than: Option<&Known>) -> Result<Known, ProviderError> {
        let mut known = self.known.lock().await;
        let is_fresh = |known: &&Known| match newer_than {
            None => known.at.elapsed() < BELIEVED,
            Some(old) => known.at > old.at || known.at.elapsed() < ASKED_AGAIN,
        };
        if let Some(known) = known.as_ref().filter(is_fresh) {
            return Ok(known.clone());
        }
        let call = self.calls.caller();
        let metadata = CoreProviderMetadata::discover_async(self.issuer.clone(), &call).await;
        let metadata = Arc::new(metadata.map_err(undiscovered)?);
        Ok(known.insert(Known { metadata, at: Instant::now() }).clone())
    }

    fn client(&self, known: &Known, redirect_uri: &str) -> Result<Client, ProviderError> {
        let secret = self.settings.client_secret.as_ref();
        let secret = secret.map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
        let id = ClientId::new(self.settings.client_id.clone());
        let redirect = RedirectUrl::new(redirect_uri.to_owned());
        let redirect = redirect.map_err(|_| ProviderError::InvalidAnswer("our own address is no URL".to_owned()))?;
        let client = CoreClient::from_provider_metadata(known.metadata.as_ref().clone(), id, secret);
        Ok(client.set_redirect_uri(redirect))
    }

    async fn ask(&self, answer: AuthorizationAnswer<'_>) -> Result<ExternalProfile, ProviderError> {
        if answer.issuer.is_some_and(|issuer| issuer != self.issuer.as_str()) {
            return Err(ProviderError::WrongIssuer);
        }
        let mut known = self.metadata(None).await?;
        let client = self.client(&known, answer.redirect_uri)?;
        let call = self.calls.caller();
        let code = client.exchange_code(AuthorizationCode::new(answer.code.to_owned()));
        let code = code.map_err(|_| ProviderError::InvalidAnswer("it has no token endpoint".to_owned()))?;
        let verifier = PkceCodeVerifier::new(answer.code_verifier.to_owned());
        let tokens = code.set_pkce_verifier(verifier).request_async(&call).await.map_err(unexchanged)?;
        let nonce = Nonce::new(answer.nonce.to_owned());
        let claims = match self.verify(&client, &tokens, &nonce) {
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey)) => {
                known = self.metadata(Some(&known)).await?;
                let client = self.client(&known, answer.redirect_uri)?;
                self.verify(&client, &tokens, &nonce)
            }
            verified => verified,
        };
        let claims = claims.map_err(unverified)?;
        let told = match claims.email() {
            Some(_) => None,
            None => self.user_info(&client, tokens.access_token(), &claims).await?,
        };
        self.profile_of(&claims, told.as_ref())
    }

    fn verify(
        &self,
        client: &Client,
        tokens: &CoreTokenResponse,
        nonce: &Nonce,
    ) -> Result<CoreIdTokenClaims, ClaimsVerificationError> {
        let wrong = |what: &str| ClaimsVerificationError::Other(what.to_owned());
        let clock = Arc::clone(&self.clock);
        let now = move || clock.now();
        let verifier = client.id_token_verifier().set_allowed_algs(ALGORITHMS).set_time_fn(now);
        let id_token = tokens.id_token().ok_or_else(|| wrong("there is no ID token"))?;
        let claims = id_token.claims(&verifier, nonce)?;
        if let Some(expected) = claims.access_token_hash() {
            let algorithm = id_token.signing_alg().map_err(|_| wrong("the ID token has no algorithm"))?;
            let key = id_token.signing_key(&verifier).map_err(ClaimsVerificationError::SignatureVerification)?;
            let found = AccessTokenHash::from_token(tokens.access_token(), algorithm, key);
            if found.map_err(|_| wrong("`at_hash` cannot be checked"))? != *expected {
                return Err(wrong("`at_hash` is another token's"));
            }
        }
        Ok(claims.clone())
    }

    /// Where the ID token leaves the address out, as it may, the provider tells it on asking.
    async fn user_info(
        &self,
        client: &Client,
        token: &AccessToken,
        claims: &CoreIdTokenClaims,
    ) -> Result<Option<CoreUserInfoClaims>, ProviderError> {
        let Ok(request) = client.user_info(token.clone(), Some(claims.subject().clone())) else { return Ok(None) };
        let call = self.calls.caller();
        let told = request.request_async(&call).await;
        told.map(Some).map_err(|error| match error {
            openidconnect::UserInfoError::Request(error) => ProviderError::from(error),
            error => ProviderError::InvalidAnswer(format!("user info: {error}")),
        })
    }

    fn profile_of(
        &self,
        claims: &CoreIdTokenClaims,
        told: Option<&CoreUserInfoClaims>,
    ) -> Result<ExternalProfile, ProviderError> {
        let who = ExternalSubject { issuer: self.settings.issuer.clone(), subject: claims.subject().to_string() };
        if who.subject.is_empty() || who.subject.len() > ExternalSubject::BYTES_MAX {
            return Err(ProviderError::InvalidAnswer("the subject has no or too many bytes".to_owned()));
        }
        let email = claims.email().or_else(|| told?.email());
        let is_verified = claims.email_verified().or_else(|| told?.email_verified()) == Some(true);
        let verified_email = email.filter(|_| is_verified).and_then(|it| EmailAddress::parse("email", it).ok());
        let name = claims.name().or_else(|| told?.name()).and_then(|name| name.get(None));
        let name = name.and_then(|name| UserName::parse("name", name).ok());
        Ok(ExternalProfile { who, verified_email, name })
    }
}

#[async_trait]
impl SignInProvider for OidcProvider {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn title(&self) -> &str {
        &self.settings.title
    }

    async fn authorization_url(&self, wish: AuthorizationWish<'_>) -> Result<String, ProviderError> {
        let known = within(self.metadata(None)).await?;
        let client = self.client(&known, wish.redirect_uri)?;
        let state = CsrfToken::new(wish.state.to_owned());
        let nonce = Nonce::new(wish.nonce.to_owned());
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let scopes = self.settings.scopes.iter().cloned().map(Scope::new);
        let url = client.authorize_url(flow, || state, || nonce).add_scopes(scopes);
        let url =
            url.add_extra_param("code_challenge", wish.code_challenge).add_extra_param("code_challenge_method", "S256");
        Ok(url.url().0.to_string())
    }

    async fn profile(&self, answer: AuthorizationAnswer<'_>) -> Result<ExternalProfile, ProviderError> {
        within(self.ask(answer)).await
    }
}

fn undiscovered(error: DiscoveryError<CallError>) -> ProviderError {
    match error {
        DiscoveryError::Request(error) => error.into(),
        DiscoveryError::Validation(_) => ProviderError::WrongIssuer,
        DiscoveryError::Response(status, ..) => ProviderError::Unavailable(format!("status {}", status.as_u16())),
        _ => ProviderError::InvalidAnswer("it does not describe itself as OpenID Connect Discovery wants".to_owned()),
    }
}

type ExchangeError = RequestTokenError<CallError, openidconnect::StandardErrorResponse<CoreErrorResponseType>>;

fn unexchanged(error: ExchangeError) -> ProviderError {
    match error {
        RequestTokenError::Request(error) => error.into(),
        RequestTokenError::ServerResponse(told) if *told.error() == CoreErrorResponseType::InvalidGrant => {
            ProviderError::CodeRefused("invalid_grant".to_owned())
        }
        RequestTokenError::ServerResponse(told) => {
            ProviderError::InvalidAnswer(format!("the token endpoint says {}", told.error().as_ref()))
        }
        _ => ProviderError::InvalidAnswer("the token endpoint answers in no known form".to_owned()),
    }
}

fn unverified(error: ClaimsVerificationError) -> ProviderError {
    match error {
        ClaimsVerificationError::InvalidIssuer(_) => ProviderError::WrongIssuer,
        ClaimsVerificationError::InvalidNonce(_) => ProviderError::WrongNonce,
        // The other texts may bear values of the token.
        ClaimsVerificationError::Expired(_) => ProviderError::InvalidAnswer("the ID token has expired".to_owned()),
        ClaimsVerificationError::InvalidAudience(_) => {
            ProviderError::InvalidAnswer("the ID token is for another audience".to_owned())
        }
        ClaimsVerificationError::SignatureVerification(_) => {
            ProviderError::InvalidAnswer("the signature of the ID token does not hold".to_owned())
        }
        _ => ProviderError::InvalidAnswer("the ID token does not hold".to_owned()),
    }
}
