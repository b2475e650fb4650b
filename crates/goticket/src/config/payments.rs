//! Section `payments`: who moves the money.

use std::net::SocketAddr;
use std::path::PathBuf;

use adapter_oauth::is_sound_url;
use adapter_payment::{Behaviour, SandboxSettings, StripeSettings};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::error::{Wrong, check_range};
use super::{Breaker, HumanDuration, Secret, Settings, reachable};

/// Payments.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct Payments {
    /// Who moves the money.
    pub provider: ProviderWord,
    /// How long one call to it may take.
    pub timeout: HumanDuration,
    /// When one that does not answer is left alone.
    pub breaker: Breaker,
    /// The provider for trying things out.
    pub sandbox: SandboxPayments,
    /// Real money by Stripe.
    pub stripe: StripePayments,
}

/// A payment provider.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderWord {
    /// For trying things out; its money is make believe.
    Sandbox,
    /// Stripe.
    Stripe,
    /// Nobody: organizers take the money outside, and confirm bookings themselves.
    None,
}

/// The sandbox: in the process of `serve`, or apart as `goticket sandbox`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct SandboxPayments {
    /// Where one runs apart. Without it `serve` starts its own.
    pub url: Option<String>,
    /// Where it listens; port 0 is any that is free.
    pub address: SocketAddr,
    /// Where browsers find its pages; the address by default.
    pub public_url: Option<String>,
    /// Where `goticket sandbox` sends its messages. That of `serve` sends them to `serve`.
    pub webhook_url: Option<String>,
    /// What both sides know. One that `serve` starts needs none.
    pub secret: Option<Secret>,
}

/// Stripe.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct StripePayments {
    /// The secret key, or a restricted one: `sk_…`, `rk_…`.
    pub secret_key: Option<Secret>,
    /// What signs its messages to `/api/v1/webhooks/stripe`: `whsec_…`.
    pub webhook_secret: Option<Secret>,
    /// Where its API is.
    pub base_url: String,
    /// Where buyers come back to from its pages; `http.public_url` by default.
    pub return_url: Option<String>,
}

impl Default for StripePayments {
    fn default() -> Self {
        let base_url = "https://api.stripe.com".to_owned();
        Self { secret_key: None, webhook_secret: None, base_url, return_url: None }
    }
}

impl Default for Payments {
    fn default() -> Self {
        Self {
            provider: ProviderWord::Sandbox,
            timeout: HumanDuration::from_secs(5),
            breaker: Breaker::default(),
            sandbox: SandboxPayments::default(),
            stripe: StripePayments::default(),
        }
    }
}

impl Default for SandboxPayments {
    fn default() -> Self {
        Self {
            url: None,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            public_url: None,
            webhook_url: None,
            secret: None,
        }
    }
}

impl Payments {
    pub(super) fn validate(&self) -> Result<(), Wrong> {
        let timeouts = HumanDuration::from_millis(100)..=HumanDuration::from_secs(20);
        check_range("payments.timeout", &self.timeout, timeouts)?;
        self.breaker.validate("payments.breaker.failures", "payments.breaker.open_for")?;
        self.sandbox.validate()?;
        self.stripe.validate(self.provider == ProviderWord::Stripe)?;
        if self.provider == ProviderWord::Stripe && self.sandbox.url.is_some() {
            return Err(Wrong::new("payments.sandbox.url", "is for `provider = \"sandbox\"`: one moves the money"));
        }
        Ok(())
    }
}

