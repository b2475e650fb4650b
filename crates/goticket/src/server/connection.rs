//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use api_rest::Peer;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::activity::Activity;
use super::stream::{Stream, Watched};
use super::tls::speaks_http_2;
use super::{Limits, Serving, refusal};

/// What HTTP/2 with prior knowledge begins with; no method of HTTP/1 does.
const PREFACE: &[u8; 4] = b"PRI ";
/// How often a connection is looked at again that has sent less than that.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// For how long, and for how many bytes, an ended connection is still read from.
const LINGER_MAX: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 16 * 1024 * 1024;

enum Version {
    One,
    Two,
}

/// Serves a connection to its end.
pub(super) async fn drive(stream: TcpStream, peer: IpAddr, serving: &Serving) {
    // Answers are written at once and whole: waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    serving.open.increment(1);
    let begun = tokio::select! {
        // Nothing was asked yet, so nothing has to be finished.
        () = serving.stop.cancelled() => None,
        begun = begin(stream, serving) => begun,
    };
    match begun {
        Some((Version::One, stream)) => drive_http1(stream, peer, serving).await,
        Some((Version::Two, stream)) => drive_http2(stream, peer, serving).await,
        None => {}
    }
    serving.open.decrement(1);
}

/// Shakes hands, where there is TLS, and finds out what is spoken; none if nothing comes of it.
async fn begin(stream: TcpStream, serving: &Serving) -> Option<(Version, Stream)> {
    let Some(tls) = &serving.tls else {
        let version = version_of(&stream, &serving.limits).await?;
        return Some((version, Stream::Plain(stream)));
    };
    let stream = match tls.accept(stream, serving.limits.header_timeout).await {
        Ok(stream) => stream,
        Err(error) => {
            serving.handshakes_failed.increment(1);
            tracing::debug!(%error, "A TLS handshake came to nothing");
            return None;
        }
    };
    let version = if speaks_http_2(&stream) { Version::Two } else { Version::One };
    Some((version, Stream::Secure(Box::new(stream))))
}

/// Waits for the first bytes and looks at them, without taking them; none if the connection ends or stays silent.
async fn version_of(stream: &TcpStream, limits: &Limits) -> Option<Version> {
    let mut seen = [0; PREFACE.len()];
    let first = timeout_at(Instant::now() + limits.idle_timeout, stream.peek(&mut seen)).await;
    let mut length = first.ok()?.ok()?;
    let deadline = Instant::now() + limits.header_timeout;
    loop {
        match &seen[..length] {
            [] => return None,
            all if all == PREFACE => return Some(Version::Two),
            // What may become either, like the `P` of a `POST`, is looked at again.
            start if PREFACE.starts_with(start) && Instant::now() < deadline => {}
            _ => return Some(Version::One),
        }
        sleep(LOOK_AGAIN).await;
        length = stream.peek(&mut seen).await.ok()?;
    }
}

async fn drive_http1(stream: Stream, peer: IpAddr, serving: &Serving) {
    let activity = Arc::new(Activity::new(true));
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
    let (router, noted) = (serving.router.clone(), Arc::clone(&activity));
    let service = service_fn(move |request| answer(router.clone(), Running::new(&noted), peer, request));
    let mut connection = serving.http1.serve_connection(io, service);
    let poll = |step: Step, task: &mut Context<'_>| match step {
        Step::Go => Pin::new(&mut connection).poll(task).map(drop),
        Step::Stop => {
            Pin::new(&mut connection).graceful_shutdown();
            Poll::Pending
        }
    };
    let end = watch(poll, &activity, &serving.limits, &serving.stop).await;
    let mut stream = connection.into_parts().io.into_inner().into_inner();
    match end {
        End::Over => linger(stream, &serving.stop).await,
        End::TooSlow if activity.is_reading_head() => {
            // Whoever sends slowly may also read slowly: he gets what goes out at once.
            stream.write_now(&refusal::head_too_slow());
            linger(stream, &serving.stop).await;
        }
        End::TooSlow => {}
    }
}

/// Ends a connection on which the other side may still be sending, as after a body that is too large: what it sends is
/// read and thrown away for a moment. Closing at once would reset the connection, and the answer would be lost with it.
async fn linger(mut stream: Stream, stop: &CancellationToken) {
    let drain = async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut left = LINGER_BYTES_MAX;
        let mut unread = Vec::with_capacity(16 * 1024);
        while left > 0 {
            match stream.read_buf(&mut unread).await {
                Ok(length @ 1..) => left = left.saturating_sub(length),
                _ => return,
            }
            unread.clear();
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = drain => {}
        () = sleep(LINGER_MAX) => {}
    }
}

async fn drive_http2(stream: Stream, peer: IpAddr, serving: &Serving) {
    let activity = Arc::new(Activity::new(false));
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
    let (router, noted) = (serving.router.clone(), Arc::clone(&activity));
    let service = service_fn(move |request| answer(router.clone(), Running::new(&noted), peer, request));
    let mut connection = pin!(serving.http2.serve_connection(io, service));
    let poll = |step: Step, task: &mut Context<'_>| match step {
        Step::Go => connection.as_mut().poll(task).map(drop),
        Step::Stop => {
            connection.as_mut().graceful_shutdown();
            Poll::Pending
        }
    };
    watch(poll, &activity, &serving.limits, &serving.stop).await;
}

async fn answer(
    mut router: Router,
    running: Running,
    peer: IpAddr,
    request: hyper::Request<Incoming>,
) -> Result<Response, Infallible> {
    let mut request: Request = request.map(Body::new);
    request.extensions_mut().insert(Peer(peer));
    // A router is always ready.
    let answered = router.call(request).await;
    drop(running);
    answered
}

/// A request whose answer has not begun.
struct Running(Arc<Activity>);

impl Running {
    fn new(activity: &Arc<Activity>) -> Self {
        activity.began();
        Self(Arc::clone(activity))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.ended();
    }
}

/// What is asked of a connection.
enum Step {
    /// Go on.
    Go,
    /// Finish what has begun, and take nothing new.
    Stop,
}

/// How it ended.
enum End {
    /// By itself.
    Over,
    /// A head, or silence, took too long.
    TooSlow,
}

/// Polls a connection until it ends, is told to, or takes too long.
async fn watch(
    mut poll: impl FnMut(Step, &mut Context<'_>) -> Poll<()>,
    activity: &Activity,
    limits: &Limits,
    stop: &CancellationToken,
) -> End {
    let mut timer = pin!(sleep_until(activity.deadline(limits)));
    let mut stopped = pin!(stop.cancelled());
    let mut stopping = false;
    poll_fn(|task| {
        if poll(Step::Go, task).is_ready() {
            return Poll::Ready(End::Over);
        }
        if !stopping && stopped.as_mut().poll(task).is_ready() {
            stopping = true;
            let _ = poll(Step::Stop, task);
            if poll(Step::Go, task).is_ready() {
                return Poll::Ready(End::Over);
            }
        }
        // A head that has begun ends sooner than the silence that the timer waits for. Later ends it finds by itself.
        if activity.is_reading_head() {
            let deadline = activity.deadline(limits);
            if deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
        }
        while timer.as_mut().poll(task).is_ready() {
            let deadline = activity.deadline(limits);
            if deadline <= Instant::now() {
                return Poll::Ready(End::TooSlow);
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    })
    .await
}
