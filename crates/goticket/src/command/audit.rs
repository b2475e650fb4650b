//! `goticket audit verify`: the audit log, recomputed from its rows.

use std::process::ExitCode;
use std::sync::Arc;

use adapter_system::Ed25519Signer;
use anyhow::anyhow;
use application::audit::{AuditReport, VerifyAudit};

use super::user::told;
use crate::cli::{Audit, KeptCheckpoint, VerifyAudit as Arguments};
use crate::compose::{Ground, sealer};
use crate::config::Settings;
use crate::output;

pub(super) async fn run(settings: Settings, command: Audit) -> anyhow::Result<ExitCode> {
    let Audit::Verify(Arguments { kept }) = command;
    let ground = Ground::open(&settings, false).await?;
    let verification = VerifyAudit {
        trails: Arc::new(ground.database.clone()),
        signer: Arc::new(Ed25519Signer),
        sealer: sealer(&settings)?,
    };
    let report = verification.verify(kept.map(|KeptCheckpoint { number, digest }| (number, digest))).await;
    ground.database.close().await;
    let report = report.map_err(|error| anyhow!(told(&error)))?;
    tell(&report)?;
    if report.findings.is_empty() {
        output::line("Every line is as it was sealed.")?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&format!("{} findings.", report.findings.len()))?;
    Ok(ExitCode::FAILURE)
}

fn tell(report: &AuditReport) -> anyhow::Result<()> {
    let AuditReport { lines, unsealed, blocks, chains, checkpoints, erased, .. } = report;
    output::line(&format!(
        "Looked at {lines} lines ({unsealed} not sealed yet, {erased} with erased personal fields), {blocks} blocks, \
         {chains} chains, {checkpoints} checkpoints."
    ))?;
    if let Some((number, digest)) = report.newest {
        output::line(&format!("The newest checkpoint is {}.", KeptCheckpoint { number, digest }))?;
    }
    for finding in &report.findings {
        let whose = finding.organizer.map_or_else(|| "platform".to_owned(), |organizer| organizer.to_string());
        output::line(&format!("{}: {whose}: {}", finding.what, finding.detail))?;
    }
    Ok(())
}
