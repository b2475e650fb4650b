//! `goticket sandbox`: the payment provider for trying things out, as a process of its own. It needs no database.

use std::process::ExitCode;
use std::sync::Arc;

use adapter_payment::Sandbox;
use adapter_system::{SystemClock, SystemIds};
use anyhow::{Context, bail};

use crate::config::Settings;
use crate::lifecycle::Signals;
use crate::output;

pub(super) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::take().context("the signals of the system cannot be taken")?;
    let ours = &settings.payments.sandbox;
    let Some(secret) = &ours.secret else {
        bail!("`payments.sandbox.secret` must be set, to the same as that of `goticket serve`");
    };
    let webhook_url = ours.webhook_url.clone();
    let webhook_url = webhook_url.unwrap_or_else(|| settings.webhook_url(&settings.http.public_url()));
    let sandbox = settings.sandbox(webhook_url.clone(), secret.secret().clone());
    let sandbox = Sandbox::start(sandbox, Arc::new(SystemClock), Arc::new(SystemIds::default())).await?;
    output::line(&format!("The sandbox is on {}; its messages go to {webhook_url}", sandbox.url()))?;
    signals.next().await;
    sandbox.stop().await;
    Ok(ExitCode::SUCCESS)
}
