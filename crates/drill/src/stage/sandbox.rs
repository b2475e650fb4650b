//! The sandbox of payments as a process of its own, so that it can be killed apart from the server.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tokio::process::Child;
use tokio::time::sleep;

use super::program::Program;
use super::server::{free_port, signal};
use crate::wire::{Api, Target};

/// It moves no money, and listens on the loopback interface only.
const SECRET: &str = "secret-of-the-drills-sandbox";
const READY_TIMEOUT: Duration = Duration::from_secs(20);

/// Where it will be, and the server that it sends its messages to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) sandbox: Target,
    pub(super) server: Target,
}

impl Plan {
    /// On free ports.
    ///
    /// # Errors
    /// If there are none.
    pub(super) fn make() -> Result<Self> {
        Ok(Self { sandbox: Target::loopback(free_port()?), server: Target::loopback(free_port()?) })
    }

    /// What both programs are told.
    pub(super) fn settings(&self) -> Vec<(String, String)> {
        let Self { sandbox, server } = self;
        let settings = [
            ("URL", format!("http://{sandbox}")),
            ("ADDRESS", sandbox.to_string()),
            ("SECRET", SECRET.to_owned()),
            ("WEBHOOK_URL", format!("http://{server}/api/v1/webhooks/sandbox")),
        ];
        settings.map(|(name, value)| (format!("GOTICKET_PAYMENTS__SANDBOX__{name}"), value)).into()
    }
}

/// It runs; dropping it kills it.
#[derive(Debug)]
pub(crate) struct SandboxProcess {
    child: Child,
    target: Target,
    /// How it is to behave, told anew after each start.
    behaviour: String,
}

impl SandboxProcess {
    /// Starts it, and tells it how to behave.
    ///
    /// # Errors
    /// If it does not answer.
    pub(super) async fn start(program: &Program, target: Target, behaviour: String) -> Result<Self> {
        let mut child = program.sandbox()?.spawn().context("starting the sandbox")?;
        let started = Instant::now();
        let authorization = format!("Authorization: Bearer {SECRET}\r\n");
        loop {
            let told = Api::new(target).call("PUT", "/v1/behaviour", authorization.as_bytes(), &behaviour).await;
            match told {
                Ok((200 | 204, _)) => return Ok(Self { child, target, behaviour }),
                Ok((status, text)) => bail!("the sandbox answers {status}: {text}"),
                Err(error) if started.elapsed() > READY_TIMEOUT => return Err(error.context("the sandbox")),
                Err(_) => {}
            }
            if let Some(status) = child.try_wait()? {
                bail!("the sandbox ended with {status}");
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Kills it with SIGKILL.
    ///
    /// # Errors
    /// If there is nothing to kill.
    pub(super) async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("killing the sandbox")
    }

    /// Freezes it (SIGSTOP): it reads nothing any more.
    ///
    /// # Errors
    /// If there is no such process.
    pub(crate) fn pause(&self) -> Result<()> {
        signal(self.child.id().context("the sandbox has ended")?, Signal::STOP)
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// If there is no such process.
    pub(crate) fn resume(&self) -> Result<()> {
        signal(self.child.id().context("the sandbox has ended")?, Signal::CONT)
    }

    /// Starts it again with its books, where it was.
    ///
    /// # Errors
    /// If it does not answer.
    pub(super) async fn restart(&mut self, program: &Program) -> Result<()> {
        *self = Self::start(program, self.target, self.behaviour.clone()).await?;
        Ok(())
    }
}
