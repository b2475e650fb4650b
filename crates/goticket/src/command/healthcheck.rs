//! `goticket healthcheck`: for containers and supervisors that have no HTTP client.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cli::Healthcheck;
use crate::config::{Settings, reachable};
use crate::output;

const PATIENCE: Duration = Duration::from_secs(3);
const ANSWER_MAX: u64 = 64 * 1024;

pub(super) async fn run(settings: Settings, arguments: Healthcheck) -> anyhow::Result<ExitCode> {
    // Where the public address speaks TLS, the probes of the operations address are asked, which never does.
    let has_tls = settings.http.tls_files().is_some();
    let address = reachable(if has_tls { settings.ops.address } else { settings.http.address });
    let path = if arguments.liveness { "/liveness" } else { "/readiness" };
    let asked = tokio::time::timeout(PATIENCE, ask(address, path)).await;
    let status = asked.unwrap_or_else(|_| Err(anyhow!("no answer within {PATIENCE:?}")));
    match status.with_context(|| format!("http://{address}{path}"))? {
        200 => output::line(if arguments.liveness { "The server runs." } else { "The server is ready." })?,
        status => bail!("http://{address}{path} answers {status}"),
    }
    Ok(ExitCode::SUCCESS)
}

async fn ask(address: SocketAddr, path: &str) -> anyhow::Result<u16> {
    let mut stream = TcpStream::connect(address).await.context("nobody listens")?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer).await?;
    let status =
        answer.strip_prefix(b"HTTP/1.1 ").and_then(|rest| std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok());
    status.context("what listens there does not speak HTTP")
}
