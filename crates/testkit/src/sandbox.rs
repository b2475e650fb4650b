//! A payment provider for each test.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use adapter_payment::{Behaviour, CallSettings, Sandbox, SandboxProvider, SandboxSettings};
use adapter_system::SystemIds;
use application::breaker::{Breaker, BreakerSettings};
use application::clock::Clock;
use secrecy::SecretString;

use crate::clock::TestClock;

/// What both sides of a test know.
const SECRET: &str = "sandbox secret of tests";

/// Starts one whose messages go to `webhook_url`.
///
/// # Panics
/// When it does not start.
pub async fn start(clock: &TestClock, webhook_url: &str, journal: Option<PathBuf>) -> Sandbox {
    start_at(([127, 0, 0, 1], 0).into(), clock, webhook_url, journal).await
}

/// Starts one that listens there.
///
/// # Panics
/// When it does not start.
pub async fn start_at(address: SocketAddr, clock: &TestClock, webhook_url: &str, journal: Option<PathBuf>) -> Sandbox {
    let settings = SandboxSettings {
        address,
        public_url: None,
        webhook_url: webhook_url.to_owned(),
        secret: SecretString::from(SECRET),
        journal,
        behaviour: Behaviour::default(),
    };
    Sandbox::start(settings, Arc::new(clock.clone()), Arc::new(SystemIds::default())).await.expect("a sandbox")
}

/// What speaks to the one at this URL.
///
/// # Panics
/// When there is no client.
#[must_use]
pub fn provider(clock: &TestClock, url: &str) -> SandboxProvider {
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let breaker = Breaker::new("sandbox", BreakerSettings::default(), clock);
    let (url, secret) = (url.to_owned(), SecretString::from(SECRET));
    SandboxProvider::try_new(CallSettings { url, secret, timeout: Duration::from_secs(2) }, breaker).expect("a client")
}
