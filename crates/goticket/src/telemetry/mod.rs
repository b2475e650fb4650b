//! Logs and metrics of the process.

mod json;
mod metrics;
mod writer;

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub(crate) use metrics::Metrics;
pub(crate) use writer::LogWriter;

use crate::config::{LogFormat, Telemetry};

/// Starts the logs of a server, on standard output. What is still to be written is written when the writer is dropped.
///
/// # Errors
/// If the filter does not parse, or logs were started before.
pub(crate) fn log_as_server(settings: &Telemetry) -> anyhow::Result<LogWriter> {
    let writer = LogWriter::start(std::io::stdout()).context("the log writer cannot be started")?;
    start(settings, settings.filter()?, std::io::stdout().is_terminal(), writer.handle())?;
    log_panics();
    Ok(writer)
}

/// Panics are caught where they are met, and told there; where they came from is known only here.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        let message = panic.payload_as_str().unwrap_or("it did not say why");
        tracing::error!(place, "Panicked: {message}");
    }));
}

/// Starts the logs of a command that has something else to say on standard output: warnings alone, on standard error.
///
/// # Errors
/// If logs were started before.
pub(crate) fn log_as_command(settings: &Telemetry) -> anyhow::Result<()> {
    let text = Telemetry { log: "warn".to_owned(), log_format: LogFormat::Text };
    let told = settings.log != Telemetry::default().log;
    let chosen = if told { settings } else { &text };
    start(&text, chosen.filter()?, std::io::stderr().is_terminal(), std::io::stderr)
}

fn start<W>(
    settings: &Telemetry,
    filter: tracing_subscriber::EnvFilter,
    on_terminal: bool,
    writer: W,
) -> anyhow::Result<()>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let for_people = match settings.log_format {
        LogFormat::Auto => on_terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let started = if for_people {
        registry.with(layer.with_ansi(on_terminal).with_target(false)).try_init()
    } else {
        registry.with(layer.event_format(json::Json).fmt_fields(json::NoFields)).try_init()
    };
    started.context("the logs cannot be started")
}