impl StripePayments {
    fn validate(&self, is_chosen: bool) -> Result<(), Wrong> {
        let secrets: [(_, &Option<Secret>, &[&str], _); 2] = [
            ("payments.stripe.secret_key", &self.secret_key, &["sk_", "rk_"], "must begin with sk_ or rk_"),
            ("payments.stripe.webhook_secret", &self.webhook_secret, &["whsec_"], "must begin with whsec_"),
        ];
        for (key, secret, begins, told) in secrets {
            match secret {
                None if is_chosen => return Err(Wrong::new(key, "must be set where `provider` is \"stripe\"")),
                // What looks set and is not used would let somebody believe that he is paid.
                Some(_) if !is_chosen => return Err(Wrong::new(key, "is for `provider = \"stripe\"`")),
                Some(secret) if !is_key(secret.secret(), begins) => return Err(Wrong::new(key, told)),
                _ => {}
            }
        }
        for (key, url) in [
            ("payments.stripe.base_url", Some(&self.base_url)),
            ("payments.stripe.return_url", self.return_url.as_ref()),
        ] {
            if url.is_some_and(|url| !is_sound_url(url) || url.ends_with('/')) {
                return Err(Wrong::new(
                    key,
                    "must begin with https://, or http:// on this machine, and not end with /",
                ));
            }
        }
        Ok(())
    }
}

/// It goes into a header.
fn is_key(secret: &SecretString, begins: &[&str]) -> bool {
    let text = secret.expose_secret();
    let has_begin = begins.iter().any(|begin| text.len() >= begin.len() + 8 && text.starts_with(begin));
    has_begin && text.len() <= 255 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl SandboxPayments {
    fn validate(&self) -> Result<(), Wrong> {
        for (key, url) in [
            ("payments.sandbox.url", &self.url),
            ("payments.sandbox.public_url", &self.public_url),
            ("payments.sandbox.webhook_url", &self.webhook_url),
        ] {
            if url.as_ref().is_some_and(|url| !is_sound_url(url) || url.ends_with('/')) {
                return Err(Wrong::new(
                    key,
                    "must begin with https://, or http:// on this machine, and not end with /",
                ));
            }
        }
        match &self.secret {
            None if self.url.is_some() => Err(Wrong::new("payments.sandbox.secret", "must be set where `url` is")),
            Some(secret) if !is_strong(secret.secret()) => {
                Err(Wrong::new("payments.sandbox.secret", "must have at least 16 printable characters of ASCII"))
            }
            _ => Ok(()),
        }
    }
}

/// It goes into a header.
fn is_strong(secret: &SecretString) -> bool {
    let text = secret.expose_secret();
    (16..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl Settings {
    /// How a sandbox runs whose messages go to `webhook_url`.
    #[must_use]
    pub fn sandbox(&self, webhook_url: String, secret: SecretString) -> SandboxSettings {
        SandboxSettings {
            address: self.payments.sandbox.address,
            public_url: self.payments.sandbox.public_url.clone(),
            webhook_url,
            secret,
            journal: Some(self.sandbox_journal()),
            behaviour: Behaviour::default(),
        }
    }

    /// Who we are at Stripe, where it is chosen.
    #[must_use]
    pub fn stripe(&self) -> Option<StripeSettings> {
        let StripePayments { secret_key, webhook_secret, base_url, return_url } = &self.payments.stripe;
        (self.payments.provider == ProviderWord::Stripe).then_some(())?;
        Some(StripeSettings {
            base_url: base_url.clone(),
            secret_key: secret_key.as_ref()?.secret().clone(),
            webhook_secret: webhook_secret.as_ref()?.secret().clone(),
            return_url: return_url.clone().unwrap_or_else(|| self.http.public_url()),
            timeout: self.payments.timeout.std(),
        })
    }

    /// Where messages of the sandbox are taken by the server at this URL.
    #[must_use]
    pub fn webhook_url(&self, server: &str) -> String {
        format!("{server}/api/v1/webhooks/sandbox")
    }

    /// The same for a sandbox in the process of the server that listens there: past every proxy, unless that speaks TLS,
    /// where only its public name has a certificate.
    #[must_use]
    pub fn own_webhook_url(&self, server: SocketAddr) -> String {
        let near = format!("http://{}", reachable(server));
        let near = if self.http.tls_files().is_some() { self.http.public_url() } else { near };
        self.payments.sandbox.webhook_url.clone().unwrap_or_else(|| self.webhook_url(&near))
    }

    /// Where the sandbox keeps its books.
    #[must_use]
    pub fn sandbox_journal(&self) -> PathBuf {
        self.data_dir.join("sandbox.jsonl")
    }
}
