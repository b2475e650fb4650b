//! `goticket config check` and `goticket config show`.

use std::path::Path;
use std::process::ExitCode;

use super::named;
use crate::cli::Config;
use crate::config::Settings;
use crate::output;

pub(super) fn run(settings: &Settings, command: &Config, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    match command {
        Config::Check => output::line(&format!("The configuration is valid ({} and the environment).", named(file)))?,
        Config::Show => output::print(&settings.masked()?)?,
    }
    Ok(ExitCode::SUCCESS)
}
