//! `goticket openapi`: the document that the server serves.

use std::process::ExitCode;

use crate::output;

pub(super) fn run() -> anyhow::Result<ExitCode> {
    output::line(&api_rest::openapi().to_pretty_json()?)?;
    Ok(ExitCode::SUCCESS)
}
