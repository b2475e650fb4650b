//! Listens, and serves HTTP/1.1 and HTTP/2 on one address: with TLS by what the client chooses (ALPN), without it by what
//! it begins with.
//!
//! The loop is our own because `axum::serve` bounds nothing: here are the most connections, the time that a head may
//! take, the time that a connection may be silent, and the graceful stop.

mod activity;
mod connection;
mod refusal;
mod stream;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use metrics::{Counter, Gauge, counter, gauge};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use tls::{Tls, TlsFiles};

/// What one address bears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The most connections at a time.
    pub connections_max: usize,
    /// From the first byte of a request to the end of its head.
    pub header_timeout: Duration,
    /// Without a byte in either direction.
    pub idle_timeout: Duration,
    /// The most bytes of address and headers that the router wants to see; it refuses more by itself.
    pub header_bytes_max: usize,
}

/// How many connections the system keeps for us until they are accepted.
const BACKLOG: u32 = 4_096;
/// For how long nothing is accepted when the system has run out of something.
const PAUSE: Duration = Duration::from_millis(50);
/// What the HTTP library reads beyond the limit of the router, so that the router is the one who refuses.
const HEADER_BYTES_SPARE: usize = 16 * 1024;
/// Requests of one HTTP/2 connection at a time.
const STREAMS_MAX: u32 = 200;

/// Listens at an address.
///
/// # Errors
/// If the system does not let us: most often, because somebody else listens there.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What all connections of one address share.
pub(crate) struct Serving {
    router: Router,
    limits: Limits,
    http1: hyper::server::conn::http1::Builder,
    http2: hyper::server::conn::http2::Builder<TokioExecutor>,
    stop: CancellationToken,
    open: Gauge,
    tls: Option<Arc<Tls>>,
    handshakes_failed: Counter,
}

impl Serving {
    fn new(
        router: Router,
        (limits, tls): (Limits, Option<Arc<Tls>>),
        name: &'static str,
        stop: CancellationToken,
    ) -> Self {
        let buffer = limits.header_bytes_max + HEADER_BYTES_SPARE;
        let mut http1 = hyper::server::conn::http1::Builder::new();
        // The time of a head is measured in `activity`: the timer of hyper would also end connections that are idle.
        http1.timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(buffer);
        let mut http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(u32::try_from(buffer).unwrap_or(u32::MAX));
        let open = gauge!("http_connections", "address" => name);
        let handshakes_failed = counter!("http_tls_handshakes_failed_total", "address" => name);
        Self { router, limits, http1, http2, stop, open, tls, handshakes_failed }
    }
}

/// Serves until `stop`; then the connections, which `tasks` tracks, finish what they have begun.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    (limits, tls): (Limits, Option<Arc<Tls>>),
    name: &'static str,
    stop: CancellationToken,
    tasks: TaskTracker,
) {
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let refused: Counter = counter!("http_connections_refused_total", "address" => name);
    let serving = Arc::new(Serving::new(router, (limits, tls.clone()), name, stop.clone()));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => {
                    let serving = Arc::clone(&serving);
                    tasks.spawn(async move {
                        connection::drive(stream, peer.ip(), &serving).await;
                        drop(place);
                    });
                }
                Err(_) => {
                    refused.increment(1);
                    // A refusal in the clear is no answer to whoever waits for a handshake.
                    if tls.is_none() {
                        refuse(stream);
                    }
                }
            },
            Err(error) => bear(&error).await,
        }
    }
}

/// Answers 503 as well as that goes without waiting for anybody.
fn refuse(stream: TcpStream) {
    // A new connection takes so few bytes at once, or it is gone.
    let _ = stream.try_write(&refusal::too_many_connections());
}

/// A connection that is gone before it was accepted concerns nobody. Anything else, like too many open files, passes
/// when others end; trying again at once would only burn the processor.
async fn bear(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "Connections cannot be accepted at the moment");
        tokio::time::sleep(PAUSE).await;
    }
}
