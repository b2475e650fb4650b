//! The command line.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};

use crate::console::Progress;
use crate::report::Section;
use crate::scenario::browse::Browse;
use crate::scenario::cancel_event::CancelEvent;
use crate::scenario::checkout::Checkout;
use crate::scenario::crash::Crash;
use crate::scenario::credential_stuffing::CredentialStuffing;
use crate::scenario::door::Door;
use crate::scenario::fates::Fates;
use crate::scenario::hot_event::HotEvent;
use crate::scenario::idle::Idle;
use crate::scenario::lists::Lists;
use crate::scenario::login_storm::LoginStorm;
use crate::scenario::overload::Overload;
use crate::scenario::print::Print;
use crate::scenario::race::Race;
use crate::scenario::sold_out::SoldOut;
use crate::scenario::steps::Steps;
use crate::scenario::{
    browse, cancel_event, checkout, crash, credential_stuffing, door, fates, hot_event, idle, lists, login_storm,
    overload, print, race, sold_out, steps,
};
use crate::stage::{Bench, Engine, Ground};
use crate::suite::{Full, Short};
use crate::wire::Target;
use crate::yardstick::{self, Yardstick};

/// Plays buyers against GoTicket, breaks things on purpose, and checks that
/// nothing was oversold and nothing lost.
///
/// Every scenario runs against a server of this machine that is running already
/// (--url, --tokens), or starts what it needs and stops it again (--start).
#[derive(Debug, Parser)]
#[command(name = "drill", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What every scenario understands.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Start the servers that are needed, on this database, and stop them again
    #[arg(long, global = true, value_enum, conflicts_with = "url")]
    pub(crate) start: Option<Engine>,
    /// A running server on this machine; several with commas between
    #[arg(long, global = true, value_delimiter = ',')]
    pub(crate) url: Vec<String>,
    /// Its operations address, whose metrics are noted at the end
    #[arg(long, global = true)]
    pub(crate) ops_url: Option<String>,
    /// What `goticket demo tokens` printed, for users and for an organizer
    #[arg(long, global = true)]
    pub(crate) tokens: Option<PathBuf>,
    /// The server's binary; else the one beside this program
    #[arg(long, global = true)]
    pub(crate) server: Option<PathBuf>,
    /// A setting for the servers that are started, e.g. GOTICKET_DESK__COMMITTERS=2
    #[arg(long, global = true, value_name = "NAME=VALUE")]
    pub(crate) server_env: Vec<String>,
    /// A PostgreSQL on this machine whose user may create databases; else one is started
    #[arg(long, global = true, env = "GOTICKET_TEST_POSTGRES_URL", hide_env_values = true)]
    pub(crate) postgres: Option<String>,
    /// How many different buyers there are
    #[arg(long, global = true, default_value_t = 10_000)]
    pub(crate) buyers: usize,
    /// Makes the random choices of a run repeatable
    #[arg(long, global = true)]
    pub(crate) seed: Option<u64>,
    /// Write the result as JSON
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the result as one HTML page with plots
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// What can be played.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    HotEvent(HotEvent),
    Race(Race),
    SoldOut(SoldOut),
    Browse(Browse),
    Checkout(Checkout),
    Fates(Fates),
    Steps(Steps),
    CancelEvent(CancelEvent),
    Door(Door),
    Print(Print),
    Overload(Overload),
    Lists(Lists),
    Crash(Crash),
    LoginStorm(LoginStorm),
    CredentialStuffing(CredentialStuffing),
    Idle(Idle),
    /// PostgreSQL alone: one transaction a booking, all on one row
    Naive(Yardstick),
    /// PostgreSQL alone: plain inserts in sets
    Inserts(Yardstick),
    Short(Short),
    Full(Full),
}

