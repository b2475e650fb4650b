//! Calls to a provider: bounded in time and bytes, without redirects, and left out while it does not answer.

use std::time::Duration;

use application::breaker::{Breaker, Trial};
use application::payment::ProviderError;
use reqwest::header::{CONTENT_TYPE, HeaderName};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

/// More than any answer has that tells of one thing.
const BODY_BYTES_MAX: usize = 64 * 1_024;
/// More than any page of a list has.
const PAGE_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// How a provider is called.
#[derive(Clone, Debug)]
pub struct CallSettings {
    /// Where it is, without a slash at the end.
    pub url: String,
    /// By what we show that we are we.
    pub secret: SecretString,
    /// How long one call may take, from the connection to the last byte.
    pub timeout: Duration,
}

/// There is no client.
#[derive(Debug, thiserror::Error)]
#[error("calls to the payment provider could not be set up")]
pub struct SetupError(#[from] reqwest::Error);

/// A client for outside calls, without following redirects and without the proxies of the environment: a secret goes
/// where it was said to go.
pub(crate) fn client(timeout: Duration) -> Result<Client, SetupError> {
    let client = Client::builder().user_agent("GoTicket").redirect(Policy::none()).no_proxy();
    Ok(client.timeout(timeout).connect_timeout(timeout).build()?)
}

/// Calls one provider.
#[derive(Clone)]
pub(crate) struct Calls {
    client: Client,
    settings: CallSettings,
    breaker: Breaker,
    /// What every call bears besides.
    header: Option<(HeaderName, &'static str)>,
}

/// What came back.
pub(crate) struct Called {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

impl Calls {
    pub(crate) fn try_new(settings: CallSettings, breaker: Breaker) -> Result<Self, SetupError> {
        Ok(Self { client: client(settings.timeout)?, settings, breaker, header: None })
    }

    /// Every call bears this header.
    pub(crate) fn bearing(self, name: HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    /// Asks for what is there.
    pub(crate) async fn get(&self, path: &str) -> Result<Called, ProviderError> {
        self.send(self.request(Method::GET, path), BODY_BYTES_MAX).await
    }

    /// Asks for a page of a list.
    pub(crate) async fn page(&self, path: &str) -> Result<Called, ProviderError> {
        self.send(self.request(Method::GET, path), PAGE_BYTES_MAX).await
    }

    /// Asks for something to be done, as a form, and under this key once alone.
    pub(crate) async fn form(&self, path: &str, form: String, key: Option<&str>) -> Result<Called, ProviderError> {
        let request = self.request(Method::POST, path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = match key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        };
        self.send(request.body(form), BODY_BYTES_MAX).await
    }

    /// Asks for something to be done.
    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> Result<Called, ProviderError> {
        let body = serde_json::to_vec(body).map_err(|_| ProviderError::Refused("unreadable".to_owned()))?;
        let request = self.request(Method::POST, path).header(CONTENT_TYPE, "application/json").body(body);
        self.send(request, BODY_BYTES_MAX).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.settings.url);
        let request = self.client.request(method, url).bearer_auth(self.settings.secret.expose_secret());
        match &self.header {
            Some((name, value)) => request.header(name, *value),
            None => request,
        }
    }

    /// Its answer is waited for even if the caller is gone: a buyer who hangs up says nothing about the provider, and
    /// must not close it to others.
    async fn send(&self, request: RequestBuilder, bytes_max: usize) -> Result<Called, ProviderError> {
        let trial = self.breaker.admit().map_err(|_| ProviderError::NotAsked)?;
        // Bounded by the timeout of the client; only a panic keeps it from its answer.
        tokio::spawn(answer(request, trial, bytes_max)).await.unwrap_or(Err(ProviderError::Unreachable))
    }
}

async fn answer(request: RequestBuilder, trial: Trial, bytes_max: usize) -> Result<Called, ProviderError> {
    let mut answer = request.send().await.map_err(|error| unanswered(&error))?;
    let status = answer.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(ProviderError::Unreachable);
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| ProviderError::Unreachable)? {
        if body.len() + chunk.len() > bytes_max {
            return Err(ProviderError::Unreachable);
        }
        body.extend_from_slice(&chunk);
    }
    trial.answered();
    Ok(Called { status, body })
}

/// Without a connection nothing of a request has been sent; later it may have been done, whatever the error.
fn unanswered(error: &reqwest::Error) -> ProviderError {
    if error.is_connect() { ProviderError::NotAsked } else { ProviderError::Unreachable }
}
