//! The load and fault tool of GoTicket: it plays buyers over HTTP, kills what
//! can be killed, and ends with the books: every promise kept, nothing oversold.
//!
//! It knows the public contract of the server and its command line, and nothing
//! of its inside. To add a scenario: a file in `scenario/`, a line in `cli.rs`,
//! and, if it has a bar to reach, a line in `suite.rs`.

mod cli;
mod console;
mod load;
mod report;
mod scenario;
mod stage;
mod suite;
mod wire;
mod yardstick;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{SignalKind, signal};

use cli::{Cli, Command};
use console::Progress;
use report::Report;
use stage::{Bench, facts, memory};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let progress = Progress::new();
    let outcome = start(&cli, &progress);
    progress.finish();
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            progress.step(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn start(cli: &Cli, progress: &Progress) -> Result<bool> {
    memory::raise_open_files();
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let seed = cli.common.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        let bench = cli.common.bench(progress.clone(), seed)?;
        let mut terminated = signal(SignalKind::terminate())?;
        // dropping the run stops the processes that it started
        let outcome = tokio::select! {
            outcome = run(cli, &bench) => outcome,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
            _ = terminated.recv() => Err(anyhow::anyhow!("terminated")),
        };
        bench.clean().await;
        outcome
    })
}

async fn run(cli: &Cli, bench: &Bench) -> Result<bool> {
    let common = &cli.common;
    let facts = facts::gather(bench.server.as_deref(), bench.seed);
    let report = match &cli.command {
        Command::Short(short) => suite::short(bench, common, short, facts).await?,
        Command::Full(full) => suite::full(bench, common, full, facts).await?,
        scenario => {
            let mut section = cli::play(bench, common, scenario).await?;
            if let Some(url) = &common.ops_url {
                stage::metrics::note(url, &mut section).await.context("reading the metrics")?;
            }
            Report { facts, sections: vec![section], bars: Vec::new() }
        }
    };
    bench.progress.finish();
    report.publish(common.json.as_deref(), common.html.as_deref())?;
    Ok(report.is_clean())
}
