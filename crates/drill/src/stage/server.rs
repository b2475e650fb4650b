//! A server process that the drill started.

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::program::tail;
use crate::wire::{Connection, Target, Template};

const READY_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A running server; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pid: u32,
    http: Target,
    ops: Target,
    log: PathBuf,
    ready_in: Duration,
}

impl Server {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// If it ends or does not get ready; with the end of its log.
    pub(crate) async fn start(mut command: Command, http: Target, ops: Target, log: PathBuf) -> Result<Self> {
        let started = Instant::now();
        let child = command.spawn().context("starting the server")?;
        let pid = child.id().context("the server has no process id")?;
        let mut server = Self { child, pid, http, ops, log, ready_in: Duration::ZERO };
        while !is_ready(http).await {
            if let Some(status) = server.child.try_wait()? {
                bail!("the server ended with {status}:\n{}", server.log_tail());
            }
            if started.elapsed() > READY_TIMEOUT {
                bail!("the server is not ready after {READY_TIMEOUT:?}:\n{}", server.log_tail());
            }
            sleep(Duration::from_millis(2)).await;
        }
        server.ready_in = started.elapsed();
        Ok(server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn http(&self) -> Target {
        self.http
    }

    pub(crate) fn ops(&self) -> Target {
        self.ops
    }

    /// From the start of the process to the first 200 of `/readiness`.
    pub(crate) fn ready_in(&self) -> Duration {
        self.ready_in
    }

    /// Kills it with SIGKILL.
    ///
    /// # Errors
    /// If there is nothing to kill.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("killing the server")
    }

    /// Freezes it (SIGSTOP).
    ///
    /// # Errors
    /// If there is no such process.
    pub(crate) fn pause(&self) -> Result<()> {
        signal(self.pid, Signal::STOP)
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// If there is no such process.
    pub(crate) fn resume(&self) -> Result<()> {
        signal(self.pid, Signal::CONT)
    }

    /// Stops it softly (SIGTERM); a complaint if it had to be killed or failed.
    ///
    /// # Errors
    /// If its end cannot be waited for.
    pub(crate) async fn stop(mut self) -> Result<Option<String>> {
        if self.child.try_wait()?.is_some() {
            return Ok(Some(format!("the server had ended by itself:\n{}", self.log_tail())));
        }
        signal(self.pid, Signal::TERM)?;
        match timeout(STOP_TIMEOUT, self.child.wait()).await {
            Ok(status) if status.as_ref().is_ok_and(std::process::ExitStatus::success) => Ok(None),
            Ok(status) => Ok(Some(format!("the server ended with {}:\n{}", status?, self.log_tail()))),
            Err(_) => {
                self.child.kill().await?;
                Ok(Some(format!("the server did not stop within {STOP_TIMEOUT:?} of SIGTERM")))
            }
        }
    }

    fn log_tail(&self) -> String {
        tail(&std::fs::read_to_string(&self.log).unwrap_or_default())
    }
}

/// Whether the server there says that it is ready.
pub(crate) async fn is_ready(target: Target) -> bool {
    let mut request = Vec::new();
    Template::new("GET", "/readiness", "").write(b"", &mut request);
    let mut link = Connection::new(target);
    let asked = timeout(Duration::from_secs(2), link.exchange(&request)).await;
    matches!(asked, Ok(Ok(reply)) if reply.status == 200)
}

/// Sends a signal to a process that the drill started.
///
/// # Errors
/// If there is no such process.
pub(crate) fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("no process id")?;
    kill_process(pid, signal).with_context(|| format!("signalling process {}", pid.as_raw_nonzero()))
}

/// A port of the loopback interface that nobody listens on.
///
/// # Errors
/// If there is none.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
