//! The stage of one scenario: servers that answer, and the people who use them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::people::People;
use super::postgres::{Cluster, Database};
use super::program::Program;
use super::sandbox::SandboxProcess;
use super::server::{Server, free_port};
use crate::report::Section;
use crate::wire::{Api, Target};

/// Servers that answer, and the people who use them.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) targets: Vec<Target>,
    pub(crate) people: People,
    /// The servers the drill started; a killed one is gone from here. They come
    /// first, so that they are stopped before their database is dropped.
    pub(crate) servers: Vec<Server>,
    /// Where it runs apart.
    pub(super) sandbox: Option<SandboxProcess>,
    pub(super) program: Option<Program>,
    pub(super) database: Option<Database>,
    pub(super) cluster: Option<Cluster>,
    pub(super) dir: Option<TempDir>,
}

impl Stage {
    /// A caller of the first server.
    pub(crate) fn api(&self) -> Api {
        Api::new(self.targets[0])
    }

    /// A caller of the first server's operations address, if the drill started it.
    pub(crate) fn ops(&self) -> Option<Api> {
        self.servers.first().map(|server| Api::new(server.ops()))
    }

    /// Where the sandbox of the first server keeps its books, if the drill started it.
    pub(crate) fn sandbox_journal(&self) -> Option<PathBuf> {
        self.dir.as_ref().map(|dir| dir.path().join("sandbox.jsonl"))
    }

    /// The process of the first server, if the drill started it.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.servers.first().map(Server::pid)
    }

    /// The program that the servers run.
    ///
    /// # Errors
    /// If the drill did not start them.
    pub(crate) fn program(&self) -> Result<&Program> {
        self.program.as_ref().context("this scenario starts its servers itself: use --start")
    }

    /// The database server that only this stage uses.
    ///
    /// # Errors
    /// If it was not asked for.
    pub(crate) fn cluster(&mut self) -> Result<&mut Cluster> {
        self.cluster.as_mut().context("only a PostgreSQL that the drill started itself is killed: use --start postgres")
    }

    /// Starts one server more.
    ///
    /// # Errors
    /// If it does not get ready.
    pub(super) async fn add_server(&mut self) -> Result<()> {
        self.add_server_at(Target::loopback(free_port()?)).await
    }

    /// Starts one server more, at this address.
    ///
    /// # Errors
    /// If it does not get ready.
    pub(super) async fn add_server_at(&mut self, http: Target) -> Result<()> {
        let ops = Target::loopback(free_port()?);
        let server = self.program()?.serve_at(self.servers.len(), http, ops).await?;
        self.targets.push(server.http());
        self.servers.push(server);
        Ok(())
    }

    /// The sandbox that runs apart.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn sandbox(&self) -> Result<&SandboxProcess> {
        self.sandbox.as_ref().context("there is no sandbox apart")
    }

    /// Kills the sandbox with SIGKILL, and starts it again with its books.
    ///
    /// # Errors
    /// If it does not run apart, or does not answer again.
    pub(crate) async fn crash_sandbox(&mut self) -> Result<()> {
        let mut sandbox = self.sandbox.take().context("there is no sandbox to kill")?;
        sandbox.kill().await?;
        sandbox.restart(self.program()?).await?;
        self.sandbox = Some(sandbox);
        Ok(())
    }

    /// Kills the first server with SIGKILL.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) async fn kill_server(&mut self) -> Result<()> {
        let server = self.servers.first_mut().context("there is no server to kill")?;
        server.kill().await
    }

    /// Starts the killed server again at its old address.
    ///
    /// # Errors
    /// If it does not get ready.
    pub(crate) async fn restart_server(&mut self) -> Result<Duration> {
        let old = self.servers.first().context("there is no server to restart")?;
        let (http, ops) = (old.http(), old.ops());
        let server = self.program()?.serve_at(0, http, ops).await?;
        let ready_in = server.ready_in();
        self.servers[0] = server;
        Ok(ready_in)
    }

    /// Stops the servers softly, has `goticket verify` recompute everything, and
    /// notes in the section what was not clean.
    ///
    /// # Errors
    /// If a program cannot be run.
    pub(crate) async fn close(mut self, section: &mut Section) -> Result<()> {
        for server in self.servers.drain(..) {
            if let Some(complaint) = server.stop().await? {
                section.fail(complaint);
            }
        }
        if let Some(program) = &self.program {
            match program.verify().await? {
                None => section.note("goticket verify: clean"),
                Some(differences) => section.fail(format!("goticket verify: {differences}")),
            }
        }
        if let Some(database) = self.database.take() {
            database.remove().await;
        }
        drop(self.dir.take());
        Ok(())
    }
}
