//! The server's executable with the settings of one run.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use tokio::time::timeout;

use super::server::Server;
use crate::wire::Target;

const COMMAND_TIMEOUT: Duration = Duration::from_secs(300);

/// `goticket` with its environment.
#[derive(Debug)]
pub(crate) struct Program {
    binary: PathBuf,
    env: Vec<(String, String)>,
    dir: PathBuf,
}

impl Program {
    /// The program at `binary`, with these settings and logs in `dir`.
    pub(crate) fn new(binary: PathBuf, env: Vec<(String, String)>, dir: PathBuf) -> Self {
        Self { binary, env, dir }
    }

    /// Its path.
    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// Runs a command of it to its end and answers what it printed.
    ///
    /// # Errors
    /// If it fails, with the end of what it said.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Result<String> {
        let (ok, printed, said) = self.output(arguments).await?;
        if !ok {
            bail!("`goticket {}` failed: {}", arguments.join(" "), tail(&format!("{printed}{said}")));
        }
        Ok(printed)
    }

    /// Has every invariant recomputed; `None` is clean.
    ///
    /// # Errors
    /// If the command cannot be run.
    pub(crate) async fn verify(&self) -> Result<Option<String>> {
        let (ok, printed, said) = self.output(&["verify"]).await?;
        Ok((!ok).then(|| tail(&format!("{printed}{said}"))))
    }

    /// Starts a server at these addresses and waits until it is ready.
    ///
    /// # Errors
    /// If it does not get ready.
    pub(crate) async fn serve_at(&self, index: usize, http: Target, ops: Target) -> Result<Server> {
        let log = self.dir.join(format!("server-{index}.log"));
        let mut command = self.logged("serve", &log)?;
        command.env("GOTICKET_HTTP__ADDRESS", http.to_string()).env("GOTICKET_OPS__ADDRESS", ops.to_string());
        if index > 0 {
            // As on a machine of its own: it has a folder of its own, whose sandbox keeps books that no other writes, and the
            // first one's master key.
            let data = self.dir.join(format!("data-{index}"));
            std::fs::create_dir_all(&data)?;
            command
                .env("GOTICKET_DATA_DIR", data)
                .env("GOTICKET_SECRETS__MASTER_KEY_FILE", self.dir.join("master.key"));
        }
        Server::start(command, http, ops, log).await
    }

    /// `goticket sandbox`, to be started.
    ///
    /// # Errors
    /// If its log cannot be written.
    pub(super) fn sandbox(&self) -> Result<Command> {
        self.logged("sandbox", &self.dir.join("sandbox.log"))
    }

    /// A command of it whose words are appended to a log.
    fn logged(&self, argument: &str, log: &Path) -> Result<Command> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = self.command(&[argument]);
        command.stdout(file.try_clone()?).stderr(file);
        Ok(command)
    }

    async fn output(&self, arguments: &[&str]) -> Result<(bool, String, String)> {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = timeout(COMMAND_TIMEOUT, command.output())
            .await
            .with_context(|| format!("`goticket {}` takes too long", arguments.join(" ")))?
            .with_context(|| format!("running {}", self.binary.display()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.success(), text(&output.stdout), text(&output.stderr)))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(&self.dir).stdin(Stdio::null()).kill_on_drop(true);
        // settings of the user's own instance must not leak into the measured one
        #[expect(clippy::disallowed_methods, reason = "they are read to be taken away, not to be used")]
        let inherited = std::env::vars();
        for (name, _) in inherited.filter(|(name, _)| name.starts_with("GOTICKET_")) {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// The last lines of a text.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