impl Common {
    /// Where the servers come from.
    ///
    /// # Errors
    /// If that was not said, or is not on this machine.
    pub(crate) fn ground(&self) -> Result<Ground> {
        if let Some(engine) = self.start {
            return Ok(Ground::Start(engine));
        }
        if self.url.is_empty() {
            bail!(
                "say where the server is (--url and --tokens), or that one is to be started (--start sqlite, --start postgres)"
            );
        }
        let Some(tokens) = self.tokens.clone() else {
            bail!("--url needs --tokens FILE, as printed by `goticket demo tokens` for users and for an organizer");
        };
        let urls = self.url.iter().map(|url| Target::parse(url)).collect::<Result<_>>()?;
        Ok(Ground::Running { urls, tokens })
    }

    /// The bench of a run with these options.
    ///
    /// # Errors
    /// If a setting for the servers is not `NAME=VALUE`.
    pub(crate) fn bench(&self, progress: Progress, seed: u64) -> Result<Bench> {
        Ok(Bench::new(progress, seed, self.buyers, self.server_binary(), self.settings()?, self.postgres.clone()))
    }

    fn settings(&self) -> Result<Vec<(String, String)>> {
        let pairs = self.server_env.iter().map(|setting| match setting.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => bail!("`{setting}` is not NAME=VALUE"),
        });
        pairs.collect()
    }

    /// The server's binary: as given, or beside this program.
    fn server_binary(&self) -> Option<PathBuf> {
        let beside = || Some(std::env::current_exe().ok()?.with_file_name("goticket")).filter(|path| path.is_file());
        // relative paths would be lost: servers run in a folder of their own
        self.server.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())).or_else(beside)
    }
}

/// Plays one scenario.
///
/// # Errors
/// If it cannot be played at all; what went wrong in it is in its section.
pub(crate) async fn play(bench: &Bench, common: &Common, command: &Command) -> Result<Section> {
    match command {
        Command::HotEvent(options) => Box::pin(hot_event::run(bench, &common.ground()?, options)).await,
        Command::Race(options) => Box::pin(race::run(bench, &common.ground()?, options)).await,
        Command::SoldOut(options) => Box::pin(sold_out::run(bench, &common.ground()?, options)).await,
        Command::Browse(options) => Box::pin(browse::run(bench, &common.ground()?, options)).await,
        Command::Checkout(options) => Box::pin(checkout::run(bench, &common.ground()?, options)).await,
        Command::Print(options) => Box::pin(print::run(bench, &common.ground()?, options)).await,
        Command::Fates(options) => Box::pin(fates::run(bench, &common.ground()?, options)).await,
        Command::Steps(options) => Box::pin(steps::run(bench, &common.ground()?, options)).await,
        Command::CancelEvent(options) => Box::pin(cancel_event::run(bench, &common.ground()?, options)).await,
        Command::Door(options) => Box::pin(door::run(bench, &common.ground()?, options)).await,
        Command::Overload(options) => Box::pin(overload::run(bench, &common.ground()?, options)).await,
        Command::Lists(options) => Box::pin(lists::run(bench, &common.ground()?, options)).await,
        Command::Crash(options) => Box::pin(crash::run(bench, &common.ground()?, options)).await,
        Command::LoginStorm(options) => Box::pin(login_storm::run(bench, &common.ground()?, options)).await,
        Command::CredentialStuffing(options) => {
            Box::pin(credential_stuffing::run(bench, &common.ground()?, options)).await
        }
        Command::Idle(options) => Box::pin(idle::run(bench, &common.ground()?, options)).await,
        Command::Naive(options) => yardstick::naive(bench, options).await,
        Command::Inserts(options) => yardstick::inserts(bench, options).await,
        Command::Short(_) | Command::Full(_) => bail!("a suite is no scenario"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_server_is_named_or_started_but_not_both() {
        let ground = |line: &str| Cli::try_parse_from(line.split(' ')).map(|cli| cli.common.ground());
        assert!(matches!(ground("drill hot-event --start sqlite").unwrap().unwrap(), Ground::Start(Engine::Sqlite)));
        assert!(ground("drill hot-event").unwrap().is_err());
        assert!(ground("drill hot-event --url http://127.0.0.1:1").unwrap().is_err());
        assert!(ground("drill hot-event --url http://192.0.2.1:1 --tokens t").unwrap().is_err());
        assert!(ground("drill hot-event --url http://127.0.0.1:1 --start sqlite").is_err());
    }
}
