//! The commands, one file each.

mod audit;
mod config;
mod demo;
mod healthcheck;
mod keys;
mod messages;
mod migrate;
mod openapi;
mod reconcile;
mod sandbox;
mod serve;
mod user;
mod verify;

use std::future::Future;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;

use crate::cli::{Cli, Command};
use crate::compose::Ground;
use crate::config::{ConfigError, Settings};
use crate::{output, telemetry};

/// Runs a command.
///
/// # Errors
/// Whatever it failed at.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let load = || Settings::load(cli.config.as_deref());
    match cli.command {
        Command::Serve(arguments) => serve::run(load()?, &arguments),
        Command::Migrate => briefly(load, migrate::run),
        Command::User(command) => briefly(load, |settings| user::run(settings, command)),
        Command::Keys(command) => briefly(load, |settings| keys::run(settings, command)),
        Command::Audit(command) => briefly(load, |settings| audit::run(settings, command)),
        Command::Demo(command) => briefly(load, |settings| demo::run(settings, command)),
        Command::Verify => briefly(load, verify::run),
        Command::Reconcile(arguments) => briefly(load, |settings| reconcile::run(settings, arguments)),
        Command::Messages(arguments) => briefly(load, |settings| messages::run(settings, arguments)),
        Command::Sandbox => briefly(load, sandbox::run),
        Command::Openapi => openapi::run(),
        Command::Config(command) => config::run(&load()?, &command, cli.config.as_deref()),
        Command::Healthcheck(arguments) => briefly(load, |settings| healthcheck::run(settings, arguments)),
        Command::Completions { shell } => completions(shell),
    }
}

/// Runs a command that ends by itself, on a small runtime.
fn briefly<F>(
    load: impl FnOnce() -> Result<Settings, ConfigError>,
    command: impl FnOnce(Settings) -> F,
) -> anyhow::Result<ExitCode>
where
    F: Future<Output = anyhow::Result<ExitCode>>,
{
    let settings = load()?;
    telemetry::log_as_command(&settings.telemetry)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.context("the runtime cannot be started")?.block_on(Box::pin(command(settings)))
}

fn completions(shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "goticket", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

/// Opens the database beside a server that may run on it, with its schema as the settings want it.
async fn open(settings: &Settings) -> anyhow::Result<Ground> {
    let ground = Ground::open(settings, false).await?;
    ground.migrate(settings).await?;
    Ok(ground)
}

/// How the configuration file is called in texts.
fn named(file: Option<&Path>) -> String {
    file.map_or_else(|| "no file".to_owned(), |file| file.display().to_string())
}
