//! PostgreSQL: databases of their own for each run, on a given server or on one
//! that is started for it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rand::RngExt;
use rand::rngs::SmallRng;
use rustix::process::Signal;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;
use tokio::time::sleep;

use super::memory;
use super::server::{free_port, signal};

const INSTALLED: &str = "/usr/lib/postgresql";
/// So many segments of the log may be missing from what is to be kept.
const RESERVE_MISSING_MAX: i64 = 64;
/// All at its default but what has to fit the test, buffers of a quarter of the memory, as its manual advises, and room
/// for its log: durability stays full.
fn settings(port: u16) -> String {
    let megabytes = memory::of_machine().unwrap_or(1 << 30) / 4 / (1 << 20);
    format!(
        "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nport = {port}\nmax_connections = 200\n\
         shared_buffers = '{megabytes}MB'\nmax_wal_size = '4GB'\nmin_wal_size = '2GB'\n"
    )
}

/// A database that belongs to one run; dropped at its end.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    maintenance: String,
    name: String,
    url: String,
}

impl Database {
    /// Makes one on the server that `maintenance` names.
    ///
    /// # Errors
    /// If the server is not on this machine, does not answer or refuses.
    pub(crate) async fn create(maintenance: &str, mut random: SmallRng) -> Result<Self> {
        let (base, _) = split(maintenance)?;
        // the process too: a run with the same seed may still be going on
        let name = format!("goticket_drill_{}_{:016x}", std::process::id(), random.random::<u64>());
        let url = format!("{base}/{name}");
        let mut connection = PgConnection::connect(maintenance).await.context("connecting to PostgreSQL")?;
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await?;
        reserve_wal(&mut connection).await.context("reserving segments of the log")?;
        connection.close().await?;
        Ok(Self { maintenance: maintenance.to_owned(), name, url })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Drops it, if it is still there. A failure is left alone: nobody else uses the name.
    pub(crate) async fn remove(self) {
        if let Ok(mut connection) = PgConnection::connect(&self.maintenance).await {
            let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
            let _ = sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await;
        }
    }
}

/// Has the server keep as many segments of its log as `min_wal_size` says, as one does that has been running for a while.
/// On a new one each is made, filled with zeros and flushed when the sale comes to it, while everybody waits. Where they are
/// there already, nothing is done.
async fn reserve_wal(connection: &mut PgConnection) -> Result<()> {
    let missing = "SELECT (setting::bigint * 1048576 - (SELECT sum(size) FROM pg_ls_waldir()))::bigint
            / pg_size_bytes(current_setting('wal_segment_size'))
        FROM pg_settings WHERE name = 'min_wal_size'";
    let missing: i64 = sqlx::query_scalar(missing).fetch_one(&mut *connection).await?;
    // A checkpoint keeps some fewer than it might.
    if missing < RESERVE_MISSING_MAX {
        return Ok(());
    }
    for _ in 0..missing {
        let fill_one = "SELECT pg_logical_emit_message(false, 'drill', ''); SELECT pg_switch_wal()";
        sqlx::raw_sql(fill_one).execute(&mut *connection).await?;
    }
    sqlx::raw_sql("CHECKPOINT").execute(&mut *connection).await?;
    Ok(())
}

/// Splits a URL into server and database, and refuses servers elsewhere.
fn split(url: &str) -> Result<(&str, &str)> {
    let rest = url
        .strip_prefix("postgres://")
        .or_else(|| url.strip_prefix("postgresql://"))
        .context("a PostgreSQL URL starts with postgres://")?;
    let (server, database) = rest.split_once('/').unwrap_or((rest, ""));
    let host = server.rsplit('@').next().unwrap_or(server);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    ensure!(
        matches!(name, "127.0.0.1" | "localhost" | "[::1]"),
        "PostgreSQL at `{name}` is not on this machine: load goes to loopback addresses only"
    );
    Ok((&url[..url.len() - rest.len() + server.len()], database))
}

/// A PostgreSQL server of our own; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Cluster {
    bin: PathBuf,
    port: u16,
    dir: TempDir,
}

impl Cluster {
    /// Makes a data folder and starts a server on a free port.
    ///
    /// # Errors
    /// If PostgreSQL is not installed or does not start.
    pub(crate) async fn start() -> Result<Self> {
        // it must be open to the user that the server runs as
        let dir = tempfile::Builder::new()
            .prefix("goticket-drill-pg-")
            .permissions(std::fs::Permissions::from_mode(0o755))
            .tempdir()?;
        let cluster = Self { bin: installed()?, port: free_port()?, dir };
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(cluster.dir.path()))?;
        }
        run(cluster
            .tool("initdb")
            .args(["-U", "goticket", "-A", "trust", "-E", "UTF8", "--locale=C", "-D"])
            .arg(cluster.data()))?;
        let settings = settings(cluster.port);
        let file = cluster.data().join("postgresql.conf");
        let old = std::fs::read_to_string(&file)?;
        std::fs::write(&file, old + &settings)?;
        cluster.launch()?;
        Ok(cluster)
    }

    /// The URL of its maintenance database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://goticket@127.0.0.1:{}/postgres", self.port)
    }

    /// Kills the postmaster with SIGKILL; its children notice and end.
    ///
    /// # Errors
    /// If it does not run.
    pub(crate) fn kill(&mut self) -> Result<()> {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid"))?;
        let pid = file.lines().next().and_then(|line| line.trim().parse().ok()).context("postmaster.pid is empty")?;
        signal(pid, Signal::KILL)
    }

    /// Starts it again after a kill: as long as children of the old one live, it refuses.
    ///
    /// # Errors
    /// If it does not start within half a minute.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        let mut last = None;
        for _ in 0..60 {
            match self.launch() {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
            sleep(Duration::from_millis(500)).await;
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("never tried"))).context("PostgreSQL does not start again")
    }

    fn launch(&self) -> Result<()> {
        run(self
            .tool("pg_ctl")
            .args(["-w", "-t", "60", "-l"])
            .arg(self.dir.path().join("log"))
            .arg("-D")
            .arg(self.data())
            .arg("start"))
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A program of PostgreSQL, as a user that it accepts: never root.
    fn tool(&self, name: &str) -> Command {
        let path = self.bin.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir(self.dir.path());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // what cannot be stopped now has been killed already
        let _ = run(self.tool("pg_ctl").args(["-m", "immediate", "-w", "-D"]).arg(self.data()).arg("stop"));
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The programs of the newest PostgreSQL on this machine.
pub(crate) fn installed() -> Result<PathBuf> {
    let version =
        |path: &Path| path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<u32>().ok());
    let newest = std::fs::read_dir(INSTALLED)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join("bin/initdb").exists())
        .max_by_key(|path| version(path));
    match newest {
        Some(path) => Ok(path.join("bin")),
        None => bail!("no PostgreSQL under {INSTALLED}: install it, or give --postgres URL"),
    }
}

fn run(command: &mut Command) -> Result<()> {
    // the server that pg_ctl starts keeps these: a pipe would never end
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let status = status.with_context(|| format!("running {:?}", command.get_program()))?;
    ensure!(status.success(), "{command:?} failed with {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn only_servers_of_this_machine_are_used() {
        assert_eq!(split("postgres://u:p@127.0.0.1:5432/x").unwrap(), ("postgres://u:p@127.0.0.1:5432", "x"));
        assert_eq!(split("postgres://localhost/x").unwrap(), ("postgres://localhost", "x"));
        assert!(split("postgres://u@db.example.org/x").is_err());
        assert!(split("mysql://127.0.0.1/x").is_err());
    }
}
