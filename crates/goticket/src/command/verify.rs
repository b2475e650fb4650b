//! `goticket verify`: every invariant, recomputed from the rows.

use std::process::ExitCode;

use anyhow::Context;
use application::verify::Verifier;

use crate::compose::Ground;
use crate::config::Settings;
use crate::output;

pub(super) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let ground = Ground::open(&settings, false).await?;
    let report = ground.database.verify().await.context("the database cannot be verified")?;
    ground.database.close().await;
    let looked_at: Vec<String> = report.looked_at.iter().map(|(what, count)| format!("{count} {what}")).collect();
    output::line(&format!("Looked at {}.", looked_at.join(", ")))?;
    for difference in &report.differences {
        output::line(&format!("{}: {}", difference.invariant, difference.detail))?;
    }
    if report.differences.is_empty() {
        output::line("Every invariant holds.")?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&format!("{} differences.", report.differences.len()))?;
    Ok(ExitCode::FAILURE)
}
