//! The words of the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use domain::identity::Role;

/// Event ticketing that does not break at the rush
///
/// Every setting has a default: `goticket serve` needs no flag and no file. Settings come from a TOML file and, over it,
/// from environment variables like GOTICKET_HTTP__ADDRESS; `goticket config show` prints what is in force.
#[derive(Debug, Parser)]
#[command(name = "goticket", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// The configuration file
    #[arg(long, global = true, env = "GOTICKET_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve
    Serve(Serve),
    /// Bring the schema of the database to the newest version
    Migrate,
    /// Manage accounts
    #[command(subcommand)]
    User(User),
    /// Manage the keys that sign access tokens
    #[command(subcommand)]
    Keys(Keys),
    /// Fill an instance that is marked as a demo
    #[command(subcommand)]
    Demo(Demo),
    /// Recompute every invariant of stock from the rows; exit code 1 if anything differs
    Verify,
    /// Print the OpenAPI document
    Openapi,
    /// Look at the configuration
    #[command(subcommand)]
    Config(Config),
    /// Ask a running server whether it is ready; exit code 1 if not
    Healthcheck(Healthcheck),
    /// Print completions for a shell
    Completions {
        /// For which shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Which parts of the program run; only `all` at present
    #[arg(long, value_delimiter = ',', default_value = "all")]
    pub(crate) roles: Vec<String>,

    /// Mark the instance as a demo, and make an organizer with a few events
    #[arg(long)]
    pub(crate) demo: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Make an account
    Create(CreateUser),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Sign by a new key from now on; the old ones verify until their last token has expired. Beside a running server
    Rotate,
}

#[derive(Debug, Args)]
pub(crate) struct CreateUser {
    /// Its e-mail address
    #[arg(long)]
    pub(crate) email: String,

    /// What it may do
    #[arg(long, value_enum, default_value_t = RoleWord::User)]
    pub(crate) role: RoleWord,

    /// Its name
    #[arg(long)]
    pub(crate) name: Option<String>,

    /// Read the password from the first line of standard input: arguments are seen by everybody on the machine
    #[arg(long, required = true)]
    pub(crate) password_stdin: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Demo {
    /// Make an organizer with a few events, where they are not there yet
    Seed,
    /// Make accounts that nobody can sign in to, and print an access token for each, one JSON object a line
    Tokens(Tokens),
}

#[derive(Debug, Args)]
pub(crate) struct Tokens {
    /// How many
    #[arg(long)]
    pub(crate) count: usize,

    /// What they may do
    #[arg(long, value_enum, default_value_t = RoleWord::User)]
    pub(crate) role: RoleWord,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Check it, and say nothing but that it is valid
    Check,
    /// Print what is in force, with secrets masked
    Show,
}

#[derive(Debug, Args)]
pub(crate) struct Healthcheck {
    /// Ask only whether the process runs
    #[arg(long)]
    pub(crate) liveness: bool,
}

/// A role as it is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RoleWord {
    /// Buys
    User,
    /// Sells
    Organizer,
    /// Runs the platform
    Admin,
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::User => Self::User,
            RoleWord::Organizer => Self::Organizer,
            RoleWord::Admin => Self::Admin,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }
}
