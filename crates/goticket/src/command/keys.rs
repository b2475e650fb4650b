//! `goticket keys rotate`: another signing key, without downtime. `goticket keys rewrap`: another master key.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::anyhow;
use application::identity::{Rewrap, Rewrapped};
use application::origin::Origin;

use super::open;
use super::user::told;
use crate::cli::Keys;
use crate::compose::sealer;
use crate::config::Settings;
use crate::output;

pub(super) async fn run(settings: Settings, command: Keys) -> anyhow::Result<ExitCode> {
    match command {
        Keys::Rotate => rotate(settings).await,
        Keys::Rewrap => rewrap(settings).await,
    }
}

async fn rewrap(settings: Settings) -> anyhow::Result<ExitCode> {
    let ground = open(&settings).await?;
    let values = Arc::new(ground.database.clone());
    let done = Rewrap { values, sealer: sealer(&settings)? }.run().await;
    ground.database.close().await;
    let Rewrapped { rewrapped, current, unopened } = done.map_err(|error| anyhow!(told(&error)))?;
    output::line(&format!("{rewrapped} secrets are sealed by the present master key now, {current} were before."))?;
    if unopened == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&format!("{unopened} are opened by neither `secrets.master_key` nor `secrets.previous_master_key`."))?;
    Ok(ExitCode::FAILURE)
}

async fn rotate(settings: Settings) -> anyhow::Result<ExitCode> {
    let ground = open(&settings).await?;
    let identity = ground.identity(&settings).await?;
    let made = identity.rotate_signing_keys(&Origin::system("command line")).await;
    ground.database.close().await;
    let key = made.map_err(|error| anyhow!(told(&error)))?;
    output::line(&format!("Access tokens are signed by the new key {key} from now on."))?;
    output::line(
        "Servers that run learn of it by themselves, and the old keys verify until their last token has expired.",
    )?;
    Ok(ExitCode::SUCCESS)
}
