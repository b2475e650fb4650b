//! The GoTicket program: configuration, composition, the server loop, telemetry and the command line.
//!
//! This crate is the only one that knows all others. It decides nothing about tickets: it reads the settings
//! ([`config`]), puts adapters and use cases together ([`compose`]), listens ([`server`]), and stops softly.
//!
//! To add a command: its words in `cli`, a file in `command`, its arm in `command::run`.

pub mod cashier;
mod cli;
mod command;
pub mod compose;
pub mod config;
mod lifecycle;
mod output;
pub mod server;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    // First of all, since nobody else does it, and whoever needs TLS first would panic.
    // It fails only where a provider is installed already, and then there is nothing to do.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match command::run(cli::Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            output::failure(&error);
            ExitCode::FAILURE
        }
    }
}
