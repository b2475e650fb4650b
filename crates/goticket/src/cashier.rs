//! Who moves the money of an instance: a sandbox of its own, one that runs apart, Stripe, or nobody.

use std::net::SocketAddr;
use std::sync::Arc;

use adapter_payment::{CallSettings, Sandbox, SandboxProvider, StripeProvider};
use adapter_system::SystemRandom;
use anyhow::{Context, bail};
use application::breaker::Breaker;
use application::clock::{Clock, Ids};
use application::identity::SecretRandom;
use application::payment::{PaymentProvider, Providers};
use secrecy::SecretString;

use crate::config::{ProviderWord, Settings};

/// The payment providers of an instance.
pub struct Cashier {
    /// They.
    pub providers: Providers,
    /// The sandbox that it runs itself.
    sandbox: Option<Sandbox>,
}

impl Cashier {
    /// Nobody moves money.
    #[must_use]
    pub fn none() -> Self {
        Self { providers: Providers::default(), sandbox: None }
    }

    /// As the settings say. A sandbox of its own sends its messages to the server that listens on `server`.
    ///
    /// # Errors
    /// If the sandbox cannot listen, or its journal cannot be used.
    pub async fn start(
        settings: &Settings,
        server: SocketAddr,
        clock: &Arc<dyn Clock>,
        ids: &Arc<dyn Ids>,
    ) -> anyhow::Result<Self> {
        let ours = &settings.payments;
        if ours.provider == ProviderWord::None {
            return Ok(Self::none());
        }
        if let Some(stripe) = settings.stripe() {
            let breaker = Breaker::new("stripe", ours.breaker.settings(), Arc::clone(clock));
            let provider: Arc<dyn PaymentProvider> = Arc::new(StripeProvider::try_new(stripe, breaker)?);
            return Ok(Self { providers: Providers::new(vec![provider]), sandbox: None });
        }
        let (sandbox, url, secret) = match (&ours.sandbox.url, &ours.sandbox.secret) {
            (Some(url), Some(secret)) => (None, url.clone(), secret.secret().clone()),
            (_, secret) => {
                let secret = match secret {
                    Some(secret) => secret.secret().clone(),
                    None => new_secret()?,
                };
                let webhook_url = settings.own_webhook_url(server);
                let started = settings.sandbox(webhook_url, secret.clone());
                let sandbox = Sandbox::start(started, Arc::clone(clock), Arc::clone(ids)).await;
                let sandbox = sandbox.context("payments (`payments.sandbox`)")?;
                let url = sandbox.url();
                (Some(sandbox), url, secret)
            }
        };
        let breaker = Breaker::new("sandbox", ours.breaker.settings(), Arc::clone(clock));
        let calls = CallSettings { url, secret, timeout: ours.timeout.std() };
        let provider: Arc<dyn PaymentProvider> = Arc::new(SandboxProvider::try_new(calls, breaker)?);
        Ok(Self { providers: Providers::new(vec![provider]), sandbox })
    }

    /// Where the sandbox of this instance is called.
    #[must_use]
    pub fn sandbox_url(&self) -> Option<String> {
        self.sandbox.as_ref().map(Sandbox::url)
    }

    /// Ends the sandbox, if it is one of our own. What it has not sent its journal keeps.
    pub async fn stop(self) {
        if let Some(sandbox) = self.sandbox {
            sandbox.stop().await;
        }
    }
}

/// The provider of the settings, for a command beside a server, which asks and moves nothing.
///
/// # Errors
/// If there is none that runs apart.
pub fn outside(settings: &Settings, clock: &Arc<dyn Clock>) -> anyhow::Result<Arc<dyn PaymentProvider>> {
    let ours = &settings.payments;
    if let Some(stripe) = settings.stripe() {
        let breaker = Breaker::new("stripe", ours.breaker.settings(), Arc::clone(clock));
        return Ok(Arc::new(StripeProvider::try_new(stripe, breaker)?));
    }
    match (ours.provider, &ours.sandbox.url, &ours.sandbox.secret) {
        (ProviderWord::Sandbox, Some(url), Some(secret)) => {
            let breaker = Breaker::new("sandbox", ours.breaker.settings(), Arc::clone(clock));
            let (url, secret) = (url.clone(), secret.secret().clone());
            let calls = CallSettings { url, secret, timeout: ours.timeout.std() };
            Ok(Arc::new(SandboxProvider::try_new(calls, breaker)?))
        }
        (ProviderWord::Sandbox, ..) => {
            bail!(
                "the sandbox that runs in a server is known to that server alone: set `payments.sandbox.url` to one apart"
            )
        }
        _ => bail!("nobody moves money here (`payments.provider`)"),
    }
}

/// Known to this process alone, until it ends.
fn new_secret() -> anyhow::Result<SecretString> {
    let secret = SystemRandom.secret()?;
    Ok(SecretString::from(secret.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}
