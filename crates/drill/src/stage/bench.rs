//! What all scenarios of one run share, and how their stages are set.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::sync::OnceCell;

use super::people::People;
use super::postgres::{Cluster, Database};
use super::program::Program;
use super::sandbox::{Plan, SandboxProcess};
use super::scene::Stage;
use super::{Engine, Ground, Setup};
use crate::console::Progress;

/// What all scenarios of one run share.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) progress: Progress,
    pub(crate) seed: u64,
    pub(crate) buyers: usize,
    /// The server's executable, if it was found.
    pub(crate) server: Option<PathBuf>,
    /// Settings given to every server by the user.
    pub(crate) server_env: Vec<(String, String)>,
    pub(crate) postgres_url: Option<String>,
    cluster: OnceCell<Cluster>,
    /// Every database that was made on a shared server.
    databases: RefCell<Vec<Database>>,
    streams: Cell<u64>,
}

impl Bench {
    /// A bench for this run.
    pub(crate) fn new(
        progress: Progress,
        seed: u64,
        buyers: usize,
        server: Option<PathBuf>,
        server_env: Vec<(String, String)>,
        postgres_url: Option<String>,
    ) -> Self {
        Self {
            progress,
            seed,
            buyers,
            server,
            server_env,
            postgres_url,
            cluster: OnceCell::new(),
            databases: RefCell::default(),
            streams: Cell::new(0),
        }
    }

    /// A random stream of its own, the same in every run with the same seed.
    pub(crate) fn random(&self) -> SmallRng {
        let stream = self.streams.get() + 1;
        self.streams.set(stream);
        SmallRng::seed_from_u64(self.seed ^ stream.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// A fresh database on the given PostgreSQL, or on one that is started now
    /// and serves the whole run.
    pub(crate) async fn database(&self) -> Result<Database> {
        let url = match &self.postgres_url {
            Some(url) => url.clone(),
            None => self.cluster.get_or_try_init(|| async { self.start_cluster().await }).await?.url(),
        };
        let database = Database::create(&url, self.random()).await?;
        self.databases.borrow_mut().push(database.clone());
        Ok(database)
    }

    /// Drops the databases that a scenario could not drop because it failed.
    pub(crate) async fn clean(&self) {
        for database in self.databases.take() {
            database.remove().await;
        }
    }

    async fn start_cluster(&self) -> Result<Cluster> {
        self.progress.step("starting a PostgreSQL of our own");
        Cluster::start().await
    }

    /// Sets the stage of a scenario.
    pub(crate) async fn stage(&self, ground: &Ground, setup: Setup) -> Result<Stage> {
        match ground {
            Ground::Running { urls, tokens } => {
                let people = People::read(
                    &std::fs::read_to_string(tokens).with_context(|| format!("reading {}", tokens.display()))?,
                )?;
                Ok(Stage {
                    targets: urls.clone(),
                    people,
                    servers: Vec::new(),
                    sandbox: None,
                    program: None,
                    database: None,
                    cluster: None,
                    dir: None,
                })
            }
            Ground::Start(engine) => self.start(*engine, setup).await,
        }
    }

    async fn start(&self, engine: Engine, setup: Setup) -> Result<Stage> {
        ensure!(
            setup.replicas == 1 || engine == Engine::Postgres,
            "several servers need one PostgreSQL: use --start postgres"
        );
        let Some(binary) = &self.server else {
            bail!("the server's binary `goticket` does not lie beside the drill's: build it, or give --server");
        };
        let dir = tempfile::Builder::new().prefix("goticket-drill-").tempdir()?;
        let mut cluster = None;
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres if setup.own_cluster => {
                let own = self.start_cluster().await?;
                let database = Database::create(&own.url(), self.random()).await?;
                cluster = Some(own);
                Some(database)
            }
            Engine::Postgres => Some(self.database().await?),
        };
        let url = match &database {
            Some(database) => database.url().to_owned(),
            None => format!("sqlite://{}", dir.path().join("goticket.db").display()),
        };
        let own = [
            ("GOTICKET_DATABASE__URL".to_owned(), url),
            ("GOTICKET_DATA_DIR".to_owned(), dir.path().display().to_string()),
            ("GOTICKET_DEMO__ENABLED".to_owned(), "true".to_owned()),
            ("GOTICKET_HTTP__TRUSTED_PROXIES".to_owned(), "127.0.0.1".to_owned()),
        ];
        let apart = setup.sandbox.map(|behaviour| Plan::make().map(|plan| (plan, behaviour))).transpose()?;
        let of_sandbox = apart.iter().flat_map(|(plan, _)| plan.settings());
        let env = own.into_iter().chain(setup.limits.settings()).chain(of_sandbox);
        let env = env.chain(self.server_env.iter().cloned()).collect();
        let program = Program::new(binary.clone(), env, dir.path().to_path_buf());
        program.run(&["migrate"]).await?;
        let people = People::make(&program, self.buyers).await?;
        let mut stage = Stage {
            targets: Vec::new(),
            people,
            servers: Vec::new(),
            sandbox: None,
            program: Some(program),
            database,
            cluster,
            dir: Some(dir),
        };
        if let Some((plan, behaviour)) = apart {
            stage.sandbox = Some(SandboxProcess::start(stage.program()?, plan.sandbox, behaviour).await?);
            stage.add_server_at(plan.server).await?;
        }
        for _ in stage.servers.len()..setup.replicas {
            stage.add_server().await?;
        }
        Ok(stage)
    }
}
