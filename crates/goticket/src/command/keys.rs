//! `goticket keys rotate`: another signing key, without downtime.

use std::process::ExitCode;

use anyhow::anyhow;
use application::origin::Origin;

use super::open;
use super::user::told;
use crate::cli::Keys;
use crate::config::Settings;
use crate::output;

pub(super) async fn run(settings: Settings, command: Keys) -> anyhow::Result<ExitCode> {
    let Keys::Rotate = command;
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
