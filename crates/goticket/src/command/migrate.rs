//! `goticket migrate`: for those who want it apart from the start of a server.

use std::process::ExitCode;

use anyhow::Context;

use crate::compose::Ground;
use crate::config::Settings;
use crate::output;

pub(super) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let ground = Ground::open(&settings, false).await?;
    ground.database.migrate().await.context("the schema of the database cannot be brought to its newest version")?;
    ground.database.close().await;
    output::line("The schema of the database is the newest.")?;
    Ok(ExitCode::SUCCESS)
}
