//! Calls to providers.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use application::breaker::{Breaker, BreakerOpen};
use application::clock::Ids;
use application::identity::ProviderError;
use openidconnect::http::Method;
use openidconnect::{HttpRequest, HttpResponse};
use reqwest::redirect::Policy;
use url::{Host, Url};

/// More than any answer has; key sets are the largest.
const BODY_BYTES_MAX: usize = 256 * 1_024;
const BACKOFF: Duration = Duration::from_millis(200);
/// All calls of one step of a sign-in together: a browser waits for them, within the time of one request.
const STEP_WITHIN: Duration = Duration::from_secs(8);

/// How providers are called.
#[derive(Clone, Copy, Debug)]
pub struct HttpSettings {
    /// How long one try may take, from the connection to the last byte.
    pub timeout: Duration,
    /// How often what changes nothing is tried.
    pub tries: u32,
}

type Called = Pin<Box<dyn Future<Output = Result<HttpResponse, CallError>> + Send>>;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// TLS could not be set up.
    #[error("calls to providers could not be set up")]
    Client(#[from] reqwest::Error),
    /// The issuer is no URL.
    #[error("the issuer must be a URL")]
    Issuer(#[from] url::ParseError),
}

/// Why a call has no answer. The texts bear no URL, since a URL may bear secrets.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// There was no connection.
    #[error("no connection")]
    NotSent,
    /// No answer came in time, or the connection broke.
    #[error("no answer")]
    NoAnswer,
    /// The server says that it cannot.
    #[error("status {0}")]
    Status(u16),
    /// The answer has too many bytes.
    #[error("an answer of more than 256 KiB")]
    TooLarge,
    /// It has not answered for a while: nobody waits for it now.
    #[error("{0}")]
    Open(#[from] BreakerOpen),
    /// The address is neither HTTPS nor on this machine.
    #[error("an address without TLS")]
    Insecure,
}

impl From<CallError> for ProviderError {
    fn from(error: CallError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Makes calls; cheap to clone, with one pool of connections.
#[derive(Clone)]
pub struct OutsideCalls {
    client: reqwest::Client,
    settings: HttpSettings,
    ids: Arc<dyn Ids>,
    breaker: Option<Breaker>,
}

impl OutsideCalls {
    /// A client with these settings; `ids` gives the chance by which tries are spread.
    ///
    /// # Errors
    /// [`SetupError::Client`].
    pub fn try_new(settings: HttpSettings, ids: Arc<dyn Ids>) -> Result<Self, SetupError> {
        let client = reqwest::Client::builder()
            .user_agent("GoTicket")
            .redirect(Policy::none())
            .timeout(settings.timeout)
            .connect_timeout(settings.timeout)
            .build()?;
        Ok(Self { client, settings, ids, breaker: None })
    }

    /// The same for one provider, which is left alone while it does not answer.
    #[must_use]
    pub fn guarded_by(&self, breaker: Breaker) -> Self {
        Self { breaker: Some(breaker), ..self.clone() }
    }

    /// Sends it, unless the provider is left alone. All tries together are one failure or one answer; what is wrong with
    /// an answer is no silence. It is waited for even if the caller is gone: a browser that hangs up says nothing about
    /// the provider, and must not close it to others.
    pub(crate) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, CallError> {
        let trial = self.breaker.as_ref().map(Breaker::admit).transpose()?;
        let calls = self.clone();
        let call = async move {
            let answer = calls.send_tries(request).await;
            if let (Some(trial), Ok(_) | Err(CallError::TooLarge | CallError::Insecure)) = (trial, &answer) {
                trial.answered();
            }
            answer
        };
        // Bounded by the timeout of each try; only a panic keeps it from its answer.
        tokio::spawn(call).await.unwrap_or(Err(CallError::NoAnswer))
    }

    /// Sends it; a `GET` is tried again after failures that may pass, anything else only where nothing was sent.
    async fn send_tries(&self, request: HttpRequest) -> Result<HttpResponse, CallError> {
        let mut tries = 1;
        loop {
            let error = match self.send_once(request.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let may_pass = match error {
                CallError::NotSent => true,
                CallError::NoAnswer => request.method() == Method::GET,
                CallError::Status(status) => status >= 500 && request.method() == Method::GET,
                CallError::TooLarge | CallError::Insecure | CallError::Open(_) => false,
            };
            if !may_pass || tries >= self.settings.tries {
                return Err(error);
            }
            // Full jitter: anything up to the doubled pause.
            let most = BACKOFF.saturating_mul(1 << tries.min(6)).as_micros();
            let pause = u128::from(self.ids.random()) % most.max(1);
            tokio::time::sleep(Duration::from_micros(u64::try_from(pause).unwrap_or(u64::MAX))).await;
            tries += 1;
        }
    }

    /// As a function of its own, as the libraries want it.
    pub(crate) fn caller(&self) -> impl Fn(HttpRequest) -> Called + Send + Sync + use<> {
        let calls = self.clone();
        move |request| {
            let calls = calls.clone();
            Box::pin(async move { calls.send(request).await })
        }
    }

    async fn send_once(&self, request: HttpRequest) -> Result<HttpResponse, CallError> {
        if !is_sound_url(&request.uri().to_string()) {
            return Err(CallError::Insecure);
        }
        let request = reqwest::Request::try_from(request).map_err(|_| CallError::Insecure)?;
        let sent = self.client.execute(request).await;
        let mut answer =
            sent.map_err(|error| if error.is_connect() { CallError::NotSent } else { CallError::NoAnswer })?;
        let status = answer.status().as_u16();
        if status >= 500 || status == 429 {
            return Err(CallError::Status(status));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| CallError::NoAnswer)? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(CallError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = HttpResponse::new(body);
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }
}

/// Bounds one step of a sign-in.
pub(crate) async fn within<T>(step: impl Future<Output = Result<T, ProviderError>>) -> Result<T, ProviderError> {
    let answer = tokio::time::timeout(STEP_WITHIN, step).await;
    answer.unwrap_or_else(|_| Err(ProviderError::Unavailable("too slow".to_owned())))
}

/// Whether secrets may be sent there: by TLS, or to this machine.
#[must_use]
pub fn is_sound_url(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    (url.scheme() == "https" && url.host().is_some()) || (url.scheme() == "http" && is_here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_by_tls_or_stay_here() {
        for sound in ["https://id.example", "http://127.0.0.1:4000/x", "http://localhost", "http://[::1]:80"] {
            assert!(is_sound_url(sound), "{sound}");
        }
        for bad in
            ["http://id.example", "ftp://127.0.0.1", "id.example", "", "http://127.0.0.1.evil.example", "https://"]
        {
            assert!(!is_sound_url(bad), "{bad}");
        }
    }
}
