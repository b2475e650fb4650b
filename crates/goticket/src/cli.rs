//! The words of the command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use chrono::{DateTime, Utc};
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
    /// Manage the keys that sign access tokens, and the master key
    #[command(subcommand)]
    Keys(Keys),
    /// Look at the audit log
    #[command(subcommand)]
    Audit(Audit),
    /// Fill an instance that is marked as a demo
    #[command(subcommand)]
    Demo(Demo),
    /// Recompute every invariant of stock, money and tickets from the rows; exit code 1 if anything differs
    Verify,
    /// Compare the books of the payment provider with the payments and refunds here; reads alone; exit code 1 if they differ
    Reconcile(Reconcile),
    /// Print what payment providers have told, as it came: a JSON object for each message
    Messages(Messages),
    /// Run the payment provider for trying things out, apart from the server
    Sandbox,
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
    /// Give an account another role that has verified its address. Beside a running server
    SetRole(SetRole),
    /// Take the second factor of an account away whose owner has lost it, and end its sessions. Beside a running server
    ResetSecondFactor(ResetSecondFactor),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Sign by a new key from now on; the old ones verify until their last token has expired. Beside a running server
    Rotate,
    /// Seal by the present master key what was sealed by the one before (`secrets.previous_master_key`). Beside running
    /// servers that know both; exit code 1 if something does not open
    Rewrap,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Recompute the hash chains from the rows; exit code 1 if a line was changed, removed, reordered or put in, or the
    /// end of a chain was cut off. Beside a running server
    Verify(VerifyAudit),
}

#[derive(Debug, Args)]
pub(crate) struct VerifyAudit {
    /// A checkpoint that was kept elsewhere, as the log and this command tell of it: the database must have it
    #[arg(long, value_name = "NUMBER:DIGEST")]
    pub(crate) kept: Option<KeptCheckpoint>,
}

/// A checkpoint as it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeptCheckpoint {
    pub(crate) number: u64,
    pub(crate) digest: [u8; 32],
}

impl FromStr for KeptCheckpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "must be a number, a colon, and 64 hexadecimal digits";
        let (number, hex) = text.split_once(':').ok_or(wrong)?;
        let number = number.parse().map_err(|_| wrong)?;
        if hex.len() != 64 || !hex.is_ascii() {
            return Err(wrong);
        }
        let mut digest = [0; 32];
        for (at, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).map_err(|_| wrong)?;
        }
        Ok(Self { number, digest })
    }
}

impl fmt::Display for KeptCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.number)?;
        self.digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
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

#[derive(Debug, Args)]
pub(crate) struct SetRole {
    /// The e-mail address of the account
    #[arg(long)]
    pub(crate) email: String,

    /// What it may do from now on
    #[arg(long, value_enum)]
    pub(crate) role: RoleWord,
}

#[derive(Debug, Args)]
pub(crate) struct ResetSecondFactor {
    /// The e-mail address of the account
    #[arg(long)]
    pub(crate) email: String,
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
pub(crate) struct Reconcile {
    /// Not before then, like 2030-11-21T00:00:00Z; a day before the end by default
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<DateTime<Utc>>,

    /// Before then; 15 minutes ago by default, since what is younger may be on its way
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<DateTime<Utc>>,

    /// How differences are printed: a line each, or a JSON object each and one with a summary at the end
    #[arg(long, value_enum, default_value_t = FormatWord::Text)]
    pub(crate) format: FormatWord,
}

#[derive(Debug, Args)]
pub(crate) struct Messages {
    /// Of this provider alone
    #[arg(long)]
    pub(crate) provider: Option<String>,

    /// With this in its text alone, like the id of a message or of a payment
    #[arg(long, value_name = "TEXT")]
    pub(crate) containing: Option<String>,

    /// Not before then, like 2030-11-21T00:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<DateTime<Utc>>,

    /// Before then
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<DateTime<Utc>>,
}

/// How something is printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FormatWord {
    /// For people
    Text,
    /// For programs: JSON Lines
    Json,
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
